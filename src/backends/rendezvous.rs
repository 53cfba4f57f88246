//! Rendezvous hashing: a key goes to the backend with the highest score for it. A backend that leaves
//! takes only its own keys along, and all balancers that know the same names agree, whatever their order.
//!
//! The score of a backend for a key is `-weight / ln(h)`, where `h` is the hash of key and name as a
//! fraction between 0 and 1 (Schindelhauer and Schomaker, 2005). The hash is XXH3 with 64 bits, which
//! is published and the same on every machine.
//!
//! Keys are folded to `SLOTS` slots. The backend of a slot is computed when a key falls into it for the
//! first time, and remembered: so a choice costs the same with three backends as with a thousand.

use std::sync::atomic::{AtomicU32, Ordering};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Slots that keys are folded to. Balancers that are to agree must have the same number. So many that a
/// thousand backends have 65 each, and their shares differ by an eighth.
const SLOTS: usize = 1 << 16;

/// The hash of what a request brings, and of a backend's name.
#[must_use]
pub fn hash(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// The slot of a key.
pub(super) fn slot_of(key: u64) -> u64 {
    key % SLOTS as u64
}

/// How well a backend fits a slot: more is better.
pub(super) fn score(slot: u64, tag: u64, weight: u32) -> f64 {
    let hash = xxh3_64_with_seed(&slot.to_le_bytes(), tag);
    // Never 0 or 1: the logarithm is finite and not zero.
    let fraction = ((hash >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    -f64::from(weight) / fraction.ln()
}

/// Stands for a slot whose backend is not computed yet.
const UNKNOWN: u32 = u32::MAX;

/// The backends of all slots, as far as they were asked for.
#[derive(Debug)]
pub(super) struct Slots(Box<[AtomicU32]>);

impl Slots {
    pub(super) fn new() -> Self {
        Self((0..SLOTS).map(|_| AtomicU32::new(UNKNOWN)).collect())
    }

    /// The backend of a slot, by its place; `choose` computes it.
    pub(super) fn get(&self, slot: u64, choose: impl FnOnce() -> Option<usize>) -> Option<usize> {
        // `slot_of` has bounded it.
        let known = &self.0[usize::try_from(slot).unwrap_or(0) % SLOTS];
        match known.load(Ordering::Relaxed) {
            UNKNOWN => {
                let chosen = choose()?;
                // Two threads compute the same.
                known.store(u32::try_from(chosen).unwrap_or(UNKNOWN), Ordering::Relaxed);
                Some(chosen)
            }
            place => Some(place as usize),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        // From the reference implementation of XXH3.
        assert_eq!(hash(b""), 0x2d06_8005_38d3_94c2);
    }

    #[test]
    fn a_slot_is_computed_once() {
        let slots = Slots::new();
        assert_eq!(slots.get(5, || None), None);
        assert_eq!(slots.get(5, || Some(3)), Some(3));
        assert_eq!(slots.get(5, || panic!("it is known")), Some(3));
        assert_eq!(slot_of(SLOTS as u64 + 5), 5);
    }

    #[test]
    fn scores_share_slots_by_weight() {
        let count = |weights: [u32; 2]| {
            let first = (0..SLOTS as u64)
                .filter(|&slot| score(slot, 1, weights[0]) > score(slot, 2, weights[1]));
            first.count() as f64 / SLOTS as f64
        };
        assert!((count([1, 1]) - 0.5).abs() < 0.01);
        assert!((count([3, 1]) - 0.75).abs() < 0.01);
    }
}
