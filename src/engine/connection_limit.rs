//! The connection limit: how many connections are open, and how many may be.
//!
//! The accept thread asks for room before it takes the next connection out of the kernel's queue.
//! Each connection then holds a [`Permit`], whether it is queued, served or parked. Its memory
//! counts towards the budget in [`super::memory`]. Dropping the permit gives both back.

use super::memory::{Claim, Memory, PER_CONNECTION};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// The number of open connections and its limit.
#[derive(Debug)]
pub struct ConnectionLimit {
    limit: usize,
    open: AtomicUsize,
    /// Connections that there were so far.
    counted: AtomicU32,
    memory: Memory,
    /// Only for waiting; the count is the atomic one.
    waiting: Mutex<()>,
    changed: Condvar,
}

/// The right of one connection to be open, and the memory that it has claimed. Dropping it makes
/// room.
#[derive(Debug)]
pub struct Permit {
    connections: Arc<ConnectionLimit>,
    /// Which connection it is, counted from 1.
    number: u32,
    /// Bytes beyond [`PER_CONNECTION`].
    held: usize,
    /// The session of the connection exists.
    is_begun: bool,
}

impl ConnectionLimit {
    /// A limit of `limit` connections, as long as `memory` lasts.
    #[must_use]
    pub fn new(limit: usize, memory: Memory) -> Arc<Self> {
        Arc::new(Self {
            limit,
            open: AtomicUsize::new(0),
            counted: AtomicU32::new(0),
            memory,
            waiting: Mutex::new(()),
            changed: Condvar::new(),
        })
    }

    /// How many connections are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// The most that may be open.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// How much memory connections take, and how much they may.
    #[must_use]
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Whether no more connections may be accepted now.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.open() >= self.limit || self.memory.is_short(PER_CONNECTION, Claim::Connection)
    }

    /// Whether it is full, and closing idle connections would make room. Where a few connections
    /// hold all the memory, it would not.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        let open = self.open();
        open >= self.limit || (self.memory.is_taken_by(open) && self.is_full())
    }

    /// Counts a connection. The caller has to ask [`Self::is_full`] first.
    #[must_use]
    pub fn acquire(self: &Arc<Self>) -> Permit {
        self.open.fetch_add(1, Ordering::SeqCst);
        self.memory.promise(PER_CONNECTION);
        Permit {
            connections: Arc::clone(self),
            // Nothing else depends on it.
            number: self.counted.fetch_add(1, Ordering::Relaxed).wrapping_add(1),
            held: 0,
            is_begun: false,
        }
    }

    /// Waits until there is room or the time is up; returns whether there is.
    #[must_use]
    pub fn wait_for_room(&self, timeout: Duration) -> bool {
        self.wait_while(|| self.is_full(), timeout)
    }

    /// Waits until no connection is open or the time is up; returns whether none is.
    #[must_use]
    pub fn wait_until_empty(&self, timeout: Duration) -> bool {
        self.wait_while(|| self.open() > 0, timeout)
    }

    fn wait_while(&self, is_so: impl Fn() -> bool, timeout: Duration) -> bool {
        let guard = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let still = |_: &mut ()| is_so();
        let result = self.changed.wait_timeout_while(guard, timeout, still);
        !result.unwrap_or_else(PoisonError::into_inner).1.timed_out() || !is_so()
    }

    fn wake(&self) {
        // Locked so that the wake-up cannot fall between a waiting thread's check and its wait.
        drop(self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }
}

impl Permit {
    /// Which connection it is, counted from 1 since the start.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The session of the connection is made, which takes from the system what it counts.
    pub fn begin(&mut self) {
        if !self.is_begun {
            self.is_begun = true;
            self.connections.memory.keep_promise(PER_CONNECTION);
        }
    }

    /// Claims `bytes` of memory from now on, instead of what it held before; returns whether it may.
    #[must_use]
    pub fn claim_memory(&mut self, bytes: usize, claim: Claim) -> bool {
        let memory = &self.connections.memory;
        if bytes > self.held {
            if !memory.try_take(bytes - self.held, claim) {
                return false;
            }
        } else if bytes < self.held {
            memory.give_back(self.held - bytes);
        }
        self.held = bytes;
        true
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.begin();
        let was_full = self.connections.is_full();
        self.connections
            .memory
            .give_back(PER_CONNECTION + self.held);
        let before = self.connections.open.fetch_sub(1, Ordering::SeqCst);
        if was_full || before == 1 {
            self.connections.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_full_limit_has_room_again_when_a_connection_is_closed() {
        let connections = ConnectionLimit::new(2, Memory::new(usize::MAX, || u64::MAX));
        let first = connections.acquire();
        let _second = connections.acquire();
        assert!(connections.is_full() && !connections.wait_for_room(Duration::from_millis(5)));
        thread::scope(|scope| {
            let waiter = scope.spawn(|| connections.wait_for_room(Duration::from_secs(60)));
            drop(first);
            assert!(waiter.join().expect("no panic"));
        });
        assert_eq!(connections.open(), 1);
        assert!(!connections.wait_until_empty(Duration::from_millis(5)));
    }

    #[test]
    fn it_is_full_when_memory_is_used_up_until_some_is_given_back() {
        let connections = ConnectionLimit::new(100, Memory::new(16 * PER_CONNECTION, || u64::MAX));
        let (mut first, mut second) = (connections.acquire(), connections.acquire());
        assert!(first.claim_memory(8 * PER_CONNECTION, Claim::New));
        assert!(!second.claim_memory(5 * PER_CONNECTION, Claim::New));
        assert!(second.claim_memory(4 * PER_CONNECTION, Claim::UnderWay) && !connections.is_full());
        let others: Vec<Permit> = (0..2).map(|_| connections.acquire()).collect();
        assert!(connections.is_full());
        thread::scope(|scope| {
            let waiter = scope.spawn(|| connections.wait_for_room(Duration::from_secs(60)));
            drop(first);
            assert!(waiter.join().expect("no panic"));
        });
        assert!(second.claim_memory(0, Claim::New));
        assert_eq!(connections.memory().used(), 3 * PER_CONNECTION);
        drop((second, others));
        assert_eq!(connections.memory().used(), 0);
    }
}
