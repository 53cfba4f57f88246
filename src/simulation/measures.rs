//! What is measured of a simulation. Must not know how it runs.

use std::time::Duration;

/// What is measured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Measures {
    /// For each backend, in order.
    pub(super) backends: Vec<BackendMeasures>,
    /// How long requests that were answered waited in the queue.
    pub(super) waits: Times,
    /// From the request to the end of its answer.
    pub(super) answers: Times,
    /// Requests for which the queue had no room.
    pub(super) refused: usize,
    /// Requests that waited for too long.
    pub(super) timed_out: usize,
    /// Requests that came while no backend was up.
    pub(super) without_backend: usize,
}

/// What is measured of one backend.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct BackendMeasures {
    /// Requests that it was given.
    pub(super) requests: usize,
    /// The most of them at the same time.
    pub(super) most_in_flight: usize,
    /// How long it took for each.
    pub(super) times: Times,
}

/// Times, of which percentiles are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Times(Vec<Duration>);

impl Times {
    pub(super) fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Sorts them, as [`Self::percentile`] needs them.
    pub(super) fn sort(&mut self) {
        self.0.sort_unstable();
    }

    /// So many percent are no longer than this (the nearest rank); nothing of none.
    pub(super) fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100);
        let at = rank.saturating_sub(1);
        self.0.get(at).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_nearest_rank() {
        let mut times = Times::default();
        assert_eq!(times.percentile(50), Duration::ZERO);
        for millis in (1..=10).rev() {
            times.add(Duration::from_millis(millis));
        }
        times.sort();
        let of = |percent| times.percentile(percent).as_millis();
        assert_eq!([1, 10, 11, 50, 99, 100].map(of), [1, 1, 2, 5, 10, 10]);
    }
}
