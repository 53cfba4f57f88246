//! The first stage: a request head is waited for, read, and becomes an exchange; or what came
//! is refused, and nothing that follows on the connection is read as a request.

use super::linger::Linger;
use super::{Stage, Step};
use crate::config::Timeouts;
use crate::exchange::Exchange;
use crate::exchange::client::Client;
use crate::exchange::shared::{Shared, Turn, log_output};
use crate::exchange::upload::TOO_LARGE;
use crate::exchange::wait_for::WaitFor;
use crate::health::loop_detection;
use crate::http::delivery::Delivery;
use crate::http::error::{Cause, Error, Phase};
use crate::http::framing::Framing;
use crate::http::reply::Reply;
use crate::http::request::{self, Method, RequestHead};
use crate::http::scan::{HeadScan, is_token_byte};
use crate::http::{Refusal, Version};
use crate::log::event::{Ending, Event};
use crate::log::{LogMode, Record, print_refused};
use crate::net::Interest;
use crate::net::buffer::Buffer;
use crate::net::conn::{Blocking, Moved};
use httparse::Header;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What a whole exchange counts in a turn, however few bytes it moves: so a client that sends
/// many requests at once has some of them answered before others get their turn.
const EXCHANGE_CHARGE: usize = 16 * 1024;

/// Empty lines that may stand before a request. RFC 9112 §2.2 asks for one at least, since old
/// clients send one behind the body of a `POST`; where such bodies follow one another, or a script
/// prints its requests, there are more.
const MAX_EMPTY_LINES: u8 = 16;

