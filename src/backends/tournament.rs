//! Which of many has the least load, kept up to date without a lock: a tree of which each node has the
//! least load below it. A change goes up from its leaf, and the search comes down to one of the least;
//! both take as many steps as the tree is high. Must not know what the load is of.
//!
//! # Why it is right without a lock
//!
//! A leaf and a node follow from what is below them: from a load that is counted elsewhere, or from two
//! nodes. [`follow`] sets one to what follows, and then looks again until that is what it has. So the
//! last thread that sets a node has seen, afterwards, that it fits what was below it then; and a thread
//! that changes what is below comes to the node later, since it goes up. When all have come up, all
//! nodes fit. Meanwhile a search may find one that has no longer the least load, which is no worse than
//! a search that began a moment earlier. All steps are in one order for all threads (`SeqCst`): a thread
//! that looks again must not miss what another one has done before it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bits of a node for the shares of all that have the least load: 65,536 with the highest weight of 256.
const SHARE_BITS: u32 = 24;

/// The load of a full one, and so beyond all others. With [`SCALE`], 16 million for each unit
/// of weight.
const MAX_LOAD: u64 = (1 << (u64::BITS - SHARE_BITS)) - 1;

/// Two different fractions with denominators of up to 256 are at least `1 / 65,280` apart, so that they
/// remain different when they are multiplied by this and rounded down.
const SCALE: u64 = 1 << 16;

/// How loaded one is: requests for each unit of weight, or full. Less is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Load(u64);

impl Load {
    /// It can take no more.
    pub(super) const FULL: Self = Self(MAX_LOAD);

    /// So many, over a weight of at least 1.
    pub(super) fn new(count: usize, weight: u32) -> Self {
        let scaled = (count as u64).saturating_mul(SCALE);
        Self((scaled / u64::from(weight)).min(MAX_LOAD - 1))
    }
}

/// The least load of those below, and the sum of the shares of those that have it.
#[derive(Clone, Copy)]
struct Least {
    load: Load,
    shares: u64,
}

impl Least {
    const NONE: Self = Self {
        load: Load::FULL,
        shares: 0,
    };

    fn of_two(left: Self, right: Self) -> Self {
        match left.load.cmp(&right.load) {
            std::cmp::Ordering::Less => left,
            std::cmp::Ordering::Greater => right,
            std::cmp::Ordering::Equal => Self {
                shares: left.shares + right.shares,
                ..left
            },
        }
    }

    fn pack(self) -> u64 {
        self.load.0 << SHARE_BITS | self.shares
    }

    fn unpack(packed: u64) -> Self {
        Self {
            load: Load(packed >> SHARE_BITS),
            shares: packed & ((1 << SHARE_BITS) - 1),
        }
    }
}

/// The tree. The root is node 1, below node `n` are `2 n` and `2 n + 1`, and the second half are leaves.
#[derive(Debug)]
pub(super) struct Tournament {
    nodes: Box<[AtomicU64]>,
    weights: Box<[u32]>,
}

impl Tournament {
    /// For so many with these weights, each at least 1. `load_of` is what [`Self::update`] gets.
    pub(super) fn new(weights: Box<[u32]>, load_of: impl Fn(usize) -> Load) -> Self {
        let half = weights.len().next_power_of_two();
        let empty = || AtomicU64::new(Least::NONE.pack());
        let tree = Self {
            nodes: std::iter::repeat_with(empty).take(2 * half).collect(),
            weights,
        };
        tree.refresh(load_of);
        tree
    }

    /// Brings all up to date.
    pub(super) fn refresh(&self, load_of: impl Fn(usize) -> Load) {
        (0..self.weights.len()).for_each(|leaf| self.update(leaf, || load_of(leaf)));
    }

    /// The load of this one has changed.
    pub(super) fn update(&self, leaf: usize, load: impl Fn() -> Load) {
        let shares = u64::from(self.weights[leaf]);
        let mut node = self.nodes.len() / 2 + leaf;
        let of_leaf = || Least {
            load: load(),
            shares,
        };
        let mut has_changed = follow(&self.nodes[node], of_leaf);
        // What does not change a node changes none above it.
        while has_changed && node > 1 {
            node /= 2;
            let [left, right] = [2 * node, 2 * node + 1];
            let of_node = || Least::of_two(self.at(left), self.at(right));
            has_changed = follow(&self.nodes[node], of_node);
        }
    }

    /// The least load of all.
    pub(super) fn least(&self) -> Load {
        self.at(1).load
    }

    /// Whether no other has less load than this one.
    pub(super) fn is_least(&self, leaf: usize) -> bool {
        self.at(self.nodes.len() / 2 + leaf).load <= self.least()
    }

