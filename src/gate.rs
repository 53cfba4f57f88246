//! How many clients are inside, and how many may be.
//!
//! The accept thread asks for room before it takes the next client out of the kernel's queue.
//! Each client holds a [`Place`] from then on, wherever it is: queued, with a worker, parked;
//! with it the memory that it is counted with ([`memory`]).

pub mod memory;

use memory::{CLIENT_BYTES, Memory, Purpose};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// The count and its limit.
#[derive(Debug)]
pub struct Gate {
    limit: usize,
    inside: AtomicUsize,
    memory: Memory,
    /// Only for waiting; the count is the atomic one.
    waiting: Mutex<()>,
    left: Condvar,
}

/// One client's place, and the memory that it has taken; dropping it makes room.
#[derive(Debug)]
pub struct Place {
    gate: Arc<Gate>,
    /// Beyond [`CLIENT_BYTES`].
    held: usize,
    /// A worker has begun with the client.
    is_begun: bool,
}

impl Gate {
    /// A gate that lets `limit` clients in, for as long as there is memory.
    #[must_use]
    pub fn new(limit: usize, memory: Memory) -> Arc<Self> {
        Arc::new(Self {
            limit,
            inside: AtomicUsize::new(0),
            memory,
            waiting: Mutex::new(()),
            left: Condvar::new(),
        })
    }

    /// How many are inside.
    #[must_use]
    pub fn inside(&self) -> usize {
        self.inside.load(Ordering::SeqCst)
    }

    /// The most that may be inside.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// How much memory clients take, and how much they may.
    #[must_use]
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Whether nobody else may enter now.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.inside() >= self.limit || self.memory.is_short(CLIENT_BYTES, Purpose::Client)
    }

    /// Whether nobody else may enter, and idle connections can make room: closed, they leave
    /// something. Where a few clients hold all memory, they would leave next to nothing.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        let inside = self.inside();
        inside >= self.limit || (self.memory.is_taken_by(inside) && self.is_full())
    }

    /// Lets one in. It is for the caller to ask [`Self::is_full`] first.
    #[must_use]
    pub fn enter(self: &Arc<Self>) -> Place {
        self.inside.fetch_add(1, Ordering::SeqCst);
        self.memory.promise(CLIENT_BYTES);
        Place {
            gate: Arc::clone(self),
            held: 0,
            is_begun: false,
        }
    }

    /// Waits until there is room or the time is up; returns whether there is.
    #[must_use]
    pub fn wait_for_room(&self, timeout: Duration) -> bool {
        self.wait_while(|| self.is_full(), timeout)
    }

    /// Waits until nobody is inside or the time is up; returns whether nobody is.
    #[must_use]
    pub fn wait_until_empty(&self, timeout: Duration) -> bool {
        self.wait_while(|| self.inside() > 0, timeout)
    }

    fn wait_while(&self, is_so: impl Fn() -> bool, timeout: Duration) -> bool {
        let guard = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let still = |_: &mut ()| is_so();
        let result = self.left.wait_timeout_while(guard, timeout, still);
        !result.unwrap_or_else(PoisonError::into_inner).1.timed_out() || !is_so()
    }

    fn wake(&self) {
        // Taken so that the wake-up cannot fall between another's look and its wait.
        drop(self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        self.left.notify_all();
    }
}

impl Place {
    /// A worker begins with the client, which takes from the system what it is counted with.
    pub fn begin(&mut self) {
        if !self.is_begun {
            self.is_begun = true;
            self.gate.memory.keep_promise(CLIENT_BYTES);
        }
    }

    /// Holds so much memory from now on instead of what it held before; returns whether it may.
    #[must_use]
    pub fn hold(&mut self, bytes: usize, purpose: Purpose) -> bool {
        let memory = &self.gate.memory;
        if bytes > self.held {
            if !memory.try_take(bytes - self.held, purpose) {
                return false;
            }
        } else if bytes < self.held {
            memory.give_back(self.held - bytes);
        }
        self.held = bytes;
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.begin();
        let was_full = self.gate.is_full();
        self.gate.memory.give_back(CLIENT_BYTES + self.held);
        let before = self.gate.inside.fetch_sub(1, Ordering::SeqCst);
        if was_full || before == 1 {
            self.gate.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_full_gate_opens_when_somebody_leaves() {
        let gate = Gate::new(2, Memory::new(usize::MAX, || u64::MAX));
        let first = gate.enter();
        let _second = gate.enter();
        assert!(gate.is_full() && !gate.wait_for_room(Duration::from_millis(5)));
        thread::scope(|scope| {
            let waiter = scope.spawn(|| gate.wait_for_room(Duration::from_secs(60)));
            drop(first);
            assert!(waiter.join().expect("no panic"));
        });
        assert_eq!(gate.inside(), 1);
        assert!(!gate.wait_until_empty(Duration::from_millis(5)));
    }

    #[test]
    fn a_gate_is_full_when_memory_is_used_up_and_opens_when_it_is_given_back() {
        let gate = Gate::new(100, Memory::new(16 * CLIENT_BYTES, || u64::MAX));
        let (mut first, mut second) = (gate.enter(), gate.enter());
        assert!(first.hold(8 * CLIENT_BYTES, Purpose::Head));
        assert!(!second.hold(5 * CLIENT_BYTES, Purpose::Head));
        assert!(second.hold(4 * CLIENT_BYTES, Purpose::Exchange) && !gate.is_full());
        let others: Vec<Place> = (0..2).map(|_| gate.enter()).collect();
        assert!(gate.is_full());
        thread::scope(|scope| {
            let waiter = scope.spawn(|| gate.wait_for_room(Duration::from_secs(60)));
            drop(first);
            assert!(waiter.join().expect("no panic"));
        });
        assert!(second.hold(0, Purpose::Head));
        assert_eq!(gate.memory().used(), 3 * CLIENT_BYTES);
        drop((second, others));
        assert_eq!(gate.memory().used(), 0);
    }
}
