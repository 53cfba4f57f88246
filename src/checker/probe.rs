//! One probe: connect, send a GET, read until the answer is complete or enough of it is seen.
//! It does not know when its time is over: that is the schedule's business, which may let it
//! wait on.

use super::symptom::Symptom;
use crate::backends::Backend;
use crate::config::{HealthConfig, Statuses};
use crate::error::Cause;
use crate::http::body::{Body, Encoding};
use crate::http::request::{Method, field_table};
use crate::http::response;
use crate::http::scan::{HeadLimits, HeadScan};
use crate::net::buffer::{Buffer, Shelf};
use crate::net::conn::{Conn, Moved, Wait};
use crate::net::options::Options;
use crate::net::{Interest, connect, limits};
use std::net::SocketAddr;
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

/// Interim responses before the answer that counts.
const MAX_INTERIM: u8 = 100;

/// A probe under way.
#[derive(Debug)]
pub(super) struct Probe {
    backend: Arc<Backend<Conn>>,
    addresses: Vec<SocketAddr>,
    /// When connecting has to be done, with all addresses.
    connect_due: Instant,
    /// When the next address gets its chance.
    address_due: Instant,
    request: Vec<u8>,
    sent: usize,
    received: Buffer,
    shelf: Shelf,
    stage: Stage,
    statuses: Statuses,
    /// What has to stand in the body, and as much of the body as has come.
    matches: Option<String>,
    content: Vec<u8>,
    interim: u8,
    verdict: Option<Result<(), Symptom>>,
}

#[derive(Debug)]
enum Stage {
    /// At the address with this index.
    Connecting(usize, Option<Conn>),
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
        connect_due: Instant,
    ) -> Self {
        let mut addresses = backend.addresses.in_order();
        if let Some(port) = config.port {
            addresses
                .iter_mut()
                .for_each(|address| address.set_port(port));
        }
        Self {
            backend: Arc::clone(backend),
            addresses,
            connect_due,
            address_due: connect_due,
            request: request(backend, config),
            sent: 0,
            received: Buffer::default(),
            shelf: Shelf::default(),
            stage: Stage::Connecting(0, None),
            statuses: config.statuses.clone(),
            matches: config.matches.clone(),
            content: Vec::new(),
            interim: 0,
            verdict: None,
        }
    }

    /// When it tries the next address, if it has to.
    #[must_use]
    pub(super) fn next_address_due(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Connecting(index, _) if self.has_more(*index) => Some(self.address_due),
            _ => None,
        }
    }

    /// What it is doing.
    #[must_use]
    pub(super) fn activity(&self) -> &'static str {
        match &self.stage {
            Stage::Connecting(..) => CONNECTING,
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
            Stage::Connecting(..) | Stage::Sending(_) | Stage::Over => false,
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
            Stage::Connecting(_, Some(conn)) | Stage::Sending(conn) => {
                Some((conn, Interest::Write))
            }
            Stage::ReadingHead(conn, _) | Stage::ReadingBody(conn, _) => {
                Some((conn, Interest::Read))
            }
            Stage::Connecting(_, None) | Stage::Over => None,
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
            Stage::Connecting(index, conn) => self.connect(index, conn, now),
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

    fn connect(&mut self, index: usize, conn: Option<Conn>, now: Instant) -> Option<Stage> {
        let Some(&address) = self.addresses.get(index) else {
            return self.end(Err(Symptom::Connect(Cause::Unresolved)));
        };
        let Some(conn) = conn else {
            return self.begin(index, address, now);
        };
        match conn.is_connected() {
            Ok(true) => {
                self.backend
                    .addresses
                    .prefer(SocketAddr::new(address.ip(), self.backend.name.port));
                Some(Stage::Sending(conn))
            }
            Ok(false) if now >= self.address_due && self.has_more(index) => {
                Some(Stage::Connecting(index + 1, None))
            }
            Ok(false) => self.stay(Stage::Connecting(index, Some(conn))),
            Err(error) => self.next_address(index, &error),
        }
    }

    fn begin(&mut self, index: usize, address: SocketAddr, now: Instant) -> Option<Stage> {
        match connect::begin(address, &Options::default()) {
            Ok(conn) => {
                let others = u32::try_from(self.addresses.len() - index)
                    .unwrap_or(1)
                    .max(1);
                self.address_due = now + self.connect_due.saturating_duration_since(now) / others;
                Some(Stage::Connecting(index, Some(conn)))
            }
            Err(error) => self.next_address(index, &error),
        }
    }

    fn next_address(&mut self, index: usize, error: &std::io::Error) -> Option<Stage> {
        if self.has_more(index) {
            return Some(Stage::Connecting(index + 1, None));
        }
        let symptom = if limits::is_exhaustion(error) {
            Symptom::Ours
        } else {
            Symptom::Connect(Cause::of_connect(error))
        };
        self.end(Err(symptom))
    }

    fn has_more(&self, index: usize) -> bool {
        index + 1 < self.addresses.len()
    }

    fn send(&mut self, conn: Conn) -> Option<Stage> {
        while self.sent < self.request.len() {
            match conn.write(&self.request[self.sent..], Wait::No) {
                Ok(Moved::Bytes(count)) => self.sent += count,
                Ok(_) => return self.stay(Stage::Sending(conn)),
                Err(_) => return self.end(Err(Symptom::Reset)),
            }
        }
        Some(Stage::ReadingHead(conn, HeadScan::default()))
    }

    fn read_head(&mut self, conn: Conn, mut scan: HeadScan, now: Instant) -> Option<Stage> {
        loop {
            let received = self.received.bytes();
            match response::find_end(&mut scan, received, &HEAD_LIMITS) {
                Ok(Some(length)) => return self.judge(conn, length),
                Ok(None) => {}
                Err(refusal) => return self.end(Err(Symptom::NotHttp(refusal.why))),
            }
            match conn.read(&mut self.received, &mut self.shelf, Wait::No) {
                Ok(Moved::Bytes(_)) => self.backend.heard.other(now),
                Ok(Moved::Nothing) => return self.stay(Stage::ReadingHead(conn, scan)),
                Ok(Moved::End) | Err(_) => return self.end(Err(Symptom::Reset)),
            }
        }
    }

    /// The head is there. Unless something has to stand in the body, that is the verdict, and
    /// what follows is politeness.
    fn judge(&mut self, conn: Conn, length: usize) -> Option<Stage> {
        let mut table = field_table();
        let head = response::parse(&self.received.bytes()[..length], Method::Get, &mut table);
        let head = match head {
            Ok(head) => head,
            Err(refusal) => return self.end(Err(Symptom::NotHttp(refusal.why))),
        };
        if head.is_interim() && self.interim < MAX_INTERIM {
            self.interim += 1;
            self.received.consume(length);
            return Some(Stage::ReadingHead(conn, HeadScan::default()));
        }
        let body = Body::new(head.framing, Encoding::Plain, false);
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
            match conn.read(&mut self.received, &mut self.shelf, Wait::No) {
                Ok(Moved::Bytes(_)) => self.backend.heard.other(now),
                Ok(Moved::Nothing) => return self.stay(Stage::ReadingBody(conn, body)),
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

fn request(backend: &Backend<Conn>, config: &HealthConfig) -> Vec<u8> {
    let (path, name) = (&config.path, backend.name.to_string());
    let host = config.host.as_ref().unwrap_or(&name);
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: lb-health/{version}\r\n\
         Accept: */*\r\nConnection: close\r\n\r\n"
    )
    .into_bytes()
}
