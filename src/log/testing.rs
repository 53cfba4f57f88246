//! Requests that never were, for the tests of the formats.

use super::entry::LogEntry;
use super::event::{AcceptedRequest, AttemptEnd, Ending, Event, Load};
use crate::backends::health::Health;
use crate::backends::{Backend, Name};
use crate::http::error::{Cause, Error, Phase};
use crate::http::identity::Identity;
use crate::http::method::Method;
use crate::http::request_id::RequestId;
use crate::http::trace_context::TraceContext;
use crate::http::{request, response};
use crate::net::conn::Conn;
use std::net::SocketAddr;
use std::time::Duration;

/// A good end.
pub(super) const ENDED: Ending<'_> = Ending {
    status: 200,
    bytes: 19,
    sent: 119,
    error: None,
    took: Duration::from_millis(12_345),
    load: Load {
        connections: 5,
        group: 2,
    },
};

pub(super) fn client() -> SocketAddr {
    ([192, 0, 2, 7], 4711).into()
}

/// A request whose head took 4 ms to come, on connection 7, to the group `shop`.
pub(super) struct Scene {
    pub(super) entry: LogEntry,
}

impl Scene {
    pub(super) fn of(head: &str) -> Self {
        let mut table = request::field_table();
        let head = request::parse(head.as_bytes(), &mut table).expect("valid");
        let identity = Identity {
            id: Some(RequestId::made(0xab)),
            trace: Some(TraceContext::begun(1, 2)),
        };
        let mut entry = LogEntry::default();
        let accepted = AcceptedRequest {
            head: &head,
            client: client(),
            connection: 7,
            group: Some("shop"),
            identity: &identity,
            reading: Duration::from_millis(4),
        };
        entry.note(&Event::Accepted(&accepted), Duration::ZERO);
        Self { entry }
    }

    fn note(&mut self, event: &Event<'_>, micros: u64) {
        self.entry.note(event, Duration::from_micros(micros));
    }

    /// An attempt there begins after so many microseconds.
    pub(super) fn begun(&mut self, host: &str, micros: u64) {
        let begun = Event::AttemptBegun {
            backend: &backend(host),
            is_reused: false,
        };
        self.note(&begun, micros);
    }

    /// It is connected.
    pub(super) fn connected(&mut self, host: &str, micros: u64) {
        self.note(&Event::Connected(&backend(host)), micros);
    }

    /// It fails, so many milliseconds after its beginning.
    pub(super) fn failed(&mut self, host: &str, cause: Cause, millis: u64) {
        let error = Error::backend(Phase::Connect, cause);
        self.over(host, Err(&error), millis);
    }

    /// It ends well.
    pub(super) fn ended(&mut self, host: &str, status: u16, millis: u64) {
        self.over(host, Ok(status), millis);
    }

    fn over(&mut self, host: &str, outcome: Result<u16, &Error>, millis: u64) {
        let ended = AttemptEnd {
            backend: &backend(host),
            outcome,
            took: Duration::from_millis(millis),
        };
        self.note(&Event::AttemptEnded(&ended), 0);
    }

    /// The head of a response comes.
    pub(super) fn answered(&mut self, micros: u64) {
        let mut table = request::field_table();
        let head = b"HTTP/1.1 200 OK\r\n\r\n";
        let head = response::parse(head, Method::Get, &mut table).expect("valid");
        self.note(&Event::Answered(&head), micros);
    }

    /// It enters the queue.
    pub(super) fn queued(&mut self, behind: usize) {
        self.note(&Event::Queued { behind }, 0);
    }
}

fn backend(host: &str) -> Backend<Conn> {
    let host = host.into();
    Backend::new(Name { host, port: 80 }, Health::new(1, 1))
}
