//! Slow start: a backend that returns from an outage, with cold caches and an empty heap of
//! compiled code, is not given its whole share at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The share that it begins with: enough to warm it up, too little to fell it.
const FIRST_SHARE: f32 = 0.05;

/// How far a backend has come back.
#[derive(Debug, Default)]
pub struct SlowStart {
    /// Read for every request; the rest only while it is set.
    is_rising: AtomicBool,
    rise: Mutex<Option<(Instant, Duration)>>,
}

impl SlowStart {
    /// Begins at `now` and reaches the whole share after `time`; with none, at once.
    pub fn begin(&self, now: Instant, time: Duration) {
        *self.rise.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, time));
        self.is_rising.store(!time.is_zero(), Ordering::Relaxed);
    }

    /// The part of its turns that it takes, up to 1.
    #[must_use]
    pub fn share(&self) -> f32 {
        match self.is_rising.load(Ordering::Relaxed) {
            true => self.share_at(Instant::now()),
            false => 1.0,
        }
    }

    /// Whether it leaves a turn of its to the others. `chance` is between 0 and 1: a random number, or
    /// one that depends on the key, so that the same keys go to the others each time.
    pub(super) fn skips_a_turn(&self, chance: impl FnOnce() -> f32) -> bool {
        let share = self.share();
        share < 1.0 && chance() >= share
    }

    fn share_at(&self, now: Instant) -> f32 {
        let rise = *self.rise.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((began, time)) = rise.filter(|(_, time)| !time.is_zero()) else {
            return 1.0;
        };
        let share = now.saturating_duration_since(began).as_secs_f32() / time.as_secs_f32();
        if share >= 1.0 {
            self.is_rising.store(false, Ordering::Relaxed);
        }
        share.clamp(FIRST_SHARE, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_grows_to_the_whole_and_stays_there() {
        let (slow_start, now) = (SlowStart::default(), Instant::now());
        let second = Duration::from_secs(1);
        assert!(slow_start.share() >= 1.0);
        slow_start.begin(now, second * 10);
        let shares = [0, 1, 5, 10, 11].map(|after| slow_start.share_at(now + second * after));
        assert_eq!(shares, [FIRST_SHARE, 0.1, 0.5, 1.0, 1.0]);
        assert!(slow_start.share() >= 1.0, "it is over");
        slow_start.begin(now, Duration::ZERO);
        assert!(slow_start.share() >= 1.0);
    }
}
