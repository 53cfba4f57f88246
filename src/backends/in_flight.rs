//! Requests in flight, counted exactly: a limit is never exceeded, whatever many threads do at once,
//! because counting and comparing with the limit are one step.

use super::backend::Backend;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A request that is counted at its backend, and in its group where that has a limit. Dropping it counts
/// nothing back: `Lease` does.
#[derive(Debug)]
pub(super) struct Counted<C> {
    pub(super) backend: Arc<Backend<C>>,
    /// Whether it is counted in the group.
    pub(super) is_in_total: bool,
}

impl<C> Clone for Counted<C> {
    fn clone(&self) -> Self {
        Self {
            backend: Arc::clone(&self.backend),
            ..*self
        }
    }
}

/// How many requests are in flight in a group, on a cache line of its own: all workers write it.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Total(pub(super) AtomicUsize);

/// Counts one more, unless that would be more than the limit; returns whether it did. All steps on these
/// counters are in one order for all threads, because a request that finds no room waits, and has to be
/// seen by the request that makes room (`dispatch`).
pub(super) fn count(counter: &AtomicUsize, limit: Option<usize>) -> bool {
    let Some(limit) = limit else {
        counter.fetch_add(1, Ordering::SeqCst);
        return true;
    };
    let one_more = |count: usize| (count < limit).then_some(count + 1);
    counter
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more)
        .is_ok()
}

/// Counts one back.
pub(super) fn count_back(counter: &AtomicUsize) {
    counter.fetch_sub(1, Ordering::SeqCst);
}

/// Whether there is no room for one more.
pub(super) fn is_full(counter: &AtomicUsize, limit: Option<usize>) -> bool {
    limit.is_some_and(|limit| counter.load(Ordering::SeqCst) >= limit)
}

/// Whether there are more than there may be now: a reload has lowered the limit.
pub(super) fn is_exceeded(counter: &AtomicUsize, limit: Option<usize>) -> bool {
    limit.is_some_and(|limit| counter.load(Ordering::SeqCst) > limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_stops_at_its_limit_and_not_before() {
        let counter = AtomicUsize::new(0);
        assert!(count(&counter, Some(2)) && !is_full(&counter, Some(2)));
        assert!(count(&counter, Some(2)) && is_full(&counter, Some(2)));
        assert!(!count(&counter, Some(2)) && !is_exceeded(&counter, Some(2)));
        assert!(count(&counter, None) && !is_full(&counter, None));
        assert!(is_exceeded(&counter, Some(2)) && !is_exceeded(&counter, None));
        count_back(&counter);
        count_back(&counter);
        assert!(count(&counter, Some(2)));
        assert!(!count(&counter, Some(0)));
    }
}
