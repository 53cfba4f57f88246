//! With `--hold`, a request waits, parked, for a backend to come up when none is.

use super::{Exchange, Flow};
use crate::exchange::client::Client;
use crate::exchange::shared::Turn;
use crate::exchange::wait_for::WaitFor;
use crate::http::error::{Error, Phase};
use crate::net::Interest;
use std::time::{Duration, Instant};

/// How often a held request looks by itself; as a rule it is recalled.
const LOOK: Duration = Duration::from_secs(1);

/// It is not recalled more often than this, so that a backend that is up and refuses is not asked more
/// often because requests wait for it.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// A wait for a backend to come up. In a box: few exchanges ever have one.
#[derive(Debug)]
pub(super) struct Held {
    until: Instant,
    /// When it looked for a backend last.
    looked: Instant,
}

impl Held {
    /// Whether it may look for a backend again.
    pub(super) fn may_look(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.looked) >= LOOK_AGAIN
    }
}

impl Exchange {
    /// Whether it may wait for a backend to come up: nothing of it was sent anywhere.
    pub(super) fn may_hold(&self, turn: &Turn<'_>) -> bool {
        let hold = self.snapshot.config.hold;
        self.tries == 0 && !hold.is_zero() && !turn.shared.is_stopping()
    }

    /// Waits for a backend to come up, or ends with `error` if it may not wait or has waited for long
    /// enough.
    pub(super) fn hold(
        &mut self,
        error: Error,
        client: &Client,
        turn: &Turn<'_>,
    ) -> Result<Flow, Error> {
        let (now, hold) = (Instant::now(), self.snapshot.config.hold);
        let begin = || {
            let until = now + hold;
            Box::new(Held { until, looked: now })
        };
        let held = self.held.get_or_insert_with(begin);
        held.looked = now;
        let until = held.until;
        if !self.may_hold(turn) || now >= until {
            return Err(error);
        }
        // The backends that failed may come up.
        self.failures.clear();
        let wait_for = WaitFor::client(Interest::Reset, until.min(now + LOOK));
        self.wait_unless_client_left(Phase::Queue, wait_for, client, turn)
    }
}
