//! With `--hold`, a request waits for a backend to come up when none is, without a worker.

use super::{Exchange, Flow};
use crate::client::Client;
use crate::error::{Error, Phase};
use crate::net::Interest;
use crate::turn::{Turn, Waits};
use std::time::{Duration, Instant};

/// How often a request that is held looks for itself; as a rule it is called.
const LOOK: Duration = Duration::from_secs(1);

/// It is not called more often than this: one that is up and yet refuses is asked no more
/// often for being waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// A wait for a backend to come up. In a box: few exchanges ever have one.
#[derive(Debug)]
pub(super) struct Held {
    until: Instant,
    /// When it looked for one last.
    looked: Instant,
}

impl Held {
    /// Whether it is worth to look for a backend again.
    pub(super) fn may_look(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.looked) >= LOOK_AGAIN
    }
}

impl Exchange {
    /// Whether it may wait for a backend to come up: nothing of it was sent anywhere.
    pub(super) fn may_hold(&self, turn: &Turn<'_>) -> bool {
        let context = turn.context;
        self.tries == 0 && !context.config.hold.is_zero() && !context.is_stopping()
    }

    /// Waits for a backend to come up, without a worker; or ends with `error`, if it may not or
    /// has waited for long enough.
    pub(super) fn hold(
        &mut self,
        error: Error,
        client: &Client,
        turn: &Turn<'_>,
    ) -> Result<Flow, Error> {
        let now = Instant::now();
        let begin = || {
            let until = now + turn.context.config.hold;
            Box::new(Held { until, looked: now })
        };
        let held = self.held.get_or_insert_with(begin);
        held.looked = now;
        let until = held.until;
        if !self.may_hold(turn) || now >= until {
            return Err(error);
        }
        // Those that failed may be what comes up.
        self.failures.clear();
        let waits = Waits {
            client: Some(Interest::Reset),
            backend: None,
            deadline: until.min(now + LOOK),
        };
        self.park(Phase::Queue, waits, client, turn)
    }
}
