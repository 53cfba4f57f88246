//! When a request that waits for an answer goes elsewhere, although its connection holds.
//!
//! That the backend goes down is no reason: from outside, a busy backend and a frozen one look the
//! same, and busy is far more common. As a rule the request ends by its own connection, its own
//! timeout or its client. But it moves once, if it may be repeated, no byte of the answer has come, and
//! another backend is free of suspicion, when
//!
//! * there is no way to the backend's host, as a check or another request has found;
//! * the backend's host does not acknowledge the bytes of the request: the system of a busy server
//!   does so at once, a dead path never;
//! * the backend does not answer its checks either, and no byte has come from it, on any connection,
//!   for `--rescue-after`.
//!
//! A request that is not connected yet leaves a backend that is suspect or worse at once, whatever
//! its method: nothing of it was sent, and the queue of that backend may be full.

use super::attempt::Attempt;
use super::{Exchange, ExchangePhase};
use crate::backends::Standing;
use crate::config::OnDown;
use crate::exchange::shared::{Shared, Turn};
use crate::health::observations;
use crate::http::error::{Cause, Error, Phase};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A request must be acknowledged within this time: five times the kernel's usual time until it sends
/// again, so that one or two packets may be lost.
const ACKNOWLEDGED_AFTER: Duration = Duration::from_secs(1);

impl Exchange {
    /// Whether a parked exchange should look again where it waits: its backend is lost, or it waits for
    /// any backend to come up. The health thread asks this.
    #[must_use]
    pub fn is_backend_lost(&self, shared: &Shared, now: Instant) -> bool {
        let Some(attempt) = self.attempt() else {
            let held = self.held.as_ref();
            return !self.is_queued() && held.is_none_or(|held| held.may_look(now));
        };
        let is_connecting = self.is_connecting();
        let is_lost = match is_connecting {
            true => leaves_while_connecting(attempt),
            false => self.may_leave() && self.lost_cause(shared, now).is_some(),
        };
        let may_be_backup = !is_connecting || may_leave_for_backup(attempt);
        let backends = &self.group.backends;
        let is_to_leave = is_lost && backends.has_clear_beside(&attempt.backend, may_be_backup);
        is_to_leave || self.ends_with_backend(attempt)
    }

    /// With `--on-down close`, the error that ends it when its backend is down.
    pub(super) fn end_if_down(&self) -> Result<(), Error> {
        let attempt = self.attempt();
        match attempt.filter(|attempt| self.ends_with_backend(attempt)) {
            Some(_) => {
                let phase = match (self.is_connecting(), self.answer.is_awaited()) {
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
    pub(super) fn may_leave(&self) -> bool {
        self.awaits_first_byte() && !self.has_left && self.may_be_repeated(&lost(Cause::Mute))
    }

    fn is_connecting(&self) -> bool {
        matches!(self.phase, ExchangePhase::Connecting(..))
    }

    /// Whether it is to end because its backend is down. The trial of one that is ejected is not.
    fn ends_with_backend(&self, attempt: &Attempt) -> bool {
        let is_down = !attempt.backend.is_up() && attempt.trial.is_none();
        is_down && self.group.settings.on_down == OnDown::Close
    }

    /// Why the backend is lost, as far as that does not depend on the connection of this request. Has a
    /// backend checked that is silent and was not checked for long.
    fn lost_cause(&self, shared: &Shared, now: Instant) -> Option<Cause> {
        let backend = &self.attempt()?.backend;
        if backend.is_unreachable() {
            return Some(Cause::Unreachable);
        }
        if backend.heard.silence(now) < self.group.settings.rescue_after {
            return None;
        }
        // A long poll is silent by nature, and its backend answers a check.
        if backend.standing() == Standing::Clear {
            observations::ask_for_check(&shared.health, backend);
        }
        (backend.standing() != Standing::Clear).then_some(Cause::Mute)
    }

    /// Moves to a better backend, if this one is lost and there is one; returns whether it has.
    pub(super) fn leave_if_lost(&mut self, turn: &Turn<'_>) -> bool {
        let (shared, now) = (turn.shared, turn.now());
        if turn.is_overdue || !self.may_leave() {
            return false;
        }
        let cause = self.lost_cause(shared, now);
        let is_unacknowledged = || self.is_unacknowledged(now).then_some(Cause::Unacknowledged);
        let Some(cause) = cause.or_else(is_unacknowledged) else {
            return false;
        };
        let has_left = self.may_send_elsewhere(turn) && self.leave(lost(cause), true, turn);
        self.has_left |= has_left;
        self.tries += u32::from(has_left);
        has_left
    }

    /// Whether there is a better backend, and what was sent may be sent again.
    fn may_send_elsewhere(&self, turn: &Turn<'_>) -> bool {
        let backends = &self.group.backends;
        let has_better = |attempt: &Attempt| backends.has_clear_beside(&attempt.backend, true);
        self.attempt().is_some_and(has_better) && self.is_within_budget(turn)
    }

    /// The same while it is not connected.
    pub(super) fn leave_while_connecting(&mut self, turn: &Turn<'_>) -> bool {
        let attempt = self.attempt();
        let is_lost = attempt.is_some_and(leaves_while_connecting);
        let may_be_backup = attempt.is_some_and(may_leave_for_backup);
        let is_due = turn.is_resumed && !turn.is_overdue;
        let error = Error::backend(Phase::Connect, Cause::TimedOut);
        is_due && is_lost && self.leave(error, may_be_backup, turn)
    }

    /// Moves to a better backend because of `error`, if there is one; returns whether it has.
    fn leave(&mut self, error: Error, may_be_backup: bool, turn: &Turn<'_>) -> bool {
        let Some(left) = self.attempt() else {
            return false;
        };
        let failure = left.failure(error);
        let backend = Arc::clone(&failure.backend);
        self.failures.push(failure);
        let Some(better) =
            ExchangePhase::at_clear(&self.group, self.key, may_be_backup, &self.failures, turn)
        else {
            self.failures.pop();
            return false;
        };
        self.report_attempt_end(&backend, Err(&error), turn);
        self.retry((&backend, &error), Some(better), turn);
        true
    }

    /// Whether it was sent long enough ago, and the kernel still holds some of it.
    fn is_unacknowledged(&mut self, now: Instant) -> bool {
        if self.has_arrived || self.timer.waited(now) < ACKNOWLEDGED_AFTER {
            return false;
        }
        let bytes = self.conn().and_then(|conn| conn.unacknowledged());
        self.has_arrived = bytes.unwrap_or(0) == 0;
        !self.has_arrived
    }

    /// When to check whether the request has arrived: a second after it was sent, and every second
    /// until it has.
    pub(super) fn next_look(&self, turn: &Turn<'_>) -> Option<Instant> {
        let (now, looks) = (turn.now(), !self.has_arrived && self.may_leave());
        let left = ACKNOWLEDGED_AFTER.saturating_sub(self.timer.waited(now));
        let pause = if left.is_zero() {
            ACKNOWLEDGED_AFTER
        } else {
            left
        };
        looks.then(|| now + pause)
    }
}

/// Whether a request without a connection should go elsewhere.
fn leaves_while_connecting(attempt: &Attempt) -> bool {
    attempt.backend.standing() != Standing::Clear && attempt.trial.is_none()
}

/// A backup is used only if the backend is worse than suspect.
fn may_leave_for_backup(attempt: &Attempt) -> bool {
    attempt.backend.standing() != Standing::Suspect
}

fn lost(cause: Cause) -> Error {
    Error::backend(Phase::ResponseHead, cause)
}

#[cfg(test)]
mod tests;
