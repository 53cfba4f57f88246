//! All that is counted of one backend. It stays with the backend through a reload.

use super::checks::CheckCounters;
use super::counter::Counter;
use super::histogram::Histogram;
use super::recent::{Recent, Totals};
use super::routes::RouteCounters;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How its health has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthStep {
    /// It gets requests again.
    Up,
    /// It gets none any more.
    Down,
    /// Others are preferred to it.
    Suspected,
    /// It is free of suspicion.
    Cleared,
}

impl HealthStep {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Up, Self::Down, Self::Suspected, Self::Cleared];

    /// What it is called.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Suspected => "suspected",
            Self::Cleared => "cleared",
        }
    }
}

/// What is counted of one backend.
#[derive(Debug, Default)]
pub struct BackendMetrics {
    /// Responses to clients by route and code, where this backend has answered, or was the last one
    /// that was tried.
    pub requests: RouteCounters,
    /// How long these requests took, from the end of their heads to the end of the responses.
    pub durations: Histogram,
    /// How long it took until a connection was made.
    pub connect_times: Histogram,
    /// How long it took from the beginning of an attempt on a connection to the first byte of the
    /// response.
    pub first_byte_times: Histogram,
    /// Attempts that have ended there, answered or not.
    pub attempts: Counter,
    /// Attempts that have failed there.
    pub failures: Counter,
    /// Failed attempts, and responses with a status of 500 or more.
    pub errors: Counter,
    /// Connections that were made.
    pub connections: Counter,
    /// Requests on a connection that had served another one before.
    pub reused: Counter,
    /// Idle connections that had died when they were to be used.
    pub stale: Counter,
    /// Bytes that have come from it.
    pub received: Counter,
    /// Bytes that have gone to it.
    pub sent: Counter,
    /// Its checks.
    pub checks: CheckCounters,
    steps: [Counter; 4],
    recent: Mutex<Recent>,
}

impl BackendMetrics {
    /// Its health has changed.
    pub fn step(&self, step: HealthStep) {
        self.steps[step as usize].count();
    }

    /// How often its health has changed like this.
    #[must_use]
    pub fn steps(&self, step: HealthStep) -> u64 {
        self.steps[step as usize].read()
    }

    /// Notes what has been counted by this second.
    pub fn note_second(&self, second: u64) {
        let totals = Totals {
            requests: self.attempts.read(),
            errors: self.errors.read(),
        };
        let histogram = || self.durations.read().buckets;
        self.recent().note(second, totals, histogram);
    }

    /// The last minute. No worker ever takes this lock.
    pub fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
