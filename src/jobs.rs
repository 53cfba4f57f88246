//! The channel between those who find work and the workers who do it.
//!
//! The accept thread pushes clients, the checker and others push sessions that have to look
//! again, and whoever minds the lot pushes those that are ready. Jobs that finish what others
//! have begun may go first ([`Jobs::putting_first`]). Must not know what a job is.

use crate::crew::{Crew, Duty};
use crossbeam_channel::{Receiver, Sender, unbounded};

/// Jobs that one worker takes in a row before it looks into the lot, should nobody have time
/// to mind it: a fraction of a millisecond. With 16 or 128, at 4000 busy connections, a request
/// costs three or four percent more.
const JOBS_PER_GLANCE: usize = 64;

/// So many jobs does a turn count for that was ended for others' sake: it was a long one.
const JOBS_PER_YIELD: usize = 16;

/// A queue of jobs. Its length is bounded by the number of connections.
#[derive(Debug)]
pub struct Jobs<J> {
    first: Queue<J>,
    others: Queue<J>,
    goes_first: fn(&J) -> bool,
    crew: Crew,
}

#[derive(Debug)]
struct Queue<J> {
    sender: Sender<J>,
    receiver: Receiver<J>,
}

impl<J> Default for Queue<J> {
    fn default() -> Self {
        let (sender, receiver) = unbounded();
        Self { sender, receiver }
    }
}

/// How to look for jobs that are not queued yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Minding {
    /// For as long as there are none and nobody calls.
    Wait,
    /// Only those that are there.
    Glance,
}

/// One worker's way through the queue.
#[derive(Debug)]
pub struct Round<J> {
    /// Jobs to take before this worker looks into the lot again.
    until_glance: usize,
    /// What it found there; empty but for a moment.
    found: Vec<J>,
}

impl<J> Default for Round<J> {
    fn default() -> Self {
        Self {
            until_glance: JOBS_PER_GLANCE,
            found: Vec::new(),
        }
    }
}

impl<J> Round<J> {
    /// The last job was long, and is queued again.
    pub fn see_yield(&mut self) {
        self.until_glance = self.until_glance.saturating_sub(JOBS_PER_YIELD - 1);
    }
}

impl<J> Jobs<J> {
    /// An empty queue. Two values for the [`Crew`]: how many workers are enough, and what ends
    /// the `mind` of [`Self::take`].
    pub fn new(enough: usize, call_minder: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            first: Queue::default(),
            others: Queue::default(),
            goes_first: |_| false,
            crew: Crew::new(enough, call_minder),
        }
    }

    /// Has some jobs taken before all others. It is for the caller that these become rare when
    /// none of the others is taken: else those would wait for ever.
    #[must_use]
    pub fn putting_first(self, goes_first: fn(&J) -> bool) -> Self {
        Self { goes_first, ..self }
    }

    /// Adds a job.
    pub fn push(&self, job: J) {
        let queue = match (self.goes_first)(&job) {
            true => &self.first,
            false => &self.others,
        };
        self.crew.add_job(|| {
            // It fails only without a receiver, and `self` holds one.
            let _ = queue.sender.send(job);
        });
    }

    /// The next job, however long it takes; `None` when this worker, which has joined the
    /// [`Self::crew`], shall end. `mind` looks after the lot and collects what is ready there.
    pub fn take(
        &self,
        round: &mut Round<J>,
        mut mind: impl FnMut(Minding, &mut Vec<J>),
    ) -> Option<J> {
        round.until_glance = round.until_glance.saturating_sub(1);
        if round.until_glance == 0 && self.crew.begin_glance() {
            mind(Minding::Glance, &mut round.found);
            self.hand_out(round);
        }
        loop {
            if let Some(job) = self.queued() {
                return Some(job);
            }
            match self.crew.go_idle() {
                Duty::Look => {}
                Duty::Leave => return None,
                Duty::Mind => {
                    mind(Minding::Wait, &mut round.found);
                    self.hand_out(round);
                }
            }
        }
    }

    fn queued(&self) -> Option<J> {
        let first = self.first.receiver.try_recv();
        let job = first.or_else(|_| self.others.receiver.try_recv()).ok()?;
        self.crew.remove_job();
        Some(job)
    }

    /// Queues what was found. Most of it this worker will take itself.
    fn hand_out(&self, round: &mut Round<J>) {
        self.crew.end_minding();
        round.until_glance = JOBS_PER_GLANCE;
        round.found.drain(..).for_each(|job| self.push(job));
    }

    /// Drops whatever is still queued, once the workers have ended.
    pub fn clear(&self) {
        while self.queued().is_some() {}
    }

    /// Those who take.
    #[must_use]
    pub fn crew(&self) -> &Crew {
        &self.crew
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_in_the_lot_is_done_in_its_order_and_the_queue_before_it() {
        let jobs = Jobs::new(1, || ());
        jobs.crew().join();
        let mut round = Round::default();
        jobs.push(1);
        let mut next = |found: &[i32]| {
            jobs.take(&mut round, |minding, jobs| {
                assert_eq!(minding, Minding::Wait);
                jobs.extend(found);
            })
        };
        assert_eq!(next(&[]), Some(1));
        assert_eq!([next(&[2, 3]), next(&[])], [Some(2), Some(3)]);
        jobs.crew().close();
        assert_eq!(next(&[]), None);
    }

    #[test]
    fn some_jobs_are_taken_before_those_that_came_before_them() {
        let jobs = Jobs::new(1, || ()).putting_first(|job| job % 2 == 1);
        jobs.crew().join();
        let mut round = Round::default();
        [2, 4, 1, 6, 3].into_iter().for_each(|job| jobs.push(job));
        let taken = [(); 5].map(|()| jobs.take(&mut round, |_, _| ()));
        assert_eq!(taken, [1, 3, 2, 4, 6].map(Some));
    }

    #[test]
    fn a_queue_that_is_never_empty_does_not_keep_the_lot_unseen() {
        let jobs = Jobs::new(1, || ());
        jobs.crew().join();
        let (mut round, mut glances) = (Round::default(), 0);
        jobs.push(0);
        for _ in 0..3 * JOBS_PER_GLANCE {
            jobs.push(0);
            jobs.take(&mut round, |_, _| glances += 1);
        }
        assert_eq!(glances, 3);
    }

    #[test]
    fn long_jobs_bring_the_look_into_the_lot_nearer() {
        let jobs = Jobs::new(1, || ());
        jobs.crew().join();
        let (mut round, mut glances) = (Round::default(), 0);
        jobs.push(0);
        for _ in 0..JOBS_PER_GLANCE / JOBS_PER_YIELD {
            round.see_yield();
            jobs.push(0);
            jobs.take(&mut round, |_, _| glances += 1);
        }
        assert_eq!(glances, 1);
    }
}
