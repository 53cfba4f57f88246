//! The last stage: our last bytes are on their way, and the connection stays until the client
//! has them.
//!
//! Closing a socket while bytes from the client are unread makes the kernel send a reset, and
//! a reset makes the client's kernel throw our answer away (RFC 9112 §9.6). So: finish
//! sending, then read and discard, for a bounded time.

use super::Step;
use crate::client::Client;
use crate::net::Interest;
use crate::net::conn::{Moved, Wait};
use crate::turn::{Turn, Waits};
use std::time::{Duration, Instant};

/// The most that is spent on a client that goes on sending. A third of nginx's
/// `lingering_time`: whoever sends for longer does not look at answers.
const LINGER_TIMEOUT: Duration = Duration::from_secs(10);

/// The most that is spent on a client that does nothing (nginx's `lingering_timeout` is 5 s).
const QUIET_TIMEOUT: Duration = Duration::from_secs(2);

/// Progress in closing.
#[derive(Debug, Default)]
pub struct Linger {
    has_ended: bool,
    due: Option<Instant>,
    /// When the client has done nothing for long enough.
    quiet_due: Option<Instant>,
}

impl Linger {
    /// Sends what is left, then discards what comes.
    pub fn run(&mut self, client: &mut Client, turn: &mut Turn<'_>) -> Step {
        let now = Instant::now();
        let due = *self.due.get_or_insert(now + LINGER_TIMEOUT);
        if now >= due {
            return Step::Close;
        }
        while !client.outbound.is_empty() {
            match client.flush(Wait::No, turn) {
                Ok(true) => {}
                Ok(false) => return park(Interest::Write, due),
                Err(_) => return Step::Close,
            }
        }
        if !self.has_ended {
            client.conn.end_sending();
            self.has_ended = true;
        }
        self.discard(client, turn, now, due)
    }

    fn discard(
        &mut self,
        client: &mut Client,
        turn: &mut Turn<'_>,
        now: Instant,
        due: Instant,
    ) -> Step {
        loop {
            client.inbound.clear();
            match client.conn.read(&mut client.inbound, turn.shelf, Wait::No) {
                Ok(Moved::Bytes(count)) => {
                    turn.moved(count);
                    self.quiet_due = None;
                }
                Ok(Moved::Nothing) => {
                    let quiet_due = *self.quiet_due.get_or_insert(now + QUIET_TIMEOUT);
                    return if now < quiet_due {
                        park(Interest::Read, due.min(quiet_due))
                    } else {
                        Step::Close
                    };
                }
                Ok(Moved::End) | Err(_) => return Step::Close,
            }
            if turn.is_over() {
                return Step::Yield;
            }
        }
    }
}

fn park(interest: Interest, deadline: Instant) -> Step {
    Step::Park(Waits {
        client: Some(interest),
        backend: None,
        deadline,
    })
}
