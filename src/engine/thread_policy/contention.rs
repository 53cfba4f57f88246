//! Whether other programs keep the processors busy, judged by how long threads wait for one. A pure
//! state machine: must not know where the figures come from.

use super::Policy;
use std::time::{Duration, Instant};

/// Wake-ups that wait this long on average wait for a program that never sleeps, whose slices take 3 ms
/// and more. Clients and backends on the same machine sleep often, even at their limit: beside them the
/// average is 0.01 to 0.1 ms, and up to 0.7 ms with 256 clients that connect anew each time.
const LONG_WAIT: Duration = Duration::from_millis(1);

/// Contention matters only if a thread waits this many times as long as it runs. A thread with much to
/// do at a time is as quick with batch.
const IDLE_RATIO: u32 = 4;

/// How long the policy stays normal after contention. Then batch is tried again, because only batch
/// shows whether its waits are long. A trial costs some slow requests.
const FIRST_PAUSE: Duration = Duration::from_secs(30);

/// The longest pause. The pauses double while trials fail.
const LONGEST_PAUSE: Duration = Duration::from_secs(960);

/// After batch has gone well for this long, the next pause is a short one again.
const PROVEN_AFTER: Duration = Duration::from_secs(30);

/// How long a thread ran, how long it was runnable without a processor, and how often it got one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) ran: Duration,
    pub(super) waited: Duration,
    pub(super) turns: u64,
}

impl Usage {
    /// The usage since `before`.
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            ran: self.ran.saturating_sub(before.ran),
            waited: self.waited.saturating_sub(before.waited),
            turns: self.turns.saturating_sub(before.turns),
        }
    }

    /// Whether its waits were long on the average.
    fn has_long_waits(self) -> bool {
        let turns = u32::try_from(self.turns).unwrap_or(u32::MAX);
        turns > 0 && self.waited / turns >= LONG_WAIT
    }
}

/// What the threads have seen, and what follows.
#[derive(Debug)]
pub(super) struct Contention {
    policy: Policy,
    /// When batch began, or when it is tried again.
    mark: Instant,
    /// How long the next normal phase is.
    pause: Duration,
}

impl Contention {
    /// Begins with batch.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            policy: Policy::Batch,
            mark: now,
            pause: FIRST_PAUSE,
        }
    }

    /// Notes the usage of a thread between two of its checks; returns the policy from now on.
    pub(super) fn note(&mut self, usage: Usage, now: Instant) -> Policy {
        match self.policy {
            Policy::Batch => self.note_batch(usage, now),
            Policy::Normal => self.note_normal(usage, now),
        }
        self.policy
    }

    /// A thread that waits for the slices of a busy program runs for a small part of its time.
    fn note_batch(&mut self, usage: Usage, now: Instant) {
        let is_proven = now.duration_since(self.mark) >= PROVEN_AFTER;
        if is_proven {
            self.pause = FIRST_PAUSE;
        }
        if usage.has_long_waits() && usage.waited > IDLE_RATIO * usage.ran {
            self.policy = Policy::Normal;
            self.mark = now + self.pause;
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// A normal thread seldom waits long for another program, so short waits prove nothing. But if the
    /// waits are long even so, no trial is needed.
    fn note_normal(&mut self, usage: Usage, now: Instant) {
        if usage.has_long_waits() {
            self.mark = self.mark.max(now + FIRST_PAUSE);
        }
        if now >= self.mark {
            self.policy = Policy::Batch;
            self.mark = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const CALM: Usage = Usage {
        ran: Duration::from_millis(100),
        waited: Duration::from_millis(400),
        turns: 4000,
    };
    const CROWDED: Usage = Usage {
        ran: MS,
        waited: Duration::from_millis(40),
        turns: 12,
    };

    #[test]
    fn it_stays_batch_while_waits_are_short_or_there_is_much_to_do() {
        let now = Instant::now();
        let mut contention = Contention::new(now);
        let idle = Usage {
            ran: MS / 100,
            waited: MS / 2,
            turns: 1,
        };
        let busy = Usage {
            ran: Duration::from_millis(50),
            waited: Duration::from_millis(190),
            turns: 60,
        };
        for usage in [CALM, idle, busy, Usage::default()] {
            assert_eq!(contention.note(usage, now), Policy::Batch);
        }
    }

    #[test]
    fn one_look_at_long_waits_is_enough_for_normal() {
        let now = Instant::now();
        let mut contention = Contention::new(now);
        assert_eq!(contention.note(CROWDED, now), Policy::Normal);
        let soon = now + FIRST_PAUSE - MS;
        assert_eq!(contention.note(Usage::default(), soon), Policy::Normal);
    }

    #[test]
    fn batch_is_tried_again_ever_more_seldom_until_it_goes_well_for_a_while() {
        let mut now = Instant::now();
        let mut contention = Contention::new(now);
        let mut pauses = Vec::new();
        for _ in 0..7 {
            assert_eq!(contention.note(CROWDED, now), Policy::Normal);
            pauses.push((contention.mark - now).as_secs());
            now = contention.mark;
            assert_eq!(contention.note(Usage::default(), now), Policy::Batch);
        }
        assert_eq!(pauses, [30, 60, 120, 240, 480, 960, 960]);
        now += PROVEN_AFTER;
        contention.note(CROWDED, now);
        assert_eq!(contention.mark, now + FIRST_PAUSE);
    }

    #[test]
    fn waits_that_are_long_even_for_a_normal_thread_put_the_trial_off() {
        let now = Instant::now();
        let mut contention = Contention::new(now);
        contention.note(CROWDED, now);
        let trial = now + FIRST_PAUSE;
        assert_eq!(contention.note(CROWDED, trial), Policy::Normal);
        assert_eq!(contention.note(CALM, trial + FIRST_PAUSE), Policy::Batch);
    }
}
