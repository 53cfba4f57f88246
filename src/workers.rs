//! The threads that serve: each takes a job, advances its session, and sees where it goes.

use crate::gate::Place;
use crate::jobs::Jobs;
use crate::lot::{Lot, Parked};
use crate::net::buffer::Shelf;
use crate::net::conn::Conn;
use crate::session::{Outcome, Session};
use crate::turn::{Context, Dates, Turn};
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// How long the lot's thread pauses when the kernel refuses to wait.
const LOT_BACK_OFF: Duration = Duration::from_millis(100);

/// What goes through the channel.
#[derive(Debug)]
pub enum Job {
    /// A client that has just been accepted.
    Client(Conn, SocketAddr, Place),
    /// A session that can go on.
    Session(Box<Session>),
}

/// All that workers, the lot and the accept thread have in common.
#[derive(Debug)]
pub struct Floor {
    /// What sessions share.
    pub context: Context,
    /// The channel.
    pub jobs: Jobs<Job>,
    /// Where sessions wait.
    pub lot: Lot<Session>,
}

impl Floor {
    /// The common ground for one balancer. Fails when no descriptor is left.
    pub fn new(context: Context) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            context,
            jobs: Jobs::default(),
            lot: Lot::new()?,
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
            backend.kept.clear();
        }
    }

    /// Queues all sessions that have no request, so that each looks again whether to stay.
    pub fn call_waiting(&self) {
        for session in self.lot.call(usize::MAX, Session::has_no_request) {
            self.jobs.push(Job::Session(session));
        }
    }

    /// Queues all sessions that wait for a backend that is down, or for any to be up, so that
    /// each sees what to do now.
    pub fn call_stranded(&self) {
        for session in self.lot.call(usize::MAX, Session::is_stranded) {
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

    /// Parks a session; one that is ready already is queued instead.
    fn park(&self, session: Box<Session>) {
        match self.lot.park(session) {
            Parked::Yes => {}
            Parked::Ready(session) => self.jobs.push(Job::Session(session)),
            Parked::Failed(_, error) => log::error!("a connection cannot be watched: {error}"),
        }
    }
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

/// Starts the thread `lot`.
pub fn start_lot(floor: &Arc<Floor>) -> io::Result<JoinHandle<()>> {
    let floor = Arc::clone(floor);
    std::thread::Builder::new()
        .name("lot".into())
        .spawn(move || {
            // Everybody who is parked depends on this thread: it goes on whatever the kernel says.
            while let Err(error) = floor
                .lot
                .run(|session| floor.jobs.push(Job::Session(session)))
            {
                log::error!("Waiting for connections failed: {error}; trying again.");
                std::thread::sleep(LOT_BACK_OFF);
            }
        })
}

fn work(floor: &Floor) {
    let (mut shelf, mut dates) = (Shelf::default(), Dates::default());
    while let Some(job) = floor.jobs.take() {
        let mut session = match job {
            Job::Client(conn, address, place) => Box::new(Session::new(conn, address, place)),
            Job::Session(session) => session,
        };
        let mut turn = Turn::new(&floor.context, &mut shelf, &mut dates, floor.jobs.demand());
        // A panic costs this session, not the worker. What it may leave half done, the
        // session and the storages, is dropped or empty.
        match catch_unwind(AssertUnwindSafe(|| session.advance(&mut turn))) {
            Ok(Outcome::Park) => floor.park(session),
            Ok(Outcome::Yield) => floor.jobs.push(Job::Session(session)),
            Ok(Outcome::Close) => drop(session),
            Err(_) => log::error!("a session failed and was closed; this is a bug in lb"),
        }
    }
}
