//! The balancer as a whole: start, accept, drain.

mod announce;
mod capacity;
mod drain;
mod memory;
mod prepare;
mod start_error;
mod warning;

pub use start_error::StartError;

use crate::backends::health::Health;
use crate::backends::{Backend, Backends, Name};
use crate::config::{Config, Snapshot};
use crate::engine::connection_limit::ConnectionLimit;
use crate::engine::thread_policy::ThreadPolicy;
use crate::engine::{Engine, worker};
use crate::exchange::shared::Shared;
use crate::health::outliers::seconds;
use crate::health::{self, Monitor};
use crate::log::writer::LogWriter;
use crate::net::conn::Conn;
use crate::net::limits::{self, Shortage};
use crate::net::listener::{Accepted, Listener};
use crate::net::waker::Waker;
use crate::session::ClientSession;
use drain::{drain, end_threads, join, join_soon};
use prepare::{bind, not_listening, resolve};
use std::io;
use std::mem::take;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use warning::Warning;

/// How long to wait before `accept` is tried again after it failed.
const ACCEPT_BACK_OFF: Duration = Duration::from_millis(10);

/// How long those who come next are left outside while others are queued inside, and would be
/// served first anyway. Taken in together they cost one wake-up, not one each.
const ACCEPT_PAUSE: Duration = Duration::from_micros(100);

/// How long a lame duck waits for a client before looking whether it is time to stop.
const LAME_DUCK_LOOK: Duration = Duration::from_millis(10);

/// How long to wait for a place before looking whether to stop.
const FULL_PAUSE: Duration = Duration::from_millis(100);

/// Idle connections that are closed at a time when clients wait outside.
const EVICTED: usize = 32;

/// How a balancer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything in flight was finished.
    Drained,
    /// The drain timeout passed first, or a second stop was asked for.
    Cut,
}

/// Asks a balancer to stop. Cheap to clone, usable from any thread.
#[derive(Clone, Debug)]
pub struct Stop {
    waker: Arc<Waker>,
    requests: Arc<AtomicU32>,
}

impl Stop {
    /// One for a balancer that is to be started, so that also its start can be stopped.
    pub fn new() -> Result<Self, StartError> {
        let waker = Arc::new(Waker::new().map_err(StartError::Resources)?);
        Ok(Self {
            waker,
            requests: Arc::default(),
        })
    }

    /// Asks once more; returns how often that was done before.
    pub fn request(&self) -> u32 {
        let before = self.requests.fetch_add(1, Ordering::SeqCst);
        self.waker.wake();
        before
    }

    fn is_requested(&self) -> bool {
        self.requests.load(Ordering::SeqCst) > 0
    }

    /// Whether it was asked for again: what is in flight is not waited for.
    fn is_insisted_on(&self) -> bool {
        self.requests.load(Ordering::SeqCst) > 1
    }
}

/// A balancer that listens and has looked at its backends, ready to [`run`](Server::run).
#[derive(Debug)]
pub struct Server {
    listener: Listener,
    engine: Arc<Engine<ClientSession>>,
    stop: Stop,
    /// Ends the threads that look after backends: last, for those in flight still need them.
    ending: Arc<Waker>,
    workers: Vec<JoinHandle<()>>,
    health: JoinHandle<()>,
    resolver: Option<JoinHandle<()>>,
    /// No stop was asked for before clients were let in.
    is_in_use: bool,
}

impl Server {
    /// Starts one that only its own [`Self::stop`] stops.
    pub fn start(config: Config, log: LogWriter) -> Result<Self, StartError> {
        Self::start_until(Stop::new()?, config, log)
    }

