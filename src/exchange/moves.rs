//! Where an exchange goes when an attempt has failed, and what the failure says of the backend.

use super::Exchange;
use super::answer::Answer;
use super::attempt::Attempt;
use super::failure::Failure;
use super::retry::{self, Attempted};
use crate::client::Client;
use crate::error::Error;
use crate::evidence;
use crate::turn::{Context, Due, Turn};

impl Exchange {
    /// Whether the retry law lets it go elsewhere after this error.
    pub(super) fn may_be_repeated(&self, error: &Error, context: &Context) -> bool {
        let was_sent = self.upload.total_sent() > 0;
        let is_stale = self
            .attempt
            .as_ref()
            .is_some_and(|attempt| attempt.is_reused);
        let attempted = Attempted {
            was_sent,
            was_answered: self.answer.is_begun,
            is_idempotent: self.request.method.is_idempotent(),
            can_be_repeated: self.upload.can_be_repeated(),
            tries: self.tries + u32::from(was_sent && !is_stale),
        };
        retry::allows(error, attempted, context.config.tries)
    }

    /// The right to use a backend, of one of those that were not tried.
    pub(super) fn find_first(
        &self,
        client: &mut Client,
        turn: &Turn<'_>,
    ) -> Result<Attempt, Error> {
        let pin = client.pin.as_mut().filter(|_| self.failures.is_empty());
        if let Some(pinned) = pin.and_then(|pin| Attempt::pinned(pin, turn)) {
            return Ok(pinned);
        }
        // A request draws one ticket: after a wait for a port it takes no turn of another's.
        if !self.failures.is_empty() || self.short.is_some() {
            return Attempt::next(&self.failures, turn);
        }
        let is_repeatable = self.request.method.is_idempotent() && self.upload.is_received();
        let is_safe = is_repeatable && turn.context.config.tries > 1;
        Attempt::first(is_safe, turn)
    }

    /// Prepares another attempt, if the retry law allows it and somebody is there.
    pub(super) fn move_on(&mut self, error: Error, turn: &Turn<'_>) -> bool {
        let may_be_repeated = self.may_be_repeated(&error, turn.context);
        let Some(attempt) = self.attempt.take() else {
            return false;
        };
        evidence::of_failed_attempt(turn.context, &attempt.backend, &error);
        self.failures.push(Failure::of(&attempt, error));
        let was_sent = self.upload.total_sent() > 0;
        self.tries += u32::from(was_sent && !attempt.is_reused);
        attempt.end(&error, turn);
        if may_be_repeated && error.is_shortage() {
            return self.outlast(error, turn);
        }
        let next = match may_be_repeated {
            true => self.find_next(turn),
            false => None,
        };
        let moves = next.is_some() || (may_be_repeated && self.may_hold(turn));
        self.blame_last(was_sent && moves, turn);
        if moves {
            log::debug!("{error}; trying another");
            self.begin_again(next);
        }
        moves
    }

    /// The right to use one that was not tried. When all were, one that did not answer the
    /// connection in time is tried again: its queue may have been full, nothing was sent, and
    /// there is nowhere else to go. It is given up after as many of these as `--tries` says.
    fn find_next(&mut self, turn: &Turn<'_>) -> Option<Attempt> {
        let untried = Attempt::next(&self.failures, turn).ok();
        let is_late = self
            .failures
            .last()
            .is_some_and(Failure::is_late_connection);
        self.late_connections += u32::from(is_late);
        if untried.is_some() || self.late_connections >= turn.context.config.tries {
            return untried;
        }
        self.failures
            .retain(|failure| !failure.is_late_connection());
        Attempt::next(&self.failures, turn).ok()
    }

    /// Sends it from its beginning, to this backend or, if there is none yet, to the first.
    pub(super) fn begin_again(&mut self, attempt: Option<Attempt>) {
        self.attempt = attempt;
        self.upload.rewind();
        self.expectation.rewind();
        self.answer = Answer::default();
        self.due = Due::default();
        self.has_arrived = false;
    }

    /// Counts the last failure, if it is one of those, towards the ejection of its backend. If
    /// the request was sent and moves on, that has to wait until it is answered elsewhere. If it
    /// fails there too, nothing is counted: it is the request that the backends cannot bear.
    fn blame_last(&mut self, is_pending: bool, turn: &Turn<'_>) {
        let is_poison = self.failures.iter().any(|failure| failure.is_pending);
        let Some(last) = self.failures.last_mut() else {
            return;
        };
        if !evidence::counts_towards_ejection(turn.context, &last.error) {
            return;
        }
        last.is_pending = is_pending;
        if !is_pending && !is_poison {
            last.blame(turn.context);
        }
    }

    /// It was answered: those that failed before have failed by themselves.
    pub(super) fn settle_failures(&mut self, turn: &Turn<'_>) {
        let pending = self.failures.iter().filter(|failure| failure.is_pending);
        pending.for_each(|failure| failure.blame(turn.context));
    }
}
