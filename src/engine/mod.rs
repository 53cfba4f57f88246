//! The engine: a queue, a fixed set of workers, and the parking lot.
//!
//! It serves anything that takes turns ([`Session`]), and knows nothing of HTTP, backends or
//! configuration. This page is its protocol; the files below are its parts.
//!
//! | file | what it is |
//! |---|---|
//! | [`queue`] | the channel, and which job is next |
//! | [`scheduler`] | which workers run, which one polls the lot, and which sleep |
//! | [`worker`] | the loop of one worker |
//! | [`turn`] | what a session may use during its turn, and how long it may block |
//! | [`lot`] | the parked sessions |
//! | [`connection_limit`], [`memory`] | how many connections and how much memory there may be |
//! | [`thread_policy`] | how the system schedules these threads |
//!
//! # The life of a job
//!
//! ```text
//!  accept ──▶ queue ──▶ worker: a turn ──▶ closed
//!               ▲          │      │
//!               │   yields │      │ would wait
//!               ├──────────┘      ▼
//!               └───────────── the lot
//!                 ready, or due
//! ```
//!
//! A worker takes a job from the queue and gives its session a *turn*: the session goes on with
//! ordinary socket calls until one would wait. Then there are two ways.
//!
//! * No other session needs the worker: the call itself blocks, for at most
//!   [`turn::BLOCKING_BUDGET`] in all. For a single client this is the cheapest way there is: one
//!   system call, one wake-up.
//! * Another session needs it, or the budget is used up: the session is *parked* in the lot with a
//!   deadline, and the worker takes the next job.
//!
//! A turn also ends when the session has moved [`turn::TURN_BYTES`] and others are queued. Then it
//! goes to the end of the queue.
//!
//! # The states of a worker
//!
//! | state | what it does | counted in |
//! |---|---|---|
//! | running | has a job, or looks for one | `running` |
//! | blocked | is in a blocking call on a socket | `running` and `blocked` |
//! | leader | polls the lot: `epoll_wait` until a session is ready or due | |
//! | follower | sleeps until it is woken | |
//!
//! This is the Leader/Followers pattern (Schmidt and others, 2000). A worker that finds the queue
//! empty becomes the leader if there is none, else a follower. The leader queues what is ready, and
//! runs. Under load, one worker goes through all that is ready like an event loop. A second worker
//! is woken only when more is queued than the running ones will soon have done, because a wake-up
//! costs as much processor time as half a request. A worker that never runs out of jobs polls the
//! lot now and then without waiting.
//!
//! # The rule
//!
//! **A worker blocks only while it is the only one running, nothing is queued, and a leader polls
//! the lot.** So no session ever waits because a worker blocks for another one: the thread that queues a
//! job finds either a running worker that is not blocked, or the leader, which it interrupts.
//!
//! # Invariants
//!
//! * A session is in one place: in the queue, with one worker, or in the lot.
//! * At most one worker is the leader.
//! * While a job is queued, a worker runs that is not blocked, or one was woken.
//! * A parked session leaves the lot by its deadline at the latest.

pub mod client_limit;
pub mod connection_limit;
pub mod lot;
pub mod memory;
pub mod queue;
pub mod scheduler;
pub mod thread_policy;
pub mod turn;
pub mod worker;

use crate::metrics::lanes::Lanes;
use crate::net::block::BlockCache;
use crate::net::conn::Conn;
use connection_limit::{ConnectionLimit, Permit};
use lot::{Lot, Park, Parked};
use queue::Queue;
use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use thread_policy::{Scheduling, SharedPolicy};
use turn::Turn;

/// What takes turns: the connection of one client, with all that belongs to it.
pub trait Session: Park + Debug + Send + Sized + 'static {
    /// What all sessions share.
    type Shared: Debug + Send + Sync;
    /// What one worker keeps for the sessions that it serves.
    type Local: Default;

    /// The session of a client that was just accepted.
    fn new(conn: Conn, address: SocketAddr, permit: Permit) -> Self;

    /// Goes on until it would wait, has to let others go first, or is over.
    fn advance(&mut self, turn: &mut Turn<'_, Self::Shared, Self::Local>) -> Outcome;

    /// Whether it is taken from the queue before others: see [`Queue::putting_first`].
    fn goes_first(&self) -> bool;

    /// Where each worker notes what it does, if anything is to see it.
    fn lanes(shared: &Self::Shared) -> Option<&Lanes>;
}