    /// One of the least; of several the one whose turn it is with this ticket, by weight.
    pub(super) fn winner(&self, ticket: usize) -> usize {
        let (mut node, half) = (1, self.nodes.len() / 2);
        let mut turn = ticket as u64 % self.at(1).shares.max(1);
        while node < half {
            let [left, right] = [2 * node, 2 * node + 1];
            let (of_left, of_right) = (self.at(left), self.at(right));
            node = match of_left.load.cmp(&of_right.load) {
                std::cmp::Ordering::Less => left,
                std::cmp::Ordering::Equal if turn < of_left.shares => left,
                std::cmp::Ordering::Equal => {
                    turn -= of_left.shares;
                    right
                }
                std::cmp::Ordering::Greater => right,
            };
        }
        // A leaf that stands for none is full, and has no shares; only a change meanwhile leads there.
        (node - half).min(self.weights.len() - 1)
    }

    fn at(&self, node: usize) -> Least {
        Least::unpack(self.nodes[node].load(Ordering::SeqCst))
    }
}

/// Sets a node to what follows from below it; returns whether it was something else.
fn follow(node: &AtomicU64, least: impl Fn() -> Least) -> bool {
    let mut has_changed = false;
    loop {
        let fitting = least().pack();
        if node.load(Ordering::SeqCst) == fitting {
            return has_changed;
        }
        node.store(fitting, Ordering::SeqCst);
        has_changed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    /// Loads that change, and the tree of them.
    struct Scene {
        counts: Vec<AtomicUsize>,
        tree: Tournament,
        weights: Vec<u32>,
    }

    impl Scene {
        fn new(weights: &[u32]) -> Self {
            let empty = || AtomicUsize::new(0);
            let counts: Vec<_> = weights.iter().map(|_| empty()).collect();
            Self {
                tree: Tournament::new(weights.into(), |leaf| Load::new(0, weights[leaf])),
                counts,
                weights: weights.into(),
            }
        }

        fn load(&self, leaf: usize) -> Load {
            let count = self.counts[leaf].load(Ordering::SeqCst);
            Load::new(count, self.weights[leaf])
        }

        fn add(&self, leaf: usize, count: isize) {
            self.counts[leaf].fetch_add(count.cast_unsigned(), Ordering::SeqCst);
            self.tree.update(leaf, || self.load(leaf));
        }

        /// All that have the least load.
        fn least(&self) -> Vec<usize> {
            let all = 0..self.counts.len();
            let least = all.clone().map(|leaf| self.load(leaf)).min();
            all.filter(|leaf| Some(self.load(*leaf)) == least).collect()
        }

        fn check(&self) {
            let least = self.least();
            assert_eq!(self.tree.least(), self.load(least[0]));
            for leaf in 0..self.counts.len() {
                assert_eq!(self.tree.is_least(leaf), least.contains(&leaf));
            }
            let turns: u32 = least.iter().map(|leaf| self.weights[*leaf]).sum();
            let mut had = vec![0; self.counts.len()];
            (0..turns as usize).for_each(|ticket| had[self.tree.winner(ticket)] += 1);
            let expected = |leaf: usize| match least.contains(&leaf) {
                true => self.weights[leaf],
                false => 0,
            };
            let expected: Vec<_> = (0..self.counts.len()).map(expected).collect();
            assert_eq!(had, expected, "each of the least by its weight");
        }
    }

    #[test]
    fn it_agrees_with_a_scan_whatever_changes() {
        let mut random = fastrand::Rng::with_seed(7);
        for count in [1, 2, 3, 7, 8, 9, 33] {
            let weights: Vec<u32> = (0..count).map(|_| random.u32(1..=5)).collect();
            let scene = Scene::new(&weights);
            scene.check();
            for _ in 0..200 {
                let leaf = random.usize(..count);
                let is_busy = scene.counts[leaf].load(Ordering::SeqCst) > 0;
                scene.add(leaf, if is_busy && random.bool() { -1 } else { 1 });
                scene.check();
            }
        }
    }

    #[test]
    fn it_agrees_with_a_scan_after_many_threads_have_changed_it() {
        let scene = Scene::new(&[1; 5]);
        std::thread::scope(|scope| {
            for seed in 0..8 {
                let scene = &scene;
                scope.spawn(move || {
                    let mut random = fastrand::Rng::with_seed(seed);
                    for _ in 0..5_000 {
                        let leaf = random.usize(..5);
                        scene.add(leaf, 1);
                        if random.u8(..) > 0 {
                            scene.add(leaf, -1);
                        }
                    }
                });
            }
        });
        scene.check();
    }

    #[test]
    fn a_full_one_is_the_last_choice_and_weights_divide_the_load() {
        assert!(Load::new(usize::MAX, 1) < Load::FULL);
        assert_eq!(Load::new(3, 3), Load::new(1, 1));
        assert!(Load::new(255, 256) < Load::new(1, 1));
        assert!(Load::new(254, 255) < Load::new(255, 256));
    }
}
