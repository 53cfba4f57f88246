//! What each failure counts as.

use super::*;
use crate::backends::Backends;
use crate::backends::health::Health;
use crate::config::{Settings, Snapshot};
use crate::http::Refusal;
use std::sync::Arc;

/// Two backends that are up, and go down or out after two failures.
fn shared() -> SharedHealth {
    shared_with(|_| {})
}

fn shared_with(change: impl FnOnce(&mut Settings)) -> SharedHealth {
    let mut settings = Settings::default();
    (settings.health.fall, settings.health.eject_after) = (2, 2);
    change(&mut settings);
    let backend = |port| {
        let host = "a".into();
        Arc::new(Backend::new(Name { host, port }, Health::new(1, 2)))
    };
    let backends = Backends::of([1, 2].map(backend).into());
    let snapshot = Snapshot::of_one_group(settings, backends);
    let shared = SharedHealth::new(snapshot).expect("descriptors");
    for backend in group(&shared).backends.all().iter() {
        observe_response(&shared, &group(&shared), backend, Observation::Good);
        assert!(backend.is_up());
    }
    shared
}

fn group(shared: &SharedHealth) -> Arc<Group> {
    Arc::clone(&shared.snapshot().groups[0])
}

fn first(shared: &SharedHealth) -> Arc<Backend<Conn>> {
    Arc::clone(&group(shared).backends.all()[0])
}

#[test]
fn only_what_a_backend_did_to_a_request_counts_towards_its_ejection() {
    let shared = shared();
    let (connect, head) = (Phase::Connect, Phase::ResponseHead);
    for (error, counts) in [
        (Error::backend(head, Cause::Closed), true),
        (Error::backend(head, Cause::TimedOut), true),
        (
            Error::backend(head, Cause::Message(Refusal::bad("x"))),
            true,
        ),
        (Error::backend(connect, Cause::Reset), true),
        // The checks see these themselves.
        (Error::backend(connect, Cause::Refused), false),
        (Error::backend(connect, Cause::Unreachable), false),
        (Error::backend(connect, Cause::TimedOut), false),
        // These were our decisions.
        (Error::backend(head, Cause::WentDown), false),
        (Error::backend(head, Cause::Unacknowledged), false),
        (Error::backend(head, Cause::Mute), false),
        (Error::backend(head, Cause::Unreachable), false),
        (Error::client(head, Cause::Reset), false),
        (Error::proxy(connect, Cause::NoPort), false),
    ] {
        assert_eq!(
            counts_towards_ejection(&shared, &error),
            counts,
            "{error:?}"
        );
    }
    shared.stop();
    let error = Error::backend(head, Cause::Closed);
    assert!(!counts_towards_ejection(&shared, &error), "it stops");
}

#[test]
fn a_refused_connection_is_a_bad_check_and_brings_the_next_one() {
    for (cause, is_unreachable) in [(Cause::Refused, false), (Cause::Unreachable, true)] {
        let shared = shared();
        let error = Error::backend(Phase::Connect, cause);
        let backend = first(&shared);
        observe_failed_attempt(&shared, &group(&shared), &backend, &error);
        assert_eq!(backend.is_unreachable(), is_unreachable, "{cause:?}");
        assert!(backend.is_up() && backend.take_check(), "one is not enough");
        observe_failed_attempt(&shared, &group(&shared), &backend, &error);
        assert!(!backend.is_up() && backend.state().reason == error.to_string());
    }
}

#[test]
fn another_failure_brings_the_next_check_and_nothing_else() {
    let shared = shared();
    let backend = first(&shared);
    for error in [
        Error::backend(Phase::Connect, Cause::TimedOut),
        Error::backend(Phase::ResponseHead, Cause::Closed),
    ] {
        (0..3).for_each(|_| observe_failed_attempt(&shared, &group(&shared), &backend, &error));
        assert!(backend.is_up() && backend.take_check(), "{error:?}");
    }
    observe_failed_attempt(
        &shared,
        &group(&shared),
        &backend,
        &Error::client(Phase::RequestBody, Cause::Reset),
    );
    assert!(!backend.take_check(), "the client is to blame");
}

#[test]
fn failed_requests_in_a_row_take_a_backend_out_with_the_last_reason() {
    let shared = shared();
    let backend = first(&shared);
    let error = Error::backend(Phase::ResponseHead, Cause::Closed);
    count_failed_request(&shared, &group(&shared), &backend, &error);
    assert!(backend.is_up());
    count_failed_request(&shared, &group(&shared), &backend, &error);
    assert!(!backend.is_up() && backend.state().reason == error.to_string());
}

#[test]
fn the_health_thread_is_woken_for_a_check_of_a_live_backend() {
    let shared = shared();
    let backend = first(&shared);
    let is_woken = || shared.waker.reset();
    is_woken();
    ask_for_check(&shared, &backend);
    assert!(is_woken());
    ask_for_check(&shared, &backend);
    assert!(!is_woken(), "it is asked for already");
    assert!(backend.take_check());
    let disabled = crate::backends::AdminState::Disabled;
    group(&shared).backends.set_admin(&backend, disabled);
    ask_for_check(&shared, &backend);
    assert!(!is_woken() && !backend.take_check());
}

#[test]
fn a_backend_that_comes_back_begins_with_a_small_share() {
    let shared = shared_with(|settings| settings.health.slow_start = Duration::from_secs(3600));
    let backend = first(&shared);
    let error = Error::backend(Phase::Connect, Cause::Refused);
    (0..2).for_each(|_| observe_failed_attempt(&shared, &group(&shared), &backend, &error));
    observe_response(&shared, &group(&shared), &backend, Observation::Good);
    assert!(backend.is_up() && backend.slow_start.share() < 0.1);
}

#[test]
fn what_was_counted_is_written_for_people() {
    for (counted, text) in [
        (Counted::Checks(2), "2 failed checks"),
        (Counted::Connections(3), "3 failed connections"),
        (Counted::Requests(1), "1 failed request"),
        (Counted::Requests(5), "5 failed requests in a row"),
    ] {
        assert_eq!(counted.to_string(), text);
    }
}
