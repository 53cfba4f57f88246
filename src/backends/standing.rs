//! How far a backend gets new requests, in one byte that selection reads without a lock.

use super::health::Health;
use std::sync::atomic::{AtomicU8, Ordering};

/// How far new requests are given to a backend, as far as its health is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Not at all: it is gone, unwell or ejected, or was never seen to answer.
    Down,
    /// Not at all: it was silent for `--fall` checks.
    DownSilent,
    /// Only if no better one is there: it is silent, or requests fail there, and it is kept
    /// since too many are out.
    LastResort,
    /// While no other is free of suspicion.
    Suspect,
    /// Like any other.
    Clear,
}

impl Standing {
    const ALL: [Self; 5] = [
        Self::Down,
        Self::DownSilent,
        Self::LastResort,
        Self::Suspect,
        Self::Clear,
    ];

    fn of_number(number: u8) -> Self {
        // Nothing but a standing is stored, and these are all, in their order.
        Self::ALL[usize::from(number)]
    }

    pub(super) fn of(health: &Health) -> Self {
        match health.is_up() {
            true if health.is_last_resort() => Self::LastResort,
            true if health.is_suspect() => Self::Suspect,
            true => Self::Clear,
            false if health.is_silent() => Self::DownSilent,
            false => Self::Down,
        }
    }

    /// Whether it gets any.
    #[must_use]
    pub fn is_up(self) -> bool {
        !matches!(self, Self::Down | Self::DownSilent)
    }
}

/// The standing of a backend as others see it.
#[derive(Debug)]
pub(super) struct Published(AtomicU8);

impl Default for Published {
    fn default() -> Self {
        Self(AtomicU8::new(Standing::Down as u8))
    }
}

impl Published {
    /// Sets it; returns what it was.
    pub(super) fn replace(&self, standing: Standing) -> Standing {
        Standing::of_number(self.0.swap(standing as u8, Ordering::Relaxed))
    }

    pub(super) fn get(&self) -> Standing {
        Standing::of_number(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::health::{Evidence, Observation};

    #[test]
    fn every_standing_comes_out_as_it_was_put_in() {
        let published = Published::default();
        assert_eq!(published.get(), Standing::Down);
        let mut before = Standing::Down;
        for standing in Standing::ALL {
            assert_eq!(published.replace(standing), before);
            assert_eq!(published.get(), standing);
            before = standing;
        }
    }

    #[test]
    fn down_for_silence_is_another_standing_than_down_and_gone() {
        for (evidence, standing) in [
            (Evidence::Silent, Standing::DownSilent),
            (Evidence::Gone, Standing::Down),
            (Evidence::Unwell, Standing::Down),
        ] {
            let mut health = Health::new(1, 1);
            health.step(Observation::Good, true);
            health.step(Observation::Bad(evidence), true);
            assert_eq!(Standing::of(&health), standing, "{evidence:?}");
        }
    }
}
