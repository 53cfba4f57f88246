//! The queue: in order, bounded, and no request waits while there is room.

use super::*;
use crate::backends::testing::*;
use crate::backends::{AdminState, Backend, GroupPolicy, Key, Wanted};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

fn policy(max_in_flight: usize, queue_length: usize) -> GroupPolicy {
    GroupPolicy {
        max_in_flight: Some(max_in_flight),
        queue_length,
        ..GroupPolicy::default()
    }
}

fn pick(group: &Arc<Backends<()>>) -> Picked<()> {
    group.pick(Key::Absent, Wanted::Next)
}

fn enter(group: &Arc<Backends<()>>, waits_for: WaitsFor<()>) -> Result<Waiting<()>, QueueFull> {
    group.wait(Key::Absent, waits_for)
}

fn wait(group: &Arc<Backends<()>>) -> Waiting<()> {
    enter(group, any()).expect("there is room in the queue")
}

fn any() -> WaitsFor<()> {
    WaitsFor::AnyBut(Vec::new())
}

/// The backend that it was granted.
fn granted(waiting: &Waiting<()>) -> Option<Lease<()>> {
    match waiting.take()? {
        Picked::Lease(lease) => Some(lease),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_that_came_is_served_first_and_a_new_one_does_not_overtake() {
    let group = group(1, policy(1, 10));
    let lease = pick(&group);
    let waiting: Vec<_> = (0..3).map(|_| wait(&group)).collect();
    assert_eq!(group.waiting(), 3);
    drop(lease);
    for place in 0..3 {
        assert!(matches!(pick(&group), Picked::Full));
        let lease = granted(&waiting[place]).expect("it is its turn");
        assert_eq!(group.in_flight(), 1);
        assert!(waiting[place..].iter().all(|one| one.take().is_none()));
        drop(lease);
    }
    assert_eq!((group.waiting(), group.in_flight()), (0, 0));
    assert!(matches!(pick(&group), Picked::Lease(_)));
}

#[test]
fn no_more_wait_than_may() {
    let group = group(1, policy(1, 2));
    let lease = pick(&group);
    let (first, second) = (wait(&group), wait(&group));
    assert!(enter(&group, any()).is_err());
    drop(first);
    let _third = wait(&group);
    assert!(enter(&group, any()).is_err());
    drop(lease);
    assert!(granted(&second).is_some());
    let without = self::group(1, policy(1, 0));
    let _lease = pick(&without);
    assert!(enter(&without, any()).is_err());
}

#[test]
fn what_a_request_was_granted_and_has_not_taken_goes_to_the_next_one() {
    let group = group(1, policy(1, 10));
    let lease = pick(&group);
    let (first, second) = (wait(&group), wait(&group));
    drop(lease);
    assert!(second.take().is_none() && group.in_flight() == 1);
    drop(first);
    assert!(granted(&second).is_some());
    drop(second);
    assert_eq!((group.in_flight(), group.waiting()), (0, 0));
}

#[test]
fn a_request_is_woken_once_whether_the_answer_comes_before_or_after_it_asks_to_be() {
    let group = group(1, policy(1, 10));
    let (sender, woken) = mpsc::channel();
    let wake = |name: &'static str| {
        let sender = sender.clone();
        move || sender.send(name).expect("the test listens")
    };
    let lease = pick(&group);
    let (first, second) = (wait(&group), wait(&group));
    first.on_grant(wake("replaced"));
    first.on_grant(wake("first"));
    drop(lease);
    assert_eq!(woken.try_iter().collect::<Vec<_>>(), ["first"]);
    drop(first);
    assert_eq!(woken.try_iter().count(), 0, "the second has not asked yet");
    second.on_grant(wake("second"));
    assert_eq!(woken.try_iter().collect::<Vec<_>>(), ["second"]);
}

#[test]
fn room_that_came_before_a_request_enters_the_line_is_not_missed() {
    let group = group(1, policy(1, 10));
    let lease = pick(&group);
    assert!(matches!(pick(&group), Picked::Full));
    drop(lease);
    assert!(granted(&wait(&group)).is_some());
}

#[test]
fn a_request_for_one_backend_waits_for_that_and_keeps_no_other_from_the_rest() {
    let group = group(2, policy(1, 10));
    let (first, second) = (pick(&group), pick(&group));
    let only = WaitsFor::Only(Arc::clone(&group.all()[0]));
    let waiting = enter(&group, only).expect("there is room in the queue");
    drop(second);
    assert!(waiting.take().is_none());
    let other = pick(&group).lease().expect("it is free");
    assert_eq!(index(&other), 1);
    drop(first);
    let lease = granted(&waiting).expect("its backend is free");
    assert_eq!(index(&lease), 0);
}

#[test]
fn a_request_gets_none_of_those_that_it_has_tried() {
    let members = vec![member(0), member(1), member(2).as_backup()];
    let group = group_of(members, policy(1, 10));
    let all = group.all();
    let after = |tried: &[usize]| {
        WaitsFor::AnyBut(tried.iter().map(|one| Arc::clone(&all[*one])).collect())
    };
    let (first, second) = (pick(&group), pick(&group));
    let waiting = enter(&group, after(&[0])).expect("there is room");
    let at_backup = enter(&group, after(&[0, 1])).expect("there is room");
    assert_eq!(granted(&at_backup).map(|one| index(&one)), Some(2));
    drop(first);
    assert!(waiting.take().is_none());
    drop(second);
    assert_eq!(granted(&waiting).map(|one| index(&one)), Some(1));
}

#[test]
fn a_backup_that_becomes_free_is_not_for_those_that_wait_for_full_ones() {
    let group = group_of(vec![member(0), member(1).as_backup()], policy(1, 10));
    let regular = pick(&group);
    let is_regular = |one: &Backend<()>| index(one) == 0;
    let backup = group.pick(Key::Absent, Wanted::Untried(&is_regular));
    let waiting = wait(&group);
    drop(backup);
    assert!(waiting.take().is_none());
    drop(regular);
    assert_eq!(granted(&waiting).map(|one| index(&one)), Some(0));
}

#[test]
fn a_change_serves_the_line_and_when_none_is_live_all_are_woken_without() {
    let group = group(2, policy(1, 10));
    let leases = (pick(&group), pick(&group));
    let waiting: Vec<_> = (0..3).map(|_| wait(&group)).collect();
    group.replace(group.members().to_vec(), policy(2, 10));
    let more: Vec<_> = waiting.iter().filter_map(granted).collect();
    assert_eq!((more.len(), group.in_flight(), group.waiting()), (2, 4, 1));
    let only = WaitsFor::Only(Arc::clone(&group.all()[1]));
    let of_second = enter(&group, only).expect("there is room");
    see(&group, 0, BAD);
    assert_eq!(group.waiting(), 2, "the other one is up");
    group.set_admin(&group.all()[1], AdminState::Disabled);
    assert_eq!(group.waiting(), 0);
    assert!(matches!(waiting[2].take(), Some(Picked::NoneLive)));
    assert!(matches!(of_second.take(), Some(Picked::NoneLive)));
    drop((leases, more));
    assert_eq!(group.in_flight(), 0);
}

#[test]
fn a_lower_limit_holds_before_anything_is_handed_over() {
    let group = group(1, policy(3, 10));
    let mut leases: Vec<_> = (0..3).map(|_| pick(&group)).collect();
    let waiting = wait(&group);
    group.replace(group.members().to_vec(), policy(1, 10));
    for _ in 0..2 {
        leases.pop();
        assert!(waiting.take().is_none());
    }
    leases.pop();
    assert!(granted(&waiting).is_some());
}

/// One request: it waits if it has to, and may leave before it is served. Returns whether it was.
fn request(group: &Arc<Backends<()>>, in_flight: &AtomicUsize, most: usize, leaves: bool) -> bool {
    let lease = match pick(group) {
        Picked::Lease(lease) => lease,
        Picked::NoneLive => panic!("all are live"),
        Picked::Full => {
            let waiting = wait(group);
            if leaves {
                return false;
            }
            let (sender, woken) = mpsc::channel();
            waiting.on_grant(move || sender.send(()).unwrap_or_default());
            let limit = std::time::Duration::from_secs(30);
            woken.recv_timeout(limit).expect("no wake is lost");
            granted(&waiting).expect("it was woken for that")
        }
    };
    let now = in_flight.fetch_add(1, Ordering::SeqCst) + 1;
    assert!(now <= most, "{now}");
    std::thread::yield_now();
    in_flight.fetch_sub(1, Ordering::SeqCst);
    drop(lease);
    true
}

#[test]
fn no_wake_is_lost_and_no_limit_exceeded_whatever_many_threads_do() {
    for total in [None, Some(2)] {
        let policy = GroupPolicy {
            max_in_flight_total: total,
            ..policy(1, 100)
        };
        let (group, in_flight) = (group(3, policy), AtomicUsize::new(0));
        let most = total.unwrap_or(3);
        std::thread::scope(|scope| {
            for seed in 0..16 {
                let (group, in_flight) = (&group, &in_flight);
                scope.spawn(move || {
                    let mut random = fastrand::Rng::with_seed(seed);
                    for _ in 0..1_000 {
                        request(group, in_flight, most, random.u8(..) < 40);
                    }
                });
            }
        });
        assert_eq!((group.waiting(), group.in_flight()), (0, 0));
        let leases: Vec<_> = (0..most).map(|_| pick(&group)).collect();
        assert!(leases.iter().all(|one| matches!(one, Picked::Lease(_))));
        assert!(matches!(pick(&group), Picked::Full));
    }
}
