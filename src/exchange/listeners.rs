//! The one door through which an exchange reports what happens to it, and all that listen there. What
//! else wants to know of requests becomes another field here: it gets the same events.
//!
//! No listener may block or take a lock, and what is switched off costs a branch.

use super::measure::Measure;
use super::shared::{Shared, Turn, log_output};
use crate::config::Group;
use crate::http::error::Error;
use crate::log::event::{AcceptedRequest, Ending, Event, Load};
use crate::log::{LogMode, Record};
use std::time::Instant;

/// All that listen to one exchange.
#[derive(Debug)]
pub struct Listeners {
    /// When the head of the request was complete.
    started: Instant,
    /// What was written to the client before.
    written: u64,
    /// What is printed of it.
    record: Record,
    /// What is counted of it.
    measure: Measure,
}

/// What has come of a request.
#[derive(Clone, Copy, Debug)]
pub struct RequestOutcome<'e> {
    /// The status that the client got, or would have got.
    pub status: u16,
    /// Bytes of content that the client got.
    pub bytes: u64,
    /// What was written to the client so far, and what is to be.
    pub written: u64,
    /// What went wrong, if something did.
    pub error: Option<&'e Error>,
}

impl Listeners {
    /// Reports that a request was accepted `now`, of which this is printed, by a client to which so
    /// many bytes were `written` before.
    #[must_use]
    pub fn begin(
        accepted: &AcceptedRequest<'_>,
        mode: LogMode,
        written: u64,
        turn: &Turn<'_>,
        now: Instant,
    ) -> Self {
        let mut listeners = Self {
            started: now,
            written,
            record: Record::new(mode, &turn.shared.stories, now),
            measure: Measure::default(),
        };
        listeners.report(&Event::Accepted(accepted), turn);
        listeners
    }

    /// The same, and the request is counted.
    #[must_use]
    pub fn counted_by(self, measure: Measure) -> Self {
        Self { measure, ..self }
    }

    /// Reports that this has happened.
    #[inline]
    pub fn report(&mut self, event: &Event<'_>, turn: &Turn<'_>) {
        self.record.note(event, || turn.now());
        self.measure.note(event, || turn.now());
    }

    /// Reports that it is over.
    pub fn end(
        &mut self,
        outcome: &RequestOutcome<'_>,
        group: Option<&Group>,
        turn: &mut Turn<'_>,
    ) {
        let now = turn.now();
        let ended = Ending {
            status: outcome.status,
            bytes: outcome.bytes,
            sent: outcome.written.saturating_sub(self.written),
            error: outcome.error,
            took: now.saturating_duration_since(self.started),
            load: match self.record.wants_load() {
                true => load(group, turn.shared),
                false => Load::default(),
            },
        };
        self.report(&Event::Ended(&ended), turn);
        self.record.print(&ended, now, &mut log_output(turn));
    }

    /// What is counted of it.
    #[must_use]
    pub fn measure(&self) -> &Measure {
        &self.measure
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

fn load(group: Option<&Group>, shared: &Shared) -> Load {
    Load {
        connections: shared.connections.open(),
        group: group.map_or(0, |group| group.backends.in_flight()),
    }
}
