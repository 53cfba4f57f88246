//! A worker's turn with one session: what it may use, and how long it may wait.

mod dates;
mod rate;

use crate::backends::select::Backends;
use crate::config::Config;
use crate::crew::Crew;
use crate::gate::Gate;
use crate::gate::memory::Purpose;
use crate::journal::Journal;
use crate::loop_detection::OpenChecks;
use crate::net::alarm::Alarm;
use crate::net::buffer::Shelf;
use crate::net::conn::{Conn, SOCKET_TIMEOUT, Wait};
use crate::net::{Interest, wait_any};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub use dates::Dates;
pub use rate::InterimRate;

/// The longest that anything slow holds a worker. Long enough that an active client's next
/// request usually comes within it, which saves the way through the lot; short enough that
/// nobody notices.
pub const PATIENCE: Duration = Duration::from_millis(20);

/// A wait that begins just before the end of this is over within the patience.
const WAITS_BEGIN_WITHIN: Duration = PATIENCE.saturating_sub(SOCKET_TIMEOUT);

/// Bytes that a session may move in one turn while others are queued. At loopback speed a
/// fraction of a millisecond, so that hundreds of fast downloads do not delay a small request.
pub const TURN_BYTES: usize = 32 * 1024;

/// What a byte of a head counts in a turn: it is searched, checked, recognised and written anew,
/// which takes several times as long as to move a byte of a body.
const HEAD_BYTE_CHARGE: usize = 4;

/// What any head counts besides, however short it is.
const HEAD_CHARGE: usize = 1024;

/// To move so many bytes takes some ten microseconds, after which the time is another.
const CLOCK_BYTES: usize = 64 * 1024;

/// Bytes after which a turn in which nobody was queued sees to it that somebody minds the lot,
/// or else others that are ready would never be: some milliseconds at loopback speed. A wake-up
/// for each megabyte costs a tenth of the processor time.
const LONG_TURN_BYTES: usize = 16 * 1024 * 1024;

/// After so long a turn ends although nobody is queued: a client whose next request always comes
/// within the patience would have it for ever, and what a worker does between two turns (it follows
/// a change of its scheduling) would never be done. To take the session up again costs some 0.1 µs.
const LONGEST_TURN: Duration = Duration::from_millis(250);

/// A deadline that is noticed later than this was noticed late because of us.
const OVERDUE: Duration = Duration::from_millis(50);

/// What all sessions share.
#[derive(Debug)]
pub struct Context {
    /// The configuration.
    pub config: Config,
    /// The servers.
    pub backends: Backends<Conn>,
    /// Where access lines go.
    pub journal: Journal,
    /// The count of clients.
    pub gate: Arc<Gate>,
    /// Set once, when a stop is asked for.
    pub stopping: AtomicBool,
    /// Set once, when a stop is near: those who ask whether we are ready are told no.
    pub leaving: AtomicBool,
    /// Wakes the checker: a backend is to be checked, or has changed.
    pub trouble: Alarm,
    /// A backend has changed: sessions that wait for one may have something to do.
    pub has_changed: AtomicBool,
    /// The checks under way: one that comes in at our own listener has found a loop.
    pub open_checks: Arc<OpenChecks>,
}

impl Context {
    /// Whether the balancer is about to end, so that no connection is kept alive.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Whether new clients should come here: not when a stop is near or no backend is live.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let is_leaving = self.is_stopping() || self.leaving.load(Ordering::Relaxed);
        !is_leaving && self.backends.all().iter().any(|backend| backend.is_live())
    }

    /// Whether connections are worth keeping: not while stopping, and not while clients wait
    /// outside for a place.
    #[must_use]
    pub fn keeps_alive(&self) -> bool {
        !self.is_stopping() && !self.gate.is_crowded()
    }
}

/// What a session waits for when it is parked.
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    /// On the client's connection.
    pub client: Option<Interest>,
    /// On the backend's connection.
    pub backend: Option<Interest>,
    /// When the wait is over in any case.
    pub deadline: Instant,
}

impl Waits {
    /// Waits for a moment, on both sides at once; returns whether something can move.
    #[must_use]
    pub fn moment(&self, client: &Conn, backend: &Conn) -> bool {
        let timeout = Some(SOCKET_TIMEOUT);
        let ready = match (self.client, self.backend) {
            (Some(on_client), Some(on_backend)) => {
                wait_any([(client, on_client), (backend, on_backend)], timeout)
            }
            (Some(interest), None) => wait_any([(client, interest)], timeout),
            (None, Some(interest)) => wait_any([(backend, interest)], timeout),
            (None, None) => Ok(false),
        };
        ready.unwrap_or(true)
    }
}

