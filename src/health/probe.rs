//! One probe: connect, send a `GET`, and read until the answer is complete or enough of it is known.
//!
//! Must not know when its time is over: the schedule decides that, and may let it wait on.

use super::symptom::{Activity, Symptom};
use crate::backends::Backend;
use crate::config::{HealthConfig, Statuses};
use crate::health::loop_detection::{self, OpenCheck, OpenChecks};
use crate::http::body::{Body, Encoding};
use crate::http::error::Cause;
use crate::http::interim_rate::InterimRate;
use crate::http::method::Method;
use crate::http::request::field_table;
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

/// Limits of the head of an answer.
const HEAD_LIMITS: HeadLimits = HeadLimits {
    bytes: 16 * 1024,
    start_line: 8 * 1024,
    fields: 100,
};

/// Body bytes that are read, and searched for `--health-match`, before the connection is closed. To
/// read a short body to its end spares the backend an error about a closed connection.
const MAX_BODY_BYTES: usize = 16 * 1024;

/// A probe under way.
#[derive(Debug)]
pub(super) struct Probe {
    backend: Arc<Backend<Conn>>,
    /// Shows whether the probe has come back to our own listener.
    token: Option<OpenCheck>,
    request: Vec<u8>,
    sent: usize,
    received: Buffer,
    cache: BufferCache,
    stage: ProbeStage,
    statuses: Statuses,
    /// `--health-match`, as long as it was not found, and the body so far.
    matches: Option<String>,
    content: Vec<u8>,
    interim: InterimRate,
    verdict: Option<Result<(), Symptom>>,
}

