//! When bytes came from a backend last, on any connection. Written for every piece that comes,
//! so in two atomic numbers, and only when the millisecond is another.

use super::epoch::Epoch;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The last signs of life of one backend.
#[derive(Debug)]
pub struct Heard {
    epoch: Epoch,
    /// When a response to a request began.
    responses: AtomicU64,
    /// Any other bytes: of bodies, checks and tunnels.
    others: AtomicU64,
    /// Since when we have been listening without a break.
    listening: AtomicU64,
}

impl Heard {
    /// A backend of which nothing was heard yet. Its silence is counted from `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            epoch: Epoch::new(now),
            responses: AtomicU64::new(0),
            others: AtomicU64::new(0),
            listening: AtomicU64::new(0),
        }
    }

    /// We were held up until now, and heard nothing because of that.
    pub fn listen_again(&self, now: Instant) {
        store(&self.listening, self.epoch.millis(now));
    }

    /// A response to a request has begun.
    pub fn response(&self, now: Instant) {
        store(&self.responses, self.epoch.millis(now));
    }

    /// Other bytes have come. A body that goes on, a tunnel or an answer to a check says
    /// nothing of whether the backend takes new requests.
    pub fn other(&self, now: Instant) {
        store(&self.others, self.epoch.millis(now));
    }

    /// Whether a response to a request began at `since` or later.
    #[must_use]
    pub fn has_responded_since(&self, since: Instant) -> bool {
        self.responses.load(Ordering::Relaxed) >= self.epoch.millis(since).max(1)
    }

    /// For how long nothing at all has come while we were listening.
    #[must_use]
    pub fn silence(&self, now: Instant) -> Duration {
        let all = [&self.responses, &self.others, &self.listening];
        let last = all
            .map(|last| last.load(Ordering::Relaxed))
            .into_iter()
            .max();
        let last = self.epoch.at(last.unwrap_or(0));
        now.saturating_duration_since(last)
    }
}

/// Nearly always the same already: only looking leaves the cache line with all workers.
fn store(last: &AtomicU64, millis: u64) {
    if last.load(Ordering::Relaxed) != millis {
        last.store(millis, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_broken_by_any_byte_but_only_responses_are_responses() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let heard = Heard::new(start);
        assert!(!heard.has_responded_since(start), "nothing has come yet");
        assert_eq!(heard.silence(at(500)), Duration::from_millis(500));
        heard.other(at(400));
        assert_eq!(heard.silence(at(500)), Duration::from_millis(100));
        assert!(!heard.has_responded_since(start));
        heard.response(at(450));
        assert!(heard.has_responded_since(at(450)) && !heard.has_responded_since(at(451)));
        assert_eq!(heard.silence(at(500)), Duration::from_millis(50));
        heard.listen_again(at(490));
        assert_eq!(heard.silence(at(500)), Duration::from_millis(10));
    }
}
