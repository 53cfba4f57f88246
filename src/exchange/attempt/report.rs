//! What is reported of an attempt: that it begins, that it is connected, and how it ends.

use crate::backends::Backend;
use crate::exchange::shared::Turn;
use crate::exchange::{Exchange, ExchangePhase};
use crate::http::error::Error;
use crate::log::event::{AttemptEnd, Event};
use crate::net::conn::Conn;

impl Exchange {
    /// Begins the attempt of `phase`, and reports it.
    pub(in crate::exchange) fn enter(&mut self, phase: ExchangePhase, turn: &Turn<'_>) {
        self.phase = phase;
        self.attempt_began = turn.now();
        let (attempt, is_connected) = match &self.phase {
            ExchangePhase::Waiting => return,
            ExchangePhase::Connecting(attempt, _) => (attempt, false),
            ExchangePhase::Transferring(attempt, _) => (attempt, true),
        };
        let begun = Event::AttemptBegun {
            backend: &attempt.backend,
            is_reused: attempt.is_reused,
        };
        self.listeners.report(&begun, turn);
        if is_connected {
            self.listeners
                .report(&Event::Connected(&attempt.backend), turn);
        }
    }

    /// Reports what has come of the attempt under way, which is at `backend`.
    pub(in crate::exchange) fn report_attempt_end(
        &mut self,
        backend: &Backend<Conn>,
        outcome: Result<u16, &Error>,
        turn: &Turn<'_>,
    ) {
        let ended = AttemptEnd {
            backend,
            outcome,
            took: turn.now().saturating_duration_since(self.attempt_began),
        };
        self.listeners.report(&Event::AttemptEnded(&ended), turn);
    }
}
