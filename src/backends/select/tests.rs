//! Ranks, shares, limits: who gets a request, whatever the algorithm.

mod algorithms;

use super::*;
use crate::backends::health::{Evidence, Observation};
use crate::backends::testing::*;
use crate::backends::{AdminState, GroupPolicy, Wanted};
use std::time::{Duration, Instant};

fn untried(backends: &Arc<Backends<()>>, tried: impl Fn(usize) -> bool) -> Option<usize> {
    let tried = |one: &Backend<()>| tried(index(one));
    let picked = backends.pick(Key::Absent, Wanted::Untried(&tried));
    picked.lease().map(|lease| index(&lease))
}

fn clear(
    backends: &Arc<Backends<()>>,
    may_be_backup: bool,
    tried: impl Fn(usize) -> bool,
) -> Option<usize> {
    let tried = |one: &Backend<()>| tried(index(one));
    let wanted = Wanted::Clear {
        tried: &tried,
        may_be_backup,
    };
    let picked = backends.pick(Key::Absent, wanted);
    picked.lease().map(|lease| index(&lease))
}

fn backends(up: &[bool]) -> Arc<Backends<()>> {
    let backends = Backends::new((0..up.len()).map(member).collect(), GroupPolicy::default());
    for (index, up) in up.iter().enumerate() {
        see(&backends, index, if *up { Observation::Good } else { BAD });
    }
    backends
}

/// So many regular backends, and as many backups behind them.
fn with_backups(regular: usize, backups: usize, policy: GroupPolicy) -> Arc<Backends<()>> {
    let all = 0..regular + backups;
    let member = |index| match index < regular {
        true => member(index),
        false => member(index).as_backup(),
    };
    group_of(all.map(member).collect(), policy)
}

#[test]
fn the_live_ones_have_equal_shares_to_the_request() {
    assert_eq!(
        shares(&backends(&[true, true, true, true]), 4001),
        [1001, 1000, 1000, 1000]
    );
    assert_eq!(
        shares(&backends(&[true, false, true, true]), 12_000),
        [4000, 0, 4000, 4000]
    );
    assert!(next(&backends(&[false, false])).is_none());
}

#[test]
fn repeated_attempts_are_spread_evenly_and_do_not_disturb_the_turns() {
    let backends = backends(&[true, true, true]);
    let (mut first, mut second) = ([0; 3], [0; 3]);
    for _ in 0..300 {
        let index = next(&backends).expect("up");
        first[index] += 1;
        if index == 0 {
            second[untried(&backends, |index| index == 0).expect("up")] += 1;
        }
    }
    assert_eq!((first, second), ([100; 3], [0, 50, 50]));
    assert!(untried(&backends, |_| true).is_none());
}

#[test]
fn shares_are_equal_under_concurrency() {
    let backends = backends(&[true, true, false, true]);
    let total = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| shares(&backends, 3000)))
            .collect();
        threads.into_iter().fold([0; 4], |mut sum, thread| {
            for (sum, share) in sum.iter_mut().zip(thread.join().expect("no panic")) {
                *sum += share;
            }
            sum
        })
    });
    assert_eq!(total, [4000, 4000, 0, 4000]);
}

/// Which one is tried with this request, long after all ejections.
fn trial(backends: &Arc<Backends<()>>) -> Option<usize> {
    let later = Instant::now() + Duration::from_secs(60);
    let claimed = backends.claim_trial(true, later)?;
    claimed.failures.release_trial();
    Some(index(&claimed))
}

#[test]
fn an_ejected_backend_is_tried_unless_it_drains() {
    let backends = backends(&[true, true]);
    assert_eq!(trial(&backends), None);
    see(&backends, 0, Observation::Failing);
    assert_eq!(trial(&backends), Some(0));
    backends.set_admin(&backends.all()[0], AdminState::Draining);
    assert_eq!(trial(&backends), None);
}