/// Progress in a request head.
#[derive(Debug)]
pub struct ReadHead {
    scan: HeadScan,
    /// The connection has had no request yet.
    is_first: bool,
    /// Empty lines before the request that were passed over.
    empty_lines: u8,
    /// The first line was looked at before the rest of the head had come.
    has_checked_line: bool,
    due: Option<Instant>,
    /// Whether `due` is that of a head, not of an idle connection.
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
            due: None,
            due_is_heads: true,
        }
    }

    /// A later one.
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
    pub fn run(&mut self, client: &mut Client, turn: &mut Turn<'_>) -> Step {
        if turn.is_over() {
            return Step::Yield;
        }
        if let Some(step) = self.flush(client, turn) {
            return step;
        }
        loop {
            match self.find_head(client, turn) {
                Ok(Some(length)) => return begin(length, client, turn),
                Ok(None) => {}
                Err(refusal) => return refuse(refusal, client, turn),
            }
            let blocking = turn.may_block();
            if self.expects_nothing(client, blocking, turn) {
                return self.wait(false, client, turn);
            }
            match turn.read(&client.conn, &mut client.inbound, blocking) {
                Ok(Moved::Bytes(_)) => {}
                Ok(Moved::WouldWait) => return self.wait(true, client, turn),
                // Between requests that is how a connection ends; in a head there is nobody
                // left who could be told.
                Ok(Moved::End) | Err(_) => return Step::Close,
            }
        }
    }

    /// An answer of our own may be on its way still; the next request has to wait for it.
    fn flush(&mut self, client: &mut Client, turn: &mut Turn<'_>) -> Option<Step> {
        while !client.outbound.is_empty() {
            match client.flush(turn.may_block(), turn) {
                Ok(true) => {}
                Ok(false) => {
                    let (timeouts, now) = (&turn.shared.config().timeouts, turn.now());
                    let deadline = self.deadline(true, timeouts, now);
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

    /// Whether it is too early to look for another request.
    fn expects_nothing(&self, client: &Client, blocking: Blocking, turn: &Turn<'_>) -> bool {
        !self.is_first && client.inbound.is_empty() && turn.expects_nothing(blocking)
    }

    /// The length of a complete head at the start of what came in.
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
            // Known at the first byte, as with TLS on a plain port: no need to wait for more.
            [first, ..] if !is_token_byte(*first) => Err(Refusal::bad("this is no HTTP request")),
            bytes => {
                let config = turn.shared.config();
                let found = self.scan.find_end(bytes, &config.head)?;
                if found.is_none() && self.scan.has_first_line() && !self.has_checked_line {
                    // As of HTTP/0.9, whose requests have no other line.
                    request::check_first_line(bytes, config.sender(client.address.ip()))?;
                    self.has_checked_line = true;
                }
                Ok(found)
            }
        }
    }

    /// Nothing to read: wait in the lot, or give up. A stop closes only what was looked at: a
    /// request that came in time may be there; if not, the session is called soon.
    fn wait(&mut self, has_looked: bool, client: &mut Client, turn: &mut Turn<'_>) -> Step {
        let now = turn.now();
        let is_idle = client.inbound.is_empty();
        if is_idle && has_looked && turn.shared.is_stopping() {
            return self.close_unused();
        }
        let deadline = self.deadline(is_idle, &turn.shared.config().timeouts, now);
        match (now < deadline, is_idle) {
            (true, _) => Step::WouldWait(WaitFor::client(Interest::Read, deadline)),
            (false, true) => self.close_unused(),
            (false, false) => refuse(TOO_SLOW, client, turn),
        }
    }

    /// Closes a connection on which nobody waits for an answer: at once if there never was one,
    /// else as after the last one, which may be unread.
    fn close_unused(&self) -> Step {
        match self.is_first {
            true => Step::Close,
            false => Step::Next(Stage::Linger(Linger::default())),
        }
    }

    /// The deadline of the head, or of the idle connection. It is set when waiting begins and
    /// moved once, when the first byte of a later head has come.
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

/// What a check of ours is answered that has come back.
const LOOP: &str =
    "This check was sent by this balancer itself: one of its backends leads back here.";

const TOO_SLOW: Refusal = Refusal::with_status(408, "the request head took too long");

/// A complete head: checks it, and begins the exchange.
fn begin(length: usize, client: &mut Client, turn: &mut Turn<'_>) -> Step {
    turn.charge_head(length);
    let mut table = request::field_table();
    let head = &client.inbound.bytes()[..length];
    let sender = turn.shared.config().sender(client.address.ip());
    let head = request::parse_from(sender, head, &mut table).and_then(|head| admit(head, turn));
    let head = match head {
        Ok(head) => head,
        Err(refusal) => return refuse(refusal, client, turn),
    };
    if let Some(reply) = own_reply(&head, turn.shared) {
        let goes_on = end_here(&head, &reply, client.address, &mut client.outbound, turn);
        client.inbound.consume(length);
        return Step::Next(match goes_on {
            true => Stage::ReadHead(ReadHead::next()),
            false => Stage::Linger(Linger::default()),
        });
    }
    let now = turn.now();
    turn.renew_budget(now);
    turn.charge(EXCHANGE_CHARGE);
    let exchange = Exchange::begin(&head, client, turn, now);
    client.inbound.consume(length);
    Step::Begin(exchange)
}

/// The answer in the server's place to what is asked of us, or may go no further.
fn own_reply(head: &RequestHead<'_, '_>, shared: &Shared) -> Option<Reply> {
    if head.ends_here() {
        Some(Reply::of_last_recipient(head))
    } else if has_come_back(head, shared) {
        Some(Reply::new(508, LOOP))
    } else {
        asks_whether_ready(head, shared).then(|| readiness(shared))
    }
}

/// Whether it is a check of ours, sent to a backend that leads back here.
fn has_come_back(head: &RequestHead<'_, '_>, shared: &Shared) -> bool {
    let checks = &shared.health.open_checks;
    let is_token = |field: &&Header<'_>| field.name.eq_ignore_ascii_case(loop_detection::FIELD);
    let mut tokens = head.fields.iter().filter(is_token);
    checks.is_any_open() && tokens.any(|field| checks.take_back(field.value))
}

/// Whether it asks for `--ready-path`, which is ours.
fn asks_whether_ready(head: &RequestHead<'_, '_>, shared: &Shared) -> bool {
    let asked = |path: &String| head.target.rest.split('?').next() == Some(path);
    shared.config().ready_path.as_ref().is_some_and(asked)
}

fn readiness(shared: &Shared) -> Reply {
    match shared.is_ready() {
        true => Reply::new(200, "ready"),
        false => Reply::new(503, "not ready"),
    }
}

/// Answers in the server's place; returns whether the connection goes on.
fn end_here(
    head: &RequestHead<'_, '_>,
    reply: &Reply,
    address: SocketAddr,
    outbound: &mut Buffer,
    turn: &mut Turn<'_>,
) -> bool {
    let goes_on = head.keeps_alive() && head.framing == Framing::Empty && turn.shared.keeps_alive();
    let log = turn.shared.config().log;
    let now = turn.now();
    let mut record = Record::begin(head, address, log, now);
    record.note(&Event::AnsweredHere(reply.status), now);
    let ended = Ending {
        status: reply.status,
        bytes: 0,
        error: None,
    };
    record.end(&ended, now, &mut log_output(turn));
    let date = turn.local.dates.at(now);
    let delivery = Delivery {
        version: head.version,
        method: head.method,
        keep_alive: goes_on,
        date: date.as_str(),
    };
    reply.write(&delivery, turn.tail(outbound));
    goes_on
}

/// What the configuration forbids.
fn admit<'h, 'b>(
    head: RequestHead<'h, 'b>,
    turn: &Turn<'_>,
) -> Result<RequestHead<'h, 'b>, Refusal> {
    match (head.framing, turn.shared.config().max_body) {
        (Framing::Length(length), Some(max)) if length > max => Err(TOO_LARGE),
        _ => Ok(head),
    }
}

/// Answers what is no request that we take, and closes.
pub(super) fn refuse(refusal: Refusal, client: &mut Client, turn: &mut Turn<'_>) -> Step {
    let Refusal { status, why } = refusal;
    let error = match status {
        503 => Error::proxy(Phase::RequestHead, Cause::NoMemory),
        _ => Error::client(Phase::RequestHead, cause(refusal)),
    };
    match turn.shared.config().log {
        LogMode::Story => log::info!("Refused request from {}: {status} ({why})", client.address),
        LogMode::Access => {
            let (client, now) = (client.address.ip(), turn.now());
            print_refused(client, status, &error, now, &mut log_output(turn));
        }
        LogMode::Off => log::debug!("refused {}: {status} ({why})", client.address),
    }
    // An answer to HEAD has no content, whatever is wrong with the request.
    let method = match client.inbound.bytes().starts_with(b"HEAD ") {
        true => Method::Head,
        false => Method::Other,
    };
    let date = turn.local.dates.at(turn.now());
    let delivery = Delivery {
        version: Version::Http11,
        method,
        keep_alive: false,
        date: date.as_str(),
    };
    Reply::new(status, why).write(&delivery, turn.tail(&mut client.outbound));
    client.inbound.clear();
    Step::Next(Stage::Linger(Linger::default()))
}

fn cause(refusal: Refusal) -> Cause {
    if refusal == TOO_SLOW {
        Cause::TimedOut
    } else {
        Cause::Message(refusal)
    }
}
