//! The places of the lot: who stands where, who has left, and who is due next.
//!
//! Knows no connection and does not wait: all of it happens under the lot's lock.

use super::Parked;
use std::collections::BTreeSet;
use std::time::Instant;

/// Half of a key numbers the place, half counts who has had it, so that a late report for an
/// earlier guest is not taken for the present one's.
const HALF: u32 = usize::BITS / 2;

/// The places, free and taken.
#[derive(Debug)]
pub(super) struct Places<T> {
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

/// When a guest of whom something is ready leaves.
pub(super) enum Leaves<T> {
    Now(Box<T>),
    /// It is only being parked.
    Soon,
    /// It has left already.
    Before,
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
    pub(super) fn reserve(&mut self) -> usize {
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
    pub(super) fn fill(
        &mut self,
        key: usize,
        item: Box<T>,
        deadline: Instant,
    ) -> (Parked<T>, bool) {
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

    /// Gives a reserved place back.
    pub(super) fn vacate(&mut self, key: usize) {
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

    /// Takes out the guest of whom something is ready.
    pub(super) fn take_ready(&mut self, key: usize) -> Leaves<T> {
        let Some(number) = self.place_of(key) else {
            return Leaves::Before;
        };
        if let State::Reserved { ready } = &mut self.places[number].state {
            *ready = true;
            return Leaves::Soon;
        }
        self.take(number).map_or(Leaves::Before, Leaves::Now)
    }

    /// Takes out those who are due, earliest first.
    pub(super) fn take_due(&mut self, now: Instant, leaving: &mut Vec<Box<T>>) {
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

    /// Looks at every guest.
    pub(super) fn guests(&self) -> impl Iterator<Item = &T> {
        self.places.iter().filter_map(|place| match &place.state {
            State::Taken(item, _) => Some(&**item),
            State::Free | State::Reserved { .. } => None,
        })
    }

    /// Takes up to `count` that fit, in the order in which they are due.
    pub(super) fn call(&mut self, count: usize, fits: impl Fn(&T) -> bool) -> Vec<Box<T>> {
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
    pub(super) fn sleep(&mut self) -> Option<Instant> {
        let next = self.looks.first().map(|&(look, _)| look);
        self.sleep = Some(next.map_or(Sleep::Forever, Sleep::Until));
        next
    }

    /// It sleeps no longer.
    pub(super) fn awake(&mut self) {
        self.sleep = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_for_an_earlier_guest_is_not_taken_for_the_present_one() {
        let mut places = Places::default();
        let first = places.reserve();
        places.fill(first, Box::new(1), Instant::now());
        assert!(matches!(places.take_ready(first), Leaves::Now(_)));
        let second = places.reserve();
        assert!(matches!(places.take_ready(first), Leaves::Before));
        assert!(matches!(places.take_ready(second), Leaves::Soon));
        assert!(matches!(
            places.fill(second, Box::new(2), Instant::now()).0,
            Parked::Ready(_)
        ));
        assert_eq!(places.free.len(), 1);
    }
}
