//! Where a request goes, first and when an attempt has failed, and what a failure says about the backend.

use super::answer::Answer;
use super::attempt::FULL;
use super::failure::Failure;
use super::retry::{self, Attempted};
use super::{Exchange, ExchangePhase};
use crate::backends::Backend;
use crate::exchange::client::Client;
use crate::exchange::shared::Turn;
use crate::exchange::wait_for::ProgressTimer;
use crate::health::observations;
use crate::http::error::{Cause, Error, Phase};
use crate::log::event::{Event, Retry};
use crate::net::conn::Conn;
use std::sync::Arc;

/// The request may have reached a backend, and too many such requests were sent again lately.
const NO_BUDGET: Error = Error::proxy(Phase::ResponseHead, Cause::NoBudget);

impl Exchange {
    /// Whether the retry law allows another attempt after this error.
    pub(super) fn may_be_repeated(&self, error: &Error) -> bool {
        let was_sent = self.upload.total_sent() > 0;
        let is_stale = self.attempt().is_some_and(|attempt| attempt.is_reused);
        let attempted = Attempted {
            was_sent,
            was_answered: self.answer.is_begun,
            is_idempotent: self.request.method.is_idempotent(),
            can_be_repeated: self.upload.can_be_repeated(),
            tries: self.tries + u32::from(was_sent && !is_stale),
        };
        retry::allows(error, attempted, self.group.settings.tries)
    }

    /// Chooses the next attempt: at the backend that a client is pinned to, at another one if some have
    /// failed, or else at the one whose turn it is.
    // spine 17
    pub(super) fn choose_attempt(
        &self,
        client: &mut Client,
        turn: &Turn<'_>,
    ) -> Result<ExchangePhase, Error> {
        let pin = client.pin.as_mut().filter(|_| self.failures.is_empty());
        if let Some(pinned) = pin.and_then(|pin| ExchangePhase::pinned(pin, &self.group, turn)) {
            return pinned;
        }
        // A request draws one ticket: after a wait for a port it takes no other request's turn.
        if !self.failures.is_empty() || self.short.is_some() {
            return ExchangePhase::another_attempt(&self.group, self.key, &self.failures, turn);
        }
        let is_repeatable = self.request.method.is_idempotent() && self.upload.is_received();
        let is_safe = is_repeatable && self.group.settings.tries > 1;
        ExchangePhase::first_attempt(&self.group, self.key, is_safe, turn)
    }

    /// Begins another attempt, if the retry law allows it and there is a backend for it. Fails with the
    /// error that ends the exchange.
    // spine 38
    pub(super) fn move_on(&mut self, error: Error, turn: &Turn<'_>) -> Result<(), Error> {
        let may_be_repeated = self.may_be_repeated(&error);
        // Closes the connection, since descriptors may be what the next attempt lacks.
        let attempt = match std::mem::replace(&mut self.phase, ExchangePhase::Waiting) {
            ExchangePhase::Waiting => return Err(error),
            ExchangePhase::Connecting(attempt, _) | ExchangePhase::Transferring(attempt, _) => {
                attempt
            }
        };
        observations::observe_failed_attempt(
            &turn.shared.health,
            &self.group,
            &attempt.backend,
            &error,
        );
        self.failures.push(attempt.failure(error));
        let was_sent = self.upload.total_sent() > 0;
        let is_try = was_sent && !attempt.is_reused;
        self.tries += u32::from(is_try);
        let from = Arc::clone(attempt.backend.backend());
        self.report_attempt_end(&from, Err(&error), turn);
        attempt.end(&error, turn);
        if may_be_repeated && error.is_shortage() {
            let goes_on = self.outlast(&from, error, turn);
            return goes_on.then_some(()).ok_or(error);
        }
        let ended = match may_be_repeated {
            true if is_try && !self.is_within_budget(turn) => NO_BUDGET,
            true => return self.go_elsewhere((&from, error), was_sent, turn),
            false => error,
        };
        self.blame_last(false, turn);
        Err(ended)
    }

    /// Whether what may have reached a backend may be sent again.
    pub(super) fn is_within_budget(&self, turn: &Turn<'_>) -> bool {
        let is_within = |percent| self.group.backends.may_send_again(percent, turn.now());
        let is_within = self.group.settings.retry_budget.is_none_or(is_within);
        self.listeners.measure().count_budget(is_within);
        is_within
    }

    /// Begins an attempt elsewhere, or waits for a backend.
    fn go_elsewhere(
        &mut self,
        (from, error): (&Backend<Conn>, Error),
        was_sent: bool,
        turn: &Turn<'_>,
    ) -> Result<(), Error> {
        let next = self.find_next(turn);
        let waits = matches!(next, Err(FULL)) || self.may_hold(turn);
        let moves = next.is_ok() || waits;
        self.blame_last(was_sent && moves, turn);
        if !moves {
            return Err(error);
        }
        self.retry((from, &error), next.ok(), turn);
        Ok(())
    }

    /// Picks a backend that was not tried. When all were, one that did not accept the connection in
    /// time is tried again: its queue may have been full, nothing was sent, and there is nowhere
    /// else to go. It is given up after as many of these as `--tries` says.
    fn find_next(&mut self, turn: &Turn<'_>) -> Result<ExchangePhase, Error> {
        let another = |failures: &[Failure]| {
            ExchangePhase::another_attempt(&self.group, self.key, failures, turn)
        };
        let untried = another(&self.failures);
        let last = self.failures.last();
        let is_late = last.is_some_and(Failure::is_late_connection);
        self.late_connections += u32::from(is_late);
        let has_any = matches!(untried, Ok(_) | Err(FULL));
        if has_any || self.late_connections >= self.group.settings.tries {
            return untried;
        }
        self.failures
            .retain(|failure| !failure.is_late_connection());
        another(&self.failures)
    }

