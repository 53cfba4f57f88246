//! Whose turn it is: round robin over the live ones, by one atomic ticket.

use super::Backend;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// All backends, and the two counters that spread requests over them.
#[derive(Debug)]
pub struct Backends<C> {
    all: Vec<Arc<Backend<C>>>,
    /// One a request: nothing else may draw from it, or the shares would drift apart.
    ticket: Ticket,
    /// One a repeated attempt, so that the share of a failing backend is spread evenly too.
    retry_ticket: Ticket,
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
    /// none is up.
    #[must_use]
    pub fn next(&self) -> Option<&Arc<Backend<C>>> {
        self.nth_live(&self.ticket, |_| false)
    }

    /// One that is up and was not tried (by index), for a request that failed elsewhere.
    pub fn next_after(&self, was_tried: impl Fn(usize) -> bool) -> Option<&Arc<Backend<C>>> {
        self.nth_live(&self.retry_ticket, was_tried)
    }

    /// The ticket counts the live ones only. Counting all and scanning on from a dead one
    /// would give the dead one's neighbour twice its share.
    fn nth_live(
        &self,
        ticket: &Ticket,
        was_tried: impl Fn(usize) -> bool,
    ) -> Option<&Arc<Backend<C>>> {
        let live = || {
            self.all
                .iter()
                .filter(|backend| backend.is_up() && !was_tried(backend.index))
        };
        let count = live().count();
        if count == 0 {
            return None;
        }
        // One may have gone down since it was counted; then the first live one serves.
        live().nth(ticket.draw() % count).or_else(|| live().next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::Name;
    use crate::backends::health::{Health, Observation};

    fn backends(up: &[bool]) -> Backends<()> {
        let all = up.iter().enumerate().map(|(index, up)| {
            let name = Name {
                host: "x".into(),
                port: 1,
            };
            let backend = Backend::new(index, name, Health::new(1, 1));
            backend.observe(if *up {
                Observation::Good
            } else {
                Observation::Bad
            });
            Arc::new(backend)
        });
        Backends::new(all.collect())
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
}
