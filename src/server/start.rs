//! From a configuration to a balancer that listens.

use super::groups::{Plan, plan};
use super::listeners::{Listeners, PendingChange};
use super::overlay::SharedOverlay;
use super::prepare::{bind, check_added, open, resolve};
use super::reload::{Reloader, Resolving};
use super::threads::spawn;
use super::{Server, StartError, Stop, announce, capacity, sampler};
use crate::config::{Config, Listen, Snapshot};
use crate::engine::connection_limit::ConnectionLimit;
use crate::engine::{Engine, worker};
use crate::exchange::shared::Shared;
use crate::health::SharedHealth;
use crate::log::writer::LogWriter;
use crate::metrics::Observed;
use crate::net::limits;
use crate::net::listener::Listener;
use crate::net::waker::Waker;
use crate::session::ClientSession;
use std::sync::{Arc, Mutex};
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
        let listeners = bind_all(&config, &stop)?;
        let plan = plan(&config, &[], config.is_observed());
        let engine = engine(shared(&config, &plan, log, descriptors)?)?;
        let ending = Arc::new(Waker::new().map_err(StartError::Resources)?);
        let pending = Arc::new(PendingChange::new().map_err(StartError::Resources)?);
        capacity::check_descriptors(descriptors)?;
        let resolver = resolve(&plan.backends(), config.settings.resolve_interval, &stop)?;
        let health = &engine.shared.health;
        let checks = check_added(&plan, health, &health.waker, &stop);
        for (listen, listener) in &listeners {
            open(listen, listener)?;
        }
        let is_in_use = !stop.is_requested();
        let overlay = SharedOverlay::default();
        let workers = worker::start(&engine, config.settings.workers);
        let server = Self {
            workers: workers.map_err(StartError::Resources)?,
            health: spawn("health", &engine, &ending, |engine, ending| {
                checks.run(&engine.shared.health, ending, || recall_lost(engine));
            })?,
            sampler: match engine.shared.observed {
                Some(_) => Some(spawn("sample", &engine, &ending, sampler::run)?),
                None => None,
            },
            reloader: Arc::new(Mutex::new(Reloader {
                engine: Arc::clone(&engine),
                stop: stop.clone(),
                pending: Arc::clone(&pending),
                resolving: Resolving::start(resolver, &engine)?,
                written: config.clone(),
                overlay: Arc::clone(&overlay),
                config,
            })),
            reloading: None,
            overlay,
            stop,
            ending,
            listeners: Listeners::new(listeners),
            pending,
            engine,
            is_in_use,
        };
        if is_in_use {
            announce::announce(&server.engine.shared, &server.listeners);
        }
        Ok(server)
    }
}

/// Takes every port to listen on.
fn bind_all(config: &Config, stop: &Stop) -> Result<Vec<(Listen, Listener)>, StartError> {
    let options = config.settings.sockets.of_clients();
    let all = config.listen.iter();
    all.map(|listen| Ok((listen.clone(), bind(listen, options, stop)?)))
        .collect()
}

fn engine(shared: Shared) -> Result<Arc<Engine<ClientSession>>, StartError> {
    let settings = &shared.snapshot().settings;
    let (cores, scheduling) = (settings.cores, settings.scheduling);
    let connections = Arc::clone(&shared.connections);
    Engine::new(shared, connections, cores, scheduling).map_err(StartError::Resources)
}

/// What sessions share, with the limits that follow from the machine.
fn shared(
    config: &Config,
    plan: &Plan,
    log: LogWriter,
    descriptors: u64,
) -> Result<Shared, StartError> {
    let limit = capacity::connections(config, descriptors);
    let connections = ConnectionLimit::new(limit, capacity::memory(config)?);
    let observed = (config.is_observed()).then(|| Observed::new(config.settings.workers, limit));
    let (settings, routes) = (config.settings.clone(), config.effective_routes());
    let snapshot = Snapshot::new(settings, plan.groups(), routes);
    let mut snapshot = snapshot.map_err(StartError::Routing)?;
    if let Some(observed) = &observed {
        snapshot.count_by(&observed.routes);
    }
    let health = SharedHealth::new(Arc::new(snapshot)).map_err(StartError::Resources)?;
    let shared = Shared::new(health, log, connections);
    Ok(match observed {
        Some(observed) => shared.observed_by(observed),
        None => shared,
    })
}

/// Queues all sessions that wait for a backend that is lost, or for any to come up, so that each
/// sees what to do now.
fn recall_lost(engine: &Engine<ClientSession>) {
    let now = Instant::now();
    let is_lost = |session: &ClientSession| session.is_backend_lost(&engine.shared, now);
    engine.recall(usize::MAX, is_lost, |_| ());
}
