//! The parking lot: where sessions wait that would otherwise hold a worker.
//!
//! A parked item belongs to the lot. It leaves when one of its connections is ready, when its
//! deadline passes, or when everybody is called; then it goes back to the workers, who find
//! out for themselves what has happened. Whichever worker has nothing else to do minds it with
//! [`Lot::mind`]. Generic over what is parked: it names no session.

use crate::net::readiness::{Readiness, Reports};
use std::collections::BTreeSet;
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
        leaving.extend(reports.keys().filter_map(|key| places.take_ready(key)));
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
    pub fn for_each(&self, mut look: impl FnMut(&T)) {
        for place in &self.places().places {
            if let State::Taken(item, _) = &place.state {
                look(item);
            }
        }
    }

    fn places(&self) -> MutexGuard<'_, Places<T>> {
        // No code that could panic runs under the lock; if one does, the places are whole.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Half of a key numbers the place, half counts who has had it, so that a late report for an
/// earlier guest is not taken for the present one's.
const HALF: u32 = usize::BITS / 2;

#[derive(Debug)]
struct Places<T> {
    places: Vec<Place<T>>,
    free: Vec<usize>,
    /// When to look at which place, earliest first. Not after its guest is due, but it may be
    /// long before: most guests leave early, and the next one is mostly due later. So a place
    /// is listed once for many guests, and parking costs no search for the right position.
    looks: BTreeSet<(Instant, usize)>,
    /// Until when who minds the lot sleeps; `None` while nobody does.
    sleep: Option<Sleep>,
}

#[derive(Clone, Copy, Debug)]
enum Sleep {
    Until(Instant),
    Forever,
}

#[derive(Debug)]
struct Place<T> {
    guests: usize,
    state: State<T>,
    /// When it is looked at, if that is listed.
    look: Option<Instant>,
}

#[derive(Debug)]
enum State<T> {
    Free,
    /// Being prepared by whoever parks; `ready` if it was reported already.
    Reserved {
        ready: bool,
    },
    Taken(Box<T>, Instant),
}

impl<T> Default for Places<T> {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            looks: BTreeSet::new(),
            sleep: None,
        }
    }
}

impl<T> Places<T> {
    /// A place for a new guest; returns its key.
    fn reserve(&mut self) -> usize {
        let number = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place {
                guests: 0,
                state: State::Free,
                look: None,
            });
            self.places.len() - 1
        });
        let place = &mut self.places[number];
        place.state = State::Reserved { ready: false };
        // One less than all ones: the key of all ones is the poller's own.
        place.guests = (place.guests + 1) % ((1 << HALF) - 1);
        place.guests << HALF | number
    }

    /// The place that a key names, unless its guest has left.
    fn place_of(&self, key: usize) -> Option<usize> {
        let number = key & ((1 << HALF) - 1);
        let place = self.places.get(number)?;
        (place.guests == key >> HALF).then_some(number)
    }

    /// Puts the guest into the reserved place, and says whether it is due before who
    /// minds the lot would wake.
    fn fill(&mut self, key: usize, item: Box<T>, deadline: Instant) -> (Parked<T>, bool) {
        let number = key & ((1 << HALF) - 1);
        if let State::Reserved { ready: true } = self.places[number].state {
            self.free_place(number);
            return (Parked::Ready(item), false);
        }
        self.places[number].state = State::Taken(item, deadline);
        self.list(number, deadline);
        let is_earliest = match self.sleep {
            Some(Sleep::Until(wake)) => deadline < wake,
            Some(Sleep::Forever) => true,
            None => false,
        };
        if is_earliest {
            // One interruption is enough for all who come before it is awake.
            self.sleep = Some(Sleep::Until(deadline));
        }
        (Parked::Yes, is_earliest)
    }

    /// Has the place looked at when its guest is due, if not before.
    fn list(&mut self, number: usize, deadline: Instant) {
        let place = &mut self.places[number];
        if place.look.is_some_and(|look| look <= deadline) {
            return;
        }
        if let Some(late) = place.look.replace(deadline) {
            self.looks.remove(&(late, number));
        }
        self.looks.insert((deadline, number));
    }

    fn vacate(&mut self, key: usize) {
        self.free_place(key & ((1 << HALF) - 1));
    }

    fn free_place(&mut self, number: usize) -> State<T> {
        self.free.push(number);
        std::mem::replace(&mut self.places[number].state, State::Free)
    }

    fn take(&mut self, number: usize) -> Option<Box<T>> {
        if !matches!(self.places[number].state, State::Taken(..)) {
            return None;
        }
        match self.free_place(number) {
            State::Taken(item, _) => Some(item),
            _ => None,
        }
    }

    fn take_ready(&mut self, key: usize) -> Option<Box<T>> {
        let number = self.place_of(key)?;
        if let State::Reserved { ready } = &mut self.places[number].state {
            *ready = true;
            return None;
        }
        self.take(number)
    }

    fn take_due(&mut self, now: Instant, leaving: &mut Vec<Box<T>>) {
        while let Some(&(look, number)) = self.looks.first()
            && look <= now
        {
            self.looks.pop_first();
            self.places[number].look = None;
            match self.places[number].state {
                State::Taken(_, deadline) if deadline > now => self.list(number, deadline),
                _ => leaving.extend(self.take(number)),
            }
        }
    }

    /// Takes up to `count` that fit, in the order in which they are due.
    fn call(&mut self, count: usize, fits: impl Fn(&T) -> bool) -> Vec<Box<T>> {
        let fitting = |(number, place): (usize, &Place<T>)| match &place.state {
            State::Taken(item, deadline) if fits(item) => Some((*deadline, number)),
            _ => None,
        };
        let places = self.places.iter().enumerate();
        let mut chosen: Vec<_> = places.filter_map(fitting).collect();
        chosen.sort_unstable();
        let first = chosen.into_iter().take(count);
        first.filter_map(|(_, number)| self.take(number)).collect()
    }

    /// Somebody is about to sleep in here; returns until when.
    fn sleep(&mut self) -> Option<Instant> {
        let next = self.looks.first().map(|&(look, _)| look);
        self.sleep = Some(next.map_or(Sleep::Forever, Sleep::Until));
        next
    }

    fn awake(&mut self) {
        self.sleep = None;
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

    #[test]
    fn a_report_for_an_earlier_guest_is_not_taken_for_the_present_one() {
        let mut places = Places::default();
        let first = places.reserve();
        places.fill(first, item(1, 1000), Instant::now());
        assert!(places.take_ready(first).is_some());
        let second = places.reserve();
        assert!(places.take_ready(first).is_none());
        places.take_ready(second);
        assert!(matches!(
            places.fill(second, item(2, 1000), Instant::now()).0,
            Parked::Ready(_)
        ));
        assert_eq!(places.free.len(), 1);
    }
}
