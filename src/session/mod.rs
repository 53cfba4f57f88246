//! One client connection, from accept to close.
//!
//! [`Session::advance`] reads like the life of a connection: each stage goes on for as long
//! as it need not wait, keeps its progress in the session, and says what comes next.
//!
//! | file | stage |
//! |---|---|
//! | [`read_head`] | a request head is waited for and read |
//! | [`crate::exchange`] | it is answered |
//! | [`tunnel`] | bytes pass both ways after 101 |
//! | [`linger`] | our last bytes are on their way |
//! | `slot` | where an exchange is kept |
//! | `memory` | what it holds while it waits, and its end when there is none left |

pub mod linger;
mod memory;
pub mod read_head;
mod slot;
pub mod tunnel;

use crate::client::Client;
use crate::exchange::{Exchange, Flow};
use crate::gate::Place;
use crate::lot::Park;
use crate::net::conn::Conn;
use crate::net::readiness::Readiness;
use crate::turn::{Context, Turn, Waits};
use linger::Linger;
use read_head::ReadHead;
use slot::{Slot, SpareSlots};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tunnel::Tunnel;

/// A client connection and where it stands.
#[derive(Debug)]
pub struct Session {
    client: Client,
    stage: Stage,
    /// What it was parked for.
    waits: Option<Waits>,
    /// Counts it as one of the clients, and what it holds; given back when the session ends.
    place: Place,
}

/// Boxes that a worker keeps for the exchanges of its sessions.
pub type SpareExchanges = SpareSlots<Exchange>;

/// Where a session stands.
#[derive(Debug)]
pub enum Stage {
    /// Between requests, or in a request head.
    ReadHead(ReadHead),
    /// Between a request head and the end of its answer.
    Exchange(Slot<Exchange>),
    /// After 101.
    Tunnel(Tunnel),
    /// After the last answer.
    Linger(Linger),
}

/// What a stage says when it stops.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a request costs no allocation")]
pub enum Step {
    /// Go on with this stage.
    Next(Stage),
    /// Go on with this exchange.
    Begin(Exchange),
    /// Wait in the lot.
    Park(Waits),
    /// Let others have a turn.
    Yield,
    /// Close the connection.
    Close,
}

/// What the worker is to do with the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Park it.
    Park,
    /// Queue it behind the others.
    Yield,
    /// Drop it, which closes everything.
    Close,
}

impl Session {
    /// The session of a client that has just been accepted.
    #[must_use]
    pub fn new(conn: Conn, address: SocketAddr, mut place: Place) -> Self {
        place.begin();
        Self {
            client: Client::new(conn, address),
            stage: Stage::ReadHead(ReadHead::first()),
            waits: None,
            place,
        }
    }

    /// Goes on for as long as it need not wait.
    pub fn advance(&mut self, turn: &mut Turn<'_>, spare: &mut SpareExchanges) -> Outcome {
        if let Some(waits) = self.waits.take() {
            turn.resume(waits.deadline);
        }
        loop {
            let client = &mut self.client;
            let step = match &mut self.stage {
                Stage::ReadHead(stage) => stage.run(client, turn),
                Stage::Exchange(exchange) => after(exchange.run(client, turn), client),
                Stage::Tunnel(stage) => stage.run(client, turn),
                Stage::Linger(stage) => stage.run(client, turn),
            };
            match step {
                Step::Next(stage) => self.go_on_with(stage, spare),
                Step::Begin(exchange) => self.stage = Stage::Exchange(spare.hold(exchange)),
                Step::Close => return self.close(turn),
                Step::Yield if self.settle(turn) => return Outcome::Yield,
                Step::Park(waits) if self.settle(turn) => {
                    self.waits = Some(waits);
                    return Outcome::Park;
                }
                Step::Yield | Step::Park(_) => match self.run_out(turn) {
                    Some(stage) => self.go_on_with(stage, spare),
                    None => return self.close(turn),
                },
            }
        }
    }

    fn go_on_with(&mut self, stage: Stage, spare: &mut SpareExchanges) {
        if let Stage::Exchange(slot) = std::mem::replace(&mut self.stage, stage) {
            spare.take_back(slot);
        }
    }

