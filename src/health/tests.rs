//! What the health thread makes of its own lateness, of results, and of time.

use super::*;
use crate::backends::health::Health;
use crate::backends::{Backends, Name};
use crate::config::{Settings, Snapshot};
use crate::net::testing::pair;
use std::sync::Arc;

/// One backend, which has not been checked yet.
fn shared() -> SharedHealth {
    let host = "a".into();
    let backend = Backend::new(Name { host, port: 1 }, Health::new(1, 1));
    let backends = Backends::of(vec![Arc::new(backend)]);
    SharedHealth::new(Snapshot::of_one_group(Settings::default(), backends)).expect("descriptors")
}

fn group(shared: &SharedHealth) -> Arc<Group> {
    Arc::clone(&shared.snapshot().groups[0])
}

fn backend(shared: &SharedHealth) -> Arc<Backend<Conn>> {
    Arc::clone(&group(shared).backends.all()[0])
}

#[test]
fn silence_does_not_count_while_this_thread_was_held_up() {
    let (shared, start) = (shared(), Instant::now() + SWEEP_INTERVAL);
    let silence = |late: Duration| {
        backend(&shared).heard.listen_again(start);
        let now = start + SWEEP_INTERVAL;
        listen_again(&shared, now - late, now);
        backend(&shared).heard.silence(now)
    };
    assert!(silence(HELD_UP) > SWEEP_INTERVAL / 2);
    assert!(silence(HELD_UP + Duration::from_millis(1)) < SWEEP_INTERVAL / 2);
    assert!(silence(HELD_UP * 3) < SWEEP_INTERVAL / 2);
}

#[test]
fn a_result_says_whether_there_is_a_way_to_the_host() {
    let shared = shared();
    let seen = |cause| {
        take(
            &shared,
            &group(&shared),
            &backend(&shared),
            &Seen::Bad(Symptom::Connect(cause)),
        )
    };
    for (cause, is_unreachable) in [(Cause::Unreachable, true), (Cause::Refused, false)] {
        seen(cause);
        assert_eq!(
            backend(&shared).is_unreachable(),
            is_unreachable,
            "{cause:?}"
        );
    }
}

#[test]
fn a_shortage_of_ours_says_nothing_of_a_backend() {
    let shared = shared();
    take(&shared, &group(&shared), &backend(&shared), &Seen::Good);
    take(
        &shared,
        &group(&shared),
        &backend(&shared),
        &Seen::Bad(Symptom::Ours),
    );
    assert!(backend(&shared).is_up());
    take(
        &shared,
        &group(&shared),
        &backend(&shared),
        &Seen::Bad(Symptom::Reset),
    );
    assert!(!backend(&shared).is_up());
}

#[test]
fn connections_that_were_idle_for_too_long_are_closed() {
    let (shared, now) = (shared(), Instant::now());
    let backend = backend(&shared);
    let idle = &backend.idle;
    idle.put(pair().0, idle.generation(), now);
    let limit = group(&shared).settings.timeouts.backend_idle;
    sweep(&shared, now + limit / 2);
    assert_eq!(idle.len(), 1);
    sweep(&shared, now + limit * 2);
    assert!(idle.is_empty());
}

#[test]
fn sessions_that_wait_are_recalled_when_the_checks_begin_although_nothing_has_changed() {
    let shared = shared();
    let stop = Waker::new().expect("descriptors");
    let checks = Checks { groups: Vec::new() };
    checks.run(&shared, &stop, || stop.wake());
}

#[test]
fn a_first_round_is_over_when_the_last_result_is_there_whatever_wakes_the_thread() {
    let (stop, waker) = [(); 2].map(|()| Waker::new().expect("descriptors")).into();
    // One of several: this thread may be held up itself.
    let is_over_at_once = (0..5).any(|_| {
        let (shared, now) = (shared(), Instant::now());
        let new = CheckedGroup::new(&group(&shared), &[backend(&shared)], &shared, now);
        let checks = first_round(&shared, vec![new], &waker, &stop);
        assert!(checks.schedules().all(Schedule::is_known));
        now.elapsed() < SWEEP_INTERVAL / 2
    });
    assert!(is_over_at_once);
}