    /// Tells that the request leaves a backend because of an error, and begins again in `next`, or waits
    /// for a backend if that is `None`.
    pub(super) fn retry(
        &mut self,
        (from, error): (&Backend<Conn>, &Error),
        next: Option<ExchangePhase>,
        turn: &Turn<'_>,
    ) {
        let retry = Retry {
            from,
            error,
            to: next.as_ref().and_then(ExchangePhase::backend),
            was_sent: self.upload.total_sent() > 0,
        };
        self.listeners.report(&Event::Retried(&retry), turn);
        self.begin_again(next, turn);
    }

    fn begin_again(&mut self, phase: Option<ExchangePhase>, turn: &Turn<'_>) {
        self.enter(phase.unwrap_or(ExchangePhase::Waiting), turn);
        self.upload.rewind();
        self.expectation.rewind();
        self.answer = Answer::default();
        self.timer = ProgressTimer::default();
        self.has_arrived = false;
    }

    /// Counts the last failure towards the ejection of its backend, if it is of that kind. If the request
    /// was sent and moves on, this waits until it is answered elsewhere. If it fails there as well,
    /// nothing is counted: the request is at fault.
    fn blame_last(&mut self, is_pending: bool, turn: &Turn<'_>) {
        let is_poison = self.failures.iter().any(|failure| failure.is_pending);
        let Some(last) = self.failures.last_mut() else {
            return;
        };
        if !observations::counts_towards_ejection(&turn.shared.health, &last.error) {
            return;
        }
        last.is_pending = is_pending;
        if !is_pending && !is_poison {
            last.blame(&self.group, turn.shared);
        }
    }

    /// The request was answered, so the backends that failed before are to blame: counts that.
    pub(super) fn settle_failures(&mut self, turn: &Turn<'_>) {
        let pending = self.failures.iter().filter(|failure| failure.is_pending);
        pending.for_each(|failure| failure.blame(&self.group, turn.shared));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;
    use crate::exchange::testing::{Fixture, GET, POST, PUT, UnderWay};
    use std::time::{Duration, Instant};

    /// Whether a first attempt with this request tries a backend that was ejected seven seconds ago:
    /// long enough for a request that could be sent again, not for another.
    fn tries_an_ejected_one(head: &str, tries: u32) -> bool {
        let config = Settings {
            tries,
            ..Settings::default()
        };
        let mut fixture = Fixture::new(2, config);
        let ago = Instant::now() - Duration::from_secs(7);
        fixture.eject(0);
        fixture.backends[0].failures.eject(ago);
        let mut under_way = fixture.waiting(head);
        let UnderWay {
            exchange, client, ..
        } = &mut under_way;
        let phase = exchange.choose_attempt(client, &fixture.turn());
        match phase.expect("one is up") {
            ExchangePhase::Connecting(attempt, _) => attempt.trial.is_some(),
            phase => panic!("{phase:?}"),
        }
    }

    #[test]
    fn only_a_request_that_could_be_sent_again_is_used_for_a_trial() {
        assert!(tries_an_ejected_one(GET, 2));
        assert!(!tries_an_ejected_one(GET, 1), "there is no second try");
        assert!(
            !tries_an_ejected_one(POST, 2),
            "it may be executed only once"
        );
        assert!(!tries_an_ejected_one(PUT, 2), "its body has not come");
    }

    #[test]
    fn an_idle_connection_that_was_dead_is_no_try() {
        let config = Settings {
            tries: 1,
            ..Settings::default()
        };
        let mut fixture = Fixture::new(2, config);
        let mut under_way = fixture.transferring(GET);
        under_way.pump_until(&mut fixture, |exchange| exchange.upload.is_complete());
        let error = Error::backend(Phase::ResponseHead, Cause::Closed);
        assert!(!under_way.exchange.may_be_repeated(&error));
        if let ExchangePhase::Transferring(attempt, _) = &mut under_way.exchange.phase {
            attempt.is_reused = true;
        }
        assert!(under_way.exchange.may_be_repeated(&error));
    }

    #[test]
    fn a_request_that_waited_for_a_port_takes_no_other_requests_turn() {
        let mut fixture = Fixture::new(2, Settings::default());
        let error = Error::proxy(Phase::Connect, Cause::Exhausted);
        let mut under_way = fixture.connecting(GET);
        let from = Arc::clone(&fixture.backends[0]);
        assert!(under_way.exchange.outlast(&from, error, &fixture.turn()));
        let place = |fixture: &mut Fixture, under_way: &mut UnderWay| {
            let UnderWay {
                exchange, client, ..
            } = under_way;
            let phase = exchange.choose_attempt(client, &fixture.turn());
            match phase.expect("one is up") {
                ExchangePhase::Connecting(attempt, _) => attempt.backend.name.port,
                phase => panic!("{phase:?}"),
            }
        };
        let mut other = fixture.waiting(GET);
        let first = place(&mut fixture, &mut other);
        let _ = place(&mut fixture, &mut under_way);
        assert_ne!(place(&mut fixture, &mut other), first);
    }
}
