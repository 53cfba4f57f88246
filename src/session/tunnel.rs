//! After 101: bytes pass both ways until both sides are done. Each direction ends by itself,
//! so that a half-closed tunnel keeps working in the other one.

use super::Step;
use crate::backends::Backend;
use crate::client::Client;
use crate::config::OnDown;
use crate::net::Interest;
use crate::net::buffer::{Buffer, Shelf};
use crate::net::conn::{Conn, Moved, Wait};
use crate::turn::{Context, Due, Turn, Waits};
use std::io;
use std::sync::Arc;
use std::time::Instant;

/// A tunnel between the client and one backend. The client's buffers hold what is under way.
#[derive(Debug)]
pub struct Tunnel {
    conn: Conn,
    backend: Arc<Backend<Conn>>,
    up: Direction,
    down: Direction,
    due: Due,
    moved: u64,
}

/// How far one direction has come to its end.
#[derive(Debug, Default)]
struct Direction {
    /// The sender has finished.
    has_ended: bool,
    /// The receiver has been told.
    is_shut: bool,
}

impl Tunnel {
    /// A tunnel that begins with `rest`, the bytes that came right behind the 101; those right
    /// behind the request are still with the client.
    #[must_use]
    pub fn new(
        conn: Conn,
        backend: Arc<Backend<Conn>>,
        mut rest: Buffer,
        client: &mut Client,
    ) -> Self {
        rest.hand_over(&mut client.outbound);
        Self {
            conn,
            backend,
            up: Direction::default(),
            down: Direction::default(),
            due: Due::default(),
            moved: 0,
        }
    }

    /// The backend's connection, to be watched.
    pub fn backend_conn(&mut self) -> &mut Conn {
        &mut self.conn
    }

    /// Whether it is to end because its backend is down.
    #[must_use]
    pub fn is_stranded(&self, context: &Context) -> bool {
        context.config.on_down == OnDown::Close && !self.backend.is_up()
    }

    /// Passes bytes on for as long as it need not wait.
    pub fn run(&mut self, client: &mut Client, turn: &mut Turn<'_>) -> Step {
        loop {
            if self.is_stranded(turn.context) {
                return Step::Close;
            }
            let moved = match self.pump(client, turn) {
                Ok(moved) => moved,
                Err(_) => return Step::Close,
            };
            self.moved += moved;
            if self.up.is_shut && self.down.is_shut {
                return Step::Close;
            }
            if turn.is_over() {
                return Step::Yield;
            }
            if moved > 0 && turn.is_wanted() && turn.wait() == Wait::No {
                return Step::Yield;
            }
            if moved > 0 {
                continue;
            }
            let now = Instant::now();
            let waits = self.waits(client, turn, now);
            if now >= waits.deadline {
                return Step::Close;
            }
            if turn.wait() == Wait::No || !waits.moment(&client.conn, &self.conn) {
                return Step::Park(waits);
            }
        }
    }

    /// Moves what there is in both directions; returns how much.
    fn pump(&mut self, client: &mut Client, turn: &mut Turn<'_>) -> io::Result<u64> {
        let up = self
            .up
            .pump(&client.conn, &mut client.inbound, &self.conn, turn.shelf)?;
        let down = self
            .down
            .pump(&self.conn, &mut client.outbound, &client.conn, turn.shelf)?;
        if up + down > 0 {
            turn.moved(up + down);
        }
        if down > 0 {
            self.backend.heard.other(turn.now());
        }
        Ok((up + down) as u64)
    }

    fn waits(&mut self, client: &Client, turn: &Turn<'_>, now: Instant) -> Waits {
        let (up, down) = (&client.inbound, &client.outbound);
        let reads = |direction: &Direction, held: &Buffer| !direction.has_ended && held.is_empty();
        Waits {
            client: Interest::of(reads(&self.up, up), !down.is_empty()),
            backend: Interest::of(reads(&self.down, down), !up.is_empty()),
            deadline: self
                .due
                .after(self.moved, turn.context.config.timeouts.tunnel, now),
        }
    }
}

impl Direction {
    /// Moves at most one buffer of bytes; returns how many were taken by `to`.
    fn pump(
        &mut self,
        from: &Conn,
        held: &mut Buffer,
        to: &Conn,
        shelf: &mut Shelf,
    ) -> io::Result<usize> {
        if held.is_empty() && !self.has_ended {
            self.has_ended = from.read(held, shelf, Wait::No)? == Moved::End;
        }
        let mut moved = 0;
        while !held.is_empty() {
            match to.write(held.bytes(), Wait::No)? {
                Moved::Bytes(count) => {
                    held.consume(count);
                    moved += count;
                }
                Moved::Nothing | Moved::End => return Ok(moved),
            }
        }
        if self.has_ended && !self.is_shut {
            to.end_sending();
            self.is_shut = true;
        }
        Ok(moved)
    }
}
