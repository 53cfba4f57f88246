//! The channel between those who find work and the workers who do it, and the one rule that
//! keeps a blocking set of workers from starving.
//!
//! **The last free worker never waits.** A worker may block on a socket only while nobody is
//! queued and another worker stands at the channel, free to take what comes next. So at any
//! moment at least one worker is either free or at work, and a new job waits for work, never
//! for a wait. Must not know what a job is.

use crossbeam_channel::{Receiver, Sender, unbounded};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A queue of jobs. Its length is bounded by the number of connections.
#[derive(Debug)]
pub struct Jobs<J> {
    sender: Sender<Option<J>>,
    receiver: Receiver<Option<J>>,
    demand: Demand,
}

/// How many jobs wait for a worker, and how many workers for a job.
#[derive(Debug, Default)]
pub struct Demand {
    queued: AtomicUsize,
    /// Workers that stand at the channel.
    free: AtomicUsize,
}

impl Demand {
    /// Whether somebody waits for a worker.
    #[must_use]
    pub fn is_queued(&self) -> bool {
        self.queued.load(Ordering::SeqCst) > 0
    }

    /// Whether the worker that asks may wait: nobody is queued and another worker is free.
    ///
    /// Of several that ask, the last to leave the channel sees none free behind it, so never
    /// all of them wait.
    #[must_use]
    pub fn allows_waiting(&self) -> bool {
        self.free.load(Ordering::SeqCst) > 0 && !self.is_queued()
    }
}

impl<J> Default for Jobs<J> {
    fn default() -> Self {
        let (sender, receiver) = unbounded();
        Self {
            sender,
            receiver,
            demand: Demand::default(),
        }
    }
}

impl<J> Jobs<J> {
    /// Adds a job.
    pub fn push(&self, job: J) {
        self.send(Some(job));
    }

    /// The next job, however long it takes; `None` when this worker shall end.
    pub fn take(&self) -> Option<J> {
        self.demand.free.fetch_add(1, Ordering::SeqCst);
        let job = self.receiver.recv();
        self.demand.free.fetch_sub(1, Ordering::SeqCst);
        self.demand.queued.fetch_sub(1, Ordering::SeqCst);
        job.ok().flatten()
    }

    /// Tells so many workers to end, after all that is queued.
    pub fn dismiss(&self, workers: usize) {
        (0..workers).for_each(|_| self.send(None));
    }

    /// Drops whatever is still queued, once the workers have ended.
    pub fn clear(&self) {
        while let Ok(job) = self.receiver.try_recv() {
            self.demand.queued.fetch_sub(1, Ordering::SeqCst);
            drop(job);
        }
    }

    /// What workers ask before they wait.
    #[must_use]
    pub fn demand(&self) -> &Demand {
        &self.demand
    }

    fn send(&self, job: Option<J>) {
        self.demand.queued.fetch_add(1, Ordering::SeqCst);
        // Sending fails only without a receiver, and `self` holds one.
        let _ = self.sender.send(job);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::thread;

    #[test]
    fn the_last_free_worker_may_not_wait() {
        let jobs = Jobs::default();
        let (taken, done) = (Barrier::new(3), Barrier::new(3));
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while let Some(()) = jobs.take() {
                        taken.wait();
                        done.wait();
                    }
                });
            }
            while jobs.demand.free.load(Ordering::SeqCst) < 2 {
                thread::yield_now();
            }
            assert!(jobs.demand().allows_waiting());
            jobs.push(());
            jobs.push(());
            taken.wait();
            assert!(!jobs.demand().allows_waiting(), "both are at work");
            jobs.push(());
            assert!(jobs.demand().is_queued());
            done.wait();
            jobs.dismiss(2);
            // The third job needs its partners at the barriers too.
            scope.spawn(|| (taken.wait(), done.wait()));
            taken.wait();
            done.wait();
        });
    }
}
