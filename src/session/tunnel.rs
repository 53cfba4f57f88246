//! Stage 3, after a 101: bytes pass both ways until both sides are done. Each direction ends by itself,
//! so a half-closed tunnel goes on in the other direction.
//!
//! An end is passed on as an end and a reset as a reset, so neither side takes incomplete bytes for
//! complete. The kernel notices a peer that has vanished (TCP keep-alive); the other side is then
//! reset.

use super::Step;
use crate::backends::Lease;
use crate::config::{Group, OnDown};
use crate::exchange::client::Client;
use crate::exchange::shared::Turn;
use crate::exchange::wait_for::{Peer, ProgressTimer, WaitFor};
use crate::http::error::{Cause, Error, Phase};
use crate::log::LogMode;
use crate::metrics::lanes::WorkerState;
use crate::net::Interest;
use crate::net::buffer::Buffer;
use crate::net::conn::{Blocking, Conn, Moved};
use std::io;
use std::sync::Arc;
use std::time::Instant;

/// A tunnel between the client and a backend. The client's buffers hold the bytes under way.
#[derive(Debug)]
pub struct Tunnel {
    conn: Conn,
    /// It counts as in flight there.
    backend: Lease<Conn>,
    group: Arc<Group>,
    up: Direction,
    down: Direction,
    timer: ProgressTimer<u64>,
    moved: u64,
    /// Those of them that came from the backend.
    received: u64,
}

/// The end of one direction.
#[derive(Debug, Default)]
struct Direction {
    /// The sender has finished.
    has_ended: bool,
    /// The receiver has got the end.
    is_shut: bool,
}

impl Tunnel {
    /// A tunnel that begins with `rest`, the bytes right behind the 101. Those right behind the request
    /// are still in the client's buffer.
    #[must_use]
    pub fn new(
        conn: Conn,
        backend: Lease<Conn>,
        group: Arc<Group>,
        mut rest: Buffer,
        client: &mut Client,
    ) -> Self {
        rest.hand_over(&mut client.outbound);
        Self {
            conn,
            backend,
            group,
            up: Direction::default(),
            down: Direction::default(),
            timer: ProgressTimer::default(),
            moved: 0,
            received: 0,
        }
    }

    /// The backend's connection, to be watched.
    pub fn backend_conn(&mut self) -> &mut Conn {
        &mut self.conn
    }

