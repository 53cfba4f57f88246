//! One request and its response: connect, send, await, relay; and when that fails, the next
//! backend.
//!
//! | file | duty |
//! |---|---|
//! | [`attempt`] | a lease on one backend, and the connection to it |
//! | [`upload`] | the request on its way to the backend |
//! | [`expectation`] | when a body is held back until the backend asks for it |
//! | [`answer`] | the response on its way to the client |
//! | `bypass` | the way of a large body round our memory |
//! | [`retry`] | the retry law |
//! | `rescue` | when it leaves a backend that is lost |
//! | `hold` | the wait for a backend to come up, when none is |
//! | `trial` | a request that tries a backend which was ejected |
//! | [`failure`] | what the client is told when nobody could answer |
//! | `waiting` | what it waits for, for how long, and whose fault it is |
//! | [`record`] | what is printed of it |

pub mod answer;
pub mod attempt;
mod bypass;
pub mod expectation;
pub mod failure;
mod hold;
pub mod record;
mod rescue;
pub mod retry;
mod trial;
pub mod upload;
mod waiting;

use crate::backends::Backend;
use crate::backends::health::Observation;
use crate::client::Client;
use crate::error::{Cause, Error, Phase};
use crate::evidence;
use crate::http::Version;
use crate::http::accept::prefers_json;
use crate::http::body::{Body, Encoding};
use crate::http::forward::write_request;
use crate::http::forwarded::Hop;
use crate::http::framing::Framing;
use crate::http::reply;
use crate::http::request::{Method, RequestHead};
use crate::net::buffer::Buffer;
use crate::net::conn::{Conn, Wait};
use crate::turn::{Context, Due, Turn, Waits};
use answer::{Answer, Served};
use attempt::{Attempt, Connected};
use expectation::Expectation;
use failure::Failure;
use hold::Held;
use record::Record;
use retry::Attempted;
use std::sync::Arc;
use std::time::Instant;
use upload::Upload;
use waiting::park;

/// What is remembered of a request once its head is rewritten.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method as far as it matters.
    pub method: Method,
    /// The client's version.
    pub version: Version,
    /// The client wants to go on afterwards.
    pub keeps_alive: bool,
    /// The protocols that the client offers to switch to.
    pub upgrade: Option<Box<[u8]>>,
    /// The client would rather read JSON than text.
    pub prefers_json: bool,
}

/// An exchange in progress. It can stop at any byte and go on later.
#[derive(Debug)]
pub struct Exchange {
    request: Request,
    upload: Upload,
    expectation: Expectation,
    answer: Answer,
    attempt: Option<Attempt>,
    failures: Vec<Failure>,
    /// Attempts that were sent and then failed, but for those on a connection that had died.
    tries: u32,
    /// How often a backend did not answer a connection in time.
    late_connections: u32,
    /// It has left a backend that was lost, which it does once.
    has_left: bool,
    /// Since it has had to wait for a backend to come up.
    held: Option<Box<Held>>,
    record: Record,
    due: Due,
}

/// What the session is to do next.
#[derive(Debug)]
pub enum Flow {
    /// Wait in the lot.
    Park(Waits),
    /// Let others have a turn.
    Yield,
    /// Go on with the next request.
    NextRequest,
    /// Close, once the client has our last bytes.
    Linger,
    /// The same, as the client has asked, with a request that had no body it might add to.
    CloseAsAsked,
    /// Close.
    Close,
    /// Pass bytes on both ways, beginning with those that came already.
    Tunnel(Conn, Arc<Backend<Conn>>, Buffer),
}

