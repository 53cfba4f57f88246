//! From a configuration to a balancer that listens.

use super::prepare::{bind, not_listening, resolve};
use super::{Server, StartError, Stop, announce, capacity};
use crate::backends::health::Health;
use crate::backends::{Backend, Backends, Name};
use crate::config::{Config, Snapshot};
use crate::engine::connection_limit::ConnectionLimit;
use crate::engine::{Engine, worker};
use crate::exchange::shared::Shared;
use crate::health::{self, SharedHealth};
use crate::log::writer::LogWriter;
use crate::net::conn::Conn;
use crate::net::limits;
use crate::net::waker::Waker;
use crate::session::ClientSession;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

impl Server {
    /// Starts a balancer that only its own [`Self::stop`] stops.
    pub fn start(config: Config, log: LogWriter) -> Result<Self, StartError> {
        Self::start_until(Stop::new()?, config, log)
    }

    /// Takes the port, looks up names, checks every backend once, starts the threads, and listens. A
    /// stop that is asked for meanwhile cuts this short; [`Self::run`] then ends at once.
    pub fn start_until(stop: Stop, config: Config, log: LogWriter) -> Result<Self, StartError> {
        let descriptors = limits::raise_descriptor_limit();
        let listener = bind(&config, &stop)?;
        let count = config.workers;
        let engine = engine(shared(config, log, descriptors)?)?;
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
            health: spawn("health", &engine, &ending, |engine, ending| {
                checks.run(&engine.shared.health, ending, || recall_lost(engine));
            })?,
            resolver: match resolver.is_needed() {
                true => Some(spawn("resolve", &engine, &ending, |engine, ending| {
                    resolver.run(&engine.shared.health.waker, ending);
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
}

fn engine(shared: Shared) -> Result<Arc<Engine<ClientSession>>, StartError> {
    let (cores, scheduling) = (shared.config().cores, shared.config().scheduling);
    let connections = Arc::clone(&shared.connections);
    Engine::new(shared, connections, cores, scheduling).map_err(StartError::Resources)
}

/// What sessions share, with the limits that follow from the machine.
fn shared(config: Config, log: LogWriter, descriptors: u64) -> Result<Shared, StartError> {
    let connections = ConnectionLimit::new(
        capacity::connections(&config, descriptors),
        capacity::memory(&config)?,
    );
    let backends = backends(&config);
    let snapshot = Arc::new(Snapshot { config, backends });
    let health = SharedHealth::new(snapshot).map_err(StartError::Resources)?;
    Ok(Shared::new(health, log, connections))
}

fn backends(config: &Config) -> Backends<Conn> {
    let health = Health::new(config.health.rise, config.health.fall);
    let new = |name: &Name| Backend::new(name.clone(), health.clone());
    let regular = config.backends.iter().map(new);
    let backups = config.backups.iter().map(new).map(Backend::as_backup);
    Backends::new(regular.chain(backups).map(Arc::new).collect())
}

/// Queues all sessions that wait for a backend that is lost, or for any to come up, so that each
/// sees what to do now.
fn recall_lost(engine: &Engine<ClientSession>) {
    let now = Instant::now();
    let is_lost = |session: &ClientSession| session.is_backend_lost(&engine.shared, now);
    engine.recall(usize::MAX, is_lost, |_| ());
}

fn spawn(
    name: &str,
    engine: &Arc<Engine<ClientSession>>,
    ending: &Arc<Waker>,
    run: impl FnOnce(&Engine<ClientSession>, &Waker) + Send + 'static,
) -> Result<JoinHandle<()>, StartError> {
    let (engine, ending) = (Arc::clone(engine), Arc::clone(ending));
    std::thread::Builder::new()
        .name(name.into())
        .spawn(move || run(&engine, &ending))
        .map_err(StartError::Resources)
}
