//! When a request that waits for an answer goes elsewhere, although its connection holds.
//!
//! What becomes of its backend is no reason: from outside, one that is busy and one that is
//! frozen look the same, and busy is by far the commoner. It ends by its own connection, its
//! own timeout or its client. But it moves, once, if it may be repeated, if not a byte of the
//! answer has come, and if there is a backend that is up and free of suspicion, when
//!
//! * there is no way to the backend's host, as a check or another request has seen;
//! * the backend's host does not acknowledge its bytes: a busy server's system does so at once,
//!   a dead path never does;
//! * the backend does not answer its checks either, and not one byte has come from it, on any
//!   connection, for `--rescue-after`.
//!
//! A request that is not even connected leaves a backend that is suspect or worse at once,
//! whatever it is: nothing of it was sent, and that backend's queue may be full.

use super::Exchange;
use super::attempt::Attempt;
use super::failure::Failure;
use crate::backends::Standing;
use crate::config::OnDown;
use crate::error::{Cause, Error, Phase};
use crate::evidence;
use crate::turn::{Context, Turn};
use std::time::{Duration, Instant};

/// So long after it was sent a request must have been acknowledged: five times the kernel's
/// usual time until it sends again, so that one or two packets may be lost.
const ACKNOWLEDGED_AFTER: Duration = Duration::from_secs(1);

impl Exchange {
    /// Whether a look at where it waits is worth a worker's time: for one that is parked, and
    /// asked by the checking thread.
    #[must_use]
    pub fn is_stranded(&self, context: &Context, now: Instant) -> bool {
        let Some(attempt) = &self.attempt else {
            let held = self.held.as_ref();
            return held.is_none_or(|held| held.may_look(now));
        };
        let is_connecting = attempt.is_connecting();
        let is_lost = match is_connecting {
            true => leaves_while_connecting(attempt),
            false => self.may_leave(context) && self.lost_cause(context, now).is_some(),
        };
        let index = attempt.backend.index;
        let may_be_backup = !is_connecting || may_leave_for_backup(attempt);
        let is_to_leave = is_lost && context.backends.has_clear_beside(index, may_be_backup);
        is_to_leave || ends_with_backend(attempt, context)
    }

    /// With `--on-down close`, the error that ends it when its backend is down.
    pub(super) fn end_if_down(&self, turn: &Turn<'_>) -> Result<(), Error> {
        let attempt = self.attempt.as_ref();
        match attempt.filter(|attempt| ends_with_backend(attempt, turn.context)) {
            Some(attempt) => {
                let phase = match (attempt.is_connecting(), self.answer.is_awaited()) {
                    (true, _) => Phase::Connect,
                    (false, true) => Phase::ResponseHead,
                    (false, false) => Phase::ResponseBody,
                };
                Err(Error::backend(phase, Cause::WentDown))
            }
            None => Ok(()),
        }
    }

    /// Whether it may go elsewhere at all.
    pub(super) fn may_leave(&self, context: &Context) -> bool {
        self.awaits_first_byte()
            && !self.has_left
            && self.may_be_repeated(&lost(Cause::Mute), context)
    }

    /// What is wrong with the backend it waits for, as far as that does not depend on its own
    /// connection. One that says nothing and was not asked for long is asked.
    fn lost_cause(&self, context: &Context, now: Instant) -> Option<Cause> {
        let backend = &self.attempt.as_ref()?.backend;
        if backend.is_unreachable() {
            return Some(Cause::Unreachable);
        }
        if backend.heard.silence(now) < context.config.rescue_after {
            return None;
        }
        // A long poll is silent by nature, and its backend answers a check.
        if backend.standing() == Standing::Clear {
            evidence::ask_for_check(context, backend);
        }
        (backend.standing() != Standing::Clear).then_some(Cause::Mute)
    }

    /// Moves to a better backend if this one is lost and there is one; returns whether it has.
    pub(super) fn leave_if_lost(&mut self, turn: &Turn<'_>) -> bool {
        let (context, now) = (turn.context, turn.now());
        if turn.is_overdue || !self.may_leave(context) {
            return false;
        }
        let cause = self.lost_cause(context, now);
        let is_unacknowledged = || self.is_unacknowledged(now).then_some(Cause::Unacknowledged);
        let Some(cause) = cause.or_else(is_unacknowledged) else {
            return false;
        };
        let has_left = self.leave(lost(cause), true, turn);
        self.has_left |= has_left;
        self.tries += u32::from(has_left);
        has_left
    }

    /// The same while it is not connected.
    pub(super) fn leave_while_connecting(&mut self, turn: &Turn<'_>) -> bool {
        let attempt = self.attempt.as_ref();
        let is_lost = attempt.is_some_and(leaves_while_connecting);
        let may_be_backup = attempt.is_some_and(may_leave_for_backup);
        let is_due = turn.is_resumed && !turn.is_overdue;
        let error = Error::backend(Phase::Connect, Cause::TimedOut);
        is_due && is_lost && self.leave(error, may_be_backup, turn)
    }

    /// Goes to a better backend, because of `error`, if there is one; returns whether it has.
    fn leave(&mut self, error: Error, may_be_backup: bool, turn: &Turn<'_>) -> bool {
        let Some(left) = &self.attempt else {
            return false;
        };
        self.failures.push(Failure::of(left, error));
        let Some(better) = Attempt::at_clear(may_be_backup, &self.failures, turn) else {
            self.failures.pop();
            return false;
        };
        log::debug!("{}: {error}; trying another", left.backend.name);
        self.begin_again(Some(better));
        true
    }

    /// Whether it was sent long enough ago, and the kernel still holds some of it.
    fn is_unacknowledged(&mut self, now: Instant) -> bool {
        if self.has_arrived || self.due.waited(now) < ACKNOWLEDGED_AFTER {
            return false;
        }
        let conn = self.attempt.as_ref().and_then(Attempt::conn);
        let bytes = conn.and_then(|conn| conn.unacknowledged());
        self.has_arrived = bytes.unwrap_or(0) == 0;
        !self.has_arrived
    }

    /// When to look whether it has arrived: a second after it was sent, and every second until
    /// it has.
    pub(super) fn next_look(&self, turn: &Turn<'_>) -> Option<Instant> {
        let (now, looks) = (
            turn.now(),
            !self.has_arrived && self.may_leave(turn.context),
        );
        let left = ACKNOWLEDGED_AFTER.saturating_sub(self.due.waited(now));
        let pause = if left.is_zero() {
            ACKNOWLEDGED_AFTER
        } else {
            left
        };
        looks.then(|| now + pause)
    }
}

/// Whether a request that has no connection yet had better go elsewhere.
fn leaves_while_connecting(attempt: &Attempt) -> bool {
    attempt.backend.standing() != Standing::Clear && attempt.trial.is_none()
}

/// Suspicion alone brings in no backup.
fn may_leave_for_backup(attempt: &Attempt) -> bool {
    attempt.backend.standing() != Standing::Suspect
}

/// Whether it is to end because its backend is down. The trial of one that is ejected is not.
fn ends_with_backend(attempt: &Attempt, context: &Context) -> bool {
    let is_down = !attempt.backend.is_up() && attempt.trial.is_none();
    is_down && context.config.on_down == OnDown::Close
}

fn lost(cause: Cause) -> Error {
    Error::backend(Phase::ResponseHead, cause)
}
