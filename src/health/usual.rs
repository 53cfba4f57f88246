//! How long checks of a backend usually take.

use std::time::Duration;

/// Checks that are remembered: one that was slow by accident changes nothing, two in a row are
/// the new usual.
const REMEMBERED: usize = 3;

/// So many times as long as usual is late.
const LATE_FACTOR: u32 = 8;

/// No check is late before this: quicker ones than a garbage collection or a page from disk
/// would say nothing.
const LEAST_PATIENCE: Duration = Duration::from_millis(250);

/// The last good checks of one backend.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usual {
    last: [Duration; REMEMBERED],
    count: usize,
}

impl Usual {
    /// A good check took so long.
    pub(super) fn note(&mut self, took: Duration) {
        self.last[self.count % REMEMBERED] = took;
        self.count += 1;
    }

    /// After how long a check is late, `timeout` at the most.
    pub(super) fn patience(&self, timeout: Duration) -> Duration {
        let known = self.count.min(REMEMBERED);
        let mut sorted = self.last;
        sorted[..known].sort();
        let usual = sorted[known / 2];
        (usual * LATE_FACTOR).max(LEAST_PATIENCE).min(timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_a_multiple_of_what_is_usual_and_one_slow_check_is_not() {
        let (ms, timeout) = (Duration::from_millis, Duration::from_secs(2));
        let mut usual = Usual::default();
        assert_eq!(usual.patience(timeout), ms(250));
        usual.note(ms(100));
        assert_eq!(usual.patience(timeout), ms(800));
        for took in [1, 1, 1, 900] {
            usual.note(ms(took));
        }
        assert_eq!(usual.patience(timeout), ms(250));
        usual.note(ms(200));
        assert_eq!(usual.patience(timeout), ms(1600), "two of three are slow");
        usual.note(ms(900));
        assert_eq!(usual.patience(timeout), timeout);
    }
}
