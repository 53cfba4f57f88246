//! A worker's turn with one session: what the session may use, and how long it may block.
//!
//! [`io`] is the door through which the session reads and writes.

pub mod io;

pub use io::IoCache;

use super::scheduler::Scheduler;
use crate::metrics::lanes::{Lane, WorkerState};
use crate::net::conn::{Blocking, SOCKET_TIMEOUT};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// The longest that anything slow holds a worker. Long enough that the next request of an active
/// client usually comes within it, which saves parking the session; short enough to go
/// unnoticed.
pub const BLOCKING_BUDGET: Duration = Duration::from_millis(20);

/// A blocking call that begins before the end of this returns within the budget.
const CALLS_BEGIN_WITHIN: Duration = BLOCKING_BUDGET.saturating_sub(SOCKET_TIMEOUT);

/// Bytes that a session may move in one turn while others are queued. At loopback speed this takes
/// a fraction of a millisecond, so that hundreds of fast downloads do not delay a small request.
pub const TURN_BYTES: usize = 32 * 1024;

/// What each byte of a head counts in a turn: it is searched, checked, recognised and written
/// anew, which takes several times as long as to move a byte of a body.
const HEAD_BYTE_CHARGE: usize = 4;

/// What each head counts besides, however short it is.
const HEAD_CHARGE: usize = 1024;

/// The clock is read again after so many bytes: to move them takes some ten microseconds.
const CLOCK_BYTES: usize = 64 * 1024;

/// A turn of so many bytes with nothing queued makes sure that a leader polls the lot; otherwise
/// sessions that become ready would not be noticed. It takes some milliseconds at loopback speed.
/// A wake-up for each megabyte would cost a tenth of the processor time.
const LONG_TURN_BYTES: usize = 16 * 1024 * 1024;

/// A turn that lasts longer ends although nothing is queued. Otherwise a client whose next request
/// always comes within the blocking budget would keep one turn for ever, and what a worker does
/// between two turns (it follows a change of its scheduling) would never be done. To take the
/// session up again costs some 0.1 µs.
const LONGEST_TURN: Duration = Duration::from_millis(250);

/// A deadline that is noticed later than this was noticed late because of us.
const OVERDUE: Duration = Duration::from_millis(50);

/// One turn. `S` is what all sessions share, `L` what one worker keeps for them.
#[derive(Debug)]
pub struct Turn<'w, S, L> {
    /// What all sessions share.
    pub shared: &'w S,
    /// What this worker keeps for the sessions that it serves.
    pub local: &'w mut L,
    /// Whether the session was parked, and has not moved a byte since.
    pub is_resumed: bool,
    /// Whether it left the lot long after its deadline. Then this process was paused or starved of
    /// processor time, and what did not come meanwhile says nothing about the other side.
    pub is_overdue: bool,
    /// Where the worker notes what it does, if anything is to see it.
    pub lane: Option<&'w Lane>,
    cache: &'w mut IoCache,
    scheduler: &'w Scheduler,
    /// No other session had a turn since the last one of this session. Where many sessions take
    /// turns, the next event is hardly ever this session's: then it must not block for it.
    had_last_turn: bool,
    /// Whether the scheduler counts this worker as blocked.
    is_blocked: Cell<bool>,
    /// No call blocks after this; `None` until the first one that might.
    block_until: Cell<Option<Instant>>,
    /// The time when the clock was last read, unless a call has blocked since.
    time: Cell<Option<Instant>>,
    /// The time when the clock was first read.
    began: Cell<Option<Instant>>,
    /// Bytes moved, and work that counts like bytes.
    charged: usize,
}

impl<'w, S, L> Turn<'w, S, L> {
    /// A turn that begins now.
    pub fn new(
        shared: &'w S,
        local: &'w mut L,
        cache: &'w mut IoCache,
        scheduler: &'w Scheduler,
        had_last_turn: bool,
    ) -> Self {
        Self {
            shared,
            local,
            is_resumed: false,
            is_overdue: false,
            lane: None,
            cache,
            scheduler,
            had_last_turn,
            is_blocked: Cell::new(false),
            block_until: Cell::new(None),
            time: Cell::new(None),
            began: Cell::new(None),
            charged: 0,
        }
    }

    /// The session was parked until `deadline` at the latest.
    pub fn resume(&mut self, deadline: Instant) {
        self.is_resumed = true;
        self.is_overdue = self.now().saturating_duration_since(deadline) > OVERDUE;
    }

    /// The worker does this from now on.
    #[inline]
    pub fn note(&self, state: WorkerState) {
        if let Some(lane) = self.lane {
            lane.set(state);
        }
    }

    /// Whether the next call on a socket may block. It may if this session had the last turn too (where
    /// many sessions take turns, the next event is hardly ever this session's), the blocking budget is
    /// not used up, and no other session needs this worker now.
    #[must_use]
    // spine 34
    pub fn may_block(&self) -> Blocking {
        self.end_blocking();
        if self.had_last_turn && self.is_within_budget() && self.scheduler.begin_blocking() {
            self.is_blocked.set(true);
            Blocking::Briefly
        } else {
            Blocking::Never
        }
    }

    fn is_within_budget(&self) -> bool {
        let now = self.now();
        let until = self.block_until.get().unwrap_or(now + CALLS_BEGIN_WITHIN);
        self.block_until.set(Some(until));
        now < until
    }

