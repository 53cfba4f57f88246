//! The threads that serve: each takes a job, advances its session, and sees where it goes.
//! Whichever has no job minds the lot.

use crate::gate::Place;
use crate::jobs::{Jobs, Minding, Round};
use crate::lot::{Lot, Parked};
use crate::net::block::BlockCache;
use crate::net::buffer::Shelf;
use crate::net::conn::Conn;
use crate::net::readiness::Reports;
use crate::scheduling::{SharedPolicy, ThreadPolicy};
use crate::session::{Outcome, Session, SpareExchanges};
use crate::turn::{Context, Dates, Turn};
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long whoever minds the lot pauses when the kernel refuses to wait.
const LOT_BACK_OFF: Duration = Duration::from_millis(100);

/// What goes through the channel.
#[derive(Debug)]
pub enum Job {
    /// A client that has just been accepted.
    Client(Conn, SocketAddr, Place),
    /// A session that can go on.
    Session(Box<Session>),
}

impl Job {
    /// Whether it is about a quick answer to a request that is sent, and nothing else. These go
    /// first: so no more requests are in flight than backends take to answer, and no more
    /// connections to them in use, whose state, here and there, stays in the caches. That holds
    /// up no others for long: each was among them with its request, and is again with the next.
    fn finishes(&self) -> bool {
        matches!(self, Self::Session(session) if session.awaits_only_quick_answer())
    }
}

/// All that workers, the lot and the accept thread have in common.
#[derive(Debug)]
pub struct Floor {
    /// What sessions share.
    pub context: Context,
    /// The channel.
    pub jobs: Jobs<Job>,
    /// Where sessions wait.
    pub lot: Arc<Lot<Session>>,
    /// How the threads that serve are scheduled.
    pub scheduling: Arc<SharedPolicy>,
    /// Memory for what sessions hold while they wait, of which none has need now.
    blocks: Arc<BlockCache>,
    /// Which session had the last turn.
    last: AtomicUsize,
}

impl Floor {
    /// The common ground for one balancer. Fails when no descriptor is left.
    pub fn new(context: Context) -> io::Result<Arc<Self>> {
        let lot = Arc::new(Lot::new()?);
        let minded = Arc::clone(&lot);
        let scheduling = Arc::new(SharedPolicy::new(context.config.scheduling));
        let enough = context.config.cores.unwrap_or_else(enough_workers);
        Ok(Arc::new(Self {
            context,
            jobs: Jobs::new(enough, move || minded.interrupt()).putting_first(Job::finishes),
            lot,
            scheduling,
            blocks: Arc::default(),
            last: AtomicUsize::new(0),
        }))
    }

    /// Takes in a client that has just been accepted.
    pub fn admit(&self, conn: Conn, address: SocketAddr) {
        let place = self.context.gate.enter();
        self.jobs.push(Job::Client(conn, address, place));
    }

    /// Closes all backend connections that rest, when descriptors are short.
    pub fn give_back_resting(&self) {
        for backend in self.context.backends.all() {
            backend.kept.give_back();
        }
    }

    /// Queues all sessions that have no request, so that each looks again whether to stay.
    pub fn call_waiting(&self) {
        for session in self.lot.call(usize::MAX, Session::has_no_request) {
            self.jobs.push(Job::Session(session));
        }
    }

    /// Queues all sessions that wait for a backend that is lost, or for any to be up, so that
    /// each sees what to do now.
    pub fn call_stranded(&self) {
        let now = Instant::now();
        let is_stranded = |session: &Session| session.is_stranded(&self.context, now);
        for session in self.lot.call(usize::MAX, is_stranded) {
            self.jobs.push(Job::Session(session));
        }
    }

    /// Has up to `count` connections closed that are kept alive and not in use.
    pub fn turn_out_idle(&self, count: usize) {
        for mut session in self.lot.call(count, Session::is_idle) {
            session.turn_out();
            self.jobs.push(Job::Session(session));
        }
    }

    /// Whether no other session had a turn since this one had its last.
    fn is_again(&self, session: &Session) -> bool {
        let this = std::ptr::from_ref(session).addr();
        self.last.load(Ordering::Relaxed) == this || {
            self.last.store(this, Ordering::Relaxed);
            false
        }
    }

    /// Parks a session; one that is ready already is queued instead.
    fn park(&self, session: Box<Session>) {
        match self.lot.park(session) {
            Parked::Yes => {}
            Parked::Ready(session) => self.jobs.push(Job::Session(session)),
            Parked::Failed(_, error) => log::error!("a connection cannot be watched: {error}"),
        }
    }
}

/// How many workers may be at work at a time without waiting: as many as half of the
/// processors. What a worker sends and receives makes as much work again for the kernel, and
/// a worker more than there are processors for it is held up in the middle of its job.
fn enough_workers() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    (processors / 2).max(1)
}

/// Starts the threads `worker-1` and on.
pub fn start(floor: &Arc<Floor>, count: usize) -> io::Result<Vec<JoinHandle<()>>> {
    (1..=count)
        .map(|number| {
            let floor = Arc::clone(floor);
            std::thread::Builder::new()
                .name(format!("worker-{number}"))
                .spawn(move || work(&floor))
        })
        .collect()
}

fn work(floor: &Floor) {
    let (mut shelf, mut dates) = (Shelf::beside(&floor.blocks), Dates::default());
    let (mut round, mut minder) = (Round::default(), Minder::default());
    let mut exchanges = SpareExchanges::default();
    let crew = floor.jobs.crew();
    let mut scheduling = ThreadPolicy::of_this_thread(&floor.scheduling);
    crew.join();
    while let Some(job) = floor.jobs.take(&mut round, |minding, jobs| {
        minder.mind(floor, minding, jobs);
        // A thread may mind the lot for long and serve nothing itself.
        scheduling.follow();
    }) {
        let mut session = match job {
            Job::Client(conn, address, place) => Box::new(Session::new(conn, address, place)),
            Job::Session(session) => session,
        };
        let is_again = floor.is_again(&session);
        let mut turn = Turn::new(&floor.context, &mut shelf, &mut dates, crew, is_again);
        // A panic costs this session, not the worker. What it may leave half done, the
        // session and the storages, is dropped or empty.
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            session.advance(&mut turn, &mut exchanges)
        }));
        drop(turn);
        match outcome {
            Ok(Outcome::Park) => floor.park(session),
            Ok(Outcome::Yield) => {
                round.see_yield();
                floor.jobs.push(Job::Session(session));
            }
            Ok(Outcome::Close) => drop(session),
            Err(_) => log::error!("a session failed and was closed; this is a bug in lb"),
        }
        scheduling.follow();
    }
}

/// What a worker needs to mind the lot.
#[derive(Debug, Default)]
struct Minder {
    reports: Reports,
    #[expect(
        clippy::vec_box,
        reason = "sessions stay in their place, only the boxes move"
    )]
    leaving: Vec<Box<Session>>,
}

impl Minder {
    fn mind(&mut self, floor: &Floor, minding: Minding, jobs: &mut Vec<Job>) {
        let is_hasty = minding == Minding::Glance;
        // Everybody who is parked depends on this: it goes on whatever the kernel says.
        if let Err(error) = floor
            .lot
            .mind(&mut self.reports, is_hasty, &mut self.leaving)
        {
            log::error!("Waiting for connections failed: {error}; trying again.");
            std::thread::sleep(LOT_BACK_OFF);
        }
        jobs.extend(self.leaving.drain(..).map(Job::Session));
    }
}
