//! How many clients are inside, and how many may be.
//!
//! The accept thread asks for room before it takes the next client out of the kernel's queue.
//! Each client holds a [`Place`] from then on, wherever it is: queued, with a worker, parked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// The count and its limit.
#[derive(Debug)]
pub struct Gate {
    limit: usize,
    inside: AtomicUsize,
    /// Only for waiting; the count is the atomic one.
    waiting: Mutex<()>,
    left: Condvar,
}

/// One client's place; dropping it makes room.
#[derive(Debug)]
pub struct Place(Arc<Gate>);

impl Gate {
    /// A gate that lets `limit` clients in.
    #[must_use]
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            inside: AtomicUsize::new(0),
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

    /// Whether nobody else may enter now.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.inside() >= self.limit
    }

    /// Lets one in. It is for the caller to ask [`Self::is_full`] first.
    #[must_use]
    pub fn enter(self: &Arc<Self>) -> Place {
        self.inside.fetch_add(1, Ordering::SeqCst);
        Place(Arc::clone(self))
    }

    /// Waits until there is room or the time is up; returns whether there is.
    #[must_use]
    pub fn wait_for_room(&self, timeout: Duration) -> bool {
        self.wait_below(self.limit, timeout)
    }

    /// Waits until nobody is inside or the time is up; returns whether nobody is.
    #[must_use]
    pub fn wait_until_empty(&self, timeout: Duration) -> bool {
        self.wait_below(1, timeout)
    }

    fn wait_below(&self, count: usize, timeout: Duration) -> bool {
        let guard = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let still_full = |_: &mut ()| self.inside() >= count;
        let result = self.left.wait_timeout_while(guard, timeout, still_full);
        !result.unwrap_or_else(PoisonError::into_inner).1.timed_out() || self.inside() < count
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let before = self.0.inside.fetch_sub(1, Ordering::SeqCst);
        if before >= self.0.limit || before == 1 {
            // Taken so that the wake-up cannot fall between another's look and its wait.
            drop(
                self.0
                    .waiting
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner),
            );
            self.0.left.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_full_gate_opens_when_somebody_leaves() {
        let gate = Gate::new(2);
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
}