impl Exchange {
    /// An exchange for the request with this head, which is no longer needed afterwards.
    #[must_use]
    pub fn begin(
        head: &RequestHead<'_, '_>,
        client: &Client,
        turn: &mut Turn<'_>,
        now: Instant,
    ) -> Self {
        let config = &turn.context.config;
        let record = Record::begin(head, client.address, config.log, now);
        let fallback_host = match head.host {
            Some(_) => String::new(),
            None => client
                .conn
                .local_addr()
                .map_or("localhost".into(), |own| own.to_string()),
        };
        let peer = client.address.ip();
        let hop = Hop {
            client: peer,
            forwarded: config.forwarded_from(peer),
            adds_forwarded: config.adds_forwarded,
            fallback_host: &fallback_host,
        };
        let mut to_backend = Buffer::default();
        write_request(head, &hop, to_backend.tail(turn.shelf));
        let encoding = match head.framing {
            Framing::Chunked => Encoding::Chunked,
            _ => Encoding::Plain,
        };
        Self {
            request: Request {
                method: head.method,
                version: head.version,
                keeps_alive: head.keeps_alive(),
                upgrade: head.upgrade.map(Box::from),
                prefers_json: prefers_json(head.fields),
            },
            upload: Upload::new(
                to_backend,
                Body::new(head.framing, encoding, !head.options.nominates_any()),
                config.max_body,
            ),
            expectation: Expectation::new(head.expects_continue),
            answer: Answer::default(),
            attempt: None,
            failures: Vec::new(),
            tries: 0,
            late_connections: 0,
            has_left: false,
            held: None,
            record,
            due: Due::default(),
        }
    }

    /// Goes on with it for as long as it need not wait.
    pub fn run(&mut self, client: &mut Client, turn: &mut Turn<'_>) -> Flow {
        loop {
            match self.go_on(client, turn) {
                Ok(flow) => return flow,
                Err(error) if self.move_on(error, turn) => {}
                Err(error) => return self.give_up(error, client, turn),
            }
        }
    }

    fn go_on(&mut self, client: &mut Client, turn: &mut Turn<'_>) -> Result<Flow, Error> {
        self.end_if_down(turn)?;
        let attempt = match &mut self.attempt {
            Some(attempt) => attempt,
            None => match self.find_first(turn) {
                Ok(attempt) => self.attempt.insert(attempt),
                Err(error) => return self.hold(error, client, turn),
            },
        };
        match attempt.connect(turn)? {
            Connected::Park(waits) => {
                // One that waits for a descriptor of ours has nobody to blame.
                if waits.backend.is_some() && self.leave_while_connecting(turn) {
                    return self.go_on(client, turn);
                }
                let waits = self.wonder_while_connecting(waits, turn);
                park(waits, client, turn)
            }
            Connected::Yes => {
                if self.upload.total_sent() == 0 {
                    self.record.see_backend(&attempt.backend.name, turn);
                }
                self.transfer(client, turn)
            }
        }
    }

    /// Moves bytes both ways until all is done or nothing more can move now.
    fn transfer(&mut self, client: &mut Client, turn: &mut Turn<'_>) -> Result<Flow, Error> {
        loop {
            let (sending, answering) = self.pump(client, turn)?;
            match (sending, answering) {
                (_, answer::Progress::Complete) => return Ok(self.finish(turn)),
                (_, answer::Progress::Switched) => return Ok(self.switch(turn)),
                _ if turn.is_over() => return Ok(Flow::Yield),
                (upload::Progress::Paused, _) | (_, answer::Progress::Paused) => continue,
                (upload::Progress::Held, _) if self.stops_holding(client, turn) => continue,
                _ => {}
            }
            let waits = self.waits(sending, answering, client, turn)?;
            if self.leave_if_lost(turn) {
                return self.go_on(client, turn);
            }
            // With the request sent, the answer's own calls have waited already.
            let may_wait = !sending.is_at_rest() && turn.wait() == Wait::Moment;
            if !may_wait || !self.can_move(&waits, client) {
                return park(waits, client, turn);
            }
        }
    }

    /// One pass in each direction.
    fn pump(
        &mut self,
        client: &mut Client,
        turn: &mut Turn<'_>,
    ) -> Result<(upload::Progress, answer::Progress), Error> {
        // `go_on` comes here only with an attempt that is connected.
        let Some(backend) = self.attempt.as_ref().and_then(Attempt::conn) else {
            return Err(Error::proxy(Phase::Connect, Cause::Unreachable));
        };
        let is_held = self.expectation.is_held();
        let sending = self
            .upload
            .pump(&client.conn, &mut client.inbound, is_held, backend, turn);
        let sending = match sending {
            // The answer is on its way already: the client gets it although it gave up sending.
            Err(error) if error.cause == Cause::Closed && !self.answer.is_awaited() => {
                self.upload.break_off(backend)
            }
            sending => sending?,
        };
        let mut served = Served {
            request: &self.request,
            expectation: &mut self.expectation,
            record: &mut self.record,
            is_sent: sending.is_at_rest(),
            is_received: self.upload.is_received(),
        };
        let before = (self.answer.is_begun, self.answer.received);
        let answering = self.answer.pump(&mut served, client, backend, turn);
        self.hear(before, turn);
        Ok((sending, answering?))
    }

