//! All that is counted of one group, beside what is counted of its backends.

use super::counter::Counter;
use super::histogram::{BUCKETS, Histogram};
use super::recent::{Recent, Totals};
use super::routes::RouteCounters;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is counted of one group.
#[derive(Debug, Default)]
pub struct GroupMetrics {
    /// Responses to clients by route and code, where no backend was tried.
    pub unserved: RouteCounters,
    /// How long these requests took.
    pub unserved_durations: Histogram,
    /// Requests that have ended.
    pub ended: Counter,
    /// Requests that were sent again, to the same backend or another one.
    pub retries: Counter,
    /// Those of them that may have reached a backend before, and so have used the retry budget.
    pub budget_used: Counter,
    /// Requests that were not sent again because the retry budget was used up.
    pub budget_refused: Counter,
    /// How long requests were in the queue that left it with a backend.
    pub queue_times: Histogram,
    /// Requests that were turned away because the queue was full.
    pub queue_full: Counter,
    /// Requests that left the queue without a backend, because their time was over.
    pub queue_timeouts: Counter,
    recent: Mutex<Recent>,
    /// `queue_full` as it was a second ago.
    full_before: Mutex<u64>,
}

impl GroupMetrics {
    /// Notes what has been counted by this second. Returns how many requests were turned away in it
    /// because the queue was full.
    pub fn note_second(&self, second: u64) -> u64 {
        let totals = Totals {
            requests: self.ended.read(),
            errors: 0,
        };
        self.recent().note(second, totals, || [0; BUCKETS]);
        let full = self.queue_full.read();
        let mut before = self
            .full_before
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        full - std::mem::replace(&mut *before, full)
    }

    /// The last minute. No worker ever takes this lock.
    pub fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