    /// Whether it has no request: nothing of one has come yet, or the last is answered.
    #[must_use]
    pub fn has_no_request(&self) -> bool {
        match self.stage {
            Stage::ReadHead(_) => self.client.inbound.is_empty(),
            Stage::Linger(_) => true,
            Stage::Exchange(_) | Stage::Tunnel(_) => false,
        }
    }

    /// Whether it does so after an earlier request, so that closing it loses nothing.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(&self.stage, Stage::ReadHead(stage) if stage.is_between_requests())
            && self.client.inbound.is_empty()
    }

    /// Whether it waits for a backend that is lost or, if that ends it, down; or for any to come
    /// up.
    #[must_use]
    pub fn is_stranded(&self, context: &Context, now: Instant) -> bool {
        match &self.stage {
            Stage::Exchange(exchange) => exchange.is_stranded(context, now),
            Stage::Tunnel(tunnel) => tunnel.is_stranded(context),
            Stage::ReadHead(_) | Stage::Linger(_) => false,
        }
    }

    /// Ends an idle connection to make room, unless its next request is there already.
    pub fn turn_out(&mut self) {
        if self.is_idle() && self.client.conn.is_quiet() {
            self.stage = Stage::Linger(Linger::default());
        }
    }

    /// Whether it was parked when its request had just been sent, nothing of the answer has come,
    /// and nothing of another request either, so that this answer is all it can go on with.
    #[must_use]
    pub fn awaits_only_quick_answer(&self) -> bool {
        let Stage::Exchange(exchange) = &self.stage else {
            return false;
        };
        self.waits.is_some() && self.client.inbound.is_empty() && exchange.awaits_quick_answer()
    }

    /// The exchange in progress, if there is one: since when, and with which backend.
    #[must_use]
    pub fn describe(&self) -> Option<(Instant, String)> {
        match &self.stage {
            Stage::Exchange(exchange) => Some(exchange.describe()),
            _ => None,
        }
    }
}

/// What follows an exchange.
fn after(flow: Flow, client: &mut Client) -> Step {
    match flow {
        Flow::Park(waits) => Step::Park(waits),
        Flow::Yield => Step::Yield,
        Flow::NextRequest => Step::Next(Stage::ReadHead(ReadHead::next())),
        Flow::CloseAsAsked => Step::Next(Stage::Linger(Linger::as_asked())),
        Flow::Linger => Step::Next(Stage::Linger(Linger::default())),
        Flow::Close => Step::Close,
        Flow::Tunnel(conn, backend, rest) => {
            Step::Next(Stage::Tunnel(Tunnel::new(conn, backend, rest, client)))
        }
    }
}

impl Drop for Session {
    /// Whatever ends a session in the middle of an answer (an error, a panic, the end of a
    /// drain): where only closing tells the client that the body is whole, it must not see an
    /// ordinary close.
    fn drop(&mut self) {
        if let Stage::Exchange(exchange) = &self.stage
            && exchange.would_look_whole()
        {
            self.client.conn.reset_on_close();
        }
    }
}

impl Park for Session {
    fn watch(&mut self, readiness: &Arc<Readiness>, key: usize) -> io::Result<()> {
        let Some(waits) = self.waits else {
            return Ok(());
        };
        if let Some(interest) = waits.client {
            self.client.conn.watch(readiness, key, interest)?;
        }
        let backend = match &mut self.stage {
            Stage::Exchange(exchange) => exchange.backend_conn(),
            Stage::Tunnel(tunnel) => Some(tunnel.backend_conn()),
            Stage::ReadHead(_) | Stage::Linger(_) => None,
        };
        match (waits.backend, backend) {
            (Some(interest), Some(conn)) => conn.watch(readiness, key, interest),
            _ => Ok(()),
        }
    }

    fn deadline(&self) -> Instant {
        // A session that waits for nothing is due at once.
        self.waits.map_or_else(Instant::now, |waits| waits.deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_session_is_small() {
        assert!(
            size_of::<Session>() <= 320,
            "{} bytes",
            size_of::<Session>()
        );
    }
}
