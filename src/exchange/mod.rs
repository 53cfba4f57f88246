//! One request and its response: connect, send, await, relay; and when that fails, the next
//! backend.
//!
//! | file | duty |
//! |---|---|
//! | [`attempt`] | a lease on one backend, and the connection to it |
//! | [`upload`] | the request on its way to the backend |
//! | [`expectation`] | when a body is held back until the backend asks for it |
//! | [`answer`] | the response on its way to the client |
//! | [`terms`] | what its head settles for afterwards |
//! | `served` | what the response needs to know of the request |
//! | `bypass` | the way of a large body round our memory, in both directions |
//! | `ending` | what becomes of the two connections afterwards |
//! | [`retry`] | the retry law |
//! | `moves` | where it goes when an attempt has failed, and who is to blame |
//! | `rescue` | when it leaves a backend that is lost |
//! | `shortage` | the wait for a descriptor or port of our own, when none is left |
//! | `hold` | the wait for a backend to come up, when none is |
//! | `trial` | a request that tries a backend which was ejected |
//! | [`failure`] | what the client is told when nobody could answer |
//! | `waiting` | what it waits for, for how long, and whose fault it is |
//! | [`record`] | what is printed of it |

pub mod answer;
pub mod attempt;
mod bypass;
mod ending;
pub mod expectation;
pub mod failure;
mod hold;
mod moves;
pub mod record;
mod rescue;
pub mod retry;
mod served;
mod shortage;
pub mod terms;
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
use crate::http::auth;
use crate::http::body::{Body, Encoding};
use crate::http::forward::write_request;
use crate::http::forwarded::Hop;
use crate::http::framing::Framing;
use crate::http::request::{Method, RequestHead};
use crate::net::buffer::Buffer;
use crate::net::conn::{Conn, Wait};
use crate::turn::{Due, Turn, Waits};
use answer::Answer;
use attempt::{Attempt, Connected};
use expectation::Expectation;
use failure::Failure;
use hold::Held;
use record::Record;
use served::Served;
use shortage::Short;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use upload::Upload;

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
    /// It authenticates its connection, not only itself.
    pub authenticates_connection: bool,
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
    /// The backend's system has acknowledged all of it, as was seen in this attempt.
    has_arrived: bool,
    /// Since it has had to wait for a backend to come up.
    held: Option<Box<Held>>,
    /// Since it has had to wait for a descriptor or port of ours.
    short: Option<Box<Short>>,
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

/// Our own address as `Host` has it: without a zone, and IPv4 as such.
fn own_authority(own: SocketAddr) -> String {
    SocketAddr::new(own.ip().to_canonical(), own.port()).to_string()
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
                .map_or("localhost".into(), own_authority),
        };
        let peer = client.address.ip();
        let hop = Hop {
            client: peer,
            forwarded: config.forwarded_from(peer),
            adds_forwarded: config.adds_forwarded,
            fallback_host: &fallback_host,
            via: config.via.as_deref(),
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
                authenticates_connection: auth::is_used(head.fields),
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
            has_arrived: false,
            held: None,
            short: None,
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
            None => {
                if let Some(pause) = self.pause(client, turn) {
                    return pause;
                }
                match self.find_first(client, turn) {
                    Ok(attempt) => self.attempt.insert(attempt),
                    Err(error) => return self.hold(error, client, turn),
                }
            }
        };
        match attempt.connect(turn)? {
            Connected::Park(waits) => {
                if self.leave_while_connecting(turn) {
                    return self.go_on(client, turn);
                }
                let waits = self.wonder_while_connecting(waits, turn);
                self.park(Phase::Connect, waits, client, turn)
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
                (_, answer::Progress::Complete) => return Ok(self.finish(client, turn)),
                (_, answer::Progress::Switched) if self.upload.is_complete() => {
                    return Ok(self.switch(turn));
                }
                (upload::Progress::Done, answer::Progress::Switched) => {
                    return Err(self.cannot_switch());
                }
                _ if turn.is_over() => return Ok(Flow::Yield),
                (upload::Progress::Paused, _) | (_, answer::Progress::Paused) => continue,
                (upload::Progress::Held, _) if self.stops_holding(client, turn) => continue,
                _ => {}
            }
            let mut waits = self.waits(sending, answering, client, turn)?;
            if self.leave_if_lost(turn) {
                return self.go_on(client, turn);
            }
            let look = self.next_look(turn).unwrap_or(waits.deadline);
            waits.deadline = waits.deadline.min(look);
            // With the request sent, the answer's own calls have waited already.
            let may_wait = !sending.is_at_rest() && turn.wait() == Wait::Moment;
            if !may_wait || !self.can_move(&waits, client) {
                return self.park(Phase::ResponseHead, waits, client, turn);
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
        let (now, is_first_there) = (turn.now(), !attempt.is_reused);
        if was_begun {
            attempt.backend.heard.other(now);
        } else if attempt.backend.hear_response(is_first_there, now) {
            evidence::of_response(turn.context, &attempt.backend, Observation::Response);
        }
        if !self.answer.is_awaited() {
            attempt.pass_trial(turn.context);
        }
    }

    /// Whether a close would look to the client like the end of a body, or of a tunnel, that is not
    /// over.
    #[must_use]
    pub fn would_look_whole(&self) -> bool {
        self.answer.is_forwarded && self.answer.terms.ends_by_close
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

    /// How much memory it will hold once settled.
    #[must_use]
    pub fn settled_bytes(&self) -> usize {
        self.upload.settled_bytes() + self.answer.settled_bytes()
    }

    /// Gives back the storage that is not needed while nothing happens.
    pub fn settle(&mut self, turn: &mut Turn<'_>) -> io::Result<()> {
        self.upload.settle(turn.shelf)?;
        self.answer.settle(turn.shelf)
    }

    fn release(&mut self, turn: &mut Turn<'_>) {
        self.upload.release(turn.shelf);
        self.answer.release(turn.shelf);
    }
}
