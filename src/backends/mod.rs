//! Who exists, who is alive, who is next, and the connections that are kept for them.
//!
//! Names no HTTP and no socket: a kept connection is any `C`.
//!
//! | file | duty |
//! |---|---|
//! | [`select`] | whose turn it is |
//! | [`health`] | up or down, from observations: a pure state machine |
//! | [`kept`] | connections that rest between requests |

pub mod health;
pub mod kept;
pub mod select;

use health::Health;
use kept::Kept;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// Name and port of a backend, as the user wrote them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    /// A host name or an address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(out, "[{}]:{}", self.host, self.port)
        } else {
            write!(out, "{}:{}", self.host, self.port)
        }
    }
}

/// One server that requests are sent to.
#[derive(Debug)]
pub struct Backend<C> {
    /// Its place in the command line, from 0.
    pub index: usize,
    /// What it is called.
    pub name: Name,
    /// Connections that rest.
    pub kept: Kept<C>,
    /// What selection reads for every request; `health` is behind a lock.
    is_up: AtomicBool,
    health: Mutex<Health>,
    addresses: RwLock<Arc<[SocketAddr]>>,
    /// Which of the addresses answered last.
    preferred: AtomicUsize,
}

impl<C> Backend<C> {
    /// A backend that nobody has looked at yet: down until the first observation.
    #[must_use]
    pub fn new(index: usize, name: Name, health: Health) -> Self {
        Self {
            index,
            name,
            kept: Kept::default(),
            is_up: AtomicBool::new(false),
            health: Mutex::new(health),
            addresses: RwLock::new(Arc::from([])),
            preferred: AtomicUsize::new(0),
        }
    }

    /// Whether it gets requests.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Relaxed)
    }

    /// Takes an observation into account; returns what changed, if anything.
    pub fn observe(&self, observation: health::Observation) -> Option<health::Transition> {
        let mut health = self.health();
        let transition = health.observe(observation)?;
        self.is_up.store(health.is_up(), Ordering::Relaxed);
        drop(health);
        // Connections of before an outage are not to be trusted after it.
        self.kept.clear();
        Some(transition)
    }

    /// A copy of its present state of health.
    pub fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its addresses, the one that answered last first.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let known = self
            .addresses
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let mut addresses = known.to_vec();
        let preferred = self.preferred.load(Ordering::Relaxed);
        if preferred < addresses.len() {
            addresses[..=preferred].rotate_right(1);
        }
        addresses
    }

    /// Replaces the addresses; returns whether that changed anything. The order in which the
    /// resolver gives them does not matter.
    pub fn set_addresses(&self, mut addresses: Vec<SocketAddr>) -> bool {
        addresses.sort();
        let mut known = self
            .addresses
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if **known == *addresses {
            return false;
        }
        *known = addresses.into();
        self.preferred.store(0, Ordering::Relaxed);
        true
    }

    /// Remembers the address that answered.
    pub fn prefer(&self, address: SocketAddr) {
        let known = self
            .addresses
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = known.iter().position(|&one| one == address) {
            self.preferred.store(place, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_that_answered_comes_first() {
        let name = Name {
            host: "a".into(),
            port: 1,
        };
        let backend: Backend<()> = Backend::new(0, name, Health::new(1, 1));
        let [a, b, c] = [1, 2, 3].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        assert!(backend.set_addresses(vec![c, a, b]));
        assert!(!backend.set_addresses(vec![b, a, c]));
        assert_eq!(backend.addresses(), [a, b, c]);
        backend.prefer(c);
        assert_eq!(backend.addresses(), [c, a, b]);
        assert!(backend.set_addresses(vec![a]));
        assert_eq!(backend.addresses(), [a]);
    }

    #[test]
    fn names_are_written_as_addresses_are() {
        let name = |host: &str| {
            Name {
                host: host.into(),
                port: 80,
            }
            .to_string()
        };
        assert_eq!((name("a"), name("::1")), ("a:80".into(), "[::1]:80".into()));
    }
}
