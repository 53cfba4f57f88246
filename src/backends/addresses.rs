//! Where a backend can be reached, and which of its addresses answered last.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// The addresses of one backend.
#[derive(Debug)]
pub struct Addresses {
    known: RwLock<Arc<[SocketAddr]>>,
    /// Which of them answered last.
    preferred: AtomicUsize,
}

/// What a new answer of the resolver changed.
#[derive(Debug, PartialEq, Eq)]
pub struct Difference {
    /// There were none before.
    pub is_first: bool,
    /// Addresses that are new.
    pub added: Vec<SocketAddr>,
    /// Addresses that are gone.
    pub removed: Vec<SocketAddr>,
}

impl Default for Addresses {
    fn default() -> Self {
        Self {
            known: RwLock::new(Arc::from([])),
            preferred: AtomicUsize::new(0),
        }
    }
}

impl Addresses {
    /// All of them, the one that answered last first.
    #[must_use]
    pub fn in_order(&self) -> Vec<SocketAddr> {
        let mut addresses = self.known().to_vec();
        let preferred = self.preferred.load(Ordering::Relaxed);
        if preferred < addresses.len() {
            addresses[..=preferred].rotate_right(1);
        }
        addresses
    }

    /// The one that is tried first.
    #[must_use]
    pub fn first(&self) -> Option<SocketAddr> {
        let (known, preferred) = (self.known(), self.preferred.load(Ordering::Relaxed));
        known.get(preferred).or_else(|| known.first()).copied()
    }

    /// Replaces them; returns what that changed, if anything. The order in which the resolver
    /// gives them does not matter.
    pub fn replace(&self, mut addresses: Vec<SocketAddr>) -> Option<Difference> {
        addresses.sort();
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if **known == *addresses {
            return None;
        }
        let missing_in = |these: &[SocketAddr], those: &[SocketAddr]| {
            let missing = those.iter().filter(|one| !these.contains(one));
            missing.copied().collect()
        };
        let difference = Difference {
            is_first: known.is_empty(),
            added: missing_in(&known, &addresses),
            removed: missing_in(&addresses, &known),
        };
        *known = addresses.into();
        self.preferred.store(0, Ordering::Relaxed);
        Some(difference)
    }

    /// Remembers the address that answered.
    pub fn prefer(&self, address: SocketAddr) {
        if let Some(place) = self.known().iter().position(|&one| one == address) {
            self.preferred.store(place, Ordering::Relaxed);
        }
    }

    fn known(&self) -> RwLockReadGuard<'_, Arc<[SocketAddr]>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_that_answered_comes_first_and_only_a_difference_is_reported() {
        let addresses = Addresses::default();
        let [a, b, c] = [1, 2, 3].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let first = addresses.replace(vec![c, a, b]).expect("they are new");
        assert_eq!((first.added.len(), first.removed.len()), (3, 0));
        assert!(first.is_first);
        assert_eq!(addresses.replace(vec![b, a, c]), None);
        assert_eq!(addresses.in_order(), [a, b, c]);
        addresses.prefer(c);
        assert_eq!(addresses.in_order(), [c, a, b]);
        let moved = addresses.replace(vec![a, c]).expect("one is gone");
        assert_eq!((moved.added, moved.removed), (vec![], vec![b]));
        assert!(!moved.is_first);
        assert_eq!(addresses.in_order(), [a, c]);
    }
}