    /// Takes the port, resolves, checks every backend once, starts the threads, and lets clients
    /// in. A stop that is asked for meanwhile cuts that short, and [`Self::run`] then ends at
    /// once.
    pub fn start_until(stop: Stop, config: Config, log: LogWriter) -> Result<Self, StartError> {
        let descriptors = limits::raise_descriptor_limit();
        let listener = bind(&config, &stop)?;
        let count = config.workers;
        let shared = shared(config, log, descriptors)?;
        let (cores, scheduling) = (shared.config().cores, shared.config().scheduling);
        let connections = Arc::clone(&shared.connections);
        let engine = Engine::<ClientSession>::new(shared, connections, cores, scheduling);
        let engine = engine.map_err(StartError::Resources)?;
        let ending = Arc::new(Waker::new().map_err(StartError::Resources)?);
        capacity::check_descriptors(descriptors)?;
        let resolver = resolve(&engine.shared, &stop)?;
        let checks = health::first_round(&engine.shared.health, &stop.waker);
        listener
            .open()
            .map_err(|error| not_listening(engine.shared.config(), error))?;
        let is_in_use = !stop.is_requested();
        let server = Self {
            workers: worker::start(&engine, count).map_err(StartError::Resources)?,
            health: spawn("health", &engine, &ending, |engine, waker| {
                checks.run(&engine.shared.health, waker, || recall_lost(engine));
            })?,
            resolver: match resolver.is_needed() {
                true => Some(spawn("resolve", &engine, &ending, |engine, waker| {
                    resolver.run(&engine.shared.health.waker, waker);
                })?),
                false => None,
            },
            stop,
            ending,
            listener,
            engine,
            is_in_use,
        };
        if is_in_use {
            announce::announce(&server.engine.shared, &server.listener);
        }
        Ok(server)
    }

    /// Where it listens, with the real port where 0 was asked for.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// What stops it.
    #[must_use]
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Its engine, to be looked at.
    #[must_use]
    pub fn engine(&self) -> Arc<Engine<ClientSession>> {
        Arc::clone(&self.engine)
    }

    /// Serves until a stop is asked for, then finishes what is in flight. All threads have
    /// ended when it returns; the calling one keeps the scheduling of those that serve.
    #[must_use]
    pub fn run(self) -> Ended {
        let mut scheduling = ThreadPolicy::of_this_thread(&self.engine.policy);
        self.accept_until_stopped(&mut scheduling);
        // Before clients were let in there is nobody to be told that we leave.
        if self.is_in_use {
            self.go_on_as_lame_duck(&mut scheduling);
        }
        self.engine.shared.stop();
        let ended = drain(&self.engine, self.listener, &self.stop);
        end_threads(&self.engine, self.workers);
        self.ending.wake();
        join(self.health);
        self.resolver.into_iter().for_each(join_soon);
        ended
    }

    fn accept_until_stopped(&self, scheduling: &mut ThreadPolicy) {
        self.accept_while(
            scheduling,
            || !self.stop.is_requested(),
            // If even this fails, `accept` itself will tell.
            || drop(self.listener.wait(&self.stop.waker)),
        );
    }

    /// Goes on as before for a while, and says to those who ask that it is not ready: balancers
    /// in front of it see that, and send their clients elsewhere before it is gone.
    fn go_on_as_lame_duck(&self, scheduling: &mut ThreadPolicy) {
        let shared = &self.engine.shared;
        let until = Instant::now() + shared.config().lame_duck;
        shared.leave();
        if !shared.config().lame_duck.is_zero() {
            log::info!(
                "Not ready any more; serving for another {}.",
                seconds(shared.config().lame_duck)
            );
        }
        self.accept_while(
            scheduling,
            || Instant::now() < until && !self.stop.is_insisted_on(),
            || _ = self.listener.has_client(LAME_DUCK_LOOK),
        );
    }

