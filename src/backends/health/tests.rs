//! One table of state × observation, each cell tested, and what follows from rows of them.

use super::Evidence::{Gone, Silent, Unwell};
use super::Observation::{Bad, Failing, Good, Late, Response, TrialPassed};
use super::State::{Ejected, Suspect, Unseen, Up};
use super::*;

const DOWN: State = down(0, Why::Itself);
const RISING: State = down(1, Why::Itself);
const SILENCED: State = down(0, Why::Silence);
const RISING_SILENCED: State = down(1, Why::Silence);
const UNANSWERED: State = down(0, Why::NeverAnswered);
const OUT: State = ejected(0, false);
const OUT_BAD: State = ejected(1, false);
const KEPT: State = ejected(0, true);
const KEPT_BAD: State = ejected(1, true);

const fn down(good: u32, why: Why) -> State {
    State::Down { good, why }
}

const fn ejected(bad: u32, is_kept: bool) -> State {
    Ejected { bad, is_kept }
}

const OBSERVATIONS: [Observation; 8] = [
    Good,
    Bad(Gone),
    Bad(Unwell),
    Bad(Silent),
    Late,
    Response,
    Failing,
    TrialPassed,
];

fn at(state: State) -> Health {
    Health {
        state,
        ..Health::new(2, 2)
    }
}

fn run(rise: u32, fall: u32, seen: &[Observation]) -> Vec<Option<Transition>> {
    let mut health = Health::new(rise, fall);
    seen.iter()
        .map(|&observation| health.step(observation, true))
        .collect()
}

/// With rise 2 and fall 2, for one that may leave; in the order of `OBSERVATIONS`.
#[rustfmt::skip]
const TABLE: [(State, [State; 8]); 12] = [
    //                   Good             Gone               Unwell             Silent              Late                Response           Failing            TrialPassed
    (Unseen,            [Up { bad: 0 },   DOWN,              DOWN,              UNANSWERED,         Unseen,             Unseen,            Unseen,            Unseen]),
    (Up { bad: 0 },     [Up { bad: 0 },   Up { bad: 1 },     Up { bad: 1 },     Suspect { bad: 1 }, Suspect { bad: 0 }, Up { bad: 0 },     OUT, Up { bad: 0 }]),
    (Up { bad: 1 },     [Up { bad: 0 },   DOWN,              DOWN,              SILENCED,           Suspect { bad: 1 }, Up { bad: 1 },     OUT, Up { bad: 1 }]),
    (Suspect { bad: 0 }, [Up { bad: 0 },  Suspect { bad: 1 }, Suspect { bad: 1 }, Suspect { bad: 1 }, Suspect { bad: 0 }, Up { bad: 0 },   OUT, Up { bad: 0 }]),
    (Suspect { bad: 1 }, [Up { bad: 0 },  DOWN,              DOWN,              SILENCED,           Suspect { bad: 1 }, Up { bad: 1 },     OUT, Up { bad: 1 }]),
    (Suspect { bad: 2 }, [Up { bad: 0 },  DOWN,              DOWN,              SILENCED,           Suspect { bad: 2 }, Up { bad: 1 },     OUT, Up { bad: 1 }]),
    (DOWN,              [RISING,          DOWN,              DOWN,              DOWN,               DOWN,               DOWN,              DOWN,              DOWN]),
    (UNANSWERED,        [Up { bad: 0 },   DOWN,              DOWN,              UNANSWERED,         UNANSWERED,         UNANSWERED,        UNANSWERED,        UNANSWERED]),
    (SILENCED,          [RISING_SILENCED, DOWN,              DOWN,              SILENCED,           SILENCED,           Suspect { bad: 0 }, SILENCED,         SILENCED]),
    (RISING_SILENCED,   [Up { bad: 0 },   DOWN,              DOWN,              SILENCED,           RISING_SILENCED,    Suspect { bad: 0 }, RISING_SILENCED,  RISING_SILENCED]),
    (OUT, [OUT, OUT_BAD, OUT_BAD, OUT_BAD, OUT, OUT, OUT, Up { bad: 0 }]),
    (KEPT,              [KEPT,            KEPT_BAD,          KEPT_BAD,          KEPT_BAD,           KEPT,               Up { bad: 0 },     OUT,               Up { bad: 0 }]),
];

