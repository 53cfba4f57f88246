use super::*;
use crate::config::Settings;
use crate::exchange::testing::Fixture;
use crate::net::testing::pair;

/// Begins a transfer on a connection on which the backend has done something before it was asked.
fn begin_after(early: impl FnOnce(Conn)) -> Result<(), Error> {
    let mut fixture = Fixture::new(1, Settings::default());
    let mut exchange = fixture
        .connecting("POST / HTTP/1.1\r\nHost: a\r\n\r\n")
        .exchange;
    let (conn, server) = pair();
    early(server);
    // The kernel needs a moment to bring it here.
    let _ = conn.wait(Interest::Read);
    let begun = exchange.begin_transfer(conn, &fixture.turn());
    let is_transferring = matches!(exchange.phase, ExchangePhase::Transferring(..));
    assert_eq!(is_transferring, begun.is_ok());
    begun
}

#[test]
fn a_backend_that_speaks_before_it_is_asked_gets_no_request() {
    let spoken = begin_after(|server| {
        let written = server.write(b"HTTP/1.1 200 OK\r\n\r\n", Blocking::Briefly);
        written.expect("open");
        // It stays open until the test has ended.
        std::mem::forget(server);
    });
    let error = spoken.expect_err("it has spoken");
    assert_eq!((error.phase, error.status()), (Phase::Connect, 502));
    assert!(error.retry_elsewhere(), "nothing was sent");
}

#[test]
fn a_backend_that_hangs_up_before_it_is_asked_gets_no_request() {
    let error = begin_after(drop).expect_err("it has hung up");
    assert_eq!((error.phase, error.cause), (Phase::Connect, Cause::Closed));
}

#[test]
fn a_backend_that_waits_to_be_asked_gets_the_request() {
    assert_eq!(begin_after(std::mem::forget), Ok(()));
}

/// Whether a request that has failed on idle connections of these backends goes on with a new one, of
/// so many backends that have an idle connection each.
fn goes_on_with_a_new_connection(count: u16, failed: &[usize]) -> bool {
    let mut fixture = Fixture::new(count, Settings::default());
    let all = 0..usize::from(count);
    let _other_ends: Vec<_> = all.map(|place| fixture.keep_idle(place)).collect();
    let stale = |place: &usize| {
        let error = Error::backend(Phase::ResponseHead, Cause::Closed);
        Attempt::new(fixture.lease(*place), true).failure(error)
    };
    let failures: Vec<Failure> = failed.iter().map(stale).collect();
    let group = fixture.group();
    let turn = fixture.turn();
    let next =
        ExchangePhase::another_attempt(&group, Key::Absent, &failures, &turn).expect("one is left");
    matches!(next, ExchangePhase::Connecting(..))
}

#[test]
fn after_two_dead_idle_connections_the_next_one_is_new() {
    assert!(!goes_on_with_a_new_connection(3, &[0]));
    assert!(goes_on_with_a_new_connection(3, &[0, 1]));
    assert!(
        goes_on_with_a_new_connection(1, &[0]),
        "at the same backend"
    );
}

#[test]
fn a_success_ends_a_row_of_failures_unless_it_was_a_trial() {
    for (is_trial, is_over) in [(false, true), (true, false)] {
        let fixture = Fixture::new(1, Settings::default());
        let backend = &fixture.backends[0];
        let mut attempt = Attempt::new(fixture.lease(0), false);
        attempt.is_trial = is_trial;
        assert_eq!(backend.failures.count(2), None);
        attempt.succeed(&fixture.group(), &fixture.shared);
        assert_eq!(backend.failures.count(2).is_none(), is_over, "{is_trial}");
    }
}

#[test]
fn a_trial_that_ends_without_a_result_lets_another_request_try() {
    let fixture = Fixture::new(1, Settings::default());
    let backend = &fixture.backends[0];
    let (failures, later) = (&backend.failures, Instant::now() + Duration::from_secs(60));
    failures.eject(Instant::now());
    assert!(failures.claim_trial(true, later));
    let trial = Trial::of(backend);
    assert!(!failures.claim_trial(true, later));
    drop(trial);
    assert!(failures.claim_trial(true, later));
}

#[test]
fn the_answer_to_a_trial_brings_the_backend_back_and_a_failure_lets_it_wait() {
    let fixture = Fixture::new(2, Settings::default());
    let (shared, ejected) = (&fixture.shared, &fixture.backends[0]);
    fixture.eject(0);
    assert!(!ejected.is_up());
    let soon = Instant::now() + Duration::from_secs(60);
    assert!(ejected.failures.claim_trial(true, soon));
    Trial::of(ejected).fail(soon);
    assert!(!ejected.failures.claim_trial(true, soon), "it has to wait");
    assert!(!ejected.is_up());
    Trial::of(ejected).pass(&fixture.group(), shared);
    assert!(ejected.is_up());
}

#[test]
fn only_a_shortage_of_descriptors_closes_idle_connections() {
    use rustix::io::Errno;
    for (errno, cause, closes) in [
        (Errno::MFILE, Cause::Exhausted, true),
        (Errno::NOBUFS, Cause::Exhausted, false),
        (Errno::ADDRNOTAVAIL, Cause::NoPort, false),
        (Errno::CONNREFUSED, Cause::Refused, false),
    ] {
        let fixture = Fixture::new(1, Settings::default());
        let _other_end = fixture.keep_idle(0);
        let error = cannot_connect(&errno.into(), &fixture.shared);
        let is_closed = fixture.backends[0].idle.is_empty();
        assert_eq!((error.cause, is_closed), (cause, closes), "{errno}");
    }
}
