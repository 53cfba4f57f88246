//! The slots of the lot: which session is in which, which have left, and which is due next.
//!
//! Knows no connection and never waits: all of it runs under the lot's lock.

use super::Parked;
use std::collections::BTreeSet;
use std::time::Instant;

/// One half of a key is the number of the slot, the other counts the sessions that were in it, so
/// that a late report for an earlier session is not taken for the present one's.
const HALF: u32 = usize::BITS / 2;

/// The slots, free and taken.
#[derive(Debug)]
pub(super) struct Slots<T> {
    slots: Vec<Slot<T>>,
    free: Vec<usize>,
    /// When to check which slot, earliest first. A check is never later than the deadline of the
    /// session, but it may be long before: most sessions leave early, and the next one in the slot
    /// is due later. So a slot stays in the list for many sessions, and to park one costs no
    /// search for its position.
    checks: BTreeSet<(Instant, usize)>,
    /// Until when the leader sleeps; `None` while none does.
    sleep: Option<Sleep>,
}

#[derive(Clone, Copy, Debug)]
enum Sleep {
    Until(Instant),
    Forever,
}

#[derive(Debug)]
struct Slot<T> {
    /// Sessions that have been in it.
    count: usize,
    state: State<T>,
    /// When it is checked, if that is in the list.
    check: Option<Instant>,
}

#[derive(Debug)]
enum State<T> {
    Free,
    /// A worker is about to fill it; `ready` if the session was reported already.
    Reserved {
        ready: bool,
    },
    Taken(Box<T>, Instant),
}

/// What a report for a key finds.
pub(super) enum TakenReady<T> {
    /// The session, which has left its slot.
    Item(Box<T>),
    /// A worker is parking it just now; that worker gets it back at once.
    StillParking,
    /// It has left already.
    Gone,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            checks: BTreeSet::new(),
            sleep: None,
        }
    }
}

impl<T> Slots<T> {
    /// Reserves a slot for a new session; returns its key.
    pub(super) fn reserve(&mut self) -> usize {
        let number = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                count: 0,
                state: State::Free,
                check: None,
            });
            self.slots.len() - 1
        });
        let slot = &mut self.slots[number];
        slot.state = State::Reserved { ready: false };
        // One less than all ones: the key of all ones is the poller's own.
        slot.count = (slot.count + 1) % ((1 << HALF) - 1);
        slot.count << HALF | number
    }

    /// The slot that a key names, unless its session has left.
    fn slot_of(&self, key: usize) -> Option<usize> {
        let number = number_in(key);
        let slot = self.slots.get(number)?;
        (slot.count == key >> HALF).then_some(number)
    }

    /// Puts a session into its reserved slot. The second value says whether it is due before the
    /// leader would wake.
    pub(super) fn fill(
        &mut self,
        key: usize,
        item: Box<T>,
        deadline: Instant,
    ) -> (Parked<T>, bool) {
        let number = number_in(key);
        if let State::Reserved { ready: true } = self.slots[number].state {
            self.free_slot(number);
            return (Parked::Ready(item), false);
        }
        self.slots[number].state = State::Taken(item, deadline);
        self.schedule_check(number, deadline);
        let is_earliest = match self.sleep {
            Some(Sleep::Until(wake)) => deadline < wake,
            Some(Sleep::Forever) => true,
            None => false,
        };
        if is_earliest {
            // One interruption is enough for all that come before the leader is awake.
            self.sleep = Some(Sleep::Until(deadline));
        }
        (Parked::InLot, is_earliest)
    }

    /// Has the slot checked at `deadline`, if not before.
    fn schedule_check(&mut self, number: usize, deadline: Instant) {
        let slot = &mut self.slots[number];
        if slot.check.is_some_and(|check| check <= deadline) {
            return;
        }
        if let Some(late) = slot.check.replace(deadline) {
            self.checks.remove(&(late, number));
        }
        self.checks.insert((deadline, number));
    }

    /// Gives a reserved slot back.
    pub(super) fn vacate(&mut self, key: usize) {
        self.free_slot(number_in(key));
    }

    fn free_slot(&mut self, number: usize) -> State<T> {
        self.free.push(number);
        std::mem::replace(&mut self.slots[number].state, State::Free)
    }

    fn take(&mut self, number: usize) -> Option<Box<T>> {
        if !matches!(self.slots[number].state, State::Taken(..)) {
            return None;
        }
        match self.free_slot(number) {
            State::Taken(item, _) => Some(item),
            State::Free | State::Reserved { .. } => None,
        }
    }

    /// Takes out the session for which a report has come.
    pub(super) fn take_ready(&mut self, key: usize) -> TakenReady<T> {
        let Some(number) = self.slot_of(key) else {
            return TakenReady::Gone;
        };
        if let State::Reserved { ready } = &mut self.slots[number].state {
            *ready = true;
            return TakenReady::StillParking;
        }
        self.take(number).map_or(TakenReady::Gone, TakenReady::Item)
    }

    /// Takes out the sessions that are due, earliest first.
    pub(super) fn take_due(&mut self, now: Instant, leaving: &mut Vec<Box<T>>) {
        while let Some(&(check, number)) = self.checks.first()
            && check <= now
        {
            self.checks.pop_first();
            self.slots[number].check = None;
            match self.slots[number].state {
                State::Taken(_, deadline) if deadline > now => {
                    self.schedule_check(number, deadline);
                }
                _ => leaving.extend(self.take(number)),
            }
        }
    }

    /// All parked sessions.
    pub(super) fn parked(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|slot| match &slot.state {
            State::Taken(item, _) => Some(&**item),
            State::Free | State::Reserved { .. } => None,
        })
    }

    /// Takes out up to `count` sessions that fit, in the order in which they are due.
    pub(super) fn take_fitting(&mut self, count: usize, fits: impl Fn(&T) -> bool) -> Vec<Box<T>> {
        let fitting = |(number, slot): (usize, &Slot<T>)| match &slot.state {
            State::Taken(item, deadline) if fits(item) => Some((*deadline, number)),
            _ => None,
        };
        let slots = self.slots.iter().enumerate();
        let mut chosen: Vec<_> = slots.filter_map(fitting).collect();
        chosen.sort_unstable();
        let first = chosen.into_iter().take(count);
        first.filter_map(|(_, number)| self.take(number)).collect()
    }

    /// The leader is about to sleep; returns until when.
    pub(super) fn begin_sleep(&mut self) -> Option<Instant> {
        let next = self.checks.first().map(|&(check, _)| check);
        self.sleep = Some(next.map_or(Sleep::Forever, Sleep::Until));
        next
    }

    /// It sleeps no longer.
    pub(super) fn end_sleep(&mut self) {
        self.sleep = None;
    }
}

/// The number of the slot that a key names.
fn number_in(key: usize) -> usize {
    key & ((1 << HALF) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_for_an_earlier_session_is_not_taken_for_the_present_one() {
        let mut slots = Slots::default();
        let first = slots.reserve();
        slots.fill(first, Box::new(1), Instant::now());
        assert!(matches!(slots.take_ready(first), TakenReady::Item(_)));
        let second = slots.reserve();
        assert!(matches!(slots.take_ready(first), TakenReady::Gone));
        assert!(matches!(slots.take_ready(second), TakenReady::StillParking));
        assert!(matches!(
            slots.fill(second, Box::new(2), Instant::now()).0,
            Parked::Ready(_)
        ));
        assert_eq!(slots.free.len(), 1);
    }
}
