//! How many requests are in flight, exactly: a limit is never exceeded, by whatever number of threads.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A count of requests in flight. `SeqCst`, since a thread that gives one back then looks whether a
/// request waits, and a request that begins to wait then looks whether there is room: one of the two
/// has to see the other.
#[derive(Debug, Default)]
pub(super) struct InFlight(AtomicUsize);

impl InFlight {
    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts one more, if that is not more than `limit`; returns whether it did.
    pub(super) fn try_take(&self, limit: Option<usize>) -> bool {
        let Some(limit) = limit else {
            self.0.fetch_add(1, Ordering::SeqCst);
            return true;
        };
        let more = |count| (count < limit).then_some(count + 1);
        let taken = self
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, more);
        taken.is_ok()
    }

    /// Counts one less.
    pub(super) fn give_back(&self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
