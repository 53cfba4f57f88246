//! A listener that counts: what happens to a request, at its group and at the backends that it is at. It
//! takes no lock and allocates nothing; where nothing is counted, it costs a branch. Must not know who
//! looks at the numbers.

use crate::backends::Backend;
use crate::config::Group;
use crate::http::error::{Blame, Cause, Error};
use crate::log::event::{AttemptEnd, Ending, Event};
use crate::metrics::routes::RouteId;
use crate::metrics::{BackendMetrics, GroupMetrics};
use crate::net::conn::Conn;
use std::sync::Arc;
use std::time::Instant;

/// Counts what happens to one request.
#[derive(Debug, Default)]
pub struct Measure(Option<Counting>);

/// What has to be remembered for that.
#[derive(Debug)]
struct Counting {
    group: Arc<GroupMetrics>,
    route: RouteId,
    /// Of the backend that it is at, or was at last.
    backend: Option<Arc<BackendMetrics>>,
    /// Attempts, the one under way included.
    attempts: u16,
    /// Whether the attempt is on a connection that had served before.
    is_reused: bool,
    /// When the attempt began: to connect, or to send on a connection that is made.
    began: Instant,
}

impl Measure {
    /// Counts at this group, if it is counted at all.
    #[must_use]
    pub fn of(group: &Group, route: RouteId, now: Instant) -> Self {
        let group = group.metrics.as_ref();
        Self(group.map(|group| Counting {
            group: Arc::clone(group),
            route,
            backend: None,
            attempts: 0,
            is_reused: false,
            began: now,
        }))
    }

    /// Counts what has happened `now`.
    pub(super) fn note(&mut self, event: &Event<'_>, now: impl FnOnce() -> Instant) {
        if let Some(counting) = &mut self.0 {
            counting.note(event, now());
        }
    }

    /// How many attempts there were, the one under way included.
    pub(super) fn attempts(&self) -> u16 {
        self.0.as_ref().map_or(0, |counting| counting.attempts)
    }

    /// Bytes have gone to the backend, and come from there. `is_first` says that these are the first ones
    /// of the answer.
    pub(super) fn count_bytes(&self, [sent, received]: [u64; 2], is_first: bool, now: Instant) {
        let Some(counting) = &self.0 else {
            return;
        };
        if let Some(metrics) = &counting.backend {
            metrics.sent.add(sent);
            metrics.received.add(received);
            if is_first {
                let time = now.saturating_duration_since(counting.began);
                metrics.first_byte_times.observe(time);
            }
        }
    }

    /// The retry budget was asked.
    pub(super) fn count_budget(&self, is_within: bool) {
        if let Some(Counting { group, .. }) = &self.0 {
            match is_within {
                true => group.budget_used.count(),
                false => group.budget_refused.count(),
            }
        }
    }
}

impl Counting {
    fn note(&mut self, event: &Event<'_>, now: Instant) {
        match event {
            Event::AttemptBegun { backend, is_reused } => self.begin(backend, *is_reused, now),
            Event::Connected(_) => self.connect(now),
            Event::AttemptEnded(end) => self.end_attempt(end),
            Event::Retried(_) => self.group.retries.count(),
            Event::LeftQueue { waited, error } => match error {
                None => self.group.queue_times.observe(*waited),
                Some(error) if error.cause == Cause::TimedOut => self.group.queue_timeouts.count(),
                Some(_) => {}
            },
            Event::Ended(ending) => self.end(ending),
            _ => {}
        }
    }

    fn begin(&mut self, backend: &Backend<Conn>, is_reused: bool, now: Instant) {
        self.backend.clone_from(&backend.metrics);
        (self.is_reused, self.began) = (is_reused, now);
        self.attempts = self.attempts.saturating_add(1);
    }

    fn connect(&mut self, now: Instant) {
        let time = now.saturating_duration_since(self.began);
        self.began = now;
        match (&self.backend, self.is_reused) {
            (Some(metrics), true) => metrics.reused.count(),
            (Some(metrics), false) => {
                metrics.connections.count();
                metrics.connect_times.observe(time);
            }
            (None, _) => {}
        }
    }

    fn end_attempt(&self, end: &AttemptEnd<'_>) {
        let Some(metrics) = &self.backend else {
            return;
        };
        metrics.attempts.count();
        match end.outcome {
            Ok(status) => metrics.errors.add(u64::from(status >= 500)),
            Err(error) => count_failure(metrics, self.is_reused, error),
        }
    }

    fn end(&self, ending: &Ending<'_>) {
        self.group.ended.count();
        if ending.error.is_some_and(|error| error.cause == Cause::Full) {
            self.group.queue_full.count();
        }
        let (requests, times) = match &self.backend {
            Some(metrics) => (&metrics.requests, &metrics.durations),
            None => (&self.group.unserved, &self.group.unserved_durations),
        };
        requests.count(self.route, ending.status);
        times.observe(ending.took);
    }
}

fn count_failure(metrics: &BackendMetrics, is_reused: bool, error: &Error) {
    let is_stale = is_reused && matches!(error.cause, Cause::Closed | Cause::Reset);
    match (error.blame, is_stale) {
        // The connection was at fault, not the backend.
        (Blame::Backend, true) => metrics.stale.count(),
        (Blame::Backend, false) => {
            metrics.failures.count();
            metrics.errors.count();
        }
        (Blame::Client | Blame::Proxy, _) => {}
    }
}
