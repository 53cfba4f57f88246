//! How the system schedules the threads that serve. Must not know what they do.
//!
//! A thread that is woken usually takes the processor from the thread that runs there. A worker
//! is called in the middle of the accept thread's work for each client, and interrupts a client
//! or a backend on this machine after each of its writes. Under `SCHED_BATCH` (Linux, see
//! sched(7)) it waits until they have had their slice, and finds more to do at a time. That is
//! cheaper, and slow where another program never gives the processor up: then each wake-up
//! waits for a whole slice, some milliseconds.
//!
//! With `auto`, each thread asks the kernel now and then how long it ran and how long its
//! wake-ups waited for a processor. `contention` draws the conclusion for all threads together.

mod contention;
mod system;

use contention::{Contention, Usage};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a thread serves before it asks again how long it waited: long enough that a single
/// long wait does not decide, and short enough that the policy changes within two seconds. To
/// ask costs some 10 µs.
const LOOK_AFTER: Duration = Duration::from_millis(250);

/// What the operator asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduling {
    /// [`Policy::Batch`] as long as no other program keeps the processors busy, else normal.
    Auto,
    /// [`Policy::Batch`]: less processor time and more throughput.
    Batch,
    /// [`Policy::Normal`]: like any other thread.
    Normal,
}

/// What the kernel does with a thread that is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// `SCHED_BATCH`: it waits for the threads that run.
    Batch,
    /// `SCHED_OTHER`: it may interrupt them.
    Normal,
}

/// The policy that the threads of one balancer have in common.
#[derive(Debug)]
pub struct SharedPolicy {
    is_batch: AtomicBool,
    /// What `auto` has seen; `None` where the policy is given.
    contention: Option<Mutex<Contention>>,
}

impl SharedPolicy {
    /// The policy that is asked for. With `auto` it is batch as long as nothing speaks against it.
    #[must_use]
    pub fn new(scheduling: Scheduling) -> Self {
        // Without the figures nobody would see that batch is slow here.
        let is_auto = scheduling == Scheduling::Auto && system::usage().is_some();
        Self {
            is_batch: AtomicBool::new(is_auto || scheduling == Scheduling::Batch),
            contention: is_auto.then(|| Mutex::new(Contention::new(Instant::now()))),
        }
    }

    fn policy(&self) -> Policy {
        match self.is_batch.load(Ordering::Relaxed) {
            true => Policy::Batch,
            false => Policy::Normal,
        }
    }

    fn see(&self, usage: Usage, now: Instant) {
        let Some(contention) = &self.contention else {
            return;
        };
        let mut contention = contention.lock().unwrap_or_else(PoisonError::into_inner);
        let policy = contention.see(usage, now);
        self.is_batch
            .store(policy == Policy::Batch, Ordering::Relaxed);
    }
}

/// The scheduling of one thread that serves.
pub struct ThreadPolicy {
    shared: Arc<SharedPolicy>,
    /// Whether the thread's policy is ours to set: not if it or its niceness was set already.
    is_ours: bool,
    applied: Policy,
    looked: Instant,
    usage: Usage,
}

impl ThreadPolicy {
    /// Has the calling thread scheduled by the shared policy from now on. Where that is not
    /// possible, or not allowed, it goes on as before.
    #[must_use]
    pub fn of_this_thread(shared: &Arc<SharedPolicy>) -> Self {
        let mut this = Self {
            shared: Arc::clone(shared),
            is_ours: system::is_usual(),
            applied: Policy::Normal,
            looked: Instant::now(),
            usage: system::usage().unwrap_or_default(),
        };
        this.apply();
        this
    }

    /// To be called between two pieces of work: looks at how long this thread waited, if it is time, and
    /// follows a change of the policy.
    pub fn follow(&mut self) {
        if !self.is_ours {
            return;
        }
        if self.shared.contention.is_some() {
            self.look();
        }
        self.apply();
    }

    fn look(&mut self) {
        let now = Instant::now();
        if now < self.looked + LOOK_AFTER {
            return;
        }
        self.looked = now;
        // Unreadable for once, for want of descriptors: the next look covers this time too.
        if let Some(usage) = system::usage() {
            let before = std::mem::replace(&mut self.usage, usage);
            self.shared.see(usage.since(before), now);
        }
    }

    fn apply(&mut self) {
        let policy = self.shared.policy();
        if self.is_ours && policy != self.applied {
            self.applied = policy;
            system::set_policy(policy);
        }
    }
}

impl fmt::Debug for ThreadPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadPolicy")
            .field("applied", &self.applied)
            .finish_non_exhaustive()
    }
}