    /// Bytes that have come from the backend, and gone there.
    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.received, self.moved - self.received)
    }

    /// Whether it has to end because its backend is down.
    #[must_use]
    pub fn is_backend_lost(&self) -> bool {
        self.group.settings.on_down == OnDown::Close && !self.backend.is_up()
    }

    /// Passes bytes on until it would wait.
    pub fn run(&mut self, client: &mut Client, turn: &mut Turn<'_>) -> Step {
        loop {
            if self.is_backend_lost() {
                return self.cut(client);
            }
            let moved = match self.pump(client, turn) {
                Ok(moved) => moved,
                Err(broken) => return self.end(&broken, client),
            };
            self.moved += moved;
            if self.up.is_shut && self.down.is_shut {
                return Step::Close;
            }
            if turn.is_over() {
                return Step::Yield;
            }
            if moved > 0 && turn.are_others_queued() && turn.may_block() == Blocking::Never {
                return Step::Yield;
            }
            if moved > 0 {
                continue;
            }
            if let Some(broken) = self.find_broken(client, turn) {
                return self.end(&broken, client);
            }
            let now = Instant::now();
            let waits = self.waits(client, now);
            if now >= waits.deadline {
                return self.cut(client);
            }
            if turn.may_block() == Blocking::Never || !waits.block_briefly(&client.conn, &self.conn)
            {
                return Step::WouldWait(waits);
            }
        }
    }

    /// Ends it although both sides would go on. A side for which bytes are held is reset, so that it
    /// does not take what it has for everything.
    pub(super) fn cut(&self, client: &Client) -> Step {
        if !client.inbound.is_empty() {
            self.conn.reset_on_close();
        }
        if !client.outbound.is_empty() {
            client.conn.reset_on_close();
        }
        Step::Close
    }

    /// Moves what there is in both directions; returns how many bytes.
    fn pump(&mut self, client: &mut Client, turn: &mut Turn<'_>) -> Result<u64, Broken> {
        turn.note(WorkerState::ReadingClient);
        let up = self
            .up
            .pump(&client.conn, &mut client.inbound, &self.conn, turn)
            .map_err(|failure| failure.between(Peer::Client, Peer::Backend))?;
        turn.note(WorkerState::WaitingForBackend);
        let down = self
            .down
            .pump(&self.conn, &mut client.outbound, &client.conn, turn)
            .map_err(|failure| failure.between(Peer::Backend, Peer::Client))?;
        if down > 0 {
            self.backend.heard.other(turn.now());
        }
        self.received += down as u64;
        if let Some(metrics) = &self.backend.metrics {
            metrics.sent.add(up as u64);
            metrics.received.add(down as u64);
        }
        Ok((up + down) as u64)
    }

    fn waits(&mut self, client: &Client, now: Instant) -> WaitFor {
        let (up, down) = (&client.inbound, &client.outbound);
        let of_client = interest(&self.up, up, &self.down, down);
        let of_backend = interest(&self.down, down, &self.up, up);
        WaitFor {
            client: of_client,
            backend: of_backend,
            deadline: self
                .timer
                .deadline(self.moved, self.group.settings.timeouts.tunnel, now),
        }
    }

    /// Finds a side that broke while nothing is read from it, because bytes from it still wait for room
    /// on the other side.
    fn find_broken(&self, client: &Client, turn: &Turn<'_>) -> Option<Broken> {
        if !turn.is_resumed {
            return None;
        }
        let broken = |conn: &Conn, peer| conn.take_error().map(|error| Broken { peer, error });
        broken(&client.conn, Peer::Client).or_else(|| broken(&self.conn, Peer::Backend))
    }

    /// One side is broken: resets the other one.
    fn end(&self, broken: &Broken, client: &Client) -> Step {
        let cause = Cause::of_broken(&broken.error);
        let (error, level) = match broken.peer {
            Peer::Client => {
                self.conn.reset_on_close();
                (Error::client(Phase::Tunnel, cause), log::Level::Debug)
            }
            Peer::Backend => {
                client.conn.reset_on_close();
                (Error::backend(Phase::Tunnel, cause), log::Level::Info)
            }
        };
        // That a client is gone is of interest only in the story.
        let level = match self.group.settings.log {
            LogMode::Story => log::Level::Info,
            LogMode::Access | LogMode::Json | LogMode::Haproxy | LogMode::Off => level,
        };
        let (code, own) = (error.code(), client.address);
        log::log!(
            level,
            "Tunnel from {own} to {}: {error} ({code})",
            self.backend.name
        );
        Step::Close
    }
}

/// What to wait for on one connection: `held` came from it and is not passed on, `waiting` goes to it
/// and is not written. A reset is noticed in any case, unless our side is shut: then its ordinary end
/// would be reported again and again.
fn interest(from: &Direction, held: &Buffer, to: &Direction, waiting: &Buffer) -> Option<Interest> {
    let reads = !from.has_ended && held.is_empty();
    let interest = Interest::of(reads, !waiting.is_empty());
    interest.or((!to.is_shut).then_some(Interest::Reset))
}

/// A connection that cannot be used any more, and why.
#[derive(Debug)]
struct Broken {
    peer: Peer,
    error: io::Error,
}

/// Which end of a direction failed.
#[derive(Debug)]
enum Failure {
    Reading(io::Error),
    Writing(io::Error),
}

impl Failure {
    fn between(self, from: Peer, to: Peer) -> Broken {
        let (peer, error) = match self {
            Failure::Reading(error) => (from, error),
            Failure::Writing(error) => (to, error),
        };
        Broken { peer, error }
    }
}

impl Direction {
    /// Moves at most one buffer of bytes; returns how many `to` took.
    fn pump(
        &mut self,
        from: &Conn,
        held: &mut Buffer,
        to: &Conn,
        turn: &mut Turn<'_>,
    ) -> Result<usize, Failure> {
        if held.is_empty() && !self.has_ended {
            let read = turn.read(from, held, Blocking::Never);
            self.has_ended = read.map_err(Failure::Reading)? == Moved::End;
        }
        let mut moved = 0;
        while !held.is_empty() {
            let written = turn.write(to, held.bytes(), Blocking::Never);
            match written.map_err(Failure::Writing)? {
                Moved::Bytes(count) => {
                    held.consume(count);
                    moved += count;
                }
                Moved::WouldWait | Moved::End => return Ok(moved),
            }
        }
        if self.has_ended && !self.is_shut {
            to.end_sending();
            self.is_shut = true;
        }
        Ok(moved)
    }
}
