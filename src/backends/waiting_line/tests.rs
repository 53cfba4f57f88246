//! Order, exactness and wake-ups of the requests that wait.

use super::*;
use crate::backends::health::{Evidence, Health, Observation};
use crate::backends::{AdminState, Algorithm, Finding, GroupPolicy, Member, Name, Wanted};
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Instant;

fn policy(max_in_flight: usize) -> GroupPolicy {
    GroupPolicy {
        max_in_flight: Some(max_in_flight),
        queue_length: 1000,
        ..GroupPolicy::default()
    }
}

/// So many backends that are up.
fn group(count: u16, policy: GroupPolicy) -> Arc<Backends<()>> {
    let backend = |port| {
        let host = "x".into();
        Arc::new(Backend::new(Name { host, port }, Health::new(1, 1)))
    };
    let members = (0..count).map(backend).map(Member::new).collect();
    let group = Backends::new(members, policy);
    (0..usize::from(count)).for_each(|place| see(&group, place, Observation::Good));
    group
}

fn see(group: &Arc<Backends<()>>, place: usize, observation: Observation) {
    let finding = Finding::default();
    group.observe(&group.all()[place], observation, &finding, Instant::now());
}

fn pick(group: &Arc<Backends<()>>) -> Picked<()> {
    group.pick(Key::Absent, Wanted::Next)
}

fn join(group: &Arc<Backends<()>>) -> Waiting<()> {
    let anywhere = WaitsFor::AnyBut(Vec::new());
    let joined = group.wait(Key::Absent, anywhere);
    joined.expect("the line is not full")
}

fn lease(waiting: &Waiting<()>) -> Option<Lease<()>> {
    waiting.take().and_then(Picked::lease)
}

#[test]
fn requests_are_served_in_the_order_in_which_they_came() {
    let group = group(1, policy(1));
    let first = pick(&group).lease().expect("there is room");
    assert!(matches!(pick(&group), Picked::Full));
    let line: Vec<_> = (0..3).map(|_| join(&group)).collect();
    assert!(line.iter().all(|one| one.take().is_none()) && group.waiting() == 3);
    let mut served = first;
    for (place, one) in line.iter().enumerate() {
        drop(served);
        served = lease(one).expect("it is its turn");
        assert!(line[place + 1..].iter().all(|one| one.take().is_none()));
        assert_eq!((group.in_flight(), group.waiting()), (1, 2 - place));
    }
    assert!(matches!(pick(&group), Picked::Full));
    drop(served);
    assert!(matches!(pick(&group), Picked::Lease(_)));
}

#[test]
fn no_request_overtakes_those_that_wait() {
    let group = group(2, policy(1));
    let _first = pick(&group);
    let second = pick(&group);
    let waits = join(&group);
    drop(second);
    assert!(matches!(pick(&group), Picked::Full), "the room is promised");
    assert!(lease(&waits).is_some());
    assert!(matches!(pick(&group), Picked::Lease(_)));
}

#[test]
fn a_request_that_joins_while_there_is_room_is_served_at_once() {
    let group = group(1, policy(1));
    assert!(lease(&join(&group)).is_some());
}

#[test]
fn the_line_has_a_length() {
    let policy = GroupPolicy {
        queue_length: 2,
        ..policy(1)
    };
    let group = group(1, policy);
    let _served = pick(&group);
    let _line = [join(&group), join(&group)];
    let refused = group.wait(Key::Absent, WaitsFor::AnyBut(Vec::new()));
    assert_eq!(refused.err(), Some(LineFull));
}

#[test]
fn one_that_leaves_the_line_makes_way_and_what_it_got_goes_to_the_next() {
    let group = group(1, policy(1));
    let served = pick(&group);
    let [leaves, granted, last] = [(); 3].map(|()| join(&group));
    drop(leaves);
    assert_eq!(group.waiting(), 2);
    drop(served);
    assert_eq!(group.waiting(), 1);
    drop(granted);
    assert!(lease(&last).is_some());
    assert_eq!(group.in_flight(), 0);
}

#[test]
fn a_waiting_request_is_woken_once_also_if_it_says_late_how() {
    let group = group(1, policy(1));
    let (served, waits) = (pick(&group), join(&group));
    let count = Arc::new(AtomicUsize::new(0));
    let wake = || {
        let count = Arc::clone(&count);
        Box::new(move || _ = count.fetch_add(1, Ordering::SeqCst))
    };
    waits.on_grant(wake());
    assert_eq!(count.load(Ordering::SeqCst), 0);
    drop(served);
    assert_eq!(count.load(Ordering::SeqCst), 1);
    waits.on_grant(wake());
    assert_eq!(
        count.load(Ordering::SeqCst),
        2,
        "there is something to take"
    );
}

#[test]
fn when_no_backend_is_up_nobody_waits_for_one() {
    let group = group(1, policy(1));
    let (_served, waits) = (pick(&group), join(&group));
    see(&group, 0, Observation::Bad(Evidence::Gone));
    assert!(matches!(waits.take(), Some(Picked::NoneLive)));
    assert_eq!(group.waiting(), 0);
}

