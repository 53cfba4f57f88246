//! The last stage: our last bytes are on their way, and the connection stays until the client
//! has them.
//!
//! Closing a socket while bytes from the client are unread makes the kernel send a reset, and
//! a reset makes the client's kernel throw our answer away (RFC 9112 §9.6). So: finish
//! sending, then read and discard: for a bounded time, so many bytes, and at a bounded pace,
//! since a client that sends at full speed would take processor time and its share of the link
//! from those that are served. Its own sending waits meanwhile. Only a client that has asked for the
//! close itself, and so must not send more (RFC 9112 §9.6), is not waited for.

use super::Step;
use crate::exchange::client::Client;
use crate::exchange::shared::Turn;
use crate::exchange::wait_for::WaitFor;
use crate::net::Interest;
use crate::net::conn::{Blocking, Moved};
use std::time::{Duration, Instant};

/// The most that is spent on a client that goes on sending. A third of nginx's
/// `lingering_time`: whoever sends for longer does not look at answers.
const LINGER_TIMEOUT: Duration = Duration::from_secs(10);

/// The most that is spent on a client that does nothing (nginx's `lingering_timeout` is 5 s).
const QUIET_TIMEOUT: Duration = Duration::from_secs(2);

/// The same while the balancer is about to end, or others wait for the place.
const PRESSED_QUIET_TIMEOUT: Duration = Duration::from_millis(300);

/// The most that is discarded before the client has to wait for [`PAUSE`]. With that some
/// 13 MB/s, more than most links have. Eight clients that send without end at loopback speed
/// then take a twentieth of one processor.
const BURST_BYTES: usize = 64 * 1024;

/// How long a client waits that has sent so much.
const PAUSE: Duration = Duration::from_millis(5);

/// The most that is discarded in all, some five seconds' worth.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// So many bytes are sent as soon as they are written (RFC 6928: ten segments), and so are out
/// of the reach of a reset that comes behind them.
const AT_ONCE_BYTES: u64 = 10 * 1024;

/// Progress in closing.
#[derive(Debug, Default)]
pub struct Linger {
    allowance: Allowance,
    is_asked: bool,
    has_ended: bool,
    has_yielded: bool,
    due: Option<Instant>,
    /// Since when the client has done nothing.
    quiet_since: Option<Instant>,
}

impl Linger {
    /// After the answer to a request without a body, with which the client asked for the close.
    #[must_use]
    pub fn as_asked() -> Self {
        Self {
            is_asked: true,
            ..Self::default()
        }
    }

    /// Sends what is left, then discards what comes.
    pub fn run(&mut self, client: &mut Client, turn: &mut Turn<'_>) -> Step {
        // No request follows that could use it.
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

    /// Whether the client has asked for the close, and no late byte of its could cost it what we
    /// have written. If it has sent something all the same, it gets the answer all the same.
    fn is_over(&self, client: &Client) -> bool {
        let is_small = client.written <= AT_ONCE_BYTES;
        self.is_asked && is_small && client.inbound.is_empty() && client.conn.is_quiet()
    }

    fn discard(&mut self, client: &mut Client, turn: &mut Turn<'_>, due: Instant) -> Step {
        client.inbound.clear();
        loop {
            // Most clients close as soon as they have the answer: worth a moment.
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
                // Its own end is on the way; those who are queued are enough to wait for.
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
    /// After a pause.
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
