//! Requests that fail at a backend one after the other, and the way back of one that was
//! ejected for that: a trial with a single request.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long an ejected backend is left alone before its first trial.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// After each trial that fails the pause is twice as long, up to this: a backend that has
/// recovered is back within seconds, and one that has not costs a request every four.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// For so long a trial waits for a request that can be repeated elsewhere if it fails. If none
/// comes, any request is better than a backend that never returns.
const CHOOSY: Duration = Duration::from_secs(10);

/// The failures of one backend.
#[derive(Debug, Default)]
pub struct Failures {
    /// One after the other. Read for every response.
    in_row: AtomicU32,
    /// Its trial has passed and nothing since: one more failure, and it is out again.
    is_on_probation: AtomicBool,
    ejection: Mutex<Option<Ejection>>,
}

/// What follows after it was ejected.
#[derive(Clone, Copy, Debug)]
struct Ejection {
    /// When it may be tried.
    next: Instant,
    pause: Duration,
    /// A request is on its way to try it.
    is_under_way: bool,
}

impl Failures {
    /// A request failed there. Returns how many did, one after the other, if that is reason to
    /// eject it: `limit` of them (0 is never), or the first one after its return.
    #[must_use]
    pub fn count(&self, limit: u32) -> Option<u32> {
        let in_row = self
            .in_row
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1);
        let is_again = self.is_on_probation.load(Ordering::Relaxed);
        (limit > 0 && (in_row >= limit || is_again)).then_some(in_row)
    }

    /// A request was answered.
    pub fn reset(&self) {
        if self.in_row.load(Ordering::Relaxed) > 0 {
            self.in_row.store(0, Ordering::Relaxed);
        }
        if self.is_on_probation.load(Ordering::Relaxed) {
            self.is_on_probation.store(false, Ordering::Relaxed);
            *self.ejection() = None;
        }
    }

    /// It is ejected at `now`. Soon after its return the pause is longer than the last one was.
    pub fn eject(&self, now: Instant) {
        let mut ejection = self.ejection();
        let pause = match *ejection {
            Some(last) => (last.pause * 2).min(LONGEST_PAUSE),
            None => FIRST_PAUSE,
        };
        *ejection = Some(Ejection {
            next: now + pause,
            pause,
            is_under_way: false,
        });
    }

    /// Claims the trial for a request, if it is time for one. `is_safe` says that the request
    /// can be repeated elsewhere.
    #[must_use]
    pub fn claim_trial(&self, is_safe: bool, now: Instant) -> bool {
        let mut ejection = self.ejection();
        let Some(ejection) = ejection.as_mut() else {
            return false;
        };
        let from = match is_safe {
            true => ejection.next,
            false => ejection.next + CHOOSY,
        };
        let is_claimed = !ejection.is_under_way && now >= from;
        ejection.is_under_way |= is_claimed;
        is_claimed
    }

    /// The trial is over without a result: another request may try at once.
    pub fn release_trial(&self) {
        if let Some(ejection) = self.ejection().as_mut() {
            ejection.is_under_way = false;
        }
    }

    /// The trial has failed: the next one comes after a longer pause.
    pub fn fail_trial(&self, now: Instant) {
        self.eject(now);
    }

    /// It is back: `after_trial` it is on probation.
    pub fn end_ejection(&self, after_trial: bool) {
        self.in_row.store(0, Ordering::Relaxed);
        self.is_on_probation.store(after_trial, Ordering::Relaxed);
        if !after_trial {
            *self.ejection() = None;
        }
    }

    fn ejection(&self) -> MutexGuard<'_, Option<Ejection>> {
        self.ejection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_count_in_a_row_and_never_without_a_limit() {
        let failures = Failures::default();
        assert_eq!((failures.count(2), failures.count(2)), (None, Some(2)));
        failures.reset();
        assert_eq!((failures.count(2), failures.count(0)), (None, None));
    }

    #[test]
    fn a_trial_comes_after_a_pause_that_grows_and_with_one_request_at_a_time() {
        let (failures, start) = (Failures::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(!failures.claim_trial(true, at(0)), "it is not ejected");
        failures.eject(start);
        assert!(!failures.claim_trial(true, at(0)));
        assert!(failures.claim_trial(true, at(1)) && !failures.claim_trial(true, at(1)));
        failures.release_trial();
        assert!(failures.claim_trial(true, at(1)));
        for (failed, next) in [(1, 3), (3, 7), (7, 11)] {
            failures.fail_trial(at(failed));
            let almost = at(next) - Duration::from_millis(1);
            assert!(!failures.claim_trial(true, almost), "{failed}");
            assert!(failures.claim_trial(true, at(next)), "{failed}");
        }
    }

    #[test]
    fn a_request_that_cannot_be_repeated_is_no_trial_unless_no_other_comes() {
        let (failures, start) = (Failures::default(), Instant::now());
        failures.eject(start);
        let last = start + FIRST_PAUSE + CHOOSY;
        assert!(!failures.claim_trial(false, last - Duration::from_millis(1)));
        assert!(failures.claim_trial(false, last));
    }

    #[test]
    fn after_its_return_one_failure_is_enough_until_a_request_was_answered() {
        let (failures, start) = (Failures::default(), Instant::now());
        failures.eject(start);
        failures.end_ejection(true);
        assert_eq!(failures.count(5), Some(1));
        failures.eject(start);
        assert!(
            !failures.claim_trial(true, start + FIRST_PAUSE),
            "twice as long"
        );
        failures.end_ejection(true);
        failures.reset();
        assert_eq!(failures.count(5), None);
        failures.eject(start);
        assert!(failures.claim_trial(true, start + FIRST_PAUSE));
    }
}
