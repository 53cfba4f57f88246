//! Whose turn it is: round robin over the live ones, by one atomic ticket.

use super::health::{Observation, Transition};
use super::{Backend, Finding};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// All backends, and the two counters that spread requests over them.
#[derive(Debug)]
pub struct Backends<C> {
    all: Vec<Arc<Backend<C>>>,
    /// One a request: nothing else may draw from it, or the shares would drift apart.
    ticket: Ticket,
    /// One a repeated attempt, so that the share of a failing backend is spread evenly too.
    retry_ticket: Ticket,
    observing: Mutex<()>,
}

/// A counter on a cache line of its own: every worker draws from it.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Ticket(AtomicUsize);

impl Ticket {
    fn draw(&self) -> usize {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

impl<C> Backends<C> {
    /// The backends in the order in which they take turns.
    #[must_use]
    pub fn new(all: Vec<Arc<Backend<C>>>) -> Self {
        Self {
            all,
            ticket: Ticket::default(),
            retry_ticket: Ticket::default(),
            observing: Mutex::new(()),
        }
    }

    /// Every backend, up or down.
    #[must_use]
    pub fn all(&self) -> &[Arc<Backend<C>>] {
        &self.all
    }

    /// How many are up.
    #[must_use]
    pub fn count_up(&self) -> usize {
        self.all.iter().filter(|backend| backend.is_up()).count()
    }

    /// The backend whose turn it is, for a request that has been nowhere yet; `None` when
    /// none is live.
    #[must_use]
    pub fn next(&self) -> Option<&Arc<Backend<C>>> {
        let next = self.nth_live(&self.ticket, |_| false)?;
        let share = next.ramp.share();
        if share < 1.0 && fastrand::f32() >= share {
            // It has just come back: those that have not take this turn of its, if there are any.
            let is_rising = |index: usize| self.all[index].ramp.share() < 1.0;
            let others = self.nth_live(&self.retry_ticket, is_rising);
            return others.filter(|other| !other.is_backup).or(Some(next));
        }
        Some(next)
    }

    /// One that is live and was not tried (by index), for a request that failed elsewhere.
    pub fn next_after(&self, was_tried: impl Fn(usize) -> bool) -> Option<&Arc<Backend<C>>> {
        self.nth_live(&self.retry_ticket, was_tried)
    }

    /// The ticket counts the live ones only. Counting all and scanning on from a dead one
    /// would give the dead one's neighbour twice its share. Backups serve when no other can.
    fn nth_live(
        &self,
        ticket: &Ticket,
        was_tried: impl Fn(usize) -> bool,
    ) -> Option<&Arc<Backend<C>>> {
        let live = |is_backup: bool| {
            self.all
                .iter()
                .filter(move |backend| backend.is_backup == is_backup && backend.is_live())
        };
        let untried = |is_backup| live(is_backup).filter(|backend| !was_tried(backend.index));
        for is_backup in [false, true] {
            let count = untried(is_backup).count();
            if count > 0 {
                // One may have gone down since it was counted; then the first live one serves.
                let turn = ticket.draw() % count;
                return untried(is_backup)
                    .nth(turn)
                    .or_else(|| untried(is_backup).next());
            }
        }
        None
    }

    /// Takes what was seen of `backend` into account. Returns what changed, if anything.
    pub fn observe(
        &self,
        backend: &Backend<C>,
        observation: Observation,
        finding: &Finding,
    ) -> Option<Change> {
        // One at a time, so that no two of them both think that the other is still there.
        let _guard = self
            .observing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let others_live =
            |other: &&Arc<Backend<C>>| other.index != backend.index && other.is_live();
        let is_last = !self.all.iter().any(|other| others_live(&other));
        let (transition, lasted) = backend.observe(observation, finding, is_last)?;
        Some(Change {
            transition,
            lasted,
            up: self.count_up(),
            of: self.all.len(),
        })
    }
}

/// A transition and what it left.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// What happened.
    pub transition: Transition,
    /// How long it was as it was before; `None` for the first observation.
    pub lasted: Option<Duration>,
    /// How many backends are up now.
    pub up: usize,
    /// How many there are.
    pub of: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::health::{Health, Weight};
    use crate::backends::{Name, Plight};
    use std::time::Instant;

    const BAD: Observation = Observation::Bad(Weight::Hard);

    fn finding() -> Finding {
        Finding {
            reason: String::new(),
            plight: Plight::Gone,
        }
    }

    fn backend(index: usize) -> Backend<()> {
        let name = Name {
            host: "x".into(),
            port: 1,
        };
        Backend::new(index, name, Health::new(1, 1))
    }

    fn observed(all: Vec<Backend<()>>, up: &[bool]) -> Backends<()> {
        let backends = Backends::new(all.into_iter().map(Arc::new).collect());
        for (backend, up) in backends.all().iter().zip(up) {
            let observation = if *up { Observation::Good } else { BAD };
            backends.observe(backend, observation, &finding());
        }
        backends
    }

    fn backends(up: &[bool]) -> Backends<()> {
        observed((0..up.len()).map(backend).collect(), up)
    }

    fn shares(backends: &Backends<()>, requests: usize) -> Vec<usize> {
        let mut shares = vec![0; backends.all().len()];
        for _ in 0..requests {
            shares[backends.next().expect("one is up").index] += 1;
        }
        shares
    }

    #[test]
    fn the_live_ones_have_equal_shares_to_the_request() {
        assert_eq!(
            shares(&backends(&[true, true, true, true]), 4001),
            [1001, 1000, 1000, 1000]
        );
        assert_eq!(
            shares(&backends(&[true, false, true, true]), 12_000),
            [4000, 0, 4000, 4000]
        );
        assert!(backends(&[false, false]).next().is_none());
    }

    #[test]
    fn repeated_attempts_are_spread_evenly_and_do_not_disturb_the_turns() {
        let backends = backends(&[true, true, true]);
        let (mut first, mut second) = ([0; 3], [0; 3]);
        for _ in 0..300 {
            let index = backends.next().expect("up").index;
            first[index] += 1;
            if index == 0 {
                second[backends.next_after(|index| index == 0).expect("up").index] += 1;
            }
        }
        assert_eq!((first, second), ([100; 3], [0, 50, 50]));
        assert!(backends.next_after(|_| true).is_none());
    }

    #[test]
    fn shares_are_equal_under_concurrency() {
        let backends = backends(&[true, true, false, true]);
        let total = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| shares(&backends, 3000)))
                .collect();
            threads.into_iter().fold([0; 4], |mut sum, thread| {
                for (sum, share) in sum.iter_mut().zip(thread.join().expect("no panic")) {
                    *sum += share;
                }
                sum
            })
        });
        assert_eq!(total, [4000, 4000, 0, 4000]);
    }

    #[test]
    fn a_backup_serves_only_when_no_other_is_live() {
        let all = vec![
            backend(0),
            backend(1),
            backend(2).as_backup(),
            backend(3).as_backup(),
        ];
        let backends = observed(all, &[true; 4]);
        assert_eq!(shares(&backends, 100), [50, 50, 0, 0]);
        assert_eq!(
            backends
                .next_after(|index| index < 2)
                .expect("a backup")
                .index,
            2
        );
        backends.observe(&backends.all()[0], BAD, &finding());
        assert_eq!(shares(&backends, 100), [0, 100, 0, 0]);
        backends.observe(&backends.all()[1], BAD, &finding());
        assert_eq!(shares(&backends, 100), [0, 0, 50, 50]);
    }

    #[test]
    fn soft_evidence_never_takes_the_last_one() {
        let backends = backends(&[true, true]);
        let soft = Observation::Bad(Weight::Soft);
        let took = |index: usize, observation| {
            let backend = &backends.all()[index];
            backends
                .observe(backend, observation, &finding())
                .map(|change| (change.up, change.of))
        };
        assert_eq!(took(0, soft), Some((1, 2)));
        assert_eq!(took(1, soft), None);
        assert_eq!(took(1, Observation::Ejected), None);
        assert_eq!(took(1, BAD), Some((0, 2)));
    }

    #[test]
    fn one_that_returns_slowly_leaves_most_of_its_turns_to_the_others() {
        let backends = backends(&[true, true, true]);
        backends.all()[1]
            .ramp
            .begin(Instant::now(), Duration::from_secs(3600));
        let shares = shares(&backends, 3000);
        assert!((1..300).contains(&shares[1]), "{shares:?}");
        assert!(shares[0].abs_diff(shares[2]) < 100, "{shares:?}");
    }
}
