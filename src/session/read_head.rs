//! Stage 1: a request head is waited for and read, and becomes an exchange. What is no valid request
//! is refused, and nothing that follows on the connection is read as a request.

use super::linger::Linger;
use super::own_reply::{self, NO_ROUTE, OwnReply, Peer, TOO_SLOW, refuse};
use super::{Stage, Step, client_limits};
use crate::config::routing::RouteMatch;
use crate::config::{Destination, Routed, Snapshot, Timeouts};
use crate::exchange::Exchange;
use crate::exchange::client::{Client, CountedClient};
use crate::exchange::shared::Turn;
use crate::exchange::upload::TOO_LARGE;
use crate::exchange::wait_for::WaitFor;
use crate::http::Refusal;
use crate::http::framing::Framing;
use crate::http::request::{self, RequestHead};
use crate::http::scan::{HeadScan, is_token_byte};
use crate::metrics::lanes::WorkerState;
use crate::net::Interest;
use crate::net::conn::{Blocking, Moved};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What an exchange counts in a turn, however few bytes it moves. So of a client that sends many
/// requests at once, some are answered before other sessions get their turn.
const EXCHANGE_CHARGE: usize = 16 * 1024;

/// Empty lines that are skipped before a request. RFC 9112 §2.2 asks for at least one, because old
/// clients send one after the body of a `POST`. Clients that print their requests send more.
const MAX_EMPTY_LINES: u8 = 16;

/// Progress in a request head.
#[derive(Debug)]
pub struct ReadHead {
    scan: HeadScan,
    /// The connection has had no request yet.
    is_first: bool,
    /// Empty lines that were skipped before the request.
    empty_lines: u8,
    /// The first line was checked before the rest of the head came.
    has_checked_line: bool,
    /// When its first bytes came.
    begun: Option<Instant>,
    due: Option<Instant>,
    /// Whether `due` is the deadline of a head, not of an idle connection.
    due_is_heads: bool,
}

impl ReadHead {
    /// The first head of a connection.
    #[must_use]
    pub fn first() -> Self {
        Self {
            scan: HeadScan::default(),
            is_first: true,
            empty_lines: 0,
            has_checked_line: false,
            begun: None,
            due: None,
            due_is_heads: true,
        }
    }

    /// A later head.
    #[must_use]
    pub fn next() -> Self {
        Self {
            is_first: false,
            due_is_heads: false,
            ..Self::first()
        }
    }

    /// Whether the connection is kept alive after a request, with none begun.
    #[must_use]
    pub fn is_between_requests(&self) -> bool {
        !self.is_first
    }

    /// Reads until a head is complete.
    // spine 10
    pub fn run(&mut self, client: &mut Client, turn: &mut Turn<'_>) -> Step {
        if turn.is_over() {
            return Step::Yield;
        }
        if let Some(step) = self.flush(client, turn) {
            return step;
        }
        loop {
            match self.find_head(client, turn) {
                Ok(Some(length)) => return begin(length, self.reading(turn), client, turn),
                Ok(None) => {}
                Err(refusal) => return refuse(refusal, client, turn),
            }
            let blocking = turn.may_block();
            if self.skips_reading(client, blocking, turn) {
                return self.wait(false, client, turn);
            }
            turn.note(WorkerState::ReadingClient);
            match turn.read(&client.conn, &mut client.inbound, blocking) {
                Ok(Moved::Bytes(_)) => self.note_bytes(turn),
                Ok(Moved::WouldWait) => return self.wait(true, client, turn),
                // Between requests, this is how a connection ends. Within a head, no client is left
                // that could get an answer.
                Ok(Moved::End) | Err(_) => return Step::Close,
            }
        }
    }

    /// Bytes of a head have come.
    fn note_bytes(&mut self, turn: &Turn<'_>) {
        self.begun.get_or_insert_with(|| turn.now());
    }

    /// How long the head took to come.
    fn reading(&self, turn: &Turn<'_>) -> Duration {
        // As a rule it comes in one piece.
        let begun = self.begun.filter(|begun| *begun != turn.now());
        begun.map_or(Duration::ZERO, |begun| {
            turn.now().saturating_duration_since(begun)
        })
    }

    /// Writes what is left of an answer of our own; the next request has to wait for it.
    fn flush(&mut self, client: &mut Client, turn: &mut Turn<'_>) -> Option<Step> {
        while !client.outbound.is_empty() {
            match client.flush(turn.may_block(), turn) {
                Ok(true) => {}
                Ok(false) => {
                    let (snapshot, now) = (turn.shared.snapshot(), turn.now());
                    let deadline = self.deadline(true, &snapshot.settings.timeouts, now);
                    return Some(match now < deadline {
                        true => Step::WouldWait(WaitFor::client(Interest::Write, deadline)),
                        false => Step::Close,
                    });
                }
                Err(_) => return Some(Step::Close),
            }
        }
        None
    }

    /// Whether it is too early for another request, so that the session is parked without a read.
    fn skips_reading(&self, client: &Client, blocking: Blocking, turn: &Turn<'_>) -> bool {
        !self.is_first && client.inbound.is_empty() && turn.skips_reading(blocking)
    }

