//! One request and its response.
//!
//! An exchange is always in one of three phases ([`ExchangePhase`]):
//!
//! ```text
//!  Waiting ──▶ Connecting ──▶ Transferring ──▶ finished
//!     ▲             │               │
//!     └─────────────┴───────────────┘  an attempt fails, and the request moves on
//! ```
//!
//! * **Waiting** for a backend. As a rule one is picked at once.
//! * **Connecting** to it, unless it has an idle connection.
//! * **Transferring** request and response at the same time, since a response may come early.
//!
//! | file | what it is |
//! |---|---|
//! | `begin` | from a request head to an exchange |
//! | [`attempt`] | a backend that was picked, and the connection to it |
//! | `transfer` | the pump: [`upload`] one way, [`answer`] the other |
//! | `waits` | what is missing when nothing moves, until when, and who is to blame |
//! | `moves`, [`retry`] | where the request goes when an attempt has failed |
//! | `ending`, [`failure`], `give_up` | the end, good or bad |
//!
//! Second reading:
//!
//! | file | what it is |
//! |---|---|
//! | [`shared`] | what all sessions share |
//! | [`identity`] | how a request is named |
//! | [`listeners`] | what happens to a request is reported here |
//! | [`measure`] | a listener that counts |
//! | `standpoint` | where a parked request stands, and what it waits for |
//! | [`client`], [`pin`] | the client's connection, and a backend connection that belongs to it |
//! | [`expectation`] | a body that is held back until the backend asks for it |
//! | `key` | what decides which backend it goes to, and the cookie of sticky sessions |
//! | [`terms`], `served` | what a response settles, and what it needs to know of the request |
//! | `splice` | a large body that bypasses our memory |
//! | `rescue` | when a request leaves a backend that is lost |
//! | `hold`, `queue`, `shortage` | the waits for a backend that is up, for one with room, and for a descriptor or port |
//! | `trial` | a request that tries a backend which was ejected |
//! | [`slot`], [`wait_for`] | where an exchange is kept, and how it waits |

pub mod answer;
pub mod attempt;
mod begin;
pub mod client;
mod ending;
pub mod expectation;
pub mod failure;
mod give_up;
mod hold;
pub mod identity;
mod key;
pub mod listeners;
pub mod measure;
mod moves;
pub mod pin;
mod queue;
mod rescue;
pub mod retry;
mod served;
pub mod shared;
mod shortage;
pub mod slot;
mod splice;
mod standpoint;
pub mod terms;
#[cfg(test)]
mod testing;
mod transfer;
mod trial;
pub mod upload;
pub mod wait_for;
mod waits;

use crate::backends::{Backend, Key, Lease};
use crate::config::Group;
use crate::http::Version;
use crate::http::error::Error;
use crate::http::field_rules::FieldRules;
use crate::http::method::Method;
use crate::http::request_id::RequestId;
use crate::net::buffer::Buffer;
use crate::net::conn::Conn;
use crate::net::dial::Dial;
use answer::Answer;
use attempt::Attempt;
use client::Client;
use expectation::Expectation;
use failure::Failure;
use hold::Held;
use listeners::Listeners;
use queue::Queued;
use shared::Turn;
use shortage::Short;
use std::io;
use std::sync::Arc;
use std::time::Instant;
use transfer::Progress;
use upload::Upload;
use wait_for::{ProgressTimer, WaitFor};

/// What is remembered of a request once its head is rewritten.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method as far as it matters.
    pub method: Method,
    /// The client's version.
    pub version: Version,
    /// The client wants to send another request afterwards.
    pub keeps_alive: bool,
    /// The protocols that the client offers to switch to.
    pub upgrade: Option<Box<[u8]>>,
    /// It authenticates its connection, not only itself.
    pub authenticates_connection: bool,
    /// The client would rather read JSON than text.
    pub prefers_json: bool,
    /// The client has sent it over TLS.
    pub is_secure: bool,
    /// Its id, which the client gets with the response.
    pub id: Option<RequestId>,
}

/// Where an exchange stands.
#[derive(Debug)]
pub enum ExchangePhase {
    /// No backend is picked yet, or none can be at present.
    Waiting,
    /// The connection to the picked backend is being made.
    Connecting(Attempt, Box<Dial>),
    /// Request and response pass through this connection.
    Transferring(Attempt, Conn),
}

