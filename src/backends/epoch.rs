//! Points in time as numbers of milliseconds, which fit an atomic.

use std::time::{Duration, Instant};

/// What the milliseconds are counted from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Epoch(Instant);

impl Epoch {
    /// Begins at `start`.
    pub(super) fn new(start: Instant) -> Self {
        Self(start)
    }

    /// Whole milliseconds until `now`; 0 for what was before.
    pub(super) fn millis(self, now: Instant) -> u64 {
        let time = now.saturating_duration_since(self.0);
        time.as_secs() * 1000 + u64::from(time.subsec_millis())
    }

    /// The point in time that is so many milliseconds after the beginning.
    pub(super) fn at(self, millis: u64) -> Instant {
        self.0 + Duration::from_millis(millis)
    }
}
