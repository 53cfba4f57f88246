//! The parts of a backend, and how they follow from what is seen of it.

use super::health::Evidence;
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
