//! The order of turns of weighted backends: exact over one length of it, and smooth, so that a heavy
//! backend gets no bursts. Computed when something changes; a ticket then finds its place at once.
//!
//! Turn `k` of a backend with weight `w`, in a schedule of length `L`, may come from `k*L/w` on and is
//! due by `(k+1)*L/w`. At each place goes the backend that is due first of those that may come. With
//! this rule (earliest eligible deadline first) no backend is ever a whole turn ahead or behind.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The order of turns, as places in the list of weights. Empty if all weights are 0.
pub(super) fn schedule(weights: &[u32]) -> Vec<u32> {
    let divisor = weights
        .iter()
        .fold(0, |divisor, &weight| gcd(divisor, weight));
    if divisor == 0 {
        return Vec::new();
    }
    let reduced: Vec<u64> = weights
        .iter()
        .map(|weight| u64::from(weight / divisor))
        .collect();
    match reduced.iter().all(|&weight| weight == 1) {
        true => (0..).take(reduced.len()).collect(),
        false => smooth(&reduced),
    }
}

/// A turn that is not placed yet. Times are fractions `count * L / weight`, compared without dividing.
#[derive(Clone, Copy)]
struct Turn {
    /// Turns that the backend has had.
    count: u64,
    weight: u64,
}

impl Turn {
    /// From when on it may come, in whole places of a schedule of this length.
    fn release(self, length: u64) -> u64 {
        (self.count * length).div_ceil(self.weight)
    }

    /// By when it is due, as a number that orders the turns of all backends.
    fn due(self, length: u64) -> u64 {
        // Weights are small, so that this is exact enough to order them, and cannot overflow.
        (((self.count + 1) * length) << 16) / self.weight
    }
}

fn smooth(weights: &[u64]) -> Vec<u32> {
    let length: u64 = weights.iter().sum();
    // What may come later, by the time from which on it may; what may come now, by when it is due.
    let (mut later, mut now) = (BinaryHeap::new(), BinaryHeap::new());
    let mut turns: Vec<Turn> = Vec::new();
    for (place, &weight) in (0_u32..).zip(weights) {
        let turn = Turn { count: 0, weight };
        turns.push(turn);
        if weight > 0 {
            now.push(Reverse((turn.due(length), place)));
        }
    }
    let mut order = Vec::new();
    for at in 0..length {
        while let Some(&Reverse((release, place))) = later.peek()
            && release <= at
        {
            later.pop();
            let turn: Turn = turns[place as usize];
            now.push(Reverse((turn.due(length), place)));
        }
        let Some(Reverse((_, place))) = now.pop() else {
            continue;
        };
        order.push(place);
        let turn = &mut turns[place as usize];
        turn.count += 1;
        if turn.count < turn.weight {
            later.push(Reverse((turn.release(length), place)));
        }
    }
    order
}

fn gcd(one: u32, other: u32) -> u32 {
    match other {
        0 => one,
        _ => gcd(other, one % other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_weights_take_turns_in_their_order() {
        assert_eq!(schedule(&[1, 1, 1]), [0, 1, 2]);
        assert_eq!(schedule(&[7, 7]), [0, 1]);
        assert_eq!(schedule(&[5]), [0]);
        assert!(schedule(&[]).is_empty() && schedule(&[0, 0]).is_empty());
    }

    #[test]
    fn a_heavy_backend_gets_no_bursts() {
        assert_eq!(schedule(&[2, 1]), [0, 1, 0]);
        assert_eq!(schedule(&[3, 0, 1]), [0, 2, 0, 0]);
        assert_eq!(schedule(&[5, 1, 1]), [0, 1, 0, 0, 2, 0, 0]);
    }

    /// Shares are exact over one length, and in every part of it no backend is a whole turn ahead or
    /// behind.
    fn check(weights: &[u32]) {
        let order = schedule(weights);
        let sum: u32 = weights.iter().sum();
        let length = order.len() as f64;
        let mut counts = vec![0_u32; weights.len()];
        for (at, &place) in order.iter().enumerate() {
            counts[place as usize] += 1;
            for (count, &weight) in counts.iter().zip(weights) {
                let ideal = (at + 1) as f64 * f64::from(weight) / f64::from(sum);
                let lag = (ideal - f64::from(*count)).abs();
                assert!(lag < 1.0 + 1e-9, "{weights:?}: {lag} at {at}");
            }
        }
        for (count, &weight) in counts.iter().zip(weights) {
            let ideal = f64::from(weight) * length / f64::from(sum);
            assert!(
                (f64::from(*count) - ideal).abs() < 1e-9,
                "{weights:?}: {counts:?}"
            );
        }
    }

    #[test]
    fn shares_are_exact_and_smooth_for_many_weights() {
        check(&[256, 1]);
        check(&[1, 2, 3, 4, 5]);
        check(&[10, 0, 4, 6]);
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..200 {
            let count = random.usize(1..12);
            let mut weights: Vec<u32> = (0..count).map(|_| random.u32(0..=256)).collect();
            weights[0] = weights[0].max(1);
            check(&weights);
        }
        let many: Vec<u32> = (0..1000).map(|place| 1 + place % 256).collect();
        let order = schedule(&many);
        assert_eq!(order.len(), many.iter().sum::<u32>() as usize);
    }
}
