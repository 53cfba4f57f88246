//! Connections that rest between requests: last in, first out, so that under little load few
//! are in use and the others can grow old and go.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Most connections that rest for one backend; more are closed instead of kept. As many as
/// nginx is usually told to keep, and far beyond what rests while it is used.
const MAX_KEPT: usize = 4096;

/// The resting connections of one backend.
#[derive(Debug)]
pub struct Kept<C> {
    resting: Mutex<Stack<C>>,
}

#[derive(Debug)]
struct Stack<C> {
    connections: Vec<(C, Instant)>,
    /// Counts the clearings. What was leased before one is not put back after it.
    era: u64,
}

/// When a connection was leased; it proves on return that no outage came between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Era(u64);

impl<C> Default for Kept<C> {
    fn default() -> Self {
        Self {
            resting: Mutex::new(Stack {
                connections: Vec::new(),
                era: 0,
            }),
        }
    }
}

impl<C> Kept<C> {
    /// The connection that was used last, with the time when it came to rest.
    #[must_use]
    pub fn take(&self) -> Option<(C, Instant)> {
        self.resting().connections.pop()
    }

    /// The present era, to be remembered by who leases a connection.
    #[must_use]
    pub fn era(&self) -> Era {
        Era(self.resting().era)
    }

    /// Puts a connection to rest, unless there was an outage since `era` or there are too
    /// many already; then it is closed.
    pub fn put(&self, connection: C, era: Era, now: Instant) {
        let mut resting = self.resting();
        if resting.era == era.0 && resting.connections.len() < MAX_KEPT {
            resting.connections.push((connection, now));
        } else {
            // Closing is a system call: not under the lock.
            drop(resting);
            drop(connection);
        }
    }

    /// Closes all that came to rest longer than `limit` ago.
    pub fn close_older_than(&self, limit: Duration, now: Instant) {
        let mut resting = self.resting();
        let stale = |(_, since): &(C, Instant)| now.saturating_duration_since(*since) > limit;
        // Pushed in the order of time: the stale ones are at the bottom.
        let count = resting.connections.partition_point(stale);
        let closing: Vec<_> = resting.connections.drain(..count).collect();
        drop(resting);
        drop(closing);
    }

    /// Closes all, and those in use when they come back.
    pub fn clear(&self) {
        let mut resting = self.resting();
        resting.era += 1;
        let closing = std::mem::take(&mut resting.connections);
        drop(resting);
        drop(closing);
    }

    fn resting(&self) -> MutexGuard<'_, Stack<C>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_put_to_rest_is_used_first_and_old_ones_are_closed() {
        let (kept, start) = (Kept::default(), Instant::now());
        let second = Duration::from_secs(1);
        for (name, after) in [("a", 0), ("b", 1), ("c", 2)] {
            kept.put(name, kept.era(), start + second * after);
        }
        kept.close_older_than(second, start + second * 2);
        assert_eq!(kept.take().map(|(name, _)| name), Some("c"));
        assert_eq!(kept.take().map(|(name, _)| name), Some("b"));
        assert!(kept.take().is_none());
    }

    #[test]
    fn what_was_leased_before_an_outage_is_not_kept_after_it() {
        let kept = Kept::default();
        let era = kept.era();
        kept.clear();
        kept.put("old", era, Instant::now());
        assert!(kept.take().is_none());
        kept.put("new", kept.era(), Instant::now());
        assert!(kept.take().is_some());
    }
}
