//! Who of the workers works, who minds the lot, and who sleeps.
//!
//! A wake-up costs as much processor time as half a request, so nobody is woken without need:
//! one worker goes through what is ready like a clerk through a tray, and another is called
//! only when more is queued than those at work will soon have done. Whoever finds nothing to
//! do minds the lot; only if somebody does that already, it sleeps.
//!
//! What keeps a blocking set of workers from starving is one rule: **a worker waits on a
//! socket only while it is the only one at work, nobody is queued, and another minds the
//! lot.** So of everybody else's requests none ever waits for a wait.
//!
//! Must not know what a job is, nor how the lot is minded.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};

/// Jobs that one worker at work is left to do before another is called: at some microseconds
/// each about what calling somebody costs.
const JOBS_PER_WORKER: usize = 16;

/// The workers, counted by what they do.
pub struct Crew {
    queued: AtomicUsize,
    /// Those who have a job, look for one, or have been called to do so.
    at_work: AtomicUsize,
    /// Of those, the ones that wait on a socket.
    waiting: AtomicUsize,
    is_closing: AtomicBool,
    /// So many at work are enough, whatever is queued.
    enough: usize,
    idle: Mutex<Idle>,
    /// Ends the minding of the lot.
    call_minder: Box<dyn Fn() + Send + Sync>,
}

/// Those who have nothing to do.
#[derive(Debug, Default)]
struct Idle {
    /// Whoever fell asleep last is called first: what it works with is still in the caches,
    /// and under little load the others are never woken.
    asleep: Vec<Thread>,
    minder: Minder,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Minder {
    #[default]
    Nobody,
    /// The next one without a job has to, because somebody waits on a socket and counts on it.
    Wanted,
    Waits,
    Called,
}

/// What a worker without a job is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// Look for a job again.
    Look,
    /// Mind the lot, then say so with [`Crew::end_minding`].
    Mind,
    /// End.
    Leave,
}

