//! The parking lot: holds the sessions that would otherwise block a worker.
//!
//! A parked session belongs to the lot. It leaves when one of its connections is ready, when its
//! deadline has passed, or when it is taken out; then it is queued, and the worker that takes it
//! finds out what has happened. The leader polls the lot with [`Lot::poll`]. Generic over what is
//! parked.

mod slots;

use super::queue::Poll;
use crate::net::readiness::{Readiness, Reports};
use slots::{Slots, TakenReady};
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

/// The result of [`Lot::park`].
#[derive(Debug)]
pub enum Parked<T> {
    /// The lot holds it.
    InLot,
    /// It became ready meanwhile: it can go on at once.
    Ready(Box<T>),
    /// The kernel cannot watch it; it can only be closed.
    Failed(Box<T>, io::Error),
}

/// A set of parked sessions.
#[derive(Debug)]
pub struct Lot<T> {
    readiness: Arc<Readiness>,
    slots: Mutex<Slots<T>>,
}

impl<T: Park> Lot<T> {
    /// An empty lot. Fails when no descriptor is left.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            readiness: Arc::new(Readiness::new()?),
            slots: Mutex::new(Slots::default()),
        })
    }

    /// Parks `item` until it is ready or due.
    ///
    /// Its connections may become ready before it is in its slot. So the slot is reserved first,
    /// and remembers a report that comes too early.
    // spine 36
    pub fn park(&self, mut item: Box<T>) -> Parked<T> {
        let key = self.slots().reserve();
        if let Err(error) = item.watch(&self.readiness, key) {
            self.slots().vacate(key);
            return Parked::Failed(item, error);
        }
        let deadline = item.deadline();
        let (parked, is_earliest) = self.slots().fill(key, item, deadline);
        if is_earliest {
            self.readiness.interrupt();
        }
        parked
    }

    /// Appends the sessions that are ready or due to `leaving`. One thread at a time. With
    /// [`Poll::Wait`] it returns when there is one, or after [`Self::interrupt`]. Fails if the
    /// kernel's list of connections does.
    // spine 37
    pub fn poll(
        &self,
        reports: &mut Reports,
        poll: Poll,
        leaving: &mut Vec<Box<T>>,
    ) -> io::Result<()> {
        let timeout = match poll {
            Poll::Now => Some(Duration::ZERO),
            Poll::Wait => {
                let next = self.slots().begin_sleep();
                next.map(|next| next.saturating_duration_since(Instant::now()))
            }
        };
        let waited = self.readiness.wait(reports, timeout);
        let mut slots = self.slots();
        slots.end_sleep();
        waited?;
        for ready in reports.ready() {
            match slots.take_ready(ready.key) {
                TakenReady::Item(item) => leaving.push(item),
                TakenReady::StillParking => {}
                TakenReady::Gone => self.readiness.miss(ready),
            }
        }
        slots.take_due(Instant::now(), leaving);
        Ok(())
    }

    /// Makes the present or the next [`Self::poll`] return at once.
    pub fn interrupt(&self) {
        self.readiness.interrupt();
    }

    /// Takes out up to `count` sessions for which `fits` holds, ready or not; those that are due
    /// first come first.
    #[must_use]
    pub fn take(&self, count: usize, fits: impl Fn(&T) -> bool) -> Vec<Box<T>> {
        self.slots().take_fitting(count, fits)
    }

    /// Takes every session out.
    #[must_use]
    pub fn take_all(&self) -> Vec<Box<T>> {
        self.take(usize::MAX, |_| true)
    }

    /// Calls `look` for every parked session.
    pub fn for_each(&self, look: impl FnMut(&T)) {
        self.slots().parked().for_each(look);
    }

    fn slots(&self) -> MutexGuard<'_, Slots<T>> {
        // No code that could panic runs under the lock; if one does, the slots are whole.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn sessions_leave_when_they_are_due_earliest_first() {
        let lot: Lot<Item> = Lot::new().expect("descriptors");
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            let sender = sender;
            let lot = &lot;
            scope.spawn(move || {
                let (mut reports, mut leaving) = (Reports::new(), Vec::new());
                for _ in 0..6 {
                    let polled = lot.poll(&mut reports, Poll::Wait, &mut leaving);
                    polled.expect("the kernel lets us wait");
                    leaving
                        .drain(..)
                        .for_each(|item| sender.send(item.name).expect("open"));
                }
            });
            // The later one first: the poll has to be interrupted for the earlier one.
            for (name, after) in [(1, 60_000), (2, 40), (3, 20)] {
                assert!(matches!(lot.park(item(name, after)), Parked::InLot));
            }
            let left: Vec<u32> = receiver.iter().take(2).collect();
            assert_eq!(left, [3, 2]);
            // It ends after six times, however often it was woken before.
            while receiver.try_recv() != Err(mpsc::TryRecvError::Disconnected) {
                lot.interrupt();
                thread::yield_now();
            }
        });
        assert_eq!(lot.take_all().len(), 1);
    }

    #[test]
    fn only_sessions_that_fit_are_taken_the_earliest_due_first() {
        let lot = Lot::new().expect("descriptors");
        for name in 0..6 {
            lot.park(item(name, 60_000 + u64::from(name)));
        }
        let names = |items: Vec<Box<Item>>| items.iter().map(|item| item.name).collect::<Vec<_>>();
        let is_odd = |item: &Item| item.name % 2 == 1;
        assert_eq!(names(lot.take(2, is_odd)), [1, 3]);
        assert_eq!(names(lot.take(9, is_odd)), [5]);
        assert_eq!(names(lot.take_all()), [0, 2, 4]);
    }
}