/// A deadline that moves on only when something else has.
#[derive(Debug, Default)]
pub struct Due {
    since: Option<Instant>,
    moved: u64,
}

impl Due {
    /// The deadline, `timeout` after it was first seen that so much had been moved.
    pub fn after(&mut self, moved: u64, timeout: Duration, now: Instant) -> Instant {
        if self.moved != moved {
            (self.since, self.moved) = (None, moved);
        }
        *self.since.get_or_insert(now) + timeout
    }

    /// For how long nothing has moved; nothing if that was never asked.
    #[must_use]
    pub fn waited(&self, now: Instant) -> Duration {
        self.since
            .map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}

/// One turn.
#[derive(Debug)]
pub struct Turn<'w> {
    /// What all sessions share.
    pub context: &'w Context,
    /// The worker's storages.
    pub shelf: &'w mut Shelf,
    /// The worker's clock for `Date` and the log.
    pub dates: &'w mut Dates,
    /// Whether the session comes out of the lot and has not moved a byte since.
    pub is_resumed: bool,
    /// Whether it comes out of it long after its deadline: we were paused or starved of
    /// processor, and what did not come meanwhile says nothing.
    pub is_overdue: bool,
    crew: &'w Crew,
    /// No other session had a turn since its last one. Where many take turns, the next thing to
    /// happen is hardly ever this session's: then it is not worth to wait for.
    is_again: bool,
    /// Whether the crew has let it wait, and does not know yet that it waits no longer.
    is_waiting: Cell<bool>,
    /// No wait begins after this; `None` until one has been asked for.
    wait_until: Cell<Option<Instant>>,
    /// The time when it was last asked for, and nothing was waited for since.
    time: Cell<Option<Instant>>,
    /// The time when it was first asked for.
    began: Cell<Option<Instant>>,
    moved: usize,
}

impl<'w> Turn<'w> {
    /// A turn that begins now.
    pub fn new(
        context: &'w Context,
        shelf: &'w mut Shelf,
        dates: &'w mut Dates,
        crew: &'w Crew,
        is_again: bool,
    ) -> Self {
        Self {
            context,
            shelf,
            dates,
            is_resumed: false,
            is_overdue: false,
            crew,
            is_again,
            is_waiting: Cell::new(false),
            wait_until: Cell::new(None),
            time: Cell::new(None),
            began: Cell::new(None),
            moved: 0,
        }
    }

    /// The session comes out of the lot, where it was to be until `deadline` at the latest.
    pub fn resume(&mut self, deadline: Instant) {
        self.is_resumed = true;
        self.is_overdue = self.now().saturating_duration_since(deadline) > OVERDUE;
    }

    /// Whether the next call on a socket may wait: nobody needs this worker now, and the
    /// patience is not used up.
    #[must_use]
    pub fn wait(&self) -> Wait {
        self.wait_no_longer();
        if self.is_again && self.is_patient() && self.crew.begin_waiting() {
            self.is_waiting.set(true);
            Wait::Moment
        } else {
            Wait::No
        }
    }

    fn is_patient(&self) -> bool {
        let now = self.now();
        let until = self.wait_until.get().unwrap_or(now + WAITS_BEGIN_WITHIN);
        self.wait_until.set(Some(until));
        now < until
    }

