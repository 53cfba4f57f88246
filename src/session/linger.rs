//! Stage 4: the last bytes go to the client, and the connection stays open until it has them.
//!
//! A socket that is closed while bytes from the client are unread makes the kernel send a reset, and
//! a reset makes the client's kernel discard the answer (RFC 9112 §9.6). So the session sends what is
//! left, then reads and discards. Time, bytes and pace are bounded: a client that sends at full speed
//! would take processor time and bandwidth from others. A client that asked for the close itself must
//! not send more (RFC 9112 §9.6), and is not waited for.

use super::Step;
use crate::exchange::client::Client;
use crate::exchange::shared::Turn;
use crate::exchange::wait_for::WaitFor;
use crate::net::Interest;
use crate::net::conn::{Blocking, Moved};
use std::time::{Duration, Instant};

/// The longest wait for a client that goes on sending. A third of nginx's `lingering_time`: a client
/// that sends for longer does not look at answers.
const LINGER_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest wait for a client that does nothing (nginx's `lingering_timeout` is 5 s).
const QUIET_TIMEOUT: Duration = Duration::from_secs(2);

/// The same while the balancer stops, or new clients wait for a connection.
const PRESSED_QUIET_TIMEOUT: Duration = Duration::from_millis(300);

/// Bytes that are discarded before a [`PAUSE`]. Together they allow some 13 MB/s, more than most links
/// have. Eight clients that send without end at loopback speed take a twentieth of a processor.
const BURST_BYTES: usize = 64 * 1024;

/// How long nothing is read after [`BURST_BYTES`].
const PAUSE: Duration = Duration::from_millis(5);

/// The most bytes that are discarded in all: five seconds' worth.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// The kernel sends this many bytes as soon as they are written (RFC 6928: ten segments), so a later
/// reset cannot take them back.
const AT_ONCE_BYTES: u64 = 10 * 1024;

/// Progress in closing.
#[derive(Debug, Default)]
pub struct Linger {
    allowance: Allowance,
    is_asked: bool,
    has_ended: bool,
    has_yielded: bool,
    due: Option<Instant>,
    /// When the client began to do nothing.
    quiet_since: Option<Instant>,
}

impl Linger {
    /// After an answer to a request without a body that asked for the close.
    #[must_use]
    pub fn as_asked() -> Self {
        Self {
            is_asked: true,
            ..Self::default()
        }
    }

    /// Sends what is left, then discards what comes.
    pub fn run(&mut self, client: &mut Client, turn: &mut Turn<'_>) -> Step {
        // No request follows that could use the pinned connection.
        client.pin = None;
        let due = *self
            .due
            .get_or_insert_with(|| Instant::now() + LINGER_TIMEOUT);
        while !client.outbound.is_empty() {
            match client.flush(Blocking::Never, turn) {
                Ok(true) => {}
                Ok(false) if Instant::now() < due => return park(Interest::Write, due),
                Ok(false) | Err(_) => return Step::Close,
            }
        }
        if !self.has_ended {
            if self.is_over(client) {
                return Step::Close;
            }
            client.conn.end_sending();
            self.has_ended = true;
        }
        self.discard(client, turn, due)
    }

    /// Whether to close at once: the client has asked for it, and no late byte could cost it the
    /// answer.
    fn is_over(&self, client: &Client) -> bool {
        let is_small = client.written <= AT_ONCE_BYTES;
        self.is_asked && is_small && client.inbound.is_empty() && client.conn.is_quiet()
    }

    fn discard(&mut self, client: &mut Client, turn: &mut Turn<'_>, due: Instant) -> Step {
        client.inbound.clear();
        loop {
            // Most clients close as soon as they have the answer, so the call may block.
            let moved = turn.discard(&client.conn, turn.may_block());
            let now = Instant::now();
            match moved {
                Ok(Moved::Bytes(count)) if now < due => {
                    self.quiet_since = None;
                    match self.allowance.spend(count) {
                        Left::Some => {}
                        Left::Later => return park(Interest::Reset, (now + PAUSE).min(due)),
                        Left::None => return Step::Close,
                    }
                }
                // The client's own end is on its way; other sessions go first.
                Ok(Moved::WouldWait) if !self.has_yielded && turn.are_others_queued() => {
                    self.has_yielded = true;
                    return Step::Yield;
                }
                Ok(Moved::WouldWait) => {
                    let since = *self.quiet_since.get_or_insert(now);
                    let quiet_due = since + quiet_timeout(turn);
                    return match now < quiet_due.min(due) {
                        true => park(Interest::Read, quiet_due.min(due)),
                        false => Step::Close,
                    };
                }
                Ok(Moved::Bytes(_) | Moved::End) | Err(_) => return Step::Close,
            }
            if turn.is_over() {
                return Step::Yield;
            }
        }
    }
}

/// How much may still be discarded.
#[derive(Debug)]
struct Allowance {
    /// Until the next pause.
    burst: usize,
    /// In all.
    most: usize,
}

/// Whether something is left of it.
#[derive(Debug, PartialEq, Eq)]
enum Left {
    Some,
    /// Something, after a pause.
    Later,
    None,
}

impl Default for Allowance {
    fn default() -> Self {
        Self {
            burst: BURST_BYTES,
            most: MOST_BYTES,
        }
    }
}

impl Allowance {
    fn spend(&mut self, bytes: usize) -> Left {
        self.most = self.most.saturating_sub(bytes);
        self.burst = self.burst.saturating_sub(bytes);
        match (self.most, self.burst) {
            (0, _) => Left::None,
            (_, 0) => {
                self.burst = BURST_BYTES;
                Left::Later
            }
            _ => Left::Some,
        }
    }
}

fn quiet_timeout(turn: &Turn<'_>) -> Duration {
    match turn.shared.keeps_alive() {
        true => QUIET_TIMEOUT,
        false => PRESSED_QUIET_TIMEOUT,
    }
}

fn park(interest: Interest, deadline: Instant) -> Step {
    Step::WouldWait(WaitFor::client(interest, deadline))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_discarded_is_bounded_until_each_pause_and_in_all() {
        let (mut allowance, mut discarded, mut pauses) = (Allowance::default(), 0, 0);
        let mut since_pause = 0;
        loop {
            let left = allowance.spend(10_000);
            (discarded, since_pause) = (discarded + 10_000, since_pause + 10_000);
            match left {
                Left::Some => assert!(since_pause < BURST_BYTES),
                Left::Later => (since_pause, pauses) = (0, pauses + 1),
                Left::None => break,
            }
        }
        assert!((MOST_BYTES..MOST_BYTES + 10_000).contains(&discarded));
        assert_eq!(pauses, MOST_BYTES / 70_000);
    }
}
