//! The checks of a backend: how many had which result, and the results of the last ones, all in one
//! word.

use super::counter::Counter;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// So many results are kept: at two bits each they fill a word, and at the default interval they cover
/// two and a half minutes.
pub const KEPT_CHECKS: u32 = 30;

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckResult {
    /// A good answer.
    Good,
    /// A bad answer, or none in time.
    Bad,
    /// Not in time, for the first time.
    Late,
}

impl CheckResult {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Good, Self::Bad, Self::Late];

    /// What it is called.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Late => "late",
        }
    }
}

/// The checks of one backend.
#[derive(Debug, Default)]
pub struct CheckCounters {
    counters: [Counter; 3],
    /// Two bits for each, the newest one lowest; 0 is none.
    last: AtomicU64,
}

impl CheckCounters {
    /// Counts a check. Only one thread checks a backend.
    pub fn count(&self, result: CheckResult) {
        self.counters[result as usize].count();
        let room = (1 << (2 * KEPT_CHECKS)) - 1;
        let last = self.last.load(Relaxed) << 2 | (result as u64 + 1);
        self.last.store(last & room, Relaxed);
    }

    /// How many had this result.
    #[must_use]
    pub fn total(&self, result: CheckResult) -> u64 {
        self.counters[result as usize].read()
    }

    /// The last ones, newest last.
    #[must_use]
    pub fn last(&self) -> Vec<CheckResult> {
        let last = self.last.load(Relaxed);
        let at = |place: u32| match last >> (2 * place) & 3 {
            1 => Some(CheckResult::Good),
            2 => Some(CheckResult::Bad),
            3 => Some(CheckResult::Late),
            _ => None,
        };
        (0..KEPT_CHECKS).rev().filter_map(at).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_thirty_are_kept_newest_last_and_all_are_counted() {
        use CheckResult::{Bad, Good, Late};
        let checks = CheckCounters::default();
        assert!(checks.last().is_empty());
        for result in [Good, Late, Bad] {
            checks.count(result);
        }
        assert_eq!(checks.last(), [Good, Late, Bad]);
        (0..29).for_each(|_| checks.count(Good));
        assert_eq!(checks.last()[..2], [Bad, Good]);
        assert_eq!(checks.last().len(), 30);
        assert_eq!(
            CheckResult::ALL.map(|result| checks.total(result)),
            [30, 1, 1]
        );
    }
}
