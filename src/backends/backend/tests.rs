//! The parts of a backend, and how they follow from what is seen of it.

use super::*;
use crate::backends::health::Evidence;

fn backend() -> Backend<()> {
    let name = Name {
        host: "a".into(),
        port: 1,
    };
    Backend::new(name, Health::new(1, 1))
}

fn see(backend: &Backend<()>, observation: Observation) -> Option<Transition> {
    see_with(backend, observation, &Finding::default())
}

fn see_with(
    backend: &Backend<()>,
    observation: Observation,
    finding: &Finding,
) -> Option<Transition> {
    let (now, stale) = (Instant::now(), &mut Stale::default());
    let change = backend.apply((observation, finding), true, now, stale);
    change.map(|(transition, _)| transition)
}

fn set_admin(backend: &Backend<()>, admin: AdminState) {
    backend.set_admin(admin, &mut Stale::default());
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
        set_admin(&backend, admin);
        assert!(backend.is_live() == is_live && backend.is_up(), "{admin:?}");
        assert_eq!(admin.word(), format!("{admin:?}").to_lowercase());
    }
    set_admin(&backend, AdminState::Draining);
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
        see_with(&backend, Observation::Bad(Evidence::Gone), &finding);
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
        set_admin(&backend, admin);
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
    let backend = backend();
    let apply = |observation, reason: &str| {
        let finding = Finding {
            reason: reason.into(),
            is_unreachable: false,
        };
        see_with(&backend, observation, &finding);
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

#[test]
fn what_changes_where_requests_go_makes_the_table_stale_and_nothing_else_does() {
    let (backend, now) = (backend(), Instant::now());
    let is_stale = |observation| {
        let (finding, mut stale) = (Finding::default(), Stale::default());
        backend.apply((observation, &finding), true, now, &mut stale);
        stale.take()
    };
    for (observation, expected) in [
        (Observation::Good, true),
        (Observation::Good, false),
        (Observation::Response, false),
        (Observation::Late, true),
        (Observation::Late, false),
        (Observation::Response, true),
        (Observation::Bad(Evidence::Silent), true),
        (Observation::Bad(Evidence::Silent), false),
        (Observation::Bad(Evidence::Gone), true),
    ] {
        assert_eq!(is_stale(observation), expected, "{observation:?}");
    }
    let mut stale = Stale::default();
    for (admin, expected) in [
        (AdminState::Enabled, false),
        (AdminState::Draining, true),
        (AdminState::Draining, false),
    ] {
        backend.set_admin(admin, &mut stale);
        assert_eq!(stale.take(), expected, "{admin:?}");
    }
    backend.restore(|_| true, &mut stale);
    assert!(!stale.take(), "it is as it was");
}

#[test]
fn other_thresholds_hold_at_once() {
    let name = Name {
        host: "a".into(),
        port: 1,
    };
    let (backend, mut stale) = (
        Backend::<()>::new(name, Health::new(1, 3)),
        Stale::default(),
    );
    see(&backend, Observation::Good);
    see(&backend, Observation::Bad(Evidence::Gone));
    backend.set_thresholds(2, 2, &mut stale);
    assert!(see(&backend, Observation::Bad(Evidence::Gone)).is_some());
    see(&backend, Observation::Good);
    assert!(!backend.is_up());
    see(&backend, Observation::Good);
    assert!(backend.is_up());
}
