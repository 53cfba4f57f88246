//! A request for which there is no descriptor or source port left: it goes to another backend, which
//! has ports of its own, or waits for a while. No backend is to blame.

use super::{Exchange, ExchangePhase, Flow};
use crate::exchange::client::Client;
use crate::exchange::shared::Turn;
use crate::exchange::wait_for::WaitFor;
use crate::http::error::{Cause, Error, Phase};
use crate::net::Interest;
use std::time::{Duration, Instant};

/// How long to wait before the next try.
const PAUSE: Duration = Duration::from_millis(20);

/// A wait for a descriptor or port.
#[derive(Debug)]
pub(super) struct Short {
    /// After this the client gets 503.
    until: Instant,
    /// When to try again.
    next: Instant,
}

impl Exchange {
    /// Goes to another backend, if only ports to the last one are short; otherwise pauses, and then
    /// tries all of them again. Returns whether it goes on.
    pub(super) fn outlast(&mut self, error: Error, turn: &Turn<'_>) -> bool {
        let now = turn.now();
        let until = now + self.snapshot.config.timeouts.connect;
        let begin = || Box::new(Short { until, next: now });
        let short = self.short.get_or_insert_with(begin);
        if now >= short.until {
            return false;
        }
        let mut next = None;
        if error.cause == Cause::NoPort {
            next = ExchangePhase::another_attempt(&self.failures, turn).ok();
        }
        if next.is_none() {
            short.next = now + PAUSE;
            self.failures.retain(|failure| !failure.error.is_shortage());
        }
        self.begin_again(next, turn);
        true
    }

    /// The wait until the next try. A connection that becomes idle meanwhile is used then.
    pub(super) fn pause(
        &mut self,
        client: &Client,
        turn: &Turn<'_>,
    ) -> Option<Result<Flow, Error>> {
        let next = self.short.as_ref()?.next;
        let wait_for = WaitFor::client(Interest::Reset, next);
        (turn.now() < next)
            .then(|| self.wait_unless_client_left(Phase::Connect, wait_for, client, turn))
    }
}
