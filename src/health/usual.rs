//! How long checks of a backend usually take.

use std::time::Duration;

/// Checks that are remembered. The median of three ignores one that was slow by accident; two slow
/// ones in a row count as usual.
const REMEMBERED: usize = 3;

/// A check is late after this many times the usual time.
const LATE_FACTOR: u32 = 8;

/// No check is late before this. Less than a garbage collection or a read from disk takes would say
/// nothing.
const LEAST_LATENESS: Duration = Duration::from_millis(250);

/// How long the last good checks of one backend took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usual {
    last: [Duration; REMEMBERED],
    count: usize,
}

impl Usual {
    /// Notes a good check.
    pub(super) fn note(&mut self, took: Duration) {
        self.last[self.count % REMEMBERED] = took;
        self.count += 1;
    }

    /// The time after which a check is late, at most `timeout`.
    pub(super) fn lateness(&self, timeout: Duration) -> Duration {
        let known = self.count.min(REMEMBERED);
        let mut sorted = self.last;
        sorted[..known].sort();
        let usual = sorted[known / 2];
        (usual * LATE_FACTOR).max(LEAST_LATENESS).min(timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_late_after_a_multiple_of_what_is_usual_and_one_slow_check_is_not() {
        let (ms, timeout) = (Duration::from_millis, Duration::from_secs(2));
        let mut usual = Usual::default();
        assert_eq!(usual.lateness(timeout), ms(250));
        usual.note(ms(100));
        assert_eq!(usual.lateness(timeout), ms(800));
        for took in [1, 1, 1, 900] {
            usual.note(ms(took));
        }
        assert_eq!(usual.lateness(timeout), ms(250));
        usual.note(ms(200));
        assert_eq!(usual.lateness(timeout), ms(1600), "two of three are slow");
        usual.note(ms(900));
        assert_eq!(usual.lateness(timeout), timeout);
    }
}
