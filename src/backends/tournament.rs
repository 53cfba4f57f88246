//! A tournament of backends: which one has the fewest requests in flight for its weight, without a
//! lock and without a look at each.
//!
//! The backends are the leaves of a binary tree, and each node knows the better one of the two below it.
//! When the load of a backend changes, only the matches on its way up are played again. Of two that are equally
//! loaded, the one wins that was chosen longer ago: equal ones take turns.
//!
//! Two threads may play a match at the same time with loads that are a moment old. Then a node may be
//! wrong until a match there is played again; what is chosen is still a backend of the group, only perhaps not
//! the least loaded one.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// The tree, by the places of backends.
#[derive(Debug)]
pub(super) struct Tournament {
    /// Leaves; a power of two. Those that are too many have no backend.
    width: usize,
    count: usize,
    /// The winner of each match; the final is at 1, and the matches below match `n` are at `2n` and `2n+1`.
    winners: Box<[AtomicU32]>,
    /// When each was chosen last, as a ticket.
    chosen: Box<[AtomicUsize]>,
}

impl Tournament {
    /// A tournament of `count` backends, at least one, none of which was chosen yet.
    pub(super) fn new(count: usize, load: impl Fn(usize) -> f64) -> Self {
        let width = count.next_power_of_two();
        let tournament = Self {
            width,
            count,
            winners: (0..width.max(2)).map(|_| AtomicU32::new(0)).collect(),
            chosen: (0..count).map(|_| AtomicUsize::new(0)).collect(),
        };
        for node in (1..width).rev() {
            tournament.play(node, &load);
        }
        tournament
    }

    /// The least loaded backend.
    pub(super) fn winner(&self) -> usize {
        match self.width {
            1 => 0,
            _ => self.winners[1].load(Ordering::Relaxed) as usize,
        }
    }

    /// The backend was chosen by the request with this ticket.
    pub(super) fn note_choice(&self, place: usize, ticket: usize) {
        self.chosen[place].store(ticket, Ordering::Relaxed);
    }

    /// The load of the backend has changed.
    pub(super) fn update(&self, place: usize, load: impl Fn(usize) -> f64) {
        let mut node = (self.width + place) / 2;
        while node >= 1 {
            self.play(node, &load);
            node /= 2;
        }
    }

    fn play(&self, node: usize, load: &impl Fn(usize) -> f64) {
        let (left, right) = (self.below(2 * node), self.below(2 * node + 1));
        let winner = match (left, right) {
            (Some(left), Some(right)) if self.beats(right, left, load) => right,
            (Some(left), _) => left,
            (None, Some(right)) => right,
            (None, None) => return,
        };
        self.winners[node].store(u32::try_from(winner).unwrap_or(0), Ordering::Relaxed);
    }

    /// The backend that has come up to this node; `None` if there is none below it.
    fn below(&self, node: usize) -> Option<usize> {
        if node >= self.width {
            let place = node - self.width;
            return (place < self.count).then_some(place);
        }
        let leftmost = node << (self.width.ilog2() - node.ilog2());
        let has_any = leftmost - self.width < self.count;
        has_any.then(|| self.winners[node].load(Ordering::Relaxed) as usize)
    }

    fn beats(&self, one: usize, other: usize, load: &impl Fn(usize) -> f64) -> bool {
        let (ours, theirs) = (load(one), load(other));
        let chosen = |place: usize| self.chosen[place].load(Ordering::Relaxed);
        ours < theirs || (ours <= theirs && is_longer_ago(chosen(one), chosen(other)))
    }
}

/// Whether the ticket `one` was drawn before `other`, also where the counter has begun anew.
fn is_longer_ago(one: usize, other: usize) -> bool {
    one != other && other.wrapping_sub(one) <= usize::MAX / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn it_agrees_with_a_look_at_each_whatever_the_number() {
        let mut random = fastrand::Rng::with_seed(3);
        for count in (1..40).chain([64, 65, 1000]) {
            let loads = RefCell::new(vec![0.0_f64; count]);
            let load = |place: usize| loads.borrow()[place];
            let tournament = Tournament::new(count, load);
            for _ in 0..200 {
                let place = random.usize(0..count);
                loads.borrow_mut()[place] = f64::from(random.u32(0..50));
                tournament.update(place, load);
                let least = loads.borrow().iter().copied().fold(f64::MAX, f64::min);
                assert!((load(tournament.winner()) - least).abs() < 1e-9, "{count}");
            }
        }
    }

    #[test]
    fn equal_ones_take_turns() {
        for count in [1, 2, 3, 7, 16] {
            let tournament = Tournament::new(count, |_| 0.0);
            let mut shares = vec![0; count];
            for ticket in 1..=count * 5 {
                let winner = tournament.winner();
                tournament.note_choice(winner, ticket);
                tournament.update(winner, |_| 0.0);
                shares[winner] += 1;
            }
            assert_eq!(shares, vec![5; count]);
        }
    }

    #[test]
    fn turns_go_on_where_the_counter_begins_anew() {
        assert!(is_longer_ago(usize::MAX, 0) && !is_longer_ago(0, usize::MAX));
        assert!(is_longer_ago(1, 2) && !is_longer_ago(2, 2));
    }
}