impl ExchangePhase {
    /// The backend of its attempt.
    fn backend(&self) -> Option<&Backend<Conn>> {
        match self {
            Self::Waiting => None,
            Self::Connecting(attempt, _) | Self::Transferring(attempt, _) => Some(&attempt.backend),
        }
    }
}

/// An exchange in progress. It can stop at any byte and go on later.
#[derive(Debug)]
pub struct Exchange {
    /// The group that its route leads to, with the settings with which it began.
    group: Arc<Group>,
    request: Request,
    phase: ExchangePhase,
    upload: Upload,
    expectation: Expectation,
    answer: Answer,
    /// Attempts that failed.
    failures: Vec<Failure>,
    /// Attempts that were sent and then failed, without those on an idle connection that was dead.
    tries: u32,
    /// How often a backend did not accept a connection in time.
    late_connections: u32,
    /// It has left a backend that was lost, which it does only once.
    has_left: bool,
    /// The backend's system has acknowledged all of it, as was seen in this attempt.
    has_arrived: bool,
    /// Set while it waits for a backend to come up.
    held: Option<Box<Held>>,
    /// Set while it waits in the queue of its group.
    queued: Option<Box<Queued>>,
    /// What of it decides which backend it goes to.
    key: Key,
    /// What its route does with the fields of the response.
    response_headers: Option<Arc<FieldRules>>,
    /// Set while it waits for a descriptor or port of ours.
    short: Option<Box<Short>>,
    listeners: Listeners,
    /// When the attempt under way began, or the last one.
    attempt_began: Instant,
    timer: ProgressTimer<Progress>,
}

/// What the session does next.
#[derive(Debug)]
pub enum Flow {
    /// The exchange would wait for this.
    WouldWait(WaitFor),
    /// It lets others go first.
    Yield,
    /// It is over, and the next request may come.
    NextRequest,
    /// It is over: close the connection once the client has our last bytes.
    Linger,
    /// The same, and the client has asked for the close with a request that had no body.
    CloseAsAsked,
    /// It is over: close the connection.
    Close,
    /// Pass bytes both ways, beginning with those that came already.
    Tunnel(Conn, Lease<Conn>, Arc<Group>, Buffer),
}

impl Exchange {
    /// Goes on until it would wait or is over. An attempt that fails is followed by another one, if
    /// the retry law allows it.
    // spine 14
    pub fn run(&mut self, client: &mut Client, turn: &mut Turn<'_>) -> Flow {
        loop {
            match self.step(client, turn) {
                Ok(None) => {}
                Ok(Some(flow)) => return flow,
                Err(error) => {
                    if let Err(error) = self.move_on(error, turn) {
                        return self.give_up(error, client, turn);
                    }
                }
            }
        }
    }

    /// Goes on in the present phase; `None` when the next phase begins.
    // spine 15
    fn step(&mut self, client: &mut Client, turn: &mut Turn<'_>) -> Result<Option<Flow>, Error> {
        self.end_if_down()?;
        match self.phase {
            ExchangePhase::Waiting => self.find_backend(client, turn),
            ExchangePhase::Connecting(..) => self.connect(client, turn),
            ExchangePhase::Transferring(..) => self.transfer(client, turn),
        }
    }

    /// The attempt under way.
    fn attempt(&self) -> Option<&Attempt> {
        match &self.phase {
            ExchangePhase::Waiting => None,
            ExchangePhase::Connecting(attempt, _) | ExchangePhase::Transferring(attempt, _) => {
                Some(attempt)
            }
        }
    }

    /// The connection of the attempt, if it is made.
    fn conn(&self) -> Option<&Conn> {
        match &self.phase {
            ExchangePhase::Transferring(_, conn) => Some(conn),
            ExchangePhase::Waiting | ExchangePhase::Connecting(..) => None,
        }
    }

    /// The backend's connection, made or in the making, to be watched.
    pub fn backend_conn(&mut self) -> Option<&mut Conn> {
        match &mut self.phase {
            ExchangePhase::Waiting => None,
            ExchangePhase::Connecting(_, dial) => dial.conn_mut(),
            ExchangePhase::Transferring(_, conn) => Some(conn),
        }
    }