impl Crew {
    /// A crew without members, of whom never more are called to work side by side, without
    /// waiting, than are `enough`. `call_minder` has to end the minding of the lot.
    pub fn new(enough: usize, call_minder: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            enough,
            queued: AtomicUsize::new(0),
            at_work: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            is_closing: AtomicBool::new(false),
            idle: Mutex::default(),
            call_minder: Box::new(call_minder),
        }
    }

    /// The worker that calls is a member from now on.
    pub fn join(&self) {
        self.at_work.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether somebody waits for a worker.
    #[must_use]
    pub fn is_queued(&self) -> bool {
        self.queued.load(Ordering::SeqCst) > 0
    }

    /// Counts a job, has it queued, and calls another worker if those at work are not enough.
    pub fn add_job(&self, queue: impl FnOnce()) {
        let queued = self.queued.fetch_add(1, Ordering::SeqCst) + 1;
        queue();
        // Whoever goes idle looks at the queue after it has left, so that one of us sees the other.
        let busy = self.busy();
        if busy == 0 || (busy < self.enough && queued > busy * JOBS_PER_WORKER) {
            self.call_one();
        }
    }

    /// Those at work who do not wait.
    fn busy(&self) -> usize {
        let waiting = self.waiting.load(Ordering::SeqCst);
        self.at_work.load(Ordering::SeqCst).saturating_sub(waiting)
    }

    /// A job was taken out of the queue.
    pub fn remove_job(&self) {
        self.queued.fetch_sub(1, Ordering::SeqCst);
    }

    /// Lets the calling worker wait on a socket, if the rule allows it; then
    /// [`Self::end_waiting`] must follow. Has somebody mind the lot first.
    #[must_use]
    pub fn begin_waiting(&self) -> bool {
        let is_alone = self.at_work.load(Ordering::SeqCst) == 1;
        if self.is_queued() || !is_alone || !self.has_minder() {
            return false;
        }
        self.waiting.fetch_add(1, Ordering::SeqCst);
        // Who queued something a moment ago counted on this worker.
        let may_wait = !self.is_queued();
        if !may_wait {
            self.end_waiting();
        }
        may_wait
    }

    /// The calling worker waits no longer.
    pub fn end_waiting(&self) {
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether somebody minds the lot, or will as soon as it is awake: one who sleeps is called.
    #[must_use]
    pub fn has_minder(&self) -> bool {
        let mut idle = self.idle();
        if idle.minder != Minder::Nobody {
            return true;
        }
        let Some(sleeper) = self.wake(&mut idle) else {
            return false;
        };
        idle.minder = Minder::Wanted;
        drop(idle);
        sleeper.unpark();
        true
    }

    /// The calling worker has found no job: says what to do, if need be after a sleep.
    pub fn go_idle(&self) -> Duty {
        let mut idle = self.idle();
        self.at_work.fetch_sub(1, Ordering::SeqCst);
        if self.is_queued() {
            self.at_work.fetch_add(1, Ordering::SeqCst);
            return Duty::Look;
        }
        if self.is_closing.load(Ordering::SeqCst) {
            return Duty::Leave;
        }
        // Enough at work mind it themselves when they are done.
        let is_needed = match idle.minder {
            Minder::Wanted => true,
            Minder::Nobody => self.busy() < self.enough,
            Minder::Waits | Minder::Called => false,
        };
        if is_needed {
            idle.minder = Minder::Waits;
            return Duty::Mind;
        }
        let this = thread::current();
        idle.asleep.push(this.clone());
        drop(idle);
        self.sleep(&this);
        Duty::Look
    }

    /// Until the calling worker, `this`, is no longer among those asleep.
    fn sleep(&self, this: &Thread) {
        let is_asleep = |idle: &Idle| idle.asleep.iter().any(|one| one.id() == this.id());
        while is_asleep(&self.idle()) {
            thread::park();
        }
    }

    /// The calling worker, at work, looks into the lot for a moment, if nobody minds it.
    #[must_use]
    pub fn begin_glance(&self) -> bool {
        let mut idle = self.idle();
        let is_free = matches!(idle.minder, Minder::Nobody | Minder::Wanted);
        if is_free {
            // It is at work, so there is nothing to call it for.
            idle.minder = Minder::Called;
        }
        is_free
    }

    /// The calling worker minds the lot no longer, and is at work.
    pub fn end_minding(&self) {
        let mut idle = self.idle();
        if idle.minder == Minder::Waits {
            self.at_work.fetch_add(1, Ordering::SeqCst);
        }
        idle.minder = Minder::Nobody;
    }

    /// Has everybody leave once nothing is queued.
    pub fn close(&self) {
        self.is_closing.store(true, Ordering::SeqCst);
        while self.call_one() {}
    }

    /// Calls somebody who is idle; returns whether there was anybody.
    fn call_one(&self) -> bool {
        self.call_sleeper() || self.call_from_lot()
    }

    fn call_sleeper(&self) -> bool {
        let sleeper = self.wake(&mut self.idle());
        sleeper.is_some_and(|sleeper| {
            sleeper.unpark();
            true
        })
    }

    /// Takes one out of those asleep, to be unparked once the lock is free.
    fn wake(&self, idle: &mut Idle) -> Option<Thread> {
        let sleeper = idle.asleep.pop()?;
        self.at_work.fetch_add(1, Ordering::SeqCst);
        Some(sleeper)
    }

    fn call_from_lot(&self) -> bool {
        let mut idle = self.idle();
        if idle.minder != Minder::Waits {
            return false;
        }
        idle.minder = Minder::Called;
        self.at_work.fetch_add(1, Ordering::SeqCst);
        drop(idle);
        (self.call_minder)();
        true
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        // Nothing that could panic runs under the lock.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew")
            .field("queued", &self.queued)
            .field("at_work", &self.at_work)
            .field("waiting", &self.waiting)
            .field("idle", &self.idle)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::mpsc::channel;
    use std::thread;

    /// A crew with one member, whose minder is heard to be called through the channel.
    fn crew(enough: usize) -> (Crew, std::sync::mpsc::Receiver<()>) {
        let (sender, receiver) = channel();
        let crew = Crew::new(enough, move || sender.send(()).expect("open"));
        crew.join();
        (crew, receiver)
    }

    fn wait_for_sleepers(crew: &Crew, count: usize) {
        while crew.idle().asleep.len() < count {
            thread::yield_now();
        }
    }

    #[test]
    fn a_worker_waits_only_alone_with_nobody_queued_and_the_lot_minded() {
        let (crew, calls) = crew(2);
        assert!(!crew.begin_waiting(), "nobody would mind the lot");
        crew.join();
        assert_eq!(crew.go_idle(), Duty::Mind);
        assert!(crew.begin_waiting());
        crew.end_waiting();
        crew.join();
        assert!(!crew.begin_waiting(), "another is at work");
        assert!(calls.try_recv().is_err());
        crew.add_job(|| ());
        assert!(!crew.begin_waiting(), "somebody is queued");
    }

    #[test]
    fn a_worker_at_work_is_left_to_do_some_jobs_before_another_is_called() {
        let (crew, calls) = crew(2);
        crew.join();
        assert_eq!(crew.go_idle(), Duty::Mind);
        (0..JOBS_PER_WORKER).for_each(|_| crew.add_job(|| ()));
        assert!(calls.try_recv().is_err());
        crew.add_job(|| ());
        assert!(calls.try_recv().is_ok());
        crew.add_job(|| ());
        assert!(calls.try_recv().is_err(), "it is on its way");
        crew.end_minding();
        assert_eq!(crew.at_work.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn one_who_waits_is_not_counted_on() {
        let (crew, calls) = crew(2);
        crew.join();
        assert_eq!(crew.go_idle(), Duty::Mind);
        assert!(crew.begin_waiting());
        crew.add_job(|| ());
        assert!(calls.try_recv().is_ok());
    }

    #[test]
    fn where_enough_are_at_work_the_lot_is_left_to_them() {
        let (crew, calls) = crew(1);
        let crew = Arc::new(crew);
        crew.join();
        let other = Arc::clone(&crew);
        let sleeper = thread::spawn(move || other.go_idle());
        wait_for_sleepers(&crew, 1);
        (0..2 * JOBS_PER_WORKER).for_each(|_| crew.add_job(|| ()));
        (0..2 * JOBS_PER_WORKER).for_each(|_| crew.remove_job());
        assert_eq!(crew.go_idle(), Duty::Mind);
        crew.end_minding();
        assert!(crew.begin_waiting(), "the sleeper can mind the lot");
        assert_eq!(sleeper.join().expect("no panic"), Duty::Look);
        assert!(calls.try_recv().is_err());
    }

    #[test]
    fn who_is_called_to_mind_the_lot_does_so_although_the_caller_is_busy_again() {
        let (crew, _calls) = crew(1);
        let crew = Arc::new(crew);
        crew.join();
        let other = Arc::clone(&crew);
        let sleeper = thread::spawn(move || [other.go_idle(), other.go_idle()]);
        wait_for_sleepers(&crew, 1);
        assert!(crew.begin_waiting());
        crew.end_waiting();
        let duties = sleeper.join().expect("no panic");
        assert_eq!(duties, [Duty::Look, Duty::Mind]);
    }

    #[test]
    fn everybody_leaves_when_it_is_closed() {
        let (crew, _calls) = crew(9);
        let crew = Arc::new(crew);
        (1..4).for_each(|_| crew.join());
        assert_eq!(crew.go_idle(), Duty::Mind);
        let sleepers: Vec<_> = (0..3)
            .map(|_| {
                let crew = Arc::clone(&crew);
                thread::spawn(move || crew.go_idle())
            })
            .collect();
        wait_for_sleepers(&crew, 3);
        crew.close();
        for sleeper in sleepers {
            assert_eq!(sleeper.join().expect("no panic"), Duty::Look);
            assert_eq!(crew.go_idle(), Duty::Leave);
        }
        crew.end_minding();
        assert_eq!(crew.go_idle(), Duty::Leave);
    }
}
