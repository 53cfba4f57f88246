//! Whose turn it is: an order in which each takes part as often as its weight says, spread as evenly as
//! can be. Must not know what the numbers stand for.
//!
//! An order has `L` turns, the sum of the weights once their common divisor is taken out. Number `k` of
//! the `w` turns of one with weight `w` may come from `k * L / w` on, and is due at `(k + 1) * L / w`.
//! Each turn goes to the one that may have it and is due first: *earliest eligible virtual deadline
//! first* (Stoica and Abdel-Wahab, 1995). So at no time has any had a whole turn more or less than its
//! share, and no weight makes a burst. Equal weights give the plain order.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// The order of turns.
#[derive(Debug)]
pub(super) struct Schedule {
    turns: Box<[u32]>,
}

/// A turn that one is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Job {
    /// The number of its turn.
    turn: u64,
    weight: u64,
    /// The one that it belongs to.
    owner: u32,
}

impl Job {
    /// The first turn of the order that it may have, of `length`.
    fn release(self, length: u64) -> u64 {
        (self.turn * length).div_ceil(self.weight)
    }

    fn next(self) -> Option<Self> {
        let turn = self.turn + 1;
        (turn < self.weight).then_some(Self { turn, ..self })
    }
}

impl Ord for Job {
    /// By what is due first: `(turn + 1) / weight`, which is compared without a division. Of several,
    /// the first owner.
    fn cmp(&self, other: &Self) -> Ordering {
        let due = (self.turn + 1) * other.weight;
        let due = due.cmp(&((other.turn + 1) * self.weight));
        due.then(self.owner.cmp(&other.owner))
    }
}

impl PartialOrd for Job {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Schedule {
    /// The order for these weights, each at least 1; `O(L log n)`.
    pub(super) fn new(weights: &[u32]) -> Self {
        let divisor = weights.iter().copied().fold(0, common_divisor).max(1);
        let jobs = weights.iter().zip(0..).map(|(weight, owner)| Job {
            turn: 0,
            weight: u64::from(weight / divisor),
            owner,
        });
        let jobs: Vec<Job> = jobs.collect();
        let length = jobs.iter().map(|job| job.weight).sum();
        // All first turns may be had at once.
        let mut eligible: BinaryHeap<_> = jobs.into_iter().map(Reverse).collect();
        let mut later = Later::new();
        let mut turns = Vec::new();
        for now in 0..length {
            while let Some(Reverse((_, job))) = pop_released(&mut later, now) {
                eligible.push(Reverse(job));
            }
            // Of `now + 1` turns that are to be had, `now` are over at the most, so there is one.
            let Some(Reverse(job)) = eligible.pop() else {
                break;
            };
            turns.push(job.owner);
            later.extend(job.next().map(|next| Reverse((next.release(length), next))));
        }
        Self {
            turns: turns.into(),
        }
    }

    /// Whose turn it is with this ticket.
    pub(super) fn at(&self, ticket: usize) -> usize {
        self.turns[ticket % self.turns.len()] as usize
    }

    /// One by chance, by weight.
    pub(super) fn draw(&self) -> usize {
        self.at(fastrand::usize(..self.turns.len()))
    }
}

/// By the turn from which on it may be had.
type Later = BinaryHeap<Reverse<(u64, Job)>>;

fn pop_released(later: &mut Later, now: u64) -> Option<Reverse<(u64, Job)>> {
    let Reverse((release, _)) = later.peek()?;
    if *release <= now { later.pop() } else { None }
}

fn common_divisor(a: u32, b: u32) -> u32 {
    match b {
        0 => a,
        _ => common_divisor(b, a % b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Weights of one to nine, by chance, always the same ones.
    fn samples() -> impl Iterator<Item = Vec<u32>> {
        let mut random = fastrand::Rng::with_seed(4);
        (0..300).map(move |_| {
            let (count, most) = (random.usize(1..9), random.u32(1..=256));
            (0..count).map(|_| random.u32(1..=most)).collect()
        })
    }

    fn reduced(weights: &[u32]) -> Vec<usize> {
        let divisor = weights.iter().copied().fold(0, common_divisor);
        weights.iter().map(|one| (one / divisor) as usize).collect()
    }

    #[test]
    fn equal_weights_give_the_plain_order() {
        for weight in [1, 7, 256] {
            let schedule = Schedule::new(&[weight; 4]);
            assert_eq!(*schedule.turns, [0, 1, 2, 3]);
            assert_eq!([4, 5, 11].map(|ticket| schedule.at(ticket)), [0, 1, 3]);
        }
    }

    #[test]
    fn a_heavy_one_takes_no_turns_in_a_row_that_it_need_not() {
        assert_eq!(*Schedule::new(&[2, 1, 1]).turns, [0, 1, 0, 2]);
        assert_eq!(*Schedule::new(&[4, 2]).turns, [0, 1, 0]);
        assert_eq!(*Schedule::new(&[5, 1, 1]).turns, [0, 1, 0, 0, 2, 0, 0]);
    }

    #[test]
    fn shares_are_exact_over_one_length() {
        for weights in samples() {
            let (schedule, reduced) = (Schedule::new(&weights), reduced(&weights));
            assert_eq!(schedule.turns.len(), reduced.iter().sum::<usize>());
            let of = |owner| {
                let turns = schedule.turns.iter();
                turns.filter(|one| **one as usize == owner).count()
            };
            let shares: Vec<_> = (0..weights.len()).map(of).collect();
            assert_eq!(shares, reduced, "{weights:?}");
        }
    }

    #[test]
    fn none_is_ever_a_whole_turn_away_from_its_share() {
        for weights in samples() {
            let (schedule, reduced) = (Schedule::new(&weights), reduced(&weights));
            let length = schedule.turns.len();
            let mut had = vec![0; weights.len()];
            for (now, turn) in (1..).zip(&schedule.turns) {
                had[*turn as usize] += 1;
                for (had, weight) in had.iter().zip(&reduced) {
                    let away = (had * length).abs_diff(now * weight);
                    assert!(away < length, "{weights:?} at {now}");
                }
            }
        }
    }

    #[test]
    fn draws_follow_the_weights() {
        let schedule = Schedule::new(&[3, 1]);
        let heavy = (0..10_000).filter(|_| schedule.draw() == 0).count();
        assert!((7_200..7_800).contains(&heavy), "{heavy}");
    }
}
