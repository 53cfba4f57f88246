//! What is simulated: the backends, the requests, and the seed of all that is random.

use crate::backends::GroupPolicy;
use std::time::Duration;

/// The most backends: as many as the benchmarks have.
pub const MOST_BACKENDS: usize = 1000;

/// The most requests: they take about a second, and some 50 MB for the times of each.
pub const MOST_REQUESTS: usize = 1_000_000;

/// What is simulated.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// How requests are spread, and how many there may be.
    pub policy: GroupPolicy,
    /// How long a request waits in the queue at the most.
    pub queue_timeout: Duration,
    /// The weights of the backends, in order, up to [`MOST_BACKENDS`].
    pub weights: Vec<u32>,
    /// So many of the backends are down: the last ones.
    pub down: usize,
    /// Backends that take longer, by their number from 1, and how many times as long.
    pub slow: Vec<(usize, u32)>,
    /// How many requests there are, up to [`MOST_REQUESTS`].
    pub requests: usize,
    /// When they come.
    pub arrivals: Arrivals,
    /// How long a backend takes for one, on average.
    pub service_time: Duration,
    /// Whether times vary.
    pub pace: Pace,
    /// How many different keys (clients, paths, cookies) the requests have.
    pub keys: usize,
    /// The same seed is the same simulation.
    pub seed: u64,
}

/// When requests come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// From so many clients, each of which sends its next request when the last one is answered.
    Clients(usize),
    /// So many in a second on average, whatever becomes of them.
    Rate {
        /// Requests in a second.
        per_second: u32,
        /// So many come at the same moment.
        burst: usize,
    },
}

/// Whether times vary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Exponentially, as times between independent events do.
    Random,
    /// Not at all.
    Steady,
}

impl Scenario {
    /// How many times as long the backend with this index takes.
    pub(super) fn slowness(&self, index: usize) -> u32 {
        let mut slow = self.slow.iter().rev();
        let found = slow.find(|(number, _)| *number == index + 1);
        found.map_or(1, |(_, factor)| *factor)
    }

    /// Whether the backend with this index is down.
    pub(super) fn is_down(&self, index: usize) -> bool {
        index >= self.weights.len().saturating_sub(self.down)
    }

    /// A time around this one.
    pub(super) fn vary(&self, mean: Duration) -> Duration {
        match self.pace {
            Pace::Steady => mean,
            // The logarithm is of more than 0: a random number is below 1.
            Pace::Random => mean.mul_f64(-(1.0 - fastrand::f64()).ln()),
        }
    }
}