    /// Notes that the backend has said something, if it has since the answer was at `before`:
    /// begun or not, and so many bytes.
    fn hear(&mut self, (was_begun, received): (bool, u64), turn: &Turn<'_>) {
        let Some(attempt) = self.attempt.as_mut() else {
            return;
        };
        if self.answer.received == received {
            return;
        }
        if attempt.backend.hear_response(turn.now(), !was_begun) {
            evidence::of_response(turn.context, &attempt.backend, Observation::Response);
        }
        if !self.answer.is_awaited()
            && let Some(trial) = attempt.trial.take()
        {
            trial.pass(turn.context);
        }
    }

    /// The response is with the client: decides what becomes of both connections.
    fn finish(&mut self, turn: &mut Turn<'_>) -> Flow {
        let now = turn.now();
        turn.renew_patience(now);
        let terms = self.answer.terms;
        let is_reusable =
            terms.keeps_backend && self.upload.is_complete() && self.answer.is_clean();
        self.settle_failures(turn);
        if let Some(attempt) = self.attempt.take() {
            attempt.backend.count_success();
            if is_reusable {
                attempt.keep(now);
            }
        }
        self.record
            .end(terms.status, self.answer.content(), None, turn);
        self.release(turn);
        match (terms.keeps_client, self.request.keeps_alive) {
            (true, _) => Flow::NextRequest,
            (false, false) if !self.upload.had_body() => Flow::CloseAsAsked,
            (false, _) => Flow::Linger,
        }
    }

    /// The connections go on as a tunnel.
    fn switch(&mut self, turn: &mut Turn<'_>) -> Flow {
        self.settle_failures(turn);
        let Some(attempt) = self.attempt.take() else {
            return Flow::Close;
        };
        attempt.backend.count_success();
        let rest = std::mem::take(&mut self.answer).into_rest();
        self.record.end(101, 0, None, turn);
        self.upload.release(turn.shelf);
        match attempt.into_tunnel() {
            Some((conn, backend)) => Flow::Tunnel(conn, backend, rest),
            None => Flow::Close,
        }
    }

    /// Whether the retry law lets it go elsewhere after this error.
    fn may_be_repeated(&self, error: &Error, context: &Context) -> bool {
        let was_sent = self.upload.total_sent() > 0;
        let is_stale = self
            .attempt
            .as_ref()
            .is_some_and(|attempt| attempt.is_reused);
        let attempted = Attempted {
            was_sent,
            was_answered: self.answer.is_begun,
            is_idempotent: self.request.method.is_idempotent(),
            can_be_repeated: self.upload.can_be_repeated(),
            tries: self.tries + u32::from(was_sent && !is_stale),
        };
        retry::allows(error, attempted, context.config.tries)
    }

    /// The right to use a backend, of one of those that were not tried.
    fn find_first(&self, turn: &Turn<'_>) -> Result<Attempt, Error> {
        if !self.failures.is_empty() {
            return Attempt::next(&self.failures, turn);
        }
        let is_safe = self.request.method.is_idempotent() && self.upload.is_received();
        Attempt::first(is_safe, turn)
    }

    /// Prepares another attempt, if the retry law allows it and somebody is there.
    fn move_on(&mut self, error: Error, turn: &Turn<'_>) -> bool {
        let may_be_repeated = self.may_be_repeated(&error, turn.context);
        let Some(attempt) = self.attempt.take() else {
            return false;
        };
        evidence::of_failed_attempt(turn.context, &attempt.backend, &error);
        self.failures.push(Failure::of(&attempt, error));
        let was_sent = self.upload.total_sent() > 0;
        self.tries += u32::from(was_sent && !attempt.is_reused);
        attempt.end(&error, turn);
        let next = match may_be_repeated {
            true => self.find_next(turn),
            false => None,
        };
        let moves = next.is_some() || (may_be_repeated && self.may_hold(turn));
        self.blame_last(was_sent && moves, turn);
        if moves {
            log::debug!("{error}; trying another");
            self.begin_again(next);
        }
        moves
    }

