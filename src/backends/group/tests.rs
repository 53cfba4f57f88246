//! Groups of one to five backends, and every order of what can be seen of them.

use super::super::silence::CALM;
use super::*;
use crate::backends::health::Evidence::{Gone, Silent, Unwell};
use crate::backends::health::Health;
use crate::backends::health::Observation::{Bad, Failing, Good, Response, TrialPassed};
use crate::backends::{GroupPolicy, Key, Name, Wanted};

/// So many backends that have answered their first check and go down after one bad one.
fn group(count: usize) -> Arc<Backends<()>> {
    let name = |index: usize| Name {
        host: "x".into(),
        port: u16::try_from(index).expect("a few backends"),
    };
    let new = |index| Member::new(Arc::new(Backend::new(name(index), Health::new(1, 1))));
    let group = Backends::new((0..count).map(new).collect(), GroupPolicy::default());
    (0..count).for_each(|index| drop(see(&group, index, Good)));
    group
}

fn index(backend: &Backend<()>) -> usize {
    usize::from(backend.name.port)
}

fn next(group: &Arc<Backends<()>>) -> Option<usize> {
    let picked = group.pick(Key::Absent, Wanted::Next);
    picked.lease().map(|lease| index(&lease))
}

fn see(group: &Backends<()>, index: usize, observation: Observation) -> Option<Change<()>> {
    see_at(group, index, observation, Instant::now())
}

fn see_at(
    group: &Backends<()>,
    index: usize,
    observation: Observation,
    now: Instant,
) -> Option<Change<()>> {
    group.observe(&group.all()[index], observation, &Finding::default(), now)
}

/// The state of each: up, suspect, silent and idle, failing and idle, down for silence, down by
/// itself, ejected.
fn states(group: &Backends<()>) -> String {
    let state = |backend: &Arc<Backend<()>>| {
        let state = backend.state();
        match (state.health.is_up(), state.health.is_silent()) {
            (true, true) => 'S',
            (true, false) if state.health.is_ejected() => 'F',
            (true, false) if state.health.is_suspect() => 's',
            (true, false) => 'u',
            (false, true) => 'd',
            (false, false) if state.health.is_ejected() => 'e',
            (false, false) => '-',
        }
    };
    group.all().iter().map(state).collect()
}

#[test]
fn silence_takes_at_most_half_and_beyond_that_nobody() {
    for (count, expected) in [
        (1, vec!["S"]),
        (2, vec!["du", "SS"]),
        (3, vec!["duu", "SSu", "SSS"]),
        (4, vec!["duuu", "dduu", "SSSu", "SSSS"]),
        (5, vec!["duuuu", "dduuu", "SSSuu", "SSSSu", "SSSSS"]),
    ] {
        let group = group(count);
        for (index, expected) in expected.into_iter().enumerate() {
            see(&group, index, Bad(Silent));
            assert_eq!(states(&group), expected, "{count}");
        }
    }
}

#[test]
fn whatever_comes_in_whatever_order_at_most_half_are_out_for_silence_or_failures() {
    let observations = [
        Good,
        Bad(Gone),
        Bad(Unwell),
        Bad(Silent),
        Response,
        Failing,
        TrialPassed,
    ];
    let mut random = fastrand::Rng::with_seed(12);
    for count in [1, 2, 3, 5] {
        for _ in 0..300 {
            let group = group(count);
            for step in 0..30 {
                let (index, seen) = (random.usize(..count), random.choice(observations));
                see(&group, index, seen.expect("one of them"));
                let states = states(&group);
                let number = |of: &str| states.chars().filter(|one| of.contains(*one)).count();
                let able = count - number("-");
                let text = format!("{states} at step {step}");
                assert!(number("d") * 2 <= able, "{text}");
                assert!(number("de") * 2 <= count, "{text}");
                let is_in_use = number("usSF") > 0;
                assert!(is_in_use || able == 0, "{text}");
            }
        }
    }
}

#[test]
fn a_silent_majority_is_reported_once_and_ends_when_it_has_been_well_for_a_while() {
    let (group, start) = (group(3), Instant::now());
    let see_after = |seconds, index, observation| {
        let now = start + Duration::from_secs(seconds);
        see_at(&group, index, observation, now).and_then(|change| change.silence)
    };
    assert_eq!(see_after(0, 0, Bad(Silent)), None);
    assert_eq!(see_after(0, 1, Bad(Silent)), Some(true));
    assert_eq!(see_after(1, 1, Good), None);
    assert_eq!(see_after(5, 1, Bad(Silent)), None, "the same trouble");
    assert_eq!(see_after(6, 1, Good), None);
    assert!(group.are_most_silent());
    assert_eq!(see_after(15, 0, Good), None);
    assert_eq!(see_after(16, 1, Good), Some(false));
    assert!(!group.are_most_silent());
}

#[test]
fn those_that_are_used_again_are_named() {
    let group = group(3);
    see(&group, 0, Bad(Silent));
    let change = see(&group, 1, Bad(Silent)).expect("a change");
    let restored: Vec<usize> = change.restored.iter().map(|(one, _)| index(one)).collect();
    assert_eq!((restored, change.up, change.of), (vec![0], 3, 3));
    // For a while after that nobody leaves for silence; then it is a trouble of its own.
    let start = Instant::now();
    see_at(&group, 0, Good, start);
    see_at(&group, 1, Response, start);
    see_at(&group, 2, Bad(Silent), start);
    assert_eq!(states(&group), "uuS");
    see_at(&group, 0, Good, start + CALM);
    see_at(&group, 2, Bad(Silent), start + CALM);
    assert_eq!(states(&group), "uud");
}

