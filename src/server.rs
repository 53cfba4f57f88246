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
use crate::backends::select::Backends;
use crate::backends::{Backend, Name};
use crate::checker;
use crate::config::Config;
use crate::evidence::seconds;
use crate::gate::Gate;
use crate::journal::Journal;
use crate::net::alarm::Alarm;
use crate::net::limits::{self, Shortage};
use crate::net::listener::{Accepted, Listener};
use crate::scheduling::ThreadPolicy;
use crate::turn::Context;
use crate::workers::{self, Floor};
use drain::{drain, end_threads, join, join_soon};
use prepare::{bind, not_listening, resolve};
use std::io;
use std::mem::take;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
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
const TURN_OUT: usize = 32;

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
    alarm: Arc<Alarm>,
    requests: Arc<AtomicU32>,
}

impl Stop {
    /// One for a balancer that is to be started, so that also its start can be stopped.
    pub fn new() -> Result<Self, StartError> {
        let alarm = Arc::new(Alarm::new().map_err(StartError::Resources)?);
        Ok(Self {
            alarm,
            requests: Arc::default(),
        })
    }

    /// Asks once more; returns how often that was done before.
    pub fn request(&self) -> u32 {
        let before = self.requests.fetch_add(1, Ordering::SeqCst);
        self.alarm.raise();
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
    floor: Arc<Floor>,
    stop: Stop,
    /// Ends the threads that look after backends: last, for those in flight still need them.
    ending: Arc<Alarm>,
    workers: Vec<JoinHandle<()>>,
    health: JoinHandle<()>,
    resolver: Option<JoinHandle<()>>,
    /// No stop was asked for before clients were let in.
    is_in_use: bool,
}

impl Server {
    /// Starts one that only its own [`Self::stop`] stops.
    pub fn start(config: Config, journal: Journal) -> Result<Self, StartError> {
        Self::start_until(Stop::new()?, config, journal)
    }

