//! Which workers run, which one polls the lot, and which sleep. The protocol is described in
//! [`super`]; this file is its state machine.
//!
//! Must not know what a job is, nor how the lot is polled.
//!
//! # Atomic orders
//!
//! Two threads decide at the same time: one adds a job and looks for a running worker, the other
//! stops running and looks for a job. Each writes one counter and then reads the other one's. If
//! both reads could overtake the writes, the job would lie in the queue while every worker sleeps.
//! Only a total order over both counters excludes that, so all of them are `SeqCst`. On x86-64
//! that costs nothing for the additions, which are locked instructions in any case.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};

/// Jobs per running worker before another worker is woken. A job takes some microseconds, a
/// wake-up costs about as much as this many of them.
const JOBS_PER_WORKER: usize = 16;

/// Counts the workers by what they do.
pub struct Scheduler {
    /// Jobs in the queue.
    queued: AtomicUsize,
    /// Workers that have a job, look for one, or were woken to do so.
    running: AtomicUsize,
    /// Running workers that block in a call on a socket.
    blocked: AtomicUsize,
    is_closing: AtomicBool,
    /// No more workers than this are woken to run side by side, whatever is queued.
    side_by_side: usize,
    idle: Mutex<Idle>,
    /// Makes the leader's poll return.
    interrupt_poll: Box<dyn Fn() + Send + Sync>,
}

/// The workers without a job.
#[derive(Debug, Default)]
struct Idle {
    /// The one that fell asleep last is woken first: its data is still in the caches, and under
    /// little load the others never wake.
    followers: Vec<Thread>,
    leader: Leader,
}

/// Whether a worker polls the lot.
#[derive(Debug, Default, PartialEq, Eq)]
enum Leader {
    #[default]
    Absent,
    /// The next worker without a job has to poll, because a worker blocks on a socket and relies
    /// on it.
    Wanted,
    Polling,
    /// It polls, and its poll was interrupted; or it polls without waiting.
    Called,
}

/// What a worker without a job does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// Look for a job again.
    TakeJob,
    /// Poll the lot, then call [`Scheduler::end_poll`].
    Poll,
    /// Return from the thread.
    Exit,
}