    /// The time, at most `CLOCK_BYTES` of work old: to read the clock costs as much as to scan a
    /// whole head.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.end_blocking();
        let now = self.time.get().unwrap_or_else(Instant::now);
        self.time.set(Some(now));
        if self.began.get().is_none() {
            self.began.set(Some(now));
        }
        now
    }

    fn end_blocking(&self) {
        if self.is_blocked.take() {
            self.time.set(None);
            self.scheduler.end_blocking();
        }
    }

    /// Whether to park without even trying to read: the call may not block, and what is read would
    /// be the answer to what was sent a moment ago. A session that was parked tries.
    #[must_use]
    pub fn skips_reading(&self, blocking: Blocking) -> bool {
        blocking == Blocking::Never && !self.is_resumed
    }

    /// Begins a new blocking budget. Only for progress that a slow other side cannot fake: a whole
    /// request, a whole response.
    pub fn renew_budget(&mut self, now: Instant) {
        self.block_until.set(Some(now + CALLS_BEGIN_WITHIN));
    }

    /// Counts work that moves few bytes, such as a whole small exchange, as if it moved more.
    pub fn charge(&mut self, bytes: usize) {
        self.charged += bytes;
    }

    /// Counts the work for a head of so many bytes, besides the moving of these bytes.
    pub fn charge_head(&mut self, bytes: usize) {
        self.count(HEAD_CHARGE + bytes * HEAD_BYTE_CHARGE);
    }

    /// Counts bytes that were moved.
    fn count_moved(&mut self, bytes: usize) {
        self.end_blocking();
        self.is_resumed = false;
        self.count(bytes);
    }

    fn count(&mut self, bytes: usize) {
        let pieces = self.charged / CLOCK_BYTES;
        self.charged += bytes;
        if self.charged / CLOCK_BYTES != pieces {
            self.time.set(None);
        }
    }

    /// Whether the session has moved its share of bytes, and one of these holds: other sessions are
    /// queued; no worker polls the lot; the turn lasts longer than `LONGEST_TURN`.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let is_unseen = || self.charged >= LONG_TURN_BYTES && !self.scheduler.ensure_leader();
        let is_long = || self.lasts() >= LONGEST_TURN;
        self.charged >= TURN_BYTES && (self.scheduler.has_queued() || is_unseen() || is_long())
    }

    /// How long ago it began, as of when the clock was last read.
    fn lasts(&self) -> Duration {
        match (self.began.get(), self.time.get()) {
            (Some(began), Some(time)) => time.saturating_duration_since(began),
            _ => Duration::ZERO,
        }
    }

    /// Whether other sessions are queued.
    #[must_use]
    pub fn are_others_queued(&self) -> bool {
        self.scheduler.has_queued()
    }
}

impl<S, L> Drop for Turn<'_, S, L> {
    fn drop(&mut self) {
        self.end_blocking();
    }
}

#[cfg(test)]
mod tests {
    use super::super::scheduler::NextStep;
    use super::*;
    use std::sync::mpsc::channel;
    use std::thread;

    #[test]
    fn a_head_costs_more_of_a_turn_than_its_bytes() {
        let (scheduler, mut cache) = (Scheduler::new(1, || ()), IoCache::default());
        scheduler.add_worker();
        scheduler.add_job(|| ());
        let mut heads_of = |bytes: usize| {
            let mut local = ();
            let mut turn = Turn::new(&(), &mut local, &mut cache, &scheduler, false);
            let mut heads = 0;
            while !turn.is_over() {
                turn.charge_head(bytes);
                heads += 1;
            }
            heads
        };
        assert_eq!((heads_of(20), heads_of(2000), heads_of(8192)), (30, 4, 1));
    }

    #[test]
    fn a_turn_that_lasts_long_is_over_although_nothing_is_queued() {
        let (scheduler, mut cache) = (Scheduler::new(1, || ()), IoCache::default());
        scheduler.add_worker();
        let mut local = ();
        let mut turn = Turn::new(&(), &mut local, &mut cache, &scheduler, true);
        turn.charge(TURN_BYTES);
        let began = turn.now();
        turn.time
            .set(Some(began + LONGEST_TURN - Duration::from_millis(1)));
        assert!(!turn.is_over());
        turn.time.set(Some(began + LONGEST_TURN));
        assert!(turn.is_over());
    }

    #[test]
    fn a_long_turn_makes_sure_that_the_lot_is_polled_though_nothing_is_queued() {
        let (scheduler, mut cache) = (Scheduler::new(1, || ()), IoCache::default());
        scheduler.add_worker();
        let mut local = ();
        let mut turn = Turn::new(&(), &mut local, &mut cache, &scheduler, true);
        turn.count_moved(LONG_TURN_BYTES - 1);
        assert!(!turn.is_over());
        turn.count_moved(1);
        assert!(turn.is_over(), "there is no other worker");
        // With a follower, which sleeps because enough workers run, it goes on.
        scheduler.add_worker();
        let (sender, steps) = channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..2 {
                    sender.send(scheduler.go_idle()).expect("open");
                }
            });
            while turn.is_over() {
                thread::yield_now();
            }
            assert_eq!(steps.recv(), Ok(NextStep::TakeJob));
            assert_eq!(steps.recv(), Ok(NextStep::Poll));
        });
        assert!(!turn.is_over());
    }
}
