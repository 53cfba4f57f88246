//! Messages that would otherwise be said again and again.

use std::time::{Duration, Instant};

/// A warning that holds for long is repeated this seldom.
const WARN_AGAIN: Duration = Duration::from_secs(60);

/// A message that is said once, and again only after a while.
pub(super) struct Warning {
    next: Option<Instant>,
    pause: Duration,
}

impl Default for Warning {
    fn default() -> Self {
        Self {
            next: None,
            pause: WARN_AGAIN,
        }
    }
}

impl Warning {
    /// First said after `pause`.
    pub(super) fn every(pause: Duration) -> Self {
        Self {
            next: Some(Instant::now() + pause),
            pause,
        }
    }

    /// Says it, unless that was done a short while ago.
    pub(super) fn say(&mut self, text: impl FnOnce() -> String) {
        let now = Instant::now();
        if self.next.is_none_or(|next| now >= next) {
            self.next = Some(now + self.pause);
            log::warn!("{}", text());
        }
    }
}
