//! One client connection, from accept to close.
//!
//! [`ClientSession::advance`](Session::advance) reads like the life of a connection: each stage goes
//! on until it would wait, keeps its progress in the session, and returns what comes next.
//!
//! | file | stage |
//! |---|---|
//! | [`read_head`] | 1. a request head is waited for and read |
//! | [`crate::exchange`] | 2. the request is answered; then the next head |
//! | [`tunnel`] | 3. after a 101, bytes pass both ways |
//! | [`linger`] | 4. the last bytes go to the client |
//! | `client_limits` | how much each client may send |
//! | `own_reply` | what the balancer answers itself |
//! | `observed` | what others see of a session, and how an operator ends its request |
//! | `memory` | what a session holds while it is parked, and its end when no memory is left |

mod client_limits;
pub mod linger;
mod memory;
mod observed;
mod own_reply;
pub mod read_head;
pub mod tunnel;

use crate::engine::connection_limit::Permit;
use crate::engine::lot::Park;
use crate::engine::{Outcome, Session};
use crate::exchange::client::Client;
use crate::exchange::shared::{Local, Shared, Turn};
use crate::exchange::slot::Slot;
use crate::exchange::wait_for::WaitFor;
use crate::exchange::{Exchange, Flow};
use crate::metrics::lanes::Lanes;
use crate::net::conn::Conn;
use crate::net::readiness::Readiness;
use linger::Linger;
use read_head::ReadHead;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tunnel::Tunnel;

/// A client connection and where it stands.
#[derive(Debug)]
pub struct ClientSession {
    client: Client,
    stage: Stage,
    /// What it was parked for.
    waits_for: Option<WaitFor>,
    /// Counts it as an open connection, with the memory that it holds; given back when the session
    /// ends.
    permit: Permit,
}

/// Where a session stands.
#[derive(Debug)]
pub enum Stage {
    /// Between requests, or in a request head.
    ReadHead(ReadHead),
    /// Between a request head and the end of its answer.
    Exchange(Slot<Exchange>),
    /// After 101. In a box: it is the largest stage, and few sessions ever reach it.
    Tunnel(Box<Tunnel>),
    /// After the last answer.
    Linger(Linger),
}

/// How a stage stops.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a request costs no allocation")]
pub enum Step {
    /// Go on with this stage.
    Next(Stage),
    /// Go on with this exchange.
    Begin(Exchange),
    /// The session would wait for this.
    WouldWait(WaitFor),
    /// Let others go first.
    Yield,
    /// Close the connection.
    Close,
}

impl Session for ClientSession {
    type Shared = Shared;
    type Local = Local;

    // spine 08
    fn new(conn: Conn, address: SocketAddr, mut permit: Permit) -> Self {
        permit.begin();
        Self {
            client: Client::new(conn, address, permit.number()),
            stage: Stage::ReadHead(ReadHead::first()),
            waits_for: None,
            permit,
        }
    }

    // spine 09
    fn advance(&mut self, turn: &mut Turn<'_>) -> Outcome {
        if let Some(waits_for) = self.waits_for.take() {
            turn.resume(waits_for.deadline);
        }
        if self.begin_seen_turn(turn) {
            return self.close(turn);
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
                Step::Next(stage) => self.go_on_with(stage, turn),
                Step::Begin(exchange) => {
                    self.stage = Stage::Exchange(turn.local.exchanges.store(exchange));
                }
                Step::Close => return self.close(turn),
                Step::Yield if self.shrink(turn) => return Outcome::Yield,
                Step::WouldWait(waits_for) if self.shrink(turn) => {
                    self.note_wait(&waits_for);
                    self.waits_for = Some(waits_for);
                    return Outcome::WouldWait;
                }
                Step::Yield | Step::WouldWait(_) => match self.run_out(turn) {
                    Some(stage) => self.go_on_with(stage, turn),
                    None => return self.close(turn),
                },
            }
        }
    }

    /// Whether it was parked when its request had just been sent, and neither the answer nor another
    /// request has begun, so that it goes on with this answer only. Such answers go first. This keeps few
    /// requests open, and so few backend connections in use, and their data stays in the caches of the
    /// processors. Other sessions do not wait long: each client gets the same for its own answer.
    fn goes_first(&self) -> bool {
        let Stage::Exchange(exchange) = &self.stage else {
            return false;
        };
        self.waits_for.is_some() && self.client.inbound.is_empty() && exchange.awaits_quick_answer()
    }

    fn lanes(shared: &Shared) -> Option<&Lanes> {
        shared.observed.as_ref().map(|observed| &*observed.lanes)
    }
}

impl ClientSession {
    fn go_on_with(&mut self, stage: Stage, turn: &mut Turn<'_>) {
        if let Stage::Exchange(slot) = std::mem::replace(&mut self.stage, stage) {
            self.note_end_of_request();
            turn.local.exchanges.take_back(slot);
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

    /// Whether it is idle after an earlier request, so that closing it loses nothing.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(&self.stage, Stage::ReadHead(stage) if stage.is_between_requests())
            && self.client.inbound.is_empty()
    }

    /// Whether it waits for a backend that is lost (or down, with `--on-down close`), or for any backend
    /// to come up.
    #[must_use]
    pub fn is_backend_lost(&self, shared: &Shared, now: Instant) -> bool {
        match &self.stage {
            Stage::Exchange(exchange) => exchange.is_backend_lost(shared, now),
            Stage::Tunnel(tunnel) => tunnel.is_backend_lost(),
            Stage::ReadHead(_) | Stage::Linger(_) => false,
        }
    }

    /// Closes an idle connection to make room, unless its next request is there already.
    pub fn evict(&mut self) {
        if self.is_idle() && self.client.conn.is_quiet() {
            self.stage = Stage::Linger(Linger::default());
        }
    }

    /// Describes the exchange in progress, if there is one: since when it lasts, and what it is.
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
        Flow::WouldWait(wait_for) => Step::WouldWait(wait_for),
        Flow::Yield => Step::Yield,
        Flow::NextRequest => Step::Next(Stage::ReadHead(ReadHead::next())),
        Flow::CloseAsAsked => Step::Next(Stage::Linger(Linger::as_asked())),
        Flow::Linger => Step::Next(Stage::Linger(Linger::default())),
        Flow::Close => Step::Close,
        Flow::Tunnel(conn, backend, group, rest) => {
            let tunnel = Tunnel::new(conn, backend, group, rest, client);
            Step::Next(Stage::Tunnel(Box::new(tunnel)))
        }
    }
}

impl Drop for ClientSession {
    /// A session may end in the middle of an answer: after an error, a panic, or the end of a drain. If
    /// only a close shows the client where the body ends, it must not see an ordinary one.
    fn drop(&mut self) {
        if let Stage::Exchange(exchange) = &self.stage
            && exchange.would_look_whole()
        {
            self.client.conn.reset_on_close();
        }
    }
}

impl Park for ClientSession {
    fn watch(&mut self, readiness: &Arc<Readiness>, key: usize) -> io::Result<()> {
        let Some(waits) = self.waits_for else {
            return Ok(());
        };
        if let Some(interest) = waits.client {
            self.client.conn.watch(readiness, key, interest)?;
        }
        if let Stage::Exchange(exchange) = &self.stage {
            exchange.watch_queue(readiness, key);
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
        self.waits_for
            .map_or_else(Instant::now, |waits_for| waits_for.deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_session_is_small() {
        // With what glibc puts in front of it, 320 bytes: a block of the sizes that it has.
        assert!(
            size_of::<ClientSession>() <= 304,
            "{} bytes",
            size_of::<ClientSession>()
        );
    }
}
