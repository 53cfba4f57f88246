//! Which backend has a key: weighted rendezvous hashing (highest random weight; Thaler and Ravishankar,
//! 1998). Each backend has a score for a key, and the highest one wins. So balancers that know of the
//! same names and weights agree without speaking to each other, and when a backend comes or goes only
//! the keys move that it wins.
//!
//! Keys are folded to `SLOTS` slots, so that a choice costs the same whatever the number of backends:
//! the winner of a slot is found when the slot is asked for first, and kept. What balancers have to
//! agree on:
//!
//! 1. The slot of a key is its hash modulo `SLOTS`.
//! 2. `h` is XXH3-64 of the name in lower case, with the slot as its seed, and `u = (h / 2^11 + 0.5) /
//!    2^53`, with a division that rounds down.
//! 3. The score is `-weight / ln(u)`. It makes the chance to win proportional to the weight.

use std::sync::atomic::{AtomicU32, Ordering};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// How many slots there are. A thousand backends have 65 each, so that the share of one is off by about
/// an eighth; with ten it is off by little more than a hundredth. A table of winners takes 256 KiB.
pub(super) const SLOTS: usize = 1 << 16;

/// The slot of a key.
pub(super) fn slot(key: u64) -> usize {
    // Less than `SLOTS`.
    (key % SLOTS as u64) as usize
}

/// Where a slot lies among all, from 0 to 1.
pub(super) fn position(slot: usize) -> f32 {
    slot as f32 / SLOTS as f32
}

/// The score of the backend with this name, in lower case, for a slot.
pub(super) fn score(name: &str, weight: u32, slot: usize) -> f64 {
    let hash = xxh3_64_with_seed(name.as_bytes(), slot as u64);
    // The upper 53 bits are as many as the number has; a half keeps it off 0 and 1.
    let uniform = ((hash >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    -f64::from(weight) / uniform.ln()
}

/// The winners that were found. A slot that two threads find at once gets the same winner from both.
#[derive(Debug)]
pub(super) struct Winners(Box<[AtomicU32]>);

/// No winner was found yet.
const UNKNOWN: u32 = 0;

impl Default for Winners {
    fn default() -> Self {
        let unknown = || AtomicU32::new(UNKNOWN);
        Self(std::iter::repeat_with(unknown).take(SLOTS).collect())
    }
}

impl Winners {
    /// The winner of a slot, which `find` finds if it has not been found before.
    pub(super) fn of(&self, slot: usize, find: impl FnOnce() -> usize) -> usize {
        let winner = &self.0[slot];
        match winner.load(Ordering::Relaxed) {
            UNKNOWN => {
                let found = find();
                // Beyond four billion backends it would be found each time.
                winner.store(
                    u32::try_from(found + 1).unwrap_or(UNKNOWN),
                    Ordering::Relaxed,
                );
                found
            }
            known => known as usize - 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn winner(names: &[(String, u32)], slot: usize) -> usize {
        let scores = names
            .iter()
            .map(|(name, weight)| score(name, *weight, slot));
        let best = scores
            .enumerate()
            .max_by(|one, other| one.1.total_cmp(&other.1));
        best.expect("one at least").0
    }

    #[test]
    fn shares_follow_the_weights() {
        let names: Vec<_> = [1, 2, 5]
            .map(|weight| (format!("b{weight}:80"), weight))
            .into();
        let mut shares = [0; 3];
        (0..SLOTS).for_each(|slot| shares[winner(&names, slot)] += 1);
        for ((_, weight), share) in names.iter().zip(shares) {
            let expected = SLOTS * *weight as usize / 8;
            assert!(expected.abs_diff(share) < SLOTS / 100, "{shares:?}");
        }
    }

    #[test]
    fn a_score_is_that_of_the_specification() {
        let hash = xxh3_64_with_seed(b"a:80", 7);
        let uniform = ((hash / 2048) as f64 + 0.5) / 9_007_199_254_740_992.0;
        assert_eq!(
            score("a:80", 3, 7).to_bits(),
            (-3.0 / uniform.ln()).to_bits()
        );
        assert_eq!(
            [0, 65_535, 65_536, u64::MAX].map(slot),
            [0, 65_535, 0, 65_535]
        );
        assert!(position(0) <= 0.0 && (0.49..0.51).contains(&position(SLOTS / 2)));
    }

    #[test]
    fn a_winner_is_found_once() {
        let winners = Winners::default();
        assert_eq!(winners.of(3, || 5), 5);
        assert_eq!(winners.of(3, || panic!("it is known")), 5);
        assert_eq!(winners.of(4, || 0), 0);
        assert_eq!(winners.of(4, || panic!("it is known")), 0);
    }
}