#[test]
fn what_a_backend_says_of_itself_counts_however_many_say_it() {
    for evidence in [Gone, Unwell] {
        let group = group(3);
        (0..3).for_each(|index| drop(see(&group, index, Bad(evidence))));
        assert_eq!(states(&group), "---");
    }
    let group = group(2);
    see(&group, 0, Bad(Silent));
    see(&group, 1, Bad(Silent));
    see(&group, 0, Bad(Gone));
    assert_eq!(states(&group), "-S");
}

#[test]
fn a_busy_one_stays_while_the_other_restarts_whichever_came_first() {
    let group_1 = group(2);
    see(&group_1, 0, Bad(Gone));
    see(&group_1, 1, Bad(Silent));
    assert_eq!(states(&group_1), "-S");
    see(&group_1, 0, Bad(Silent));
    assert_eq!(
        states(&group_1),
        "-S",
        "one that was gone and is silent now stays out"
    );
    let group_2 = group(2);
    see(&group_2, 1, Bad(Silent));
    assert_eq!(states(&group_2), "ud");
    see(&group_2, 0, Bad(Gone));
    assert_eq!(states(&group_2), "-S");
}

#[test]
fn one_that_has_been_silent_for_a_minute_is_dead_and_not_used_again() {
    let (group, start) = (group(2), Instant::now());
    see_at(&group, 0, Bad(Silent), start);
    see_at(&group, 1, Bad(Silent), start + DEAD);
    assert_eq!(states(&group), "dS");
    let group = self::group(2);
    see_at(&group, 0, Bad(Silent), start);
    see_at(&group, 1, Bad(Silent), start + DEAD / 2);
    assert_eq!(states(&group), "SS");
}

#[test]
fn one_that_was_up_for_long_and_is_silent_now_counts_as_silent() {
    let (group, now) = (group(2), Instant::now() + DEAD * 2);
    see_at(&group, 0, Bad(Silent), now);
    let change = see_at(&group, 1, Bad(Silent), now).expect("a change");
    assert_eq!(change.silence, Some(true));
}

#[test]
fn half_of_them_are_not_most() {
    let group = group(2);
    let change = see(&group, 0, Bad(Silent)).expect("a change");
    assert_eq!((change.silence, states(&group).as_str()), (None, "du"));
    assert!(!group.are_most_silent());
}

#[test]
fn what_changes_for_another_backend_is_reported_although_this_one_stays_as_it_was() {
    let (group, start) = (group(2), Instant::now());
    see_at(&group, 0, Bad(Silent), start);
    see_at(&group, 1, Bad(Silent), start);
    see_at(&group, 0, Good, start);
    see_at(&group, 1, Good, start);
    let end = see_at(&group, 1, Good, start + CALM).expect("the end of the silence");
    assert_eq!((end.transition, end.silence), (None, Some(false)));
}

#[test]
fn ejections_and_silence_together_take_at_most_half() {
    let group = group(4);
    see(&group, 0, Failing);
    see(&group, 1, Bad(Silent));
    assert_eq!(states(&group), "eduu");
    see(&group, 2, Failing);
    assert_eq!(states(&group), "edFu");
    assert_eq!(
        [next(&group), next(&group)],
        [Some(3); 2],
        "it is the last resort"
    );
    see(&group, 3, Bad(Silent));
    assert_eq!(states(&group), "eSFS");
    see(&group, 0, TrialPassed);
    see(&group, 2, Response);
    assert_eq!(states(&group), "uSuS");
}

#[test]
fn failing_ones_that_are_kept_get_nothing_while_a_better_one_is_there() {
    let all = group(3);
    see(&all, 0, Failing);
    see(&all, 1, Failing);
    assert_eq!(states(&all), "eFu");
    let indices: Vec<_> = (0..10).filter_map(|_| next(&all)).collect();
    assert_eq!(indices, [2; 10]);
    // Both are tried, the one that is kept too.
    let later = Instant::now() + Duration::from_secs(5);
    let tried: Vec<_> = (0..3)
        .map(|_| all.claim_trial(true, later).map(|one| index(&one)))
        .collect();
    assert_eq!(tried, [Some(0), Some(1), None]);
    see(&all, 2, Bad(Gone));
    assert_eq!(states(&all), "eF-");
}

#[test]
fn the_last_one_is_never_out_and_an_ejected_one_is_used_when_no_other_is_up() {
    let alone = group(1);
    see(&alone, 0, Failing);
    assert_eq!(states(&alone), "F");
    assert!(next(&alone).is_some());
    see(&alone, 0, Response);
    assert_eq!(states(&alone), "u");
    let both = group(2);
    see(&both, 0, Failing);
    assert_eq!(states(&both), "eu");
    let change = see(&both, 1, Bad(Gone)).expect("a change");
    assert_eq!(states(&both), "F-");
    assert_eq!((change.restored.len(), change.up), (1, 1));
}

#[test]
fn what_is_seen_of_one_that_is_no_member_any_more_changes_nothing() {
    let group = group(2);
    let old = Arc::clone(&group.all()[0]);
    let others = group.members()[1..].to_vec();
    group.replace(others, GroupPolicy::default());
    let change = group.observe(&old, Bad(Gone), &Finding::default(), Instant::now());
    assert!(change.is_none() && old.is_up() && !old.is_live());
}

#[test]
fn one_that_was_checked_before_it_became_a_member_is_used_at_once() {
    use crate::backends::testing::{index, member};
    let group = group(1);
    let new = member(7);
    group.observe(&new.backend, Good, &Finding::default(), Instant::now());
    group.replace(vec![new], GroupPolicy::default());
    let lease = group
        .pick(Key::Absent, Wanted::Next)
        .lease()
        .expect("it is up");
    assert_eq!((index(&lease), group.count_up()), (7, 1));
}
