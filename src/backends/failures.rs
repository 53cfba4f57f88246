//! Requests that fail at a backend one after the other, and the way back of one that was
//! ejected for that: a trial with a single request.

use super::epoch::Epoch;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
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

/// No trial is due: it is not ejected.
const NEVER: u64 = u64::MAX;

/// The failures of one backend.
#[derive(Debug)]
pub struct Failures {
    /// One after the other. Read for every response.
    in_row: AtomicU32,
    /// Its trial has passed, and no other request was answered yet: one more failure, and it is
    /// out again.
    is_on_probation: AtomicBool,
    ejection: Mutex<Option<Ejection>>,
    epoch: Epoch,
    /// No trial is due before this, in milliseconds. Read for every request while any backend
    /// is ejected.
    not_before: AtomicU64,
}

/// An ejection so soon after the last one is of the same trouble: its pause goes on growing.
const SAME_TROUBLE: Duration = Duration::from_secs(10);

/// The last time that it was ejected.
#[derive(Clone, Copy, Debug)]
struct Ejection {
    /// When it may be tried.
    next: Instant,
    pause: Duration,
    /// Since when a request is on its way to try it.
    claimed: Option<Instant>,
    /// It is back.
    is_over: bool,
}

impl Default for Failures {
    fn default() -> Self {
        Self {
            in_row: AtomicU32::new(0),
            is_on_probation: AtomicBool::new(false),
            ejection: Mutex::new(None),
            epoch: Epoch::new(Instant::now()),
            not_before: AtomicU64::new(NEVER),
        }
    }
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
        }
    }

    /// It is ejected at `now`, or its trial has failed.
    pub fn eject(&self, now: Instant) {
        let mut ejection = self.ejection();
        let pause = match *ejection {
            Some(last) if now < last.next + SAME_TROUBLE => (last.pause * 2).min(LONGEST_PAUSE),
            _ => FIRST_PAUSE,
        };
        *ejection = Some(Ejection {
            next: now + pause,
            pause,
            claimed: None,
            is_over: false,
        });
        self.not_before
            .store(self.epoch.millis(now + pause), Ordering::Relaxed);
    }

    /// Whether a trial could be due, without a lock.
    #[must_use]
    pub fn may_be_tried(&self, now: Instant) -> bool {
        self.epoch.millis(now) >= self.not_before.load(Ordering::Relaxed)
    }

    /// Claims the trial for a request, if it is time for one. `is_safe` says that the request
    /// can be repeated elsewhere. Of a trial that takes long, another request need not wait for
    /// the end: whichever is answered first counts.
    #[must_use]
    pub fn claim_trial(&self, is_safe: bool, now: Instant) -> bool {
        let mut ejection = self.ejection();
        let Some(ejection) = ejection.as_mut().filter(|ejection| !ejection.is_over) else {
            return false;
        };
        let from = match is_safe {
            true => ejection.next,
            false => ejection.next + CHOOSY,
        };
        let is_free = |claimed: Instant| now.saturating_duration_since(claimed) >= LONGEST_PAUSE;
        let is_claimed = now >= from && ejection.claimed.is_none_or(is_free);
        if is_claimed {
            ejection.claimed = Some(now);
        }
        is_claimed
    }

    /// The trial is over without a result: another request may try at once.
    pub fn release_trial(&self) {
        if let Some(ejection) = self.ejection().as_mut() {
            ejection.claimed = None;
        }
    }

    /// The trial has failed: the next one comes after a longer pause, unless another one has
    /// passed meanwhile.
    pub fn fail_trial(&self, now: Instant) {
        let is_over = self.ejection().is_none_or(|ejection| ejection.is_over);
        if !is_over {
            self.eject(now);
        }
    }

    /// It is back, or down for another reason. Back, it is on probation.
    pub fn end_ejection(&self, is_back: bool) {
        self.in_row.store(0, Ordering::Relaxed);
        self.is_on_probation.store(is_back, Ordering::Relaxed);
        if let Some(ejection) = self.ejection().as_mut() {
            ejection.is_over = true;
        }
        self.not_before.store(NEVER, Ordering::Relaxed);
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
            failures.eject(at(failed));
            let almost = at(next) - Duration::from_millis(1);
            assert!(!failures.claim_trial(true, almost), "{failed}");
            assert!(failures.claim_trial(true, at(next)), "{failed}");
        }
    }

    #[test]
    fn a_trial_that_takes_long_keeps_no_other_from_trying() {
        let (failures, start) = (Failures::default(), Instant::now());
        failures.eject(start);
        let first = start + FIRST_PAUSE;
        assert!(!failures.may_be_tried(start) && failures.may_be_tried(first));
        assert!(failures.claim_trial(true, first));
        let later = first + LONGEST_PAUSE;
        assert!(!failures.claim_trial(true, later - Duration::from_millis(1)));
        assert!(failures.claim_trial(true, later));
        failures.end_ejection(true);
        assert!(!failures.may_be_tried(later));
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
        assert!(
            !failures.claim_trial(true, start + FIRST_PAUSE),
            "it is back"
        );
        assert_eq!(failures.count(5), Some(1));
        failures.end_ejection(true);
        failures.reset();
        assert_eq!(failures.count(5), None);
    }

    #[test]
    fn the_pause_grows_over_ejections_that_follow_each_other() {
        let (failures, start) = (Failures::default(), Instant::now());
        let mut ejected = start;
        for (after, pause) in [(0, 1), (2, 2), (3, 4), (5, 4), (14, 1)] {
            ejected += Duration::from_secs(after);
            failures.eject(ejected);
            let next = ejected + Duration::from_secs(pause);
            assert!(
                !failures.claim_trial(true, next - Duration::from_millis(1)),
                "{after}"
            );
            assert!(failures.claim_trial(true, next), "{after}");
            failures.end_ejection(true);
        }
    }

    #[test]
    fn a_trial_that_fails_is_followed_by_another_one_unless_one_has_passed_meanwhile() {
        let (failures, start) = (Failures::default(), Instant::now());
        failures.fail_trial(start);
        assert!(
            !failures.claim_trial(true, start + LONGEST_PAUSE),
            "it is not ejected"
        );
        failures.eject(start);
        let first = start + FIRST_PAUSE;
        assert!(failures.claim_trial(true, first));
        failures.fail_trial(first);
        let second = first + FIRST_PAUSE * 2;
        assert!(!failures.claim_trial(true, second - Duration::from_millis(1)));
        assert!(failures.claim_trial(true, second));
        failures.end_ejection(true);
        failures.fail_trial(second);
        assert!(
            !failures.claim_trial(true, second + LONGEST_PAUSE * 2),
            "it is back"
        );
    }
}
