//! The queue between the threads that find work and the workers.
//!
//! The accept thread pushes clients, the health thread pushes sessions that have to look again,
//! and the leader pushes sessions that became ready. Jobs that finish work under way may be taken
//! before the others ([`Queue::putting_first`]). Must not know what a job is.

use super::scheduler::{NextStep, Scheduler};
use crossbeam_channel::{Receiver, Sender, unbounded};

/// Jobs that a worker takes in a row before it polls the lot itself, in case no other worker is
/// free to do so: a fraction of a millisecond. With 16 or 128, at 4000 busy connections, a request
/// costs three or four percent more.
const JOBS_PER_POLL: usize = 64;

/// A turn that was ended because other sessions wait counts as this many jobs: it was long.
const JOBS_PER_YIELD: usize = 16;

/// A queue of jobs. Its length is bounded by the number of connections.
#[derive(Debug)]
pub struct Queue<J> {
    first: Channel<J>,
    others: Channel<J>,
    goes_first: fn(&J) -> bool,
    scheduler: Scheduler,
}

#[derive(Debug)]
struct Channel<J> {
    sender: Sender<J>,
    receiver: Receiver<J>,
}

impl<J> Default for Channel<J> {
    fn default() -> Self {
        let (sender, receiver) = unbounded();
        Self { sender, receiver }
    }
}

/// How long a poll of the lot may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poll {
    /// Until a session is ready or due, or the poll is interrupted.
    Wait,
    /// No time: only what is ready now.
    Now,
}

/// What one worker remembers between two jobs.
#[derive(Debug)]
pub struct Taker<J> {
    /// Jobs until this worker polls the lot again.
    until_poll: usize,
    /// What a poll has found; empty except during one.
    found: Vec<J>,
}

impl<J> Default for Taker<J> {
    fn default() -> Self {
        Self {
            until_poll: JOBS_PER_POLL,
            found: Vec::new(),
        }
    }
}

impl<J> Taker<J> {
    /// Notes that the last job was long, and is queued again.
    pub fn note_yield(&mut self) {
        self.until_poll = self.until_poll.saturating_sub(JOBS_PER_YIELD - 1);
    }
}

impl<J> Queue<J> {
    /// An empty queue. Both arguments are those of [`Scheduler::new`].
    pub fn new(side_by_side: usize, interrupt_poll: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            first: Channel::default(),
            others: Channel::default(),
            goes_first: |_| false,
            scheduler: Scheduler::new(side_by_side, interrupt_poll),
        }
    }

    /// Jobs for which `goes_first` holds are taken before all others. The caller has to make sure
    /// that they become rare when no other job is taken; otherwise the others would starve.
    #[must_use]
    pub fn putting_first(self, goes_first: fn(&J) -> bool) -> Self {
        Self { goes_first, ..self }
    }

    /// Adds a job.
    // spine 03
    pub fn push(&self, job: J) {
        let channel = match (self.goes_first)(&job) {
            true => &self.first,
            false => &self.others,
        };
        self.scheduler.add_job(|| {
            // It fails only without a receiver, and `self` holds one.
            let _ = channel.sender.send(job);
        });
    }

    /// Returns the next job, however long it takes; `None` when the calling worker has to exit.
    /// `poll` polls the lot and appends what is ready.
    // spine 06
    pub fn take(&self, taker: &mut Taker<J>, mut poll: impl FnMut(Poll, &mut Vec<J>)) -> Option<J> {
        taker.until_poll = taker.until_poll.saturating_sub(1);
        if taker.until_poll == 0 && self.scheduler.begin_poll_now() {
            poll(Poll::Now, &mut taker.found);
            self.end_poll(taker);
        }
        loop {
            if let Some(job) = self.try_take() {
                return Some(job);
            }
            match self.scheduler.go_idle() {
                NextStep::TakeJob => {}
                NextStep::Exit => return None,
                NextStep::Poll => {
                    poll(Poll::Wait, &mut taker.found);
                    self.end_poll(taker);
                }
            }
        }
    }

    /// The channels are only ever tried: the scheduler decides which worker sleeps.
    fn try_take(&self) -> Option<J> {
        let first = self.first.receiver.try_recv();
        let job = first.or_else(|_| self.others.receiver.try_recv()).ok()?;
        self.scheduler.remove_job();
        Some(job)
    }

    /// Queues what was found. This worker will take most of it itself.
    fn end_poll(&self, taker: &mut Taker<J>) {
        self.scheduler.end_poll();
        taker.until_poll = JOBS_PER_POLL;
        taker.found.drain(..).for_each(|job| self.push(job));
    }

    /// Drops the jobs that are left when the workers have exited.
    pub fn clear(&self) {
        while self.try_take().is_some() {}
    }

    /// The scheduler of the workers that take from this queue.
    #[must_use]
    pub fn scheduler(&self) -> &Scheduler {
        &self.scheduler
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_poll_finds_is_taken_in_its_order_and_the_queue_before_it() {
        let queue = Queue::new(1, || ());
        queue.scheduler().add_worker();
        let mut taker = Taker::default();
        queue.push(1);
        let mut next = |found: &[i32]| {
            queue.take(&mut taker, |poll, jobs| {
                assert_eq!(poll, Poll::Wait);
                jobs.extend(found);
            })
        };
        assert_eq!(next(&[]), Some(1));
        assert_eq!([next(&[2, 3]), next(&[])], [Some(2), Some(3)]);
        queue.scheduler().close();
        assert_eq!(next(&[]), None);
    }

    #[test]
    fn some_jobs_are_taken_before_those_that_were_queued_before_them() {
        let queue = Queue::new(1, || ()).putting_first(|job| job % 2 == 1);
        queue.scheduler().add_worker();
        let mut taker = Taker::default();
        [2, 4, 1, 6, 3].into_iter().for_each(|job| queue.push(job));
        let taken = [(); 5].map(|()| queue.take(&mut taker, |_, _| ()));
        assert_eq!(taken, [1, 3, 2, 4, 6].map(Some));
    }

    #[test]
    fn the_lot_is_polled_although_the_queue_is_never_empty() {
        let queue = Queue::new(1, || ());
        queue.scheduler().add_worker();
        let (mut taker, mut polls) = (Taker::default(), 0);
        queue.push(0);
        for _ in 0..3 * JOBS_PER_POLL {
            queue.push(0);
            queue.take(&mut taker, |_, _| polls += 1);
        }
        assert_eq!(polls, 3);
    }

    #[test]
    fn long_turns_bring_the_next_poll_nearer() {
        let queue = Queue::new(1, || ());
        queue.scheduler().add_worker();
        let (mut taker, mut polls) = (Taker::default(), 0);
        queue.push(0);
        for _ in 0..JOBS_PER_POLL / JOBS_PER_YIELD {
            taker.note_yield();
            queue.push(0);
            queue.take(&mut taker, |_, _| polls += 1);
        }
        assert_eq!(polls, 1);
    }
}
