//! Warnings that would otherwise be logged again and again.

use std::time::{Duration, Instant};

/// The pause between two equal warnings.
const WARN_AGAIN: Duration = Duration::from_secs(60);

/// A message that is logged once, and again only after a pause.
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
    /// A message that is logged for the first time after `pause`.
    pub(super) fn every(pause: Duration) -> Self {
        Self {
            next: Some(Instant::now() + pause),
            pause,
        }
    }

    /// Logs it, unless that was done a short while ago.
    pub(super) fn log(&mut self, text: impl FnOnce() -> String) {
        let now = Instant::now();
        if self.next.is_none_or(|next| now >= next) {
            self.next = Some(now + self.pause);
            log::warn!("{}", text());
        }
    }
}