impl Scheduler {
    /// A scheduler without workers. At most `side_by_side` of them are woken to run at the same
    /// time, not counting those that block. `interrupt_poll` must make the leader's poll return.
    pub fn new(side_by_side: usize, interrupt_poll: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            side_by_side,
            queued: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            blocked: AtomicUsize::new(0),
            is_closing: AtomicBool::new(false),
            idle: Mutex::default(),
            interrupt_poll: Box::new(interrupt_poll),
        }
    }

    /// Counts the calling thread as a running worker.
    pub fn add_worker(&self) {
        self.running.fetch_add(1, SeqCst);
    }

    /// Whether a job is queued.
    #[must_use]
    pub fn has_queued(&self) -> bool {
        self.queued.load(SeqCst) > 0
    }

    /// Counts a job, has it queued by `queue`, and wakes a worker if the running ones do not
    /// suffice.
    // spine 04
    pub fn add_job(&self, queue: impl FnOnce()) {
        let queued = self.queued.fetch_add(1, SeqCst) + 1;
        queue();
        let busy = self.busy();
        if busy == 0 || (busy < self.side_by_side && queued > busy * JOBS_PER_WORKER) {
            self.wake_one();
        }
    }

    /// Running workers that do not block.
    fn busy(&self) -> usize {
        let blocked = self.blocked.load(SeqCst);
        self.running.load(SeqCst).saturating_sub(blocked)
    }

    /// A job was taken from the queue.
    pub fn remove_job(&self) {
        self.queued.fetch_sub(1, SeqCst);
    }

    /// Asks whether the calling worker may block on a socket. If so, [`Self::end_blocking`] must
    /// follow. Makes sure that a leader polls the lot meanwhile.
    #[must_use]
    // spine 35
    pub fn begin_blocking(&self) -> bool {
        let is_alone = self.running.load(SeqCst) == 1;
        if self.has_queued() || !is_alone || !self.ensure_leader() {
            return false;
        }
        self.blocked.fetch_add(1, SeqCst);
        // A thread that queued a job just before saw this worker running, and woke no other.
        let may_block = !self.has_queued();
        if !may_block {
            self.end_blocking();
        }
        may_block
    }

    /// The calling worker blocks no longer.
    pub fn end_blocking(&self) {
        self.blocked.fetch_sub(1, SeqCst);
    }

    /// Makes sure that a worker polls the lot, if need be by waking a follower. Returns false if
    /// there is none to wake.
    #[must_use]
    pub fn ensure_leader(&self) -> bool {
        let mut idle = self.lock_idle();
        if idle.leader != Leader::Absent {
            return true;
        }
        let Some(follower) = self.take_follower(&mut idle) else {
            return false;
        };
        idle.leader = Leader::Wanted;
        drop(idle);
        follower.unpark();
        true
    }

    /// The calling worker has found no job. Returns what it does next, after a sleep if there is
    /// nothing to do.
    // spine 07
    pub fn go_idle(&self) -> NextStep {
        let mut idle = self.lock_idle();
        self.running.fetch_sub(1, SeqCst);
        if self.has_queued() {
            self.running.fetch_add(1, SeqCst);
            return NextStep::TakeJob;
        }
        if self.is_closing.load(SeqCst) {
            return NextStep::Exit;
        }
        let becomes_leader = match idle.leader {
            Leader::Wanted => true,
            // With enough workers running, one of them polls when it has no more jobs.
            Leader::Absent => self.busy() < self.side_by_side,
            Leader::Polling | Leader::Called => false,
        };
        if becomes_leader {
            idle.leader = Leader::Polling;
            return NextStep::Poll;
        }
        let this = thread::current();
        idle.followers.push(this.clone());
        drop(idle);
        self.sleep(&this);
        NextStep::TakeJob
    }

    /// Sleeps until the calling worker, `this`, is no longer among the followers.
    fn sleep(&self, this: &Thread) {
        let is_follower = |idle: &Idle| idle.followers.iter().any(|one| one.id() == this.id());
        while is_follower(&self.lock_idle()) {
            thread::park();
        }
    }

    /// Asks whether the calling worker, which runs, may poll the lot once without waiting. If so,
    /// [`Self::end_poll`] must follow.
    #[must_use]
    pub fn begin_poll_now(&self) -> bool {
        let mut idle = self.lock_idle();
        let is_free = matches!(idle.leader, Leader::Absent | Leader::Wanted);
        if is_free {
            // It runs already, so nothing has to call it.
            idle.leader = Leader::Called;
        }
        is_free
    }

    /// The calling worker polls no longer, and runs.
    pub fn end_poll(&self) {
        let mut idle = self.lock_idle();
        if idle.leader == Leader::Polling {
            self.running.fetch_add(1, SeqCst);
        }
        idle.leader = Leader::Absent;
    }

    /// Makes every worker exit once nothing is queued.
    pub fn close(&self) {
        self.is_closing.store(true, SeqCst);
        while self.wake_one() {}
    }

    /// Wakes an idle worker; returns whether there was one.
    fn wake_one(&self) -> bool {
        self.wake_follower() || self.call_leader()
    }

    fn wake_follower(&self) -> bool {
        let follower = self.take_follower(&mut self.lock_idle());
        follower.is_some_and(|follower| {
            follower.unpark();
            true
        })
    }

    /// Takes a follower out, to be unparked when the lock is released.
    fn take_follower(&self, idle: &mut Idle) -> Option<Thread> {
        let follower = idle.followers.pop()?;
        self.running.fetch_add(1, SeqCst);
        Some(follower)
    }

    fn call_leader(&self) -> bool {
        let mut idle = self.lock_idle();
        if idle.leader != Leader::Polling {
            return false;
        }
        idle.leader = Leader::Called;
        self.running.fetch_add(1, SeqCst);
        drop(idle);
        (self.interrupt_poll)();
        true
    }

    fn lock_idle(&self) -> MutexGuard<'_, Idle> {
        // Nothing that could panic runs under the lock.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduler")
            .field("queued", &self.queued)
            .field("running", &self.running)
            .field("blocked", &self.blocked)
            .field("idle", &self.idle)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, channel};

    /// A scheduler with one running worker; the receiver gets a message for each interrupted poll.
    fn scheduler(side_by_side: usize) -> (Scheduler, Receiver<()>) {
        let (sender, receiver) = channel();
        let scheduler = Scheduler::new(side_by_side, move || sender.send(()).expect("open"));
        scheduler.add_worker();
        (scheduler, receiver)
    }

    fn wait_for_followers(scheduler: &Scheduler, count: usize) {
        while scheduler.lock_idle().followers.len() < count {
            thread::yield_now();
        }
    }

    #[test]
    fn a_worker_blocks_only_alone_with_nothing_queued_and_the_lot_polled() {
        let (scheduler, calls) = scheduler(2);
        assert!(!scheduler.begin_blocking(), "nobody would poll the lot");
        scheduler.add_worker();
        assert_eq!(scheduler.go_idle(), NextStep::Poll);
        assert!(scheduler.begin_blocking());
        scheduler.end_blocking();
        scheduler.add_worker();
        assert!(!scheduler.begin_blocking(), "another worker runs");
        assert!(calls.try_recv().is_err());
        scheduler.add_job(|| ());
        assert!(!scheduler.begin_blocking(), "a job is queued");
    }

    #[test]
    fn a_running_worker_is_left_some_jobs_before_another_is_woken() {
        let (scheduler, calls) = scheduler(2);
        scheduler.add_worker();
        assert_eq!(scheduler.go_idle(), NextStep::Poll);
        (0..JOBS_PER_WORKER).for_each(|_| scheduler.add_job(|| ()));
        assert!(calls.try_recv().is_err());
        scheduler.add_job(|| ());
        assert!(calls.try_recv().is_ok());
        scheduler.add_job(|| ());
        assert!(calls.try_recv().is_err(), "it is on its way");
        scheduler.end_poll();
        assert_eq!(scheduler.running.load(SeqCst), 2);
    }

    #[test]
    fn a_blocked_worker_is_not_counted_on() {
        let (scheduler, calls) = scheduler(2);
        scheduler.add_worker();
        assert_eq!(scheduler.go_idle(), NextStep::Poll);
        assert!(scheduler.begin_blocking());
        scheduler.add_job(|| ());
        assert!(calls.try_recv().is_ok());
    }

    #[test]
    fn where_enough_workers_run_the_lot_is_left_to_them() {
        let (scheduler, calls) = scheduler(1);
        let scheduler = Arc::new(scheduler);
        scheduler.add_worker();
        let other = Arc::clone(&scheduler);
        let follower = thread::spawn(move || other.go_idle());
        wait_for_followers(&scheduler, 1);
        (0..2 * JOBS_PER_WORKER).for_each(|_| scheduler.add_job(|| ()));
        (0..2 * JOBS_PER_WORKER).for_each(|_| scheduler.remove_job());
        assert_eq!(scheduler.go_idle(), NextStep::Poll);
        scheduler.end_poll();
        assert!(scheduler.begin_blocking(), "the follower can poll");
        assert_eq!(follower.join().expect("no panic"), NextStep::TakeJob);
        assert!(calls.try_recv().is_err());
    }

    #[test]
    fn a_follower_that_is_woken_to_poll_does_so_although_the_other_worker_is_busy_again() {
        let (scheduler, _calls) = scheduler(1);
        let scheduler = Arc::new(scheduler);
        scheduler.add_worker();
        let other = Arc::clone(&scheduler);
        let follower = thread::spawn(move || [other.go_idle(), other.go_idle()]);
        wait_for_followers(&scheduler, 1);
        assert!(scheduler.begin_blocking());
        scheduler.end_blocking();
        let steps = follower.join().expect("no panic");
        assert_eq!(steps, [NextStep::TakeJob, NextStep::Poll]);
    }

    #[test]
    fn every_worker_exits_when_it_is_closed() {
        let (scheduler, _calls) = scheduler(9);
        let scheduler = Arc::new(scheduler);
        (1..4).for_each(|_| scheduler.add_worker());
        assert_eq!(scheduler.go_idle(), NextStep::Poll);
        let followers: Vec<_> = (0..3)
            .map(|_| {
                let scheduler = Arc::clone(&scheduler);
                thread::spawn(move || scheduler.go_idle())
            })
            .collect();
        wait_for_followers(&scheduler, 3);
        scheduler.close();
        for follower in followers {
            assert_eq!(follower.join().expect("no panic"), NextStep::TakeJob);
            assert_eq!(scheduler.go_idle(), NextStep::Exit);
        }
        scheduler.end_poll();
        assert_eq!(scheduler.go_idle(), NextStep::Exit);
    }
}
