//! How many interim responses (1xx) one request may get: bounded by their rate.
//!
//! A backend that works on a request for an hour may say so with a 102 every few seconds, so their
//! number means nothing. A backend that sends nothing else, as fast as it can, would keep the balancer
//! and the client busy without end. Must not read a clock: the time is passed in.

use std::time::{Duration, Instant};

/// On average one in this time. RFC 2518 §10.1 has a 102 every 20 seconds in mind; ten a second
/// is far beyond any use, and costs next to nothing.
const EVERY: Duration = Duration::from_millis(100);

/// So many may come at once before that: a server that reports a step of its work with each.
const BURST: u32 = 100;

/// The interim responses to one request.
#[derive(Clone, Copy, Debug, Default)]
pub struct InterimRate {
    /// When the last one would have come, if all had come at the allowed rate.
    paid_until: Option<Instant>,
}

impl InterimRate {
    /// One has come. Returns whether the rate allows it.
    #[must_use]
    pub fn admits(&mut self, now: Instant) -> bool {
        let from = self.paid_until.map_or(now, |until| until.max(now));
        let until = from + EVERY;
        self.paid_until = Some(until);
        until <= now + EVERY * BURST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of `count` are admitted before one is refused, one each `pause`.
    fn admitted(count: u32, pause: Duration) -> u32 {
        let (mut rate, start) = (InterimRate::default(), Instant::now());
        let is_admitted = |number: &u32| rate.admits(start + pause * *number);
        (0..count).take_while(is_admitted).count() as u32
    }

    #[test]
    fn a_burst_passes_and_an_endless_one_does_not() {
        assert_eq!(admitted(1000, Duration::ZERO), BURST);
        assert_eq!(admitted(1000, EVERY / 2), 2 * BURST - 1);
    }

    #[test]
    fn any_number_passes_at_the_allowed_rate() {
        assert_eq!(admitted(100_000, EVERY), 100_000);
    }
}
