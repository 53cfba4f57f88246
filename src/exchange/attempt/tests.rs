use super::*;
use crate::backends::Name;
use crate::backends::health::Health;
use crate::engine::scheduler::Scheduler;
use crate::engine::turn::IoCache;
use crate::exchange::shared::Local;
use crate::http::request;
use crate::net::options::Options;
use crate::net::testing::pair;

/// Begins a transfer on a connection on which the backend has done something before it was asked.
fn begin_after(early: impl FnOnce(Conn)) -> Result<(), Error> {
    let (shared, scheduler) = (Shared::alone(), Scheduler::new(1, || ()));
    let (mut cache, mut local) = (IoCache::default(), Local::default());
    scheduler.add_worker();
    let mut turn = Turn::new(&shared, &mut local, &mut cache, &scheduler, false);
    let now = turn.now();
    let mut table = request::field_table();
    let head = request::parse(b"POST / HTTP/1.1\r\nHost: a\r\n\r\n", &mut table).expect("valid");
    let ((conn, server), (own, _peer)) = (pair(), pair());
    let address = own.local_addr().expect("connected");
    let client = Client::new(own, address);
    let mut exchange = Exchange::begin(&head, &client, &mut turn, now);
    let name = Name {
        host: "a".into(),
        port: 1,
    };
    let backend = Arc::new(Backend::new(name, Health::new(1, 1)));
    let dial = Dial::new(Vec::new(), Options::default(), now);
    let attempt = Attempt::new(Lease::of(&backend), false);
    exchange.phase = ExchangePhase::Connecting(attempt, Box::new(dial));
    early(server);
    // The kernel needs a moment to bring it here.
    let _ = conn.wait(Interest::Read);
    let begun = exchange.begin_transfer(conn, &turn);
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
