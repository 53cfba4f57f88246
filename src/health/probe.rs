//! One probe: connect, send a GET, read until the answer is complete or enough of it is seen.
//! It does not know when its time is over: that is the schedule's business, which may let it
//! wait on.

use super::symptom::Symptom;
use crate::backends::Backend;
use crate::config::{HealthConfig, Statuses};
use crate::health::loop_detection::{self, OpenCheck, OpenChecks};
use crate::http::body::{Body, Encoding};
use crate::http::error::Cause;
use crate::http::interim_rate::InterimRate;
use crate::http::request::{Method, field_table};
use crate::http::response;
use crate::http::scan::{HeadLimits, HeadScan};
use crate::net::Interest;
use crate::net::buffer::{Buffer, BufferCache};
use crate::net::conn::{Blocking, Conn, Moved};
use crate::net::dial::{Dial, Dialed};
use crate::net::limits::shortage;
use crate::net::options::Options;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Instant;

/// Bounds on the head of a probe's answer.
const HEAD_LIMITS: HeadLimits = HeadLimits {
    bytes: 16 * 1024,
    start_line: 8 * 1024,
    fields: 100,
};

/// Body bytes that are read, and searched if something has to stand there, before the
/// connection is closed on the rest. Reading a short body to its end spares the backend an
/// error about a closed connection.
const MAX_BODY_BYTES: usize = 16 * 1024;

/// What a probe is doing that has no connection yet.
pub(super) const CONNECTING: &str = "connecting";

/// A probe under way.
#[derive(Debug)]
pub(super) struct Probe {
    backend: Arc<Backend<Conn>>,
    /// When connecting has to be done, with all addresses.
    connect_due: Instant,
    /// What tells that it has come back to us.
    token: Option<OpenCheck>,
    request: Vec<u8>,
    sent: usize,
    received: Buffer,
    cache: BufferCache,
    stage: Stage,
    statuses: Statuses,
    /// What has to stand in the body, and as much of the body as has come.
    matches: Option<String>,
    content: Vec<u8>,
    interim: InterimRate,
    verdict: Option<Result<(), Symptom>>,
}

#[derive(Debug)]
enum Stage {
    Connecting(Dial),
    /// No address has answered in time: the schedule sees that it is late.
    Late,
    Sending(Conn),
    ReadingHead(Conn, HeadScan),
    ReadingBody(Conn, Body),
    Over,
}

impl Probe {
    /// A probe of `backend` that tries all its addresses by `connect_due`.
    #[must_use]
    pub(super) fn new(
        backend: &Arc<Backend<Conn>>,
        config: &HealthConfig,
        open_checks: &Arc<OpenChecks>,
        connect_due: Instant,
    ) -> Self {
        let token = open_checks.open();
        let mut addresses = backend.addresses.in_order();
        if let Some(port) = config.port {
            addresses
                .iter_mut()
                .for_each(|address| address.set_port(port));
        }
        Self {
            backend: Arc::clone(backend),
            connect_due,
            request: request(backend, config, token.as_ref()),
            token,
            sent: 0,
            received: Buffer::default(),
            cache: BufferCache::default(),
            stage: Stage::Connecting(Dial::new(addresses, Options::default(), connect_due)),
            statuses: config.statuses.clone(),
            matches: config.matches.clone(),
            content: Vec::new(),
            interim: InterimRate::default(),
            verdict: None,
        }
    }