#[derive(Debug)]
enum ProbeStage {
    Connecting(Dial),
    /// No address has answered in time; the schedule notices that the probe is late.
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
            request: request(backend, config, token.as_ref()),
            token,
            sent: 0,
            received: Buffer::default(),
            cache: BufferCache::default(),
            stage: ProbeStage::Connecting(Dial::new(addresses, Options::default(), connect_due)),
            statuses: config.statuses.clone(),
            matches: config.matches.clone(),
            content: Vec::new(),
            interim: InterimRate::default(),
            verdict: None,
        }
    }

    /// When it tries the next address, if there is one.
    #[must_use]
    pub(super) fn next_address_due(&self) -> Option<Instant> {
        match &self.stage {
            ProbeStage::Connecting(dial) if dial.has_more() => Some(dial.address_due()),
            _ => None,
        }
    }

    /// What it is doing now.
    #[must_use]
    pub(super) fn activity(&self) -> Activity {
        match &self.stage {
            ProbeStage::Connecting(_) | ProbeStage::Late => Activity::Connecting,
            ProbeStage::Sending(_) => Activity::Sending,
            ProbeStage::ReadingHead(..) if self.received.is_empty() => Activity::AwaitingAnswer,
            ProbeStage::ReadingHead(..) | ProbeStage::ReadingBody(..) | ProbeStage::Over => {
                Activity::ReadingAnswer
            }
        }
    }

    /// Whether an answer may still come on this connection: the backend's system has acknowledged
    /// all that was sent. It has not if there is no connection, or if its host has vanished.
    #[must_use]
    pub(super) fn may_be_answered(&self) -> bool {
        match &self.stage {
            ProbeStage::ReadingHead(conn, _) | ProbeStage::ReadingBody(conn, _) => {
                conn.unacknowledged().unwrap_or(0) == 0
            }
            ProbeStage::Connecting(_)
            | ProbeStage::Late
            | ProbeStage::Sending(_)
            | ProbeStage::Over => false,
        }
    }

    /// The result, once.
    #[must_use]
    pub(super) fn take_verdict(&mut self) -> Option<Result<(), Symptom>> {
        self.verdict.take()
    }

    /// Whether nothing is left to do.
    #[must_use]
    pub(super) fn is_over(&self) -> bool {
        matches!(self.stage, ProbeStage::Over)
    }

    /// What it waits for.
    #[must_use]
    pub(super) fn waits(&self) -> Option<(&Conn, Interest)> {
        match &self.stage {
            ProbeStage::Connecting(dial) => Some((dial.conn()?, Interest::Write)),
            ProbeStage::Sending(conn) => Some((conn, Interest::Write)),
            ProbeStage::ReadingHead(conn, _) | ProbeStage::ReadingBody(conn, _) => {
                Some((conn, Interest::Read))
            }
            ProbeStage::Late | ProbeStage::Over => None,
        }
    }

    /// Goes on as far as possible without blocking.
    pub(super) fn advance(&mut self, now: Instant) {
        while let Some(stage) = self.step(now) {
            self.stage = stage;
        }
    }

    /// The next stage, or `None` while this one has to wait.
    fn step(&mut self, now: Instant) -> Option<ProbeStage> {
        match std::mem::replace(&mut self.stage, ProbeStage::Over) {
            ProbeStage::Over => None,
            ProbeStage::Late => self.stay(ProbeStage::Late),
            ProbeStage::Connecting(dial) => self.connect(dial, now),
            ProbeStage::Sending(conn) => self.send(conn),
            ProbeStage::ReadingHead(conn, scan) => self.read_head(conn, scan, now),
            ProbeStage::ReadingBody(conn, body) => self.read_body(conn, body, now),
        }
    }

    fn end(&mut self, verdict: Result<(), Symptom>) -> Option<ProbeStage> {
        self.verdict = Some(verdict);
        self.stage = ProbeStage::Over;
        None
    }

    /// Waits in `stage`.
    fn stay(&mut self, stage: ProbeStage) -> Option<ProbeStage> {
        self.stage = stage;
        None
    }

    fn connect(&mut self, mut dial: Dial, now: Instant) -> Option<ProbeStage> {
        match dial.advance(now) {
            Ok(Dialed::WouldWait) => self.stay(ProbeStage::Connecting(dial)),
            Ok(Dialed::Connected(conn, mut address)) => {
                address.set_port(self.backend.name.port);
                self.backend.addresses.prefer(address);
                Some(ProbeStage::Sending(conn))
            }
            // The schedule notices that, and knows whether this process was late itself.
            Err(error) if error.kind() == ErrorKind::TimedOut => self.stay(ProbeStage::Late),
            Err(error) => self.end(Err(match shortage(&error) {
                Some(_) => Symptom::Ours,
                None => Symptom::Connect(Cause::of_connect(&error)),
            })),
        }
    }

    fn send(&mut self, conn: Conn) -> Option<ProbeStage> {
        while self.sent < self.request.len() {
            match conn.write(&self.request[self.sent..], Blocking::Never) {
                Ok(Moved::Bytes(count)) => self.sent += count,
                Ok(_) => return self.stay(ProbeStage::Sending(conn)),
                Err(_) => return self.end(Err(Symptom::Reset)),
            }
        }
        Some(ProbeStage::ReadingHead(conn, HeadScan::of_response()))
    }

    fn read_head(&mut self, conn: Conn, mut scan: HeadScan, now: Instant) -> Option<ProbeStage> {
        loop {
            let received = self.received.bytes();
            match response::find_end(&mut scan, received, &HEAD_LIMITS) {
                Ok(Some(length)) => return self.judge(conn, length, now),
                Ok(None) => {}
                Err(refusal) => return self.end(Err(Symptom::NotHttp(refusal.why))),
            }
            match conn.read(&mut self.received, &mut self.cache, Blocking::Never) {
                Ok(Moved::Bytes(_)) => self.backend.heard.other(now),
                Ok(Moved::WouldWait) => return self.stay(ProbeStage::ReadingHead(conn, scan)),
                Ok(Moved::End) | Err(_) => return self.end(Err(Symptom::Reset)),
            }
        }
    }

    /// The head is complete. It decides, unless the body has to match; the rest is then read only
    /// so that the backend sees an ordinary end.
    fn judge(&mut self, conn: Conn, length: usize, now: Instant) -> Option<ProbeStage> {
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
            return Some(ProbeStage::ReadingHead(conn, HeadScan::of_response()));
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
        Some(ProbeStage::ReadingBody(conn, body))
    }

    fn read_body(&mut self, conn: Conn, mut body: Body, now: Instant) -> Option<ProbeStage> {
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
                Ok(Moved::WouldWait) => return self.stay(ProbeStage::ReadingBody(conn, body)),
                Ok(Moved::End) => return self.end_body(Symptom::NoMatch),
                Err(_) => return self.end_body(Symptom::Reset),
            }
        }
    }

    /// Whether the body contains `--health-match`; then the rest need not be read.
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

    /// The body is over. The symptom is `otherwise`, if `--health-match` was not found.
    fn end_body(&mut self, otherwise: Symptom) -> Option<ProbeStage> {
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
