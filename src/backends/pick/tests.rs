//! Limits, and what a caller is given when there is nothing.

use super::*;
use crate::backends::testing::*;
use crate::backends::{AdminState, Algorithm, GroupPolicy};
use std::sync::atomic::AtomicUsize;

fn limited(max_in_flight: Option<usize>, max_in_flight_total: Option<usize>) -> GroupPolicy {
    GroupPolicy {
        max_in_flight,
        max_in_flight_total,
        ..GroupPolicy::default()
    }
}

fn pick(group: &Arc<Backends<()>>) -> Picked<()> {
    group.pick(Key::Absent, Wanted::Next)
}

/// Takes what there is; returns how many are in flight at each then.
fn fill(group: &Arc<Backends<()>>, leases: &mut Vec<Lease<()>>) -> Vec<usize> {
    while let Picked::Lease(lease) = pick(group) {
        leases.push(lease);
    }
    assert!(matches!(pick(group), Picked::Full));
    group.all().iter().map(|one| one.in_flight()).collect()
}

#[test]
fn a_lease_counts_as_in_flight_until_it_is_dropped() {
    let group = group(1, GroupPolicy::default());
    let backend = Arc::clone(&group.all()[0]);
    let (first, second) = (pick(&group), pick(&group));
    assert_eq!((backend.in_flight(), group.in_flight()), (2, 2));
    drop(first);
    assert_eq!(backend.in_flight(), 1);
    drop(second);
    assert_eq!(backend.in_flight(), 0);
}

#[test]
fn every_algorithm_fills_all_backends_to_their_limit_and_not_beyond() {
    for (word, algorithm) in Algorithm::WORDS {
        let policy = GroupPolicy {
            algorithm,
            ..limited(Some(4), None)
        };
        let group = weighted(&[1, 3, 2], policy);
        let mut leases = Vec::new();
        while let Picked::Lease(lease) = group.pick(Key::Hash(5), Wanted::Next) {
            leases.push(lease);
        }
        let counts: Vec<_> = group.all().iter().map(|one| one.in_flight()).collect();
        assert_eq!(counts, [4, 4, 4], "{word}");
        leases.pop();
        assert!(matches!(pick(&group), Picked::Lease(_)), "{word}");
    }
}

#[test]
fn a_group_has_a_limit_of_its_own() {
    let group = group(2, limited(Some(4), Some(3)));
    let mut leases = Vec::new();
    assert_eq!(fill(&group, &mut leases), [2, 1]);
    let first = Arc::clone(&group.all()[0]);
    assert!(group.lease(&first).is_none());
    leases.clear();
    assert!(group.lease(&first).is_some());
    assert_eq!((group.in_flight(), fill(&group, &mut leases).len()), (0, 2));
}

#[test]
fn what_is_not_found_at_a_backend_is_not_counted_in_the_group() {
    let group = group(1, limited(Some(1), Some(5)));
    let lease = pick(&group);
    for _ in 0..10 {
        assert!(matches!(pick(&group), Picked::Full));
        assert!(group.lease(&group.all()[0]).is_none());
    }
    drop(lease);
    assert!(matches!(pick(&group), Picked::Lease(_)));
}

#[test]
fn a_full_backend_never_brings_a_backup_in_and_a_suspect_takes_what_is_left() {
    use crate::backends::health::Observation;
    let members = vec![member(0), member(1), member(2).as_backup()];
    let group = group_of(members, limited(Some(1), None));
    see(&group, 1, Observation::Late);
    let mut leases = Vec::new();
    assert_eq!(fill(&group, &mut leases), [1, 1, 0]);
    assert_eq!(index(&leases[0]), 0);
    let is_first = |one: &Backend<()>| index(one) == 0;
    let untried = group.pick(Key::Absent, Wanted::Untried(&is_first));
    assert!(matches!(untried, Picked::Full), "the other is only full");
    let is_regular = |one: &Backend<()>| index(one) < 2;
    let untried = group.pick(Key::Absent, Wanted::Untried(&is_regular));
    assert!(untried.lease().is_some());
    see(&group, 0, BAD);
    see(&group, 1, BAD);
    assert!(matches!(pick(&group), Picked::Lease(lease) if index(&lease) == 2));
}

#[test]
fn a_full_group_without_a_live_backend_has_none() {
    let group = group(1, limited(None, Some(1)));
    let _lease = pick(&group);
    assert!(matches!(pick(&group), Picked::Full));
    see(&group, 0, BAD);
    assert!(matches!(pick(&group), Picked::NoneLive));
    let all = |_: &Backend<()>| true;
    assert!(matches!(
        group.pick(Key::Absent, Wanted::Untried(&all)),
        Picked::NoneLive
    ));
}

#[test]
fn one_that_drains_keeps_its_clients_and_a_disabled_or_dead_one_does_not() {
    let group = weighted(&[1, 0], GroupPolicy::default());
    for place in 0..2 {
        let backend = Arc::clone(&group.all()[place]);
        for (admin, expected) in [
            (AdminState::Enabled, true),
            (AdminState::Draining, true),
            (AdminState::Disabled, false),
        ] {
            group.set_admin(&backend, admin);
            assert_eq!(backend.keeps_clients(), expected, "{admin:?}");
        }
        group.set_admin(&backend, AdminState::Enabled);
        see(&group, place, BAD);
        assert!(!backend.keeps_clients());
    }
}

