//! The parts of a backend, and how they follow from what is seen of it.

use super::health::{Evidence, Observation, Transition};
use super::*;

fn backend() -> Backend<()> {
    let name = Name {
        host: "a".into(),
        port: 1,
    };
    Backend::new(name, Health::new(1, 1))
}

fn see(backend: &Backend<()>, observation: Observation) -> Option<Transition> {
    let change = backend.apply(observation, &Finding::default(), true, Instant::now());
    change.map(|(transition, _)| transition)
}

#[test]
fn health_and_the_admin_state_are_kept_apart() {
    let backend = backend();
    see(&backend, Observation::Good);
    assert!(backend.is_live());
    for (admin, is_live) in [
        (AdminState::Draining, false),
        (AdminState::Disabled, false),
        (AdminState::Enabled, true),
    ] {
        backend.set_admin(admin);
        assert!(backend.is_live() == is_live && backend.is_up(), "{admin:?}");
        assert_eq!(admin.word(), format!("{admin:?}").to_lowercase());
    }
    backend.set_admin(AdminState::Draining);
    assert!(see(&backend, Observation::Bad(Evidence::Gone)).is_some());
    see(&backend, Observation::Good);
    assert!(backend.is_up() && !backend.is_live());
}

#[test]
fn a_response_is_news_while_it_is_suspect() {
    let (backend, now) = (backend(), Instant::now());
    see(&backend, Observation::Good);
    assert!(!backend.hear_response(true, now));
    see(&backend, Observation::Late);
    assert_eq!(backend.live_standing(), Some(Standing::Suspect));
    assert!(backend.hear_response(true, now));
    see(&backend, Observation::Response);
    assert!(!backend.hear_response(true, now));
    assert_eq!(backend.live_standing(), Some(Standing::Clear));
}

#[test]
fn an_unreachable_host_is_reachable_again_with_the_first_sign_of_life() {
    let (backend, now) = (backend(), Instant::now());
    see(&backend, Observation::Good);
    let finding = Finding {
        is_unreachable: true,
        ..Finding::default()
    };
    for sign in [Observation::Good, Observation::Response] {
        backend.apply(Observation::Bad(Evidence::Gone), &finding, true, now);
        assert!(backend.is_unreachable() && backend.hear_response(true, now));
        see(&backend, sign);
        assert!(!backend.is_unreachable() && !backend.hear_response(true, now));
    }
}

#[test]
fn a_check_is_asked_for_once() {
    let backend = backend();
    assert!(backend.ask_for_check() && !backend.ask_for_check());
    assert!(backend.take_check() && !backend.take_check());
}

/// A connection of it is idle.
fn rest(backend: &Backend<()>, now: Instant) {
    backend.idle.put((), backend.idle.generation(), now);
}

#[test]
fn a_backend_that_drains_keeps_its_idle_connections_and_a_disabled_one_has_none() {
    let (backend, now) = (backend(), Instant::now());
    see(&backend, Observation::Good);
    rest(&backend, now);
    for (admin, left) in [
        (AdminState::Draining, 1),
        (AdminState::Enabled, 1),
        (AdminState::Disabled, 0),
    ] {
        backend.set_admin(admin);
        let idle = &backend.idle;
        assert_eq!(
            (idle.len(), idle.is_empty()),
            (left, left == 0),
            "{admin:?}"
        );
    }
}

#[test]
fn one_that_is_out_keeps_its_reason_whatever_fails_there_then() {
    let (backend, now) = (backend(), Instant::now());
    let apply = |observation, reason: &str| {
        let finding = Finding {
            reason: reason.into(),
            is_unreachable: false,
        };
        backend.apply(observation, &finding, true, now);
        backend.state().reason.clone()
    };
    apply(Observation::Good, "");
    assert_eq!(apply(Observation::Late, "late"), "late");
    assert_eq!(
        apply(Observation::Bad(Evidence::Gone), "refused"),
        "refused"
    );
    assert_eq!(apply(Observation::Late, "late"), "refused");
    assert_eq!(apply(Observation::Failing, "failing"), "refused");
}

#[test]
fn one_that_goes_down_is_to_be_checked_and_one_that_comes_back_is_not() {
    let backend = backend();
    see(&backend, Observation::Good);
    see(&backend, Observation::Bad(Evidence::Gone));
    assert!(!backend.ask_for_check(), "it is asked for already");
    see(&backend, Observation::Good);
    assert!(!backend.take_check(), "nothing is odd about it any more");
    assert!(backend.ask_for_check());
}

#[test]
fn idle_connections_give_way_to_a_request_only_when_their_backend_is_silent() {
    let (mut backend, start) = (backend(), Instant::now());
    // It counts in milliseconds from here.
    backend.heard = Heard::new(start);
    see(&backend, Observation::Good);
    assert_eq!(backend.release_idle(start), None, "no connection is idle");
    rest(&backend, start);
    assert!(!backend.hear_response(false, start));
    let soon = start + IN_THE_WAY / 2;
    assert_eq!(backend.release_idle(soon), Some(start + IN_THE_WAY));
    assert_eq!(backend.idle.len(), 1);
    assert_eq!(backend.release_idle(start + IN_THE_WAY), None);
    assert!(backend.idle.is_empty());
}

#[test]
fn the_first_connection_that_comes_to_rest_while_a_check_is_late_is_noticed_once() {
    let backend = backend();
    assert!(!backend.see_rest() && !backend.take_rest());
    backend.watch_rest(true);
    assert!(backend.see_rest() && !backend.see_rest());
    assert!(backend.take_rest() && !backend.take_rest());
    backend.watch_rest(true);
    backend.watch_rest(false);
    assert!(!backend.see_rest() && !backend.take_rest());
}

#[test]
fn a_backend_that_passes_its_trial_is_on_probation_and_one_that_was_down_is_not() {
    for (returns_by, is_on_probation) in [
        (Observation::TrialPassed, true),
        (Observation::Bad(Evidence::Gone), false),
    ] {
        let backend = backend();
        see(&backend, Observation::Good);
        see(&backend, Observation::Failing);
        assert!(backend.state().health.is_ejected());
        see(&backend, returns_by);
        see(&backend, Observation::Good);
        assert!(backend.is_up(), "{returns_by:?}");
        let is_out_again = backend.failures.count(5).is_some();
        assert_eq!(is_out_again, is_on_probation, "{returns_by:?}");
    }
}

#[test]
fn a_check_of_an_ejected_backend_does_not_end_its_ejection() {
    let (backend, later) = (backend(), Instant::now() + Duration::from_secs(60));
    see(&backend, Observation::Good);
    see(&backend, Observation::Failing);
    see(&backend, Observation::Good);
    assert!(backend.state().health.is_ejected());
    assert!(backend.failures.claim_trial(true, later));
}

#[test]
fn a_suspect_is_not_ejected() {
    let (backend, later) = (backend(), Instant::now() + Duration::from_secs(60));
    see(&backend, Observation::Good);
    assert_eq!(
        see(&backend, Observation::Late),
        Some(Transition::Suspected)
    );
    assert!(!backend.failures.claim_trial(true, later));
}
