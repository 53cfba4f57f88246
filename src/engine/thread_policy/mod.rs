//! How the system schedules the workers and the accept thread. Must not know what they do.
//!
//! A thread that is woken usually takes the processor from the thread that runs there: a worker
//! interrupts the accept thread at each client, and a client or backend on the same machine after each
//! of its writes. Under `SCHED_BATCH` (Linux, sched(7)) it waits until they have had their time slice,
//! and finds more to do at a time. This is cheaper. It is slow where another program never gives up
//! the processor, because then each wake-up waits for a whole slice of some milliseconds.
//!
//! With `auto`, each thread asks the kernel now and then how long it ran and how long it waited for a
//! processor. `contention` decides for all threads together.

mod contention;
mod system;

use contention::{Contention, Usage};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a thread asks how long it waited. Long enough that a single long wait does not decide,
/// short enough that the policy changes within two seconds. To ask costs some 10 µs.
const CHECK_INTERVAL: Duration = Duration::from_millis(250);

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

impl Scheduling {
    /// The values as they are written.
    pub const WORDS: [(&'static str, Self); 3] = [
        ("auto", Self::Auto),
        ("batch", Self::Batch),
        ("normal", Self::Normal),
    ];
}

/// What the kernel does with a thread that is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// `SCHED_BATCH`: it waits for the threads that run.
    Batch,
    /// `SCHED_OTHER`: it may interrupt them.
    Normal,
}

/// The policy that the threads of one engine share.
#[derive(Debug)]
pub struct SharedPolicy {
    is_batch: AtomicBool,
    /// What `auto` has seen; `None` if the policy is set.
    contention: Option<Mutex<Contention>>,
}

impl SharedPolicy {
    /// The policy that is set. With `auto`, batch until contention is seen.
    #[must_use]
    pub fn new(scheduling: Scheduling) -> Self {
        // Without the kernel's figures nothing would show that batch is slow here.
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

    fn note(&self, usage: Usage, now: Instant) {
        let Some(contention) = &self.contention else {
            return;
        };
        let mut contention = contention.lock().unwrap_or_else(PoisonError::into_inner);
        let policy = contention.note(usage, now);
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
    checked: Instant,
    usage: Usage,
}

impl ThreadPolicy {
    /// Applies the shared policy to the calling thread from now on. Where that is not possible, or not
    /// allowed, the thread goes on as before.
    #[must_use]
    pub fn of_this_thread(shared: &Arc<SharedPolicy>) -> Self {
        let mut this = Self {
            shared: Arc::clone(shared),
            is_ours: system::is_usual(),
            applied: Policy::Normal,
            checked: Instant::now(),
            usage: system::usage().unwrap_or_default(),
        };
        this.apply();
        this
    }

    /// Checks how long this thread waited, if it is time, and applies a change of the policy. To be
    /// called between two pieces of work.
    pub fn follow(&mut self) {
        if !self.is_ours {
            return;
        }
        if self.shared.contention.is_some() {
            self.check();
        }
        self.apply();
    }

    fn check(&mut self) {
        let now = Instant::now();
        if now < self.checked + CHECK_INTERVAL {
            return;
        }
        self.checked = now;
        // If it cannot be read, because descriptors are short, the next check covers this time too.
        if let Some(usage) = system::usage() {
            let before = std::mem::replace(&mut self.usage, usage);
            self.shared.note(usage.since(before), now);
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