/// How a turn has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The session would wait: it is parked.
    WouldWait,
    /// The session lets others go first: it is queued again.
    Yield,
    /// The session is over: it is dropped, which closes its connections.
    Close,
}

/// What goes through the channel.
#[derive(Debug)]
enum Job<S> {
    /// A client that was just accepted.
    Accepted(Conn, SocketAddr, Permit),
    /// A session that can go on.
    Resumed(Box<S>),
}

impl<S: Session> Job<S> {
    fn goes_first(&self) -> bool {
        matches!(self, Self::Resumed(session) if session.goes_first())
    }
}

/// What the accept thread, the workers and the lot have in common.
#[derive(Debug)]
pub struct Engine<S: Session> {
    /// What all sessions share.
    pub shared: S::Shared,
    /// How the threads of this engine are scheduled.
    pub policy: Arc<SharedPolicy>,
    connections: Arc<ConnectionLimit>,
    queue: Queue<Job<S>>,
    lot: Arc<Lot<S>>,
    blocks: Arc<BlockCache>,
    /// The address of the session that had the last turn. Only a hint, so `Relaxed` will do.
    last: AtomicUsize,
}

impl<S: Session> Engine<S> {
    /// An engine without workers. `side_by_side` is the number of workers that run at the same
    /// time as long as none blocks; by default half of the processors. Fails when no descriptor is
    /// left.
    pub fn new(
        shared: S::Shared,
        connections: Arc<ConnectionLimit>,
        side_by_side: Option<usize>,
        scheduling: Scheduling,
    ) -> io::Result<Arc<Self>> {
        let lot = Arc::new(Lot::new()?);
        let polled = Arc::clone(&lot);
        let side_by_side = side_by_side.unwrap_or_else(half_of_the_processors);
        let queue = Queue::new(side_by_side, move || polled.interrupt());
        Ok(Arc::new(Self {
            shared,
            policy: Arc::new(SharedPolicy::new(scheduling)),
            connections,
            queue: queue.putting_first(Job::goes_first),
            lot,
            blocks: Arc::default(),
            last: AtomicUsize::new(0),
        }))
    }

    /// Queues a client that was just accepted.
    // spine 02
    pub fn admit(&self, conn: Conn, address: SocketAddr) {
        let permit = self.connections.acquire();
        self.queue.push(Job::Accepted(conn, address, permit));
    }

    /// Whether a job is queued.
    #[must_use]
    pub fn has_queued(&self) -> bool {
        self.queue.scheduler().has_queued()
    }

    /// Queues up to `count` parked sessions for which `fits` holds, so that each looks again what
    /// to do. `change` is called for each of them before.
    pub fn recall(&self, count: usize, fits: impl Fn(&S) -> bool, change: impl Fn(&mut S)) {
        for mut session in self.lot.take(count, fits) {
            change(&mut session);
            self.queue.push(Job::Resumed(session));
        }
    }

    /// Calls `look` for every parked session.
    pub fn for_each_parked(&self, look: impl FnMut(&S)) {
        self.lot.for_each(look);
    }

    /// Makes every worker exit once nothing is queued.
    pub fn close(&self) {
        self.queue.scheduler().close();
    }

    /// Drops the sessions that are left when the workers have exited.
    pub fn clear(&self) {
        self.queue.clear();
        drop(self.lot.take_all());
    }

    /// Whether no other session had a turn since the last one of this session.
    fn had_last_turn(&self, session: &S) -> bool {
        let this = std::ptr::from_ref(session).addr();
        self.last.load(Relaxed) == this || {
            self.last.store(this, Relaxed);
            false
        }
    }

    /// Parks a session, or queues it if it is ready already.
    fn park(&self, session: Box<S>) {
        match self.lot.park(session) {
            Parked::InLot => {}
            Parked::Ready(session) => self.queue.push(Job::Resumed(session)),
            Parked::Failed(_, error) => log::error!("a connection cannot be watched: {error}"),
        }
    }
}

/// For all that a worker sends and receives, the kernel does as much work as the worker. So half of the
/// processors have a worker each; with more workers, some would be interrupted in the middle of a job.
fn half_of_the_processors() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    (processors / 2).max(1)
}