    /// Whether a close would look to the client like the end of a body, or of a tunnel, that is not
    /// over.
    #[must_use]
    pub fn would_look_whole(&self) -> bool {
        self.answer.is_forwarded && self.answer.terms.ends_by_close
    }

    /// Describes what the exchange waits for: since when it lasts, what it is and where.
    #[must_use]
    pub fn describe(&self) -> (Instant, String) {
        let request = self.upload.request_line().unwrap_or("a long upload");
        let backend = match self.attempt() {
            Some(attempt) => attempt.backend.name.to_string(),
            None if self.is_queued() => "in the queue".into(),
            None => "no backend yet".into(),
        };
        (self.listeners.started(), format!("{request} -> {backend}"))
    }

    /// How much memory it will hold when it is parked.
    #[must_use]
    pub fn shrunk_bytes(&self) -> usize {
        self.upload.shrunk_bytes() + self.answer.shrunk_bytes()
    }

    /// Gives back the storage that is not needed while it is parked.
    pub fn shrink(&mut self, turn: &mut Turn<'_>) -> io::Result<()> {
        self.upload.shrink(turn)?;
        self.answer.shrink(turn)
    }

    fn release(&mut self, turn: &mut Turn<'_>) {
        self.upload.release(turn);
        self.answer.release(turn);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;
    use std::io::Write as _;
    use testing::{Fixture, GET};

    #[test]
    fn a_close_looks_like_an_end_only_where_it_would_be_one_and_the_client_has_begun_to_read() {
        let mut exchange = Fixture::new(1, Settings::default()).waiting(GET).exchange;
        for (is_forwarded, ends_by_close) in [(true, true), (true, false), (false, true)] {
            exchange.answer.is_forwarded = is_forwarded;
            exchange.answer.terms.ends_by_close = ends_by_close;
            assert_eq!(exchange.would_look_whole(), is_forwarded && ends_by_close);
        }
    }

    #[test]
    fn an_answer_ends_by_a_close_only_if_nothing_else_says_where_it_ends() {
        for (field, ends_by_close) in [("Content-Length: 9", false), ("X: y", true)] {
            let mut fixture = Fixture::new(1, Settings::default());
            let mut under_way = fixture.transferring(&GET.replace("1.1", "1.0"));
            under_way.server_sends(&format!("HTTP/1.1 200 OK\r\n{field}\r\n\r\nx"));
            under_way.pump_until(&mut fixture, |exchange| exchange.answer.content() > 0);
            let terms = under_way.exchange.answer.terms;
            assert_eq!(terms.ends_by_close, ends_by_close, "{field}");
        }
    }

    #[test]
    fn what_a_parked_exchange_holds_is_what_its_two_directions_hold() {
        let mut fixture = Fixture::new(1, Settings::default());
        let long = "x".repeat(12_000);
        let mut under_way = fixture.transferring(&GET.replace(" / ", &format!(" /{long}{long} ")));
        under_way.server_sends(&format!("HTTP/1.1 200 OK\r\nX: {long}"));
        under_way.pump_until(&mut fixture, |exchange| exchange.answer.shrunk_bytes() > 0);
        let (exchange, client) = (&mut under_way.exchange, &mut under_way.client);
        let (up, down) = (
            exchange.upload.shrunk_bytes(),
            exchange.answer.shrunk_bytes(),
        );
        assert!(up > down && down >= long.len(), "{up} {down}");
        assert_eq!(exchange.shrunk_bytes(), up + down);
        let mut turn = fixture.turn();
        let _ = turn.tail(&mut client.inbound).write_all(long.as_bytes());
        let _ = turn
            .tail(&mut client.outbound)
            .write_all(&long.as_bytes()[..9_000]);
        let (read, unwritten) = (
            client.inbound.shrunk_bytes(),
            client.outbound.shrunk_bytes(),
        );
        assert!(
            read >= unwritten && unwritten >= 9_000,
            "{read} {unwritten}"
        );
        assert_eq!(client.shrunk_bytes(), read + unwritten);
        exchange.release(&mut turn);
        assert_eq!(exchange.shrunk_bytes(), 0);
    }
}
