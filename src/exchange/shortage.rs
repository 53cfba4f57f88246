//! A request for which we have no descriptor or source port: it goes to another backend, which
//! has ports of its own, or waits for a while. No backend is to blame.

use super::attempt::Attempt;
use super::{Exchange, Flow};
use crate::client::Client;
use crate::error::{Cause, Error, Phase};
use crate::net::Interest;
use crate::turn::{Turn, Waits};
use std::time::{Duration, Instant};

/// How long to wait before asking again for a descriptor or port that was not to be had.
const PAUSE: Duration = Duration::from_millis(20);

/// A wait for what we are short of. In a box: few exchanges ever have one.
#[derive(Debug)]
pub(super) struct Short {
    /// After this the client gets 503.
    until: Instant,
    /// When to ask again.
    next: Instant,
}

impl Exchange {
    /// Another backend, if we are short of ports to the last one only; or a pause, after which
    /// all that we were short for are asked again. Returns whether it goes on.
    pub(super) fn outlast(&mut self, error: Error, turn: &Turn<'_>) -> bool {
        let now = turn.now();
        let until = now + turn.context.config.timeouts.connect;
        let begin = || Box::new(Short { until, next: now });
        let short = self.short.get_or_insert_with(begin);
        if now >= short.until {
            return false;
        }
        let mut next = None;
        if error.cause == Cause::NoPort {
            next = Attempt::next(&self.failures, turn).ok();
        }
        if next.is_none() {
            short.next = now + PAUSE;
            self.failures.retain(|failure| !failure.error.is_shortage());
        }
        self.begin_again(next);
        true
    }

    /// The wait until it is time to ask again, if it is not. A connection that comes to rest
    /// meanwhile is used then.
    pub(super) fn pause(&self, client: &Client, turn: &Turn<'_>) -> Option<Result<Flow, Error>> {
        let next = self.short.as_ref()?.next;
        let waits = Waits {
            client: Some(Interest::Reset),
            backend: None,
            deadline: next,
        };
        (turn.now() < next).then(|| self.park(Phase::Connect, waits, client, turn))
    }
}