#[test]
fn a_backend_that_comes_up_or_a_higher_limit_serves_the_line() {
    let group = group(2, policy(1));
    see(&group, 1, Observation::Bad(Evidence::Gone));
    let (_served, waits, other) = (pick(&group), join(&group), join(&group));
    see(&group, 1, Observation::Good);
    let _second = lease(&waits).expect("there is a backend with room");
    assert!(other.take().is_none());
    let members = group.all().iter().cloned().map(Member::new).collect();
    group.replace(members, policy(2));
    assert!(other.take().is_some());
}

#[test]
fn one_that_depends_on_a_backend_waits_for_it_and_the_others_pass() {
    let group = group(2, policy(1));
    let (first, second) = (pick(&group), pick(&group));
    let all = group.all();
    let only = group.wait(Key::Absent, WaitsFor::Only(Arc::clone(&all[0])));
    let (only, any) = (only.expect("room"), join(&group));
    drop(second);
    assert!(only.take().is_none() && any.take().is_some());
    drop(first);
    let lease = lease(&only).expect("its backend has room");
    assert_eq!(lease.name.port, 0);
}

#[test]
fn a_request_waits_for_no_backend_where_it_has_failed() {
    let group = group(2, policy(1));
    let (first, second) = (pick(&group), pick(&group));
    let failed = WaitsFor::AnyBut(vec![Arc::clone(&group.all()[0])]);
    let waits = group.wait(Key::Absent, failed).expect("room");
    drop(first);
    assert!(waits.take().is_none());
    drop(second);
    assert_eq!(lease(&waits).map(|lease| lease.name.port), Some(1));
}

#[test]
fn a_backup_does_not_take_over_what_a_full_backend_cannot() {
    let group = group(2, policy(1));
    let all = group.all();
    let members = all.iter().enumerate().map(|(place, one)| Member {
        is_backup: place == 1,
        ..Member::new(Arc::clone(one))
    });
    group.replace(members.collect(), policy(1));
    let _served = pick(&group);
    assert!(matches!(pick(&group), Picked::Full));
    assert!(join(&group).take().is_none());
}

#[test]
fn the_limit_of_all_together_holds_as_well() {
    let policy = GroupPolicy {
        max_in_flight_total: Some(3),
        ..policy(2)
    };
    let group = group(2, policy);
    let mut leases: Vec<_> = (0..3).map(|_| pick(&group)).collect();
    assert!(matches!(pick(&group), Picked::Full));
    let waits = join(&group);
    leases.pop();
    assert!(waits.take().is_some());
}

#[test]
fn a_sticky_request_waits_for_its_backend_and_goes_elsewhere_when_that_is_disabled() {
    let policy = GroupPolicy {
        algorithm: Algorithm::Sticky,
        ..policy(1)
    };
    let group = group(2, policy);
    let all = group.all();
    let key = Key::Tag(all[0].tag);
    let first = group.pick(key, Wanted::Next).lease().expect("room");
    assert_eq!(first.name.port, 0);
    assert!(matches!(group.pick(key, Wanted::Next), Picked::Full));
    let waits = group.wait(key, WaitsFor::AnyBut(Vec::new())).expect("room");
    assert!(waits.take().is_none(), "the other has room");
    group.set_admin(&all[0], AdminState::Disabled);
    assert_eq!(lease(&waits).map(|lease| lease.name.port), Some(1));
}

/// Threads that pick, wait where they must, and give back, as fast as they can.
fn crowd(group: &Arc<Backends<()>>, threads: usize, rounds: usize, see: impl Fn() + Sync) {
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| (0..rounds).for_each(|_| take_one(group, &see)));
        }
    });
}

fn take_one(group: &Arc<Backends<()>>, see: &impl Fn()) {
    let lease = match pick(group) {
        Picked::Lease(lease) => lease,
        Picked::NoneLive => panic!("all are up"),
        Picked::Full => {
            let waits = join(group);
            let (thread, is_woken) = (thread::current(), Arc::new(AtomicBool::new(false)));
            let woken = Arc::clone(&is_woken);
            waits.on_grant(Box::new(move || {
                woken.store(true, Ordering::SeqCst);
                thread.unpark();
            }));
            // Without a wake-up it would park for ever.
            while !is_woken.load(Ordering::SeqCst) {
                thread::park();
            }
            lease(&waits).expect("it was woken")
        }
    };
    see();
    drop(lease);
}

#[test]
fn no_limit_is_exceeded_by_one_and_no_wake_up_is_lost_in_a_crowd() {
    let policy = GroupPolicy {
        max_in_flight_total: Some(5),
        ..policy(2)
    };
    let group = group(3, policy);
    let (most, most_total) = (AtomicUsize::new(0), AtomicUsize::new(0));
    crowd(&group, 64, 100_000 / 64 + 1, || {
        let counts = group.all().iter().map(|one| one.in_flight()).max();
        most.fetch_max(counts.unwrap_or(0), Ordering::SeqCst);
        most_total.fetch_max(group.in_flight(), Ordering::SeqCst);
        // So that others come meanwhile.
        thread::yield_now();
    });
    assert_eq!(most.into_inner(), 2);
    assert_eq!(most_total.into_inner(), 5);
    assert_eq!((group.in_flight(), group.waiting()), (0, 0));
    assert!(group.all().iter().all(|one| one.in_flight() == 0));
}