    /// The time, give or take the work that was done since it was last asked for: a look at the
    /// clock costs as much as a whole head takes to scan.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.wait_no_longer();
        let now = self.time.get().unwrap_or_else(Instant::now);
        self.time.set(Some(now));
        if self.began.get().is_none() {
            self.began.set(Some(now));
        }
        now
    }

    fn wait_no_longer(&self) {
        if self.is_waiting.take() {
            self.time.set(None);
            self.crew.end_waiting();
        }
    }

    /// Whether to park without even trying to read: waiting is not allowed, and what is waited
    /// for depends on what was sent a moment ago. Only out of the lot there is something.
    #[must_use]
    pub fn expects_nothing(&self, wait: Wait) -> bool {
        wait == Wait::No && !self.is_resumed
    }

    /// A new stage has its own patience. Only for what a slow other side cannot bring about
    /// at will: a whole request, a whole response.
    pub fn renew_patience(&mut self, now: Instant) {
        self.wait_until.set(Some(now + WAITS_BEGIN_WITHIN));
    }

    /// Counts work that moves few bytes, such as a whole small exchange, as if it moved more.
    pub fn charge(&mut self, bytes: usize) {
        self.moved += bytes;
    }

    /// Counts a head of so many bytes that was read, besides the moving of these bytes.
    pub fn charge_head(&mut self, bytes: usize) {
        self.count(HEAD_CHARGE + bytes * HEAD_BYTE_CHARGE);
    }

    /// Counts bytes that were moved.
    pub fn moved(&mut self, bytes: usize) {
        self.wait_no_longer();
        self.is_resumed = false;
        self.count(bytes);
    }

    fn count(&mut self, bytes: usize) {
        let pieces = self.moved / CLOCK_BYTES;
        self.moved += bytes;
        if self.moved / CLOCK_BYTES != pieces {
            self.time.set(None);
        }
    }

    /// Whether the session has had its share and somebody else waits, or may wait unseen; or has
    /// had it for long.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let is_unseen = || self.moved >= LONG_TURN_BYTES && !self.crew.has_minder();
        let is_long = || self.lasts() >= LONGEST_TURN;
        self.moved >= TURN_BYTES && (self.crew.is_queued() || is_unseen() || is_long())
    }

    /// How long ago it began, as of when the time was last asked for.
    fn lasts(&self) -> Duration {
        match (self.began.get(), self.time.get()) {
            (Some(began), Some(time)) => time.saturating_duration_since(began),
            _ => Duration::ZERO,
        }
    }

    /// How much more memory there is for what sessions hold while they wait.
    #[must_use]
    pub fn memory_left(&self) -> usize {
        self.context.gate.memory().room(Purpose::Exchange)
    }

    /// Whether somebody else waits for this worker.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.crew.is_queued()
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.wait_no_longer();
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::crew::Duty;
    use crate::gate::memory::Memory;
    use std::sync::mpsc::channel;
    use std::thread;

    /// What sessions share where there is nothing.
    pub(crate) fn context() -> Context {
        Context {
            config: Config::default(),
            backends: Backends::new(Vec::new()),
            journal: Journal::silent(),
            gate: Gate::new(1, Memory::new(usize::MAX, || u64::MAX)),
            stopping: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            trouble: Alarm::new().expect("descriptors"),
            has_changed: AtomicBool::new(false),
            open_checks: Arc::default(),
        }
    }

    #[test]
    fn a_head_costs_more_of_a_turn_than_its_bytes() {
        let (context, crew) = (context(), Crew::new(1, || ()));
        let (mut shelf, mut dates) = (Shelf::default(), Dates::default());
        crew.join();
        crew.add_job(|| ());
        let mut heads_of = |bytes: usize| {
            let mut turn = Turn::new(&context, &mut shelf, &mut dates, &crew, false);
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
    fn a_turn_that_lasts_long_is_over_although_nobody_waits() {
        let (context, crew) = (context(), Crew::new(1, || ()));
        let (mut shelf, mut dates) = (Shelf::default(), Dates::default());
        crew.join();
        let mut turn = Turn::new(&context, &mut shelf, &mut dates, &crew, true);
        turn.charge(TURN_BYTES);
        let began = turn.now();
        turn.time
            .set(Some(began + LONGEST_TURN - Duration::from_millis(1)));
        assert!(!turn.is_over());
        turn.time.set(Some(began + LONGEST_TURN));
        assert!(turn.is_over());
    }

    #[test]
    fn a_long_turn_has_the_lot_minded_though_nobody_is_queued() {
        let (context, crew) = (context(), Crew::new(1, || ()));
        let (mut shelf, mut dates) = (Shelf::default(), Dates::default());
        crew.join();
        let mut turn = Turn::new(&context, &mut shelf, &mut dates, &crew, true);
        turn.moved(LONG_TURN_BYTES - 1);
        assert!(!turn.is_over());
        turn.moved(1);
        assert!(turn.is_over(), "there is nobody but this worker");
        // With another, who sleeps because enough are at work, it goes on.
        crew.join();
        let (sender, duties) = channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..2 {
                    sender.send(crew.go_idle()).expect("open");
                }
            });
            while turn.is_over() {
                thread::yield_now();
            }
            assert_eq!(duties.recv(), Ok(Duty::Look));
            assert_eq!(duties.recv(), Ok(Duty::Mind));
        });
        assert!(!turn.is_over());
    }
}