#[test]
fn an_ejected_backup_is_tried_only_while_no_other_is_live() {
    let backends = with_backups(1, 2, GroupPolicy::default());
    see(&backends, 1, Observation::Failing);
    assert_eq!(trial(&backends), None);
    see(&backends, 0, BAD);
    assert_eq!(trial(&backends), Some(1));
}

#[test]
fn a_backup_serves_only_when_no_other_is_live() {
    let backends = with_backups(2, 2, GroupPolicy::default());
    assert_eq!(shares(&backends, 100), [50, 50, 0, 0]);
    assert_eq!(untried(&backends, |index| index < 2), Some(2));
    see(&backends, 0, BAD);
    assert_eq!(shares(&backends, 100), [0, 100, 0, 0]);
    see(&backends, 1, BAD);
    assert_eq!(shares(&backends, 100), [0, 0, 50, 50]);
}

#[test]
fn a_suspect_gets_requests_only_when_all_are_and_then_all_do() {
    let backends = backends(&[true, true, true]);
    see(&backends, 0, Observation::Late);
    assert_eq!(shares(&backends, 100), [0, 50, 50]);
    assert!(backends.has_clear_beside(&backends.all()[0], false));
    see(&backends, 1, Observation::Late);
    assert_eq!(shares(&backends, 100), [0, 0, 100]);
    assert_eq!(clear(&backends, false, |_| false), Some(2));
    assert!(untried(&backends, |one| one == 2).is_some_and(|one| one < 2));
    assert!(clear(&backends, true, |index| index == 2).is_none());
    see(&backends, 2, Observation::Late);
    assert_eq!(shares(&backends, 99), [33, 33, 33]);
    assert!(!backends.has_clear_beside(&backends.all()[0], true));
    see(&backends, 1, Observation::Response);
    assert_eq!(shares(&backends, 100), [0, 100, 0]);
}

#[test]
fn suspicion_alone_never_brings_in_a_backup_but_silence_that_is_not_let_out_does() {
    let backends = with_backups(2, 1, GroupPolicy::default());
    see(&backends, 0, Observation::Late);
    see(&backends, 1, Observation::Late);
    assert_eq!(shares(&backends, 100), [50, 50, 0]);
    assert!(clear(&backends, false, |_| false).is_none());
    assert_eq!(clear(&backends, true, |_| false), Some(2));
    let silent = Observation::Bad(Evidence::Silent);
    see(&backends, 0, silent);
    assert_eq!(
        shares(&backends, 100),
        [0, 100, 0],
        "one of three is left out"
    );
    see(&backends, 1, silent);
    assert_eq!(shares(&backends, 100), [0, 0, 100]);
    see(&backends, 2, silent);
    assert_eq!(shares(&backends, 100), [50, 50, 0], "all are silent");
}

#[test]
fn an_ejected_one_gets_a_single_request_when_its_trial_is_due() {
    let backends = backends(&[true, true]);
    let now = Instant::now();
    let due = now + Duration::from_secs(5);
    assert!(backends.claim_trial(true, due).is_none());
    see(&backends, 0, Observation::Failing);
    assert_eq!(shares(&backends, 10), [0, 10]);
    assert!(backends.claim_trial(true, now).is_none());
    let claimed = backends.claim_trial(true, due);
    assert_eq!(claimed.map(|one| index(&one)), Some(0));
    assert!(backends.claim_trial(true, due).is_none());
    see(&backends, 0, Observation::TrialPassed);
    assert_eq!(shares(&backends, 10), [5, 5]);
}

#[test]
fn one_that_returns_slowly_leaves_most_of_its_turns_to_the_others() {
    let backends = backends(&[true, true, true]);
    backends.all()[1]
        .slow_start
        .begin(Instant::now(), Duration::from_secs(3600));
    let shares = shares(&backends, 3000);
    assert!((1..300).contains(&shares[1]), "{shares:?}");
    assert!(shares[0].abs_diff(shares[2]) < 100, "{shares:?}");
}
