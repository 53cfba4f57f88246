//! What becomes of a request when its backend goes down while it waits there, or when none is
//! up: it moves on, waits, or ends with the reason; it is not left to a timeout.

use super::attempt::Attempt;
use super::waiting::park;
use super::{Exchange, Flow};
use crate::backends::Plight;
use crate::client::Client;
use crate::error::{Cause, Error, Phase};
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

impl Exchange {
    /// Whether it waits without a byte of an answer for a backend that is down, or for any to
    /// come up.
    #[must_use]
    pub fn is_stranded(&self) -> bool {
        match &self.attempt {
            None => {
                let held = self.held.as_ref();
                held.is_none_or(|held| held.looked.elapsed() >= LOOK_AGAIN)
            }
            Some(attempt) => !attempt.backend.is_live() && self.waits_there(attempt),
        }
    }

    fn waits_there(&self, attempt: &Attempt) -> bool {
        // One that is only being drained is up, and finishes what it has.
        self.answer.is_awaited() && !attempt.backend.is_up()
    }

    /// The error that moves it on, if its backend went down and nothing came from there. One
    /// that only failed its checks may well answer: it is left only for another, and only by
    /// who may be asked twice.
    pub(super) fn leave_if_stranded(&self, turn: &Turn<'_>) -> Result<(), Error> {
        let Some(attempt) = self.attempt.as_ref().filter(|_| self.is_stranded()) else {
            return Ok(());
        };
        let phase = match attempt.is_connecting() {
            true => Phase::Connect,
            false => Phase::ResponseHead,
        };
        let error = Error::backend(phase, Cause::WentDown);
        let is_gone = attempt.backend.state().plight == Plight::Gone;
        let was_tried = |index| self.failures.iter().any(|failure| failure.backend == index);
        let may_move = || {
            let mut all = turn.context.backends.all().iter();
            self.may_be_repeated(&error) && all.any(|one| one.is_live() && !was_tried(one.index))
        };
        match is_gone || may_move() {
            true => Err(error),
            false => Ok(()),
        }
    }

    /// Whether it may wait for a backend to come up: nothing of it was sent anywhere.
    pub(super) fn may_hold(&self, turn: &Turn<'_>) -> bool {
        let context = turn.context;
        self.sent_before == 0 && !context.config.hold.is_zero() && !context.is_stopping()
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
        park(waits, client, turn)
    }
}