    /// The right to use one that was not tried. When all were, one that did not answer the
    /// connection in time is tried again: its queue may have been full, nothing was sent, and
    /// there is nowhere else to go. It is given up after as many of these as `--tries` says.
    fn find_next(&mut self, turn: &Turn<'_>) -> Option<Attempt> {
        let untried = Attempt::next(&self.failures, turn).ok();
        let is_late = self
            .failures
            .last()
            .is_some_and(Failure::is_late_connection);
        self.late_connections += u32::from(is_late);
        if untried.is_some() || self.late_connections >= turn.context.config.tries {
            return untried;
        }
        self.failures
            .retain(|failure| !failure.is_late_connection());
        Attempt::next(&self.failures, turn).ok()
    }

    /// Sends it from its beginning, to this backend or, if there is none yet, to the first.
    fn begin_again(&mut self, attempt: Option<Attempt>) {
        self.attempt = attempt;
        self.upload.rewind();
        self.expectation.rewind();
        self.answer = Answer::default();
        self.due = Due::default();
    }

    /// Counts the last failure, if it counts, towards the ejection of its backend. Of a request
    /// that moves on after it was sent that is not done yet, and of one that failed at several
    /// backends never: it is the request that they cannot bear.
    fn blame_last(&mut self, is_pending: bool, turn: &Turn<'_>) {
        let is_poison = self.failures.iter().any(|failure| failure.is_pending);
        let Some(last) = self.failures.last_mut() else {
            return;
        };
        if !evidence::counts_towards_ejection(turn.context, &last.error) {
            return;
        }
        last.is_pending = is_pending;
        if !is_pending && !is_poison {
            last.blame(turn.context);
        }
    }

    /// It was answered: those that failed before have failed by themselves.
    fn settle_failures(&mut self, turn: &Turn<'_>) {
        let pending = self.failures.iter().filter(|failure| failure.is_pending);
        pending.for_each(|failure| failure.blame(turn.context));
    }

    /// Whether a close would look to the client like the end of a body that is not over.
    #[must_use]
    pub fn would_look_whole(&self) -> bool {
        self.answer.is_forwarded && self.answer.terms.ends_by_close
    }

    /// Ends the exchange with an error: an answer where one can still be given, else a close.
    fn give_up(&mut self, error: Error, client: &mut Client, turn: &mut Turn<'_>) -> Flow {
        let is_committed = self.answer.is_forwarded;
        let status = match is_committed {
            true => self.answer.terms.status,
            false => error.status(),
        };
        log::debug!("{}: {error} ({})", client.address, error.code());
        self.record
            .end(status, self.answer.content(), Some(&error), turn);
        self.release(turn);
        match (is_committed, status) {
            (true, _) | (_, 499) => Flow::Close,
            (false, _) => {
                self.reply(&error, client, turn);
                Flow::Linger
            }
        }
    }

    /// Answers in the backend's place. What was written of its answer, but not sent, is
    /// replaced.
    fn reply(&self, error: &Error, client: &mut Client, turn: &mut Turn<'_>) {
        if !self.answer.is_awaited() {
            client.outbound.clear();
        }
        let terms = reply::Terms {
            version: self.request.version,
            method: self.request.method,
            keep_alive: false,
            date: turn.dates.at(turn.now()),
        };
        let reply = failure::reply(
            error,
            &self.failures,
            self.request.prefers_json,
            turn.context,
        );
        reply.write(&terms, client.outbound.tail(turn.shelf));
    }

    /// Tells what the exchange waits for: how long it has lasted, what it is and where.
    #[must_use]
    pub fn describe(&self) -> (Instant, String) {
        let request = self.upload.request_line().unwrap_or("a long upload");
        let backend = match &self.attempt {
            Some(attempt) => attempt.backend.name.to_string(),
            None => "no backend yet".into(),
        };
        (self.record.started(), format!("{request} -> {backend}"))
    }

    /// The backend's connection, to be watched.
    pub fn backend_conn(&mut self) -> Option<&mut Conn> {
        self.attempt.as_mut().and_then(Attempt::conn_mut)
    }

    /// Gives back the storage that is not needed while nothing happens.
    pub fn settle(&mut self, turn: &mut Turn<'_>) {
        self.upload.settle(turn.shelf);
        self.answer.settle(turn.shelf);
    }

    fn release(&mut self, turn: &mut Turn<'_>) {
        self.upload.release(turn.shelf);
        self.answer.release(turn.shelf);
    }
}
