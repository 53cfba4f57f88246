//! The parking lot: where sessions wait that would otherwise hold a worker.
//!
//! A parked item belongs to the lot. It leaves when one of its connections is ready, when its
//! deadline passes, or when everybody is called; then it goes back to the workers, who find
//! out for themselves what has happened. Whichever worker has nothing else to do minds it with
//! [`Lot::mind`]. Generic over what is parked: it names no session.

mod places;

use crate::net::readiness::{Readiness, Reports};
use places::{Leaves, Places};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What can be parked.
pub trait Park {
    /// Watches every connection that may end the wait, under `key`.
    fn watch(&mut self, readiness: &Arc<Readiness>, key: usize) -> io::Result<()>;

    /// When the wait is over in any case.
    fn deadline(&self) -> Instant;
}

/// What became of parking.
#[derive(Debug)]
pub enum Parked<T> {
    /// The lot has it.
    Yes,
    /// Something happened meanwhile: it can go on at once.
    Ready(Box<T>),
    /// The kernel cannot watch it; nothing but closing is left.
    Failed(Box<T>, io::Error),
}

/// A set of waiting items.
#[derive(Debug)]
pub struct Lot<T> {
    readiness: Arc<Readiness>,
    places: Mutex<Places<T>>,
}

impl<T: Park> Lot<T> {
    /// An empty lot. Fails when no descriptor is left.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            readiness: Arc::new(Readiness::new()?),
            places: Mutex::new(Places::default()),
        })
    }

    /// Parks `item` until it is ready or due.
    ///
    /// Its connections may become ready before it is in its place, so the place is reserved
    /// first and remembers what it missed.
    pub fn park(&self, mut item: Box<T>) -> Parked<T> {
        let key = self.places().reserve();
        if let Err(error) = item.watch(&self.readiness, key) {
            self.places().vacate(key);
            return Parked::Failed(item, error);
        }
        let deadline = item.deadline();
        let (parked, is_earliest) = self.places().fill(key, item, deadline);
        if is_earliest {
            self.readiness.interrupt();
        }
        parked
    }

    /// Collects the items that are ready or due. If there are none it waits for the first, or
    /// until [`Self::interrupt`] is called, unless it `is_hasty`. One thread at a time. Fails
    /// if the kernel's list of connections does.
    pub fn mind(
        &self,
        reports: &mut Reports,
        is_hasty: bool,
        leaving: &mut Vec<Box<T>>,
    ) -> io::Result<()> {
        let timeout = match is_hasty {
            true => Some(Duration::ZERO),
            false => {
                let next = self.places().sleep();
                next.map(|next| next.saturating_duration_since(Instant::now()))
            }
        };
        let waited = self.readiness.wait(reports, timeout);
        let mut places = self.places();
        places.awake();
        waited?;
        for ready in reports.ready() {
            match places.take_ready(ready.key) {
                Leaves::Now(item) => leaving.push(item),
                Leaves::Soon => {}
                Leaves::Before => self.readiness.miss(ready),
            }
        }
        places.take_due(Instant::now(), leaving);
        Ok(())
    }

    /// Ends the present or next [`Self::mind`] at once.
    pub fn interrupt(&self) {
        self.readiness.interrupt();
    }

    /// Takes out up to `count` items that fit, ready or not, those first that are due first.
    #[must_use]
    pub fn call(&self, count: usize, fits: impl Fn(&T) -> bool) -> Vec<Box<T>> {
        self.places().call(count, fits)
    }

    /// Takes everybody out.
    #[must_use]
    pub fn call_all(&self) -> Vec<Box<T>> {
        self.call(usize::MAX, |_| true)
    }

    /// Looks at every item that waits.
    pub fn for_each(&self, look: impl FnMut(&T)) {
        self.places().guests().for_each(look);
    }

    fn places(&self) -> MutexGuard<'_, Places<T>> {
        // No code that could panic runs under the lock; if one does, the places are whole.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    struct Item {
        name: u32,
        deadline: Instant,
    }

    impl Park for Item {
        fn watch(&mut self, _: &Arc<Readiness>, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn deadline(&self) -> Instant {
            self.deadline
        }
    }

    fn item(name: u32, after_ms: u64) -> Box<Item> {
        let deadline = Instant::now() + Duration::from_millis(after_ms);
        Box::new(Item { name, deadline })
    }

    #[test]
    fn items_leave_when_they_are_due_earliest_first() {
        let lot: Lot<Item> = Lot::new().expect("descriptors");
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            let sender = sender;
            let lot = &lot;
            scope.spawn(move || {
                let (mut reports, mut leaving) = (Reports::new(), Vec::new());
                for _ in 0..6 {
                    let minded = lot.mind(&mut reports, false, &mut leaving);
                    minded.expect("the kernel lets us wait");
                    leaving
                        .drain(..)
                        .for_each(|item| sender.send(item.name).expect("open"));
                }
            });
            // The later one first: who minds must be woken for the earlier one.
            for (name, after) in [(1, 60_000), (2, 40), (3, 20)] {
                assert!(matches!(lot.park(item(name, after)), Parked::Yes));
            }
            let left: Vec<u32> = receiver.iter().take(2).collect();
            assert_eq!(left, [3, 2]);
            // It ends after six times, however often it was woken before.
            while receiver.try_recv() != Err(mpsc::TryRecvError::Disconnected) {
                lot.interrupt();
                thread::yield_now();
            }
        });
        assert_eq!(lot.call_all().len(), 1);
    }

    #[test]
    fn those_that_fit_are_called_oldest_first_and_only_they() {
        let lot = Lot::new().expect("descriptors");
        for name in 0..6 {
            lot.park(item(name, 60_000 + u64::from(name)));
        }
        let names = |items: Vec<Box<Item>>| items.iter().map(|item| item.name).collect::<Vec<_>>();
        let is_odd = |item: &Item| item.name % 2 == 1;
        assert_eq!(names(lot.call(2, is_odd)), [1, 3]);
        assert_eq!(names(lot.call(9, is_odd)), [5]);
        assert_eq!(names(lot.call_all()), [0, 2, 4]);
    }
}
