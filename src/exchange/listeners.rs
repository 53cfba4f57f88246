//! The one door through which an exchange reports what happens to it, and all that listen there. What
//! else wants to know of requests becomes another field here: it gets the same events.
//!
//! No listener may block or take a lock, and what is switched off costs a branch.

use super::shared::{Turn, log_output};
use crate::http::error::Error;
use crate::log::Record;
use crate::log::event::{AcceptedRequest, Ending, Event};
use std::time::Instant;

/// All that listen to one exchange.
#[derive(Debug)]
pub struct Listeners {
    /// When the head of the request was complete.
    started: Instant,
    /// What is printed of it.
    record: Record,
}

impl Listeners {
    /// Reports that a request was accepted `now`.
    #[must_use]
    pub fn begin(accepted: &AcceptedRequest<'_>, turn: &Turn<'_>, now: Instant) -> Self {
        let mut listeners = Self {
            started: now,
            record: Record::new(turn.shared.snapshot().settings.log, now),
        };
        listeners.report(&Event::Accepted(accepted), turn);
        listeners
    }

    /// Reports that this has happened.
    pub fn report(&mut self, event: &Event<'_>, turn: &Turn<'_>) {
        self.record.note(event, turn.now());
    }

    /// Reports that it is over.
    pub fn end(&mut self, status: u16, bytes: u64, error: Option<&Error>, turn: &mut Turn<'_>) {
        let now = turn.now();
        let ended = Ending {
            status,
            bytes,
            error,
            took: now.saturating_duration_since(self.started),
        };
        self.report(&Event::Ended(&ended), turn);
        self.record.print(&ended, now, &mut log_output(turn));
    }

    /// When the exchange began.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Whether the beginning of the body is printed, so that it must be looked at.
    #[must_use]
    pub fn wants_body(&self) -> bool {
        self.record.wants_body()
    }
}