    /// When it tries the next address, if it has to.
    #[must_use]
    pub(super) fn next_address_due(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Connecting(dial) if dial.has_more() => Some(dial.address_due()),
            _ => None,
        }
    }

    /// What it is doing.
    #[must_use]
    pub(super) fn activity(&self) -> &'static str {
        match &self.stage {
            Stage::Connecting(_) | Stage::Late => CONNECTING,
            Stage::Sending(_) => "sending",
            Stage::ReadingHead(..) if self.received.is_empty() => "waiting for the answer",
            Stage::ReadingHead(..) | Stage::ReadingBody(..) | Stage::Over => "reading the answer",
        }
    }

    /// Whether the backend's system has all that was sent, so that an answer may yet come on
    /// this connection. On a connection that is not made, or to a host that has vanished, none
    /// will.
    #[must_use]
    pub(super) fn may_be_answered(&self) -> bool {
        match &self.stage {
            Stage::ReadingHead(conn, _) | Stage::ReadingBody(conn, _) => {
                conn.unacknowledged().unwrap_or(0) == 0
            }
            Stage::Connecting(_) | Stage::Late | Stage::Sending(_) | Stage::Over => false,
        }
    }

    /// What it has found, once.
    #[must_use]
    pub(super) fn take_verdict(&mut self) -> Option<Result<(), Symptom>> {
        self.verdict.take()
    }

    /// Whether it has nothing more to do.
    #[must_use]
    pub(super) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// What it waits for, while it is not over.
    #[must_use]
    pub(super) fn waits(&self) -> Option<(&Conn, Interest)> {
        match &self.stage {
            Stage::Connecting(dial) => Some((dial.conn()?, Interest::Write)),
            Stage::Sending(conn) => Some((conn, Interest::Write)),
            Stage::ReadingHead(conn, _) | Stage::ReadingBody(conn, _) => {
                Some((conn, Interest::Read))
            }
            Stage::Late | Stage::Over => None,
        }
    }

    /// Goes on as far as possible.
    pub(super) fn advance(&mut self, now: Instant) {
        while let Some(stage) = self.step(now) {
            self.stage = stage;
        }
    }

    /// The next stage, or `None` while this one has to wait.
    fn step(&mut self, now: Instant) -> Option<Stage> {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Over => None,
            Stage::Late => self.stay(Stage::Late),
            Stage::Connecting(dial) => self.connect(dial, now),
            Stage::Sending(conn) => self.send(conn),
            Stage::ReadingHead(conn, scan) => self.read_head(conn, scan, now),
            Stage::ReadingBody(conn, body) => self.read_body(conn, body, now),
        }
    }

    fn end(&mut self, verdict: Result<(), Symptom>) -> Option<Stage> {
        self.verdict = Some(verdict);
        self.stage = Stage::Over;
        None
    }

    /// Waits in `stage`.
    fn stay(&mut self, stage: Stage) -> Option<Stage> {
        self.stage = stage;
        None
    }

    fn connect(&mut self, mut dial: Dial, now: Instant) -> Option<Stage> {
        match dial.advance(now) {
            Ok(Dialed::WouldWait) => self.stay(Stage::Connecting(dial)),
            Ok(Dialed::Connected(conn, mut address)) => {
                address.set_port(self.backend.name.port);
                self.backend.addresses.prefer(address);
                Some(Stage::Sending(conn))
            }
            Err(error) if error.kind() == ErrorKind::TimedOut && now >= self.connect_due => {
                self.stay(Stage::Late)
            }
            Err(error) => self.end(Err(match shortage(&error) {
                Some(_) => Symptom::Ours,
                None => Symptom::Connect(Cause::of_connect(&error)),
            })),
        }
    }

    fn send(&mut self, conn: Conn) -> Option<Stage> {
        while self.sent < self.request.len() {
            match conn.write(&self.request[self.sent..], Blocking::Never) {
                Ok(Moved::Bytes(count)) => self.sent += count,
                Ok(_) => return self.stay(Stage::Sending(conn)),
                Err(_) => return self.end(Err(Symptom::Reset)),
            }
        }
        Some(Stage::ReadingHead(conn, HeadScan::of_response()))
    }

    fn read_head(&mut self, conn: Conn, mut scan: HeadScan, now: Instant) -> Option<Stage> {
        loop {
            let received = self.received.bytes();
            match response::find_end(&mut scan, received, &HEAD_LIMITS) {
                Ok(Some(length)) => return self.judge(conn, length, now),
                Ok(None) => {}
                Err(refusal) => return self.end(Err(Symptom::NotHttp(refusal.why))),
            }
            match conn.read(&mut self.received, &mut self.cache, Blocking::Never) {
                Ok(Moved::Bytes(_)) => self.backend.heard.other(now),
                Ok(Moved::WouldWait) => return self.stay(Stage::ReadingHead(conn, scan)),
                Ok(Moved::End) | Err(_) => return self.end(Err(Symptom::Reset)),
            }
        }
    }

    /// The head is there. Unless something has to stand in the body, that is the verdict, and
    /// what follows is politeness.
    fn judge(&mut self, conn: Conn, length: usize, now: Instant) -> Option<Stage> {
        let mut table = field_table();
        let head = response::parse(&self.received.bytes()[..length], Method::Get, &mut table);
        let head = match head {
            Ok(head) => head,
            Err(refusal) => return self.end(Err(Symptom::NotHttp(refusal.why))),
        };
        if head.is_interim() {
            if !self.interim.admits(now) {
                return self.end(Err(Symptom::NotHttp("too many interim responses")));
            }
            self.received.consume(length);
            return Some(Stage::ReadingHead(conn, HeadScan::of_response()));
        }
        if self.token.as_ref().is_some_and(OpenCheck::has_come_back) {
            return self.end(Err(Symptom::Itself));
        }
        let body = Body::of_response(head.framing, Encoding::Plain, false);
        let is_good = self.statuses.contains(head.status);
        self.verdict = match (is_good, &self.matches) {
            (false, _) => Some(Err(Symptom::Status(head.status))),
            (true, None) => Some(Ok(())),
            (true, Some(_)) => None,
        };
        if !is_good {
            self.matches = None;
        }
        self.received.consume(length);
        Some(Stage::ReadingBody(conn, body))
    }

    fn read_body(&mut self, conn: Conn, mut body: Body, now: Instant) -> Option<Stage> {
        loop {
            let relayed = body.relay(self.received.bytes(), &mut self.content);
            let consumed = match relayed {
                Ok(consumed) => consumed,
                Err(refusal) => return self.end_body(Symptom::NotHttp(refusal.why)),
            };
            self.received.consume(consumed);
            if self.is_matched() || body.is_complete() || self.content.len() >= MAX_BODY_BYTES {
                return self.end_body(Symptom::NoMatch);
            }
            match conn.read(&mut self.received, &mut self.cache, Blocking::Never) {
                Ok(Moved::Bytes(_)) => self.backend.heard.other(now),
                Ok(Moved::WouldWait) => return self.stay(Stage::ReadingBody(conn, body)),
                Ok(Moved::End) => return self.end_body(Symptom::NoMatch),
                Err(_) => return self.end_body(Symptom::Reset),
            }
        }
    }

    /// Whether what has to stand in the body does; then the rest is not worth reading.
    fn is_matched(&mut self) -> bool {
        let Some(text) = &self.matches else {
            return false;
        };
        let content = &self.content[..self.content.len().min(MAX_BODY_BYTES)];
        let is_matched = memchr::memmem::find(content, text.as_bytes()).is_some();
        if is_matched {
            self.verdict = Some(Ok(()));
            self.matches = None;
        }
        is_matched
    }

    /// The body is over: `otherwise`, if something had to stand in it that did not.
    fn end_body(&mut self, otherwise: Symptom) -> Option<Stage> {
        match self.matches.take() {
            Some(_) => self.end(Err(otherwise)),
            None => None,
        }
    }
}

fn request(backend: &Backend<Conn>, config: &HealthConfig, token: Option<&OpenCheck>) -> Vec<u8> {
    let (path, name) = (&config.path, backend.name.authority());
    let host = config.host.as_ref().unwrap_or(&name);
    let version = env!("CARGO_PKG_VERSION");
    let token = token.map_or(String::new(), |token| {
        format!("{}: {}\r\n", loop_detection::FIELD, token.token())
    });
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: lb-health/{version}\r\n\
         Accept: */*\r\n{token}Connection: close\r\n\r\n"
    )
    .into_bytes()
}