#[test]
fn a_trial_counts_and_a_full_group_leaves_it_to_a_later_request() {
    use crate::backends::health::Observation;
    use std::time::Duration;
    let group = group(2, limited(None, Some(1)));
    see(&group, 0, Observation::Failing);
    let due = Instant::now() + Duration::from_secs(60);
    let lease = pick(&group);
    assert!(group.claim_trial(true, due).is_none());
    drop(lease);
    let trial = group.claim_trial(true, due).expect("it is due");
    assert_eq!((index(&trial), group.in_flight()), (0, 1));
    assert!(matches!(pick(&group), Picked::Full));
}

#[test]
fn a_limit_that_a_reload_sets_or_lifts_holds_for_what_begins_after_it() {
    let group = group(1, GroupPolicy::default());
    let members = || group.members().to_vec();
    let mut before: Vec<_> = (0..3).map(|_| pick(&group)).collect();
    group.replace(members(), limited(Some(2), None));
    assert!(matches!(pick(&group), Picked::Full), "there are three");
    before.truncate(1);
    let second = pick(&group);
    assert!(matches!(second, Picked::Lease(_)) && matches!(pick(&group), Picked::Full));
    group.replace(members(), limited(None, Some(1)));
    let counted = pick(&group);
    assert!(matches!(counted, Picked::Lease(_)) && matches!(pick(&group), Picked::Full));
    drop((before, second));
    assert!(
        matches!(pick(&group), Picked::Full),
        "they were not counted"
    );
    group.replace(members(), GroupPolicy::default());
    drop(counted);
    group.replace(members(), limited(None, Some(1)));
    let _only = pick(&group);
    assert!(matches!(pick(&group), Picked::Full));
}

/// The most that were ever in flight.
#[derive(Default)]
struct Most(AtomicUsize, AtomicUsize);

impl Most {
    fn enter(&self) {
        let now = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.1.fetch_max(now, Ordering::SeqCst);
    }

    fn leave(&self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Many threads take leases; each is counted while it is held. Returns the most at each backend and in
/// the group.
fn most_of_many(policy: GroupPolicy, backends: usize) -> (Vec<usize>, usize) {
    let group = group(backends, policy);
    let each: Vec<Most> = (0..backends).map(|_| Most::default()).collect();
    let all = Most::default();
    let hold = |held: &mut Vec<Lease<()>>| {
        if let Picked::Lease(lease) = pick(&group) {
            each[index(&lease)].enter();
            all.enter();
            held.push(lease);
        }
        // Two at a time, so that the limits are reached even where threads run one after the other.
        if held.len() > 1 || group.pick(Key::Absent, Wanted::Next).lease().is_none() {
            for lease in held.drain(..) {
                each[index(&lease)].leave();
                all.leave();
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                let mut held = Vec::new();
                (0..100_000 / 64).for_each(|_| hold(&mut held));
                held.iter().for_each(|lease| each[index(lease)].leave());
                held.iter().for_each(|_| all.leave());
            });
        }
    });
    assert_eq!(group.in_flight(), 0);
    let most = |one: &Most| one.1.load(Ordering::SeqCst);
    (each.iter().map(most).collect(), most(&all))
}

#[test]
fn limits_are_never_exceeded_by_one_whatever_many_threads_do() {
    for algorithm in [Algorithm::RoundRobin, Algorithm::LeastRequests] {
        let policy = GroupPolicy {
            algorithm,
            ..limited(Some(3), Some(7))
        };
        let (each, all) = most_of_many(policy, 3);
        assert!(
            each.iter().all(|most| *most <= 3) && all <= 7,
            "{each:?} {all}"
        );
    }
}

#[test]
fn limits_are_reached_whatever_many_threads_do() {
    for (total, expected) in [(Some(7), 7), (None, 9)] {
        for (word, algorithm) in Algorithm::WORDS {
            let policy = GroupPolicy {
                algorithm,
                ..limited(Some(3), total)
            };
            let (group, all_have_picked) = (group(3, policy), std::sync::Barrier::new(64));
            let has_one = || {
                let picked = group.pick(Key::Hash(1), Wanted::Next);
                all_have_picked.wait();
                picked.lease().is_some()
            };
            let leases = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..64).map(|_| scope.spawn(has_one)).collect();
                let joined = threads.into_iter().map(|one| one.join().expect("no panic"));
                joined.filter(|has_one| *has_one).count()
            });
            assert_eq!(leases, expected, "{word}");
        }
    }
}

#[test]
fn every_first_pick_counts_as_a_request_and_so_allows_retries() {
    let group = group(1, GroupPolicy::default());
    (0..100).for_each(|_| drop(pick(&group)));
    let now = Instant::now();
    let allowed = (0..100)
        .take_while(|_| group.may_send_again(20, now))
        .count();
    assert_eq!(allowed, 20);
}