    /// Takes the port, resolves, checks every backend once, starts the threads, and lets clients
    /// in. A stop that is asked for meanwhile cuts that short, and [`Self::run`] then ends at
    /// once.
    pub fn start_until(stop: Stop, config: Config, journal: Journal) -> Result<Self, StartError> {
        let descriptors = limits::raise_descriptor_limit();
        let listener = bind(&config, &stop)?;
        let count = config.workers;
        let context = context(config, journal, descriptors)?;
        let floor = Floor::new(context).map_err(StartError::Resources)?;
        let ending = Arc::new(Alarm::new().map_err(StartError::Resources)?);
        capacity::check_descriptors(descriptors)?;
        let resolver = resolve(&floor.context, &stop)?;
        let checks = checker::first_round(&floor.context, &stop.alarm);
        listener
            .open()
            .map_err(|error| not_listening(&floor.context.config, error))?;
        let is_in_use = !stop.is_requested();
        let server = Self {
            workers: workers::start(&floor, count).map_err(StartError::Resources)?,
            health: spawn("health", &floor, &ending, |floor, alarm| {
                checks.run(&floor.context, alarm, || floor.call_stranded());
            })?,
            resolver: match resolver.is_needed() {
                true => Some(spawn("resolve", &floor, &ending, |floor, alarm| {
                    resolver.run(&floor.context.trouble, alarm);
                })?),
                false => None,
            },
            stop,
            ending,
            listener,
            floor,
            is_in_use,
        };
        if is_in_use {
            announce::announce(&server.floor.context, &server.listener);
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

    /// What its sessions share, to be looked at.
    #[must_use]
    pub fn floor(&self) -> Arc<Floor> {
        Arc::clone(&self.floor)
    }

    /// Serves until a stop is asked for, then finishes what is in flight. All threads have
    /// ended when it returns; the calling one keeps the scheduling of those that serve.
    #[must_use]
    pub fn run(self) -> Ended {
        let mut scheduling = ThreadPolicy::of_this_thread(&self.floor.scheduling);
        self.accept_until_stopped(&mut scheduling);
        // Before clients were let in there is nobody to be told that we leave.
        if self.is_in_use {
            self.go_on_as_lame_duck(&mut scheduling);
        }
        self.floor.context.stopping.store(true, Ordering::SeqCst);
        let ended = drain(&self.floor, self.listener, &self.stop);
        end_threads(&self.floor, self.workers);
        self.ending.raise();
        join(self.health);
        self.resolver.into_iter().for_each(join_soon);
        ended
    }

    fn accept_until_stopped(&self, scheduling: &mut ThreadPolicy) {
        self.accept_while(
            scheduling,
            || !self.stop.is_requested(),
            // If even this fails, `accept` itself will tell.
            || drop(self.listener.wait(&self.stop.alarm)),
        );
    }

    /// Goes on as before for a while, and says to those who ask that it is not ready: balancers
    /// in front of it see that, and send their clients elsewhere before it is gone.
    fn go_on_as_lame_duck(&self, scheduling: &mut ThreadPolicy) {
        let context = &self.floor.context;
        let until = Instant::now() + context.config.lame_duck;
        context.leaving.store(true, Ordering::SeqCst);
        if !context.config.lame_duck.is_zero() {
            log::info!(
                "Not ready any more; serving for another {}.",
                seconds(context.config.lame_duck)
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
            if self.floor.context.gate.is_full() {
                self.wait_for_room(&mut full);
                continue;
            }
            match self.listener.accept() {
                Ok(Accepted::Client(conn, address)) => {
                    self.floor.admit(conn, address);
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
        self.floor.jobs.crew().is_queued()
    }

    /// All places are taken: idle connections make room, and new clients wait in the kernel's
    /// queue, which costs us nothing.
    fn wait_for_room(&self, full: &mut Warning) {
        let gate = &self.floor.context.gate;
        full.say(|| match gate.inside() >= gate.limit() {
            true => format!(
                "{} connections, as many as --max-connections allows; new clients wait.",
                gate.limit()
            ),
            false => format!(
                "{} connections take all memory that --max-memory allows; new clients wait.",
                gate.inside()
            ),
        });
        if gate.is_crowded() && self.listener.has_client(Duration::ZERO) {
            self.floor.turn_out_idle(TURN_OUT);
        }
        let _ = gate.wait_for_room(FULL_PAUSE);
    }

    /// `accept` failed: for want of descriptors, those that rest are given back.
    fn back_off(&self, error: &io::Error) {
        if limits::shortage(error) == Some(Shortage::Descriptors) {
            self.floor.give_back_resting();
            self.floor.turn_out_idle(TURN_OUT);
        }
        // An alarm that is raised already waits for nothing.
        if self.stop.is_requested() {
            std::thread::sleep(ACCEPT_BACK_OFF);
        }
        let _ = self.stop.alarm.wait(ACCEPT_BACK_OFF);
    }
}

/// What sessions share, with the limits that follow from the machine.
fn context(config: Config, journal: Journal, descriptors: u64) -> Result<Context, StartError> {
    let health = Health::new(config.health.rise, config.health.fall);
    let new = |index: usize, name: &Name| Backend::new(index, name.clone(), health.clone());
    let regular = config.backends.iter().enumerate();
    let regular = regular.map(|(index, name)| new(index, name));
    let backups = config.backups.iter().enumerate();
    let backups = backups.map(|(index, name)| new(config.backends.len() + index, name).as_backup());
    let backends: Vec<_> = regular.chain(backups).map(Arc::new).collect();
    Ok(Context {
        backends: Backends::new(backends),
        journal,
        gate: Gate::new(
            capacity::connections(&config, descriptors),
            capacity::memory(&config)?,
        ),
        stopping: AtomicBool::new(false),
        leaving: AtomicBool::new(false),
        trouble: Alarm::new().map_err(StartError::Resources)?,
        has_changed: AtomicBool::new(false),
        open_checks: Arc::default(),
        config,
    })
}

fn spawn(
    name: &str,
    floor: &Arc<Floor>,
    alarm: &Arc<Alarm>,
    run: impl FnOnce(&Floor, &Alarm) + Send + 'static,
) -> Result<JoinHandle<()>, StartError> {
    let (floor, alarm) = (Arc::clone(floor), Arc::clone(alarm));
    std::thread::Builder::new()
        .name(name.into())
        .spawn(move || run(&floor, &alarm))
        .map_err(StartError::Resources)
}
