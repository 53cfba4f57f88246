//! Whether more than half of the backends are silent, with a delay before it is over.

use std::time::{Duration, Instant};

/// For so long fewer than half have to be silent until that is over: among busy backends it
/// changes with every answer.
pub(super) const CALM: Duration = Duration::from_secs(10);

/// Whether more than half of the backends are silent.
#[derive(Debug, Default)]
pub(super) struct Silence {
    is_on: bool,
    /// Since when fewer are.
    calm_since: Option<Instant>,
}

impl Silence {
    /// Whether they are, or were a moment ago.
    pub(super) fn is_on(&self) -> bool {
        self.is_on
    }

    /// Takes into account how it is at `now`; returns whether it begins (`true`) or ends.
    pub(super) fn note(&mut self, are_most_silent: bool, now: Instant) -> Option<bool> {
        let calm_since = *self.calm_since.get_or_insert(now);
        if are_most_silent {
            self.calm_since = None;
        }
        let is_over = !are_most_silent && now.saturating_duration_since(calm_since) >= CALM;
        match (self.is_on, are_most_silent) {
            (false, true) => self.is_on = true,
            (true, false) if is_over => self.is_on = false,
            _ => return None,
        }
        Some(self.is_on)
    }
}