    fn accept_while(
        &self,
        scheduling: &mut ThreadPolicy,
        goes_on: impl Fn() -> bool,
        wait: impl Fn(),
    ) {
        let (mut full, mut failing) = (Warning::default(), Warning::default());
        let mut has_accepted = false;
        while goes_on() {
            scheduling.follow();
            if self.engine.shared.connections.is_full() {
                self.wait_for_room(&mut full);
                continue;
            }
            match self.listener.accept() {
                Ok(Accepted::Client(conn, address)) => {
                    self.engine.admit(conn, address);
                    has_accepted = true;
                }
                Ok(Accepted::Nobody) if take(&mut has_accepted) && self.is_busy() => {
                    std::thread::sleep(ACCEPT_PAUSE);
                }
                Ok(Accepted::Nobody) => wait(),
                Err(error) => {
                    failing.say(|| format!("Cannot accept: {error}; trying again."));
                    self.back_off(&error);
                }
            }
        }
    }

    fn is_busy(&self) -> bool {
        self.engine.has_queued()
    }

    /// All places are taken: idle connections make room, and new clients wait in the kernel's
    /// queue, which costs us nothing.
    fn wait_for_room(&self, full: &mut Warning) {
        let connections = &self.engine.shared.connections;
        full.say(|| match connections.open() >= connections.limit() {
            true => format!(
                "{} connections, as many as --max-connections allows; new clients wait.",
                connections.limit()
            ),
            false => format!(
                "{} connections take all memory that --max-memory allows; new clients wait.",
                connections.open()
            ),
        });
        if connections.is_crowded() && self.listener.has_client(Duration::ZERO) {
            evict_idle(&self.engine);
        }
        let _ = connections.wait_for_room(FULL_PAUSE);
    }

    /// `accept` failed: for want of descriptors, those that rest are given back.
    fn back_off(&self, error: &io::Error) {
        if limits::shortage(error) == Some(Shortage::Descriptors) {
            self.engine.shared.close_idle_backend_connections();
            evict_idle(&self.engine);
        }
        // A waker that is raised already waits for nothing.
        if self.stop.is_requested() {
            std::thread::sleep(ACCEPT_BACK_OFF);
        }
        let _ = self.stop.waker.wait(ACCEPT_BACK_OFF);
    }
}

/// Queues all sessions that wait for a backend that is lost, or for any to come up, so that each
/// sees what to do now.
fn recall_lost(engine: &Engine<ClientSession>) {
    let now = Instant::now();
    let is_lost = |session: &ClientSession| session.is_backend_lost(&engine.shared, now);
    engine.recall(usize::MAX, is_lost, |_| ());
}

/// Closes some connections that are kept alive and not in use.
fn evict_idle(engine: &Engine<ClientSession>) {
    engine.recall(EVICTED, ClientSession::is_idle, ClientSession::evict);
}

/// What sessions share, with the limits that follow from the machine.
fn shared(config: Config, log: LogWriter, descriptors: u64) -> Result<Shared, StartError> {
    let connections = ConnectionLimit::new(
        capacity::connections(&config, descriptors),
        capacity::memory(&config)?,
    );
    let backends = backends(&config);
    let snapshot = Arc::new(Snapshot { config, backends });
    let health = Monitor::new(snapshot).map_err(StartError::Resources)?;
    Ok(Shared::new(health, log, connections))
}

fn backends(config: &Config) -> Backends<Conn> {
    let health = Health::new(config.health.rise, config.health.fall);
    let new = |name: &Name| Backend::new(name.clone(), health.clone());
    let regular = config.backends.iter().map(new);
    let backups = config.backups.iter().map(new).map(Backend::as_backup);
    Backends::new(regular.chain(backups).map(Arc::new).collect())
}

fn spawn(
    name: &str,
    engine: &Arc<Engine<ClientSession>>,
    waker: &Arc<Waker>,
    run: impl FnOnce(&Engine<ClientSession>, &Waker) + Send + 'static,
) -> Result<JoinHandle<()>, StartError> {
    let (engine, waker) = (Arc::clone(engine), Arc::clone(waker));
    std::thread::Builder::new()
        .name(name.into())
        .spawn(move || run(&engine, &waker))
        .map_err(StartError::Resources)
}