#[test]
fn every_state_takes_every_observation_where_it_belongs() {
    for (before, row) in TABLE {
        for (observation, after) in OBSERVATIONS.into_iter().zip(row) {
            let mut health = at(before);
            let transition = health.step(observation, true);
            assert_eq!(health.state, after, "{observation:?} at {before:?}");
            let standing = |health: &Health| (health.is_up(), !health.is_clear());
            let expected = match (standing(&at(before)), standing(&health)) {
                ((false, _), (true, _)) => Some(Transition::Up),
                ((true, _), (false, _)) => Some(Transition::Down),
                ((true, false), (true, true)) => Some(Transition::Suspected),
                ((true, true), (true, false)) => Some(Transition::Cleared),
                _ if before == Unseen && after != Unseen => Some(Transition::Down),
                _ => None,
            };
            assert_eq!(transition, expected, "{observation:?} at {before:?}");
        }
    }
}

#[test]
fn one_that_may_not_leave_is_kept_on_silence_and_failing_requests_only() {
    for (before, row) in TABLE {
        for (observation, after) in OBSERVATIONS.into_iter().zip(row) {
            let expected = match (before, observation) {
                (Up { bad: 1 } | Suspect { bad: 1 | 2 }, Bad(Silent)) => Suspect { bad: 2 },
                (Up { .. } | Suspect { .. } | KEPT, Failing) | (KEPT, Bad(Silent)) => KEPT,
                _ => after,
            };
            let mut health = at(before);
            health.step(observation, false);
            assert_eq!(health.state, expected, "{observation:?} at {before:?}");
        }
    }
}

#[test]
fn bad_checks_in_a_row_explain_why_one_was_ejected() {
    for (evidence, after) in [(Gone, DOWN), (Unwell, DOWN), (Silent, SILENCED)] {
        let mut health = at(OUT_BAD);
        health.step(Bad(evidence), false);
        assert_eq!(health.state, after);
    }
    let mut health = at(OUT_BAD);
    health.step(Good, false);
    assert_eq!(health.state, OUT);
}

#[test]
fn the_first_observation_decides() {
    use Transition::{Down, Up};
    assert_eq!(run(3, 3, &[Good, Good]), [Some(Up), None]);
    assert_eq!(run(3, 3, &[Bad(Gone), Bad(Silent)]), [Some(Down), None]);
    assert_eq!(run(3, 3, &[Bad(Gone), Good]), [Some(Down), None]);
    let late = [Bad(Silent), Bad(Silent), Good];
    let expected = [Some(Down), None, Some(Up)];
    assert_eq!(run(3, 3, &late), expected, "it was only late");
}

#[test]
fn it_takes_so_many_in_a_row() {
    use Transition::{Down, Up};
    let bad = Bad(Gone);
    let seen = [Good, bad, Good, bad, bad, Good, bad, Good, Good, Good];
    let changed: Vec<_> = run(3, 2, &seen)
        .into_iter()
        .map(|one| one.is_some())
        .collect();
    let expected = [
        true, false, false, false, true, false, false, false, false, true,
    ];
    assert_eq!(changed, expected);
    assert_eq!(
        run(1, 1, &[Good, bad, Good]),
        [Some(Up), Some(Down), Some(Up)]
    );
    let mixed = [Good, Bad(Silent), Bad(Unwell)];
    assert_eq!(run(1, 2, &mixed)[2], Some(Down), "of whatever kind");
}

#[test]
fn it_is_unsettled_until_all_is_well() {
    let mut health = Health::new(2, 2);
    let seen = [
        Good,
        Bad(Gone),
        Good,
        Late,
        Response,
        Bad(Gone),
        Bad(Gone),
        Good,
        Good,
    ];
    let unsettled = seen.map(|observation| {
        health.step(observation, true);
        health.is_unsettled()
    });
    assert_eq!(
        unsettled,
        [false, true, false, true, false, true, true, true, false]
    );
}

#[test]
fn only_who_is_down_by_silence_or_ejected_is_restored() {
    for (before, _) in TABLE {
        let is_silenced = [SILENCED, RISING_SILENCED].contains(&before);
        let mut health = at(before);
        assert_eq!(health.restore_silent(), is_silenced, "{before:?}");
        let after = if is_silenced {
            Suspect { bad: 2 }
        } else {
            before
        };
        assert_eq!(health.state, after);
        let is_out = before == OUT;
        let mut health = at(before);
        assert_eq!(health.restore_ejected(), is_out, "{before:?}");
        assert_eq!(health.state, if is_out { KEPT } else { before });
    }
    // One that was never seen to answer is down, whatever the others are.
    let mut health = Health::new(2, 2);
    health.step(Bad(Silent), true);
    assert!(!health.restore_silent());
}
