//! The box in which a session keeps its exchange while it has one.
//!
//! Most sessions are idle, and an exchange takes twice as much memory as the rest of a session. So it
//! has a box of its own. A worker reuses the boxes of exchanges that are over, so a request costs no
//! allocation. Must not know what an exchange is.

use std::ops::{Deref, DerefMut};

/// Boxes that a worker keeps: as many as exchanges usually end one after the other.
const SPARE_SLOTS: usize = 64;

/// A box with a value in it.
#[derive(Debug)]
pub struct Slot<T>(Box<Option<T>>);

impl<T> Deref for Slot<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().as_ref().expect(FULL)
    }
}

impl<T> DerefMut for Slot<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().as_mut().expect(FULL)
    }
}

/// Only [`SpareSlots::take_back`] empties one, and it takes the slot.
const FULL: &str = "a slot has a value for as long as it is one";

/// The empty boxes of one worker.
#[derive(Debug)]
pub struct SpareSlots<T>(Vec<Box<Option<T>>>);

impl<T> Default for SpareSlots<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> SpareSlots<T> {
    /// A slot with this value.
    pub fn store(&mut self, value: T) -> Slot<T> {
        let mut spare = self.0.pop().unwrap_or_default();
        *spare = Some(value);
        Slot(spare)
    }

    /// Drops the value, and keeps the box.
    pub fn take_back(&mut self, slot: Slot<T>) {
        let Slot(mut spare) = slot;
        *spare = None;
        if self.0.len() < SPARE_SLOTS {
            self.0.push(spare);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_used_again_and_its_value_is_dropped_when_it_comes_back() {
        let (mut spare, value) = (SpareSlots::default(), std::rc::Rc::new(7));
        let slot = spare.store(value.clone());
        let place: *const Option<_> = &raw const *slot.0;
        assert_eq!((**slot, std::rc::Rc::strong_count(&value)), (7, 2));
        spare.take_back(slot);
        assert_eq!(std::rc::Rc::strong_count(&value), 1);
        let again = spare.store(value);
        assert_eq!(&raw const *again.0, place);
    }

    #[test]
    fn no_more_boxes_are_kept_than_are_of_use() {
        let mut spare = SpareSlots::default();
        let slots: Vec<_> = (0..2 * SPARE_SLOTS).map(|n| spare.store(n)).collect();
        slots.into_iter().for_each(|slot| spare.take_back(slot));
        assert_eq!(spare.0.len(), SPARE_SLOTS);
    }
}