    /// The length of a complete head at the start of what came in.
    // spine 11
    fn find_head(
        &mut self,
        client: &mut Client,
        turn: &Turn<'_>,
    ) -> Result<Option<usize>, Refusal> {
        while self.empty_lines < MAX_EMPTY_LINES && client.inbound.bytes().starts_with(b"\r\n") {
            client.inbound.consume(2);
            self.empty_lines += 1;
        }
        match client.inbound.bytes() {
            [] | [b'\r'] => Ok(None),
            // The first byte shows it, as with TLS on a plain port: no need to wait for more.
            [first, ..] if !is_token_byte(*first) => Err(Refusal::bad("this is no HTTP request")),
            bytes => {
                let settings = &turn.shared.snapshot().settings;
                let found = self.scan.find_end(bytes, &settings.limits.head())?;
                if found.is_none() && self.scan.has_first_line() && !self.has_checked_line {
                    // A request of HTTP/0.9 has no other line.
                    request::check_first_line(bytes, settings.sender(client.address.ip()))?;
                    self.has_checked_line = true;
                }
                Ok(found)
            }
        }
    }

    /// Nothing can be read: waits, or gives up. A stop closes the connection only if a read was tried:
    /// otherwise a request may be there that came in time. The session is recalled soon.
    fn wait(&mut self, has_looked: bool, client: &mut Client, turn: &mut Turn<'_>) -> Step {
        let now = turn.now();
        let is_idle = client.inbound.is_empty();
        if is_idle && has_looked && turn.shared.is_stopping() {
            return self.close_unused();
        }
        let timeouts = turn.shared.snapshot().settings.timeouts;
        let deadline = self.deadline(is_idle, &timeouts, now);
        match (now < deadline, is_idle) {
            (true, _) => Step::WouldWait(WaitFor::client(Interest::Read, deadline)),
            (false, true) => self.close_unused(),
            (false, false) => refuse(TOO_SLOW, client, turn),
        }
    }

    /// Closes a connection without a request: at once if it never had one, otherwise as after the last
    /// answer, which may still be unread.
    fn close_unused(&self) -> Step {
        match self.is_first {
            true => Step::Close,
            false => Step::Next(Stage::Linger(Linger::default())),
        }
    }

    /// The deadline of the head, or of the idle connection. It is set when the wait begins, and moved
    /// once, when the first byte of a later head comes.
    fn deadline(&mut self, is_idle: bool, timeouts: &Timeouts, now: Instant) -> Instant {
        if !is_idle && !self.due_is_heads {
            (self.due, self.due_is_heads) = (None, true);
        }
        let timeout: Duration = if self.due_is_heads {
            timeouts.head
        } else {
            timeouts.keep_alive
        };
        *self.due.get_or_insert(now + timeout)
    }
}

/// Checks a complete head, and begins the exchange.
// spine 12
fn begin(length: usize, reading: Duration, client: &mut Client, turn: &mut Turn<'_>) -> Step {
    turn.charge_head(length);
    let mut table = request::field_table();
    let head = &client.inbound.bytes()[..length];
    let snapshot = turn.shared.snapshot();
    let sender = snapshot.settings.sender(client.address.ip());
    let max_body = snapshot.settings.limits.max_body;
    let head = request::parse_from(sender, head, &mut table);
    let head = head.and_then(|head| admit(head, max_body));
    let head = match head {
        Ok(head) => head,
        Err(refusal) => return refuse(refusal, client, turn),
    };
    let decided = decide(&head, &snapshot, client.address, &mut client.counted, turn);
    let (route, destination) = match decided {
        Ok(found) => found,
        Err(EndsHere::Refused(refusal)) => return refuse(refusal, client, turn),
        Err(EndsHere::Answered(own)) => {
            let peer = Peer {
                address: client.address,
                number: client.number,
                reading,
            };
            let out = &mut client.outbound;
            let goes_on = own_reply::send(&head, &own, &peer, out, turn);
            client.inbound.consume(length);
            return Step::Next(match goes_on {
                true => Stage::ReadHead(ReadHead::next()),
                false => Stage::Linger(Linger::default()),
            });
        }
    };
    let now = turn.now();
    turn.renew_budget(now);
    turn.charge(EXCHANGE_CHARGE);
    let exchange = Exchange::begin(&head, (&route, destination), client, turn, (reading, now));
    client.inbound.consume(length);
    Step::Begin(exchange)
}

/// How a request ends that goes to no backend.
enum EndsHere {
    /// With an answer of our own.
    Answered(OwnReply),
    /// It is refused, and nothing that follows it is read.
    Refused(Refusal),
}

/// Where a request goes: the answers of our own come first, then the limits of its client, then the
/// routes.
fn decide<'s>(
    head: &RequestHead<'_, '_>,
    snapshot: &'s Snapshot,
    peer: SocketAddr,
    counted: &mut Option<Box<CountedClient>>,
    turn: &Turn<'_>,
) -> Result<(RouteMatch<'s>, &'s Destination), EndsHere> {
    if let Some(own) = own_reply::to(head, &snapshot.settings, turn.shared) {
        return Err(EndsHere::Answered(own));
    }
    if turn.shared.clients.is_active() {
        let address = snapshot.settings.client_of(peer.ip(), head.fields);
        let admitted = client_limits::admit(address, counted, turn.shared, turn.now());
        admitted.map_err(EndsHere::Answered)?;
    }
    match snapshot.route(head) {
        Routed::To(route, destination) => Ok((route, destination)),
        Routed::Refused(refusal) => Err(EndsHere::Refused(refusal)),
        Routed::Nowhere => Err(EndsHere::Answered(OwnReply::error(NO_ROUTE))),
    }
}

/// Refuses what the configuration forbids.
fn admit<'h, 'b>(
    head: RequestHead<'h, 'b>,
    max_body: Option<u64>,
) -> Result<RequestHead<'h, 'b>, Refusal> {
    match (head.framing, max_body) {
        (Framing::Length(length), Some(max)) if length > max => Err(TOO_LARGE),
        _ => Ok(head),
    }
}
