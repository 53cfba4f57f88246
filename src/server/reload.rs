//! A reload: from the configuration that is in use to another one, without a dropped request.
//!
//! The new configuration is prepared as a whole first: names are looked up, new backends are checked,
//! new listeners are bound. If any of that fails, the old configuration stays. Then one swap of the
//! snapshot puts it into use: exchanges under way go on with the group with which they began, and
//! backends that remain keep their health, their requests and their idle connections.
//!
//! Must not know where a configuration is written.

use super::changes::{self, Changes};
use super::groups::{Plan, plan};
use super::listeners::{ListenerChange, PendingChange};
use super::overlay::{Overlay, SharedOverlay};
use super::prepare::{bind, check_added, open, resolve};
use super::threads::{join_soon, spawn};
use super::{StartError, Stop};
use crate::config::{Config, Snapshot};
use crate::discovery::Resolver;
use crate::engine::Engine;
use crate::health::Checks;
use crate::net::waker::Waker;
use crate::net::{Interest, wait_any};
use crate::session::ClientSession;
use rustix::fd::AsFd;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often a file is looked at with `--watch`.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// How long a wait lasts when there is nothing to look at.
const LONG: Duration = Duration::from_secs(3600);

/// Where a reload gets the configuration from.
pub struct Source {
    /// Reads the whole configuration again. The error is for people: what is wrong, and where.
    pub load: Box<dyn Fn() -> Result<Config, String> + Send>,
    /// Whether it has changed since this was asked last; `None` if nobody is to look.
    pub has_changed: Option<Box<dyn FnMut() -> bool + Send>>,
}

impl fmt::Debug for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Source").finish_non_exhaustive()
    }
}

/// Asks a balancer to reload. Cheap to clone, usable from any thread.
#[derive(Clone, Debug)]
pub struct Reload(Arc<Waker>);

impl Reload {
    /// A handle for a balancer that is about to be started.
    pub fn new() -> Result<Self, StartError> {
        Ok(Self(Arc::new(Waker::new().map_err(StartError::Resources)?)))
    }

    /// Asks for a reload. Several that come together are one.
    pub fn request(&self) {
        self.0.wake();
    }
}

/// What changes the configuration, one change at a time.
#[derive(Debug)]
pub(super) struct Reloader {
    pub(super) engine: Arc<Engine<ClientSession>>,
    pub(super) stop: Stop,
    pub(super) pending: Arc<PendingChange>,
    pub(super) resolving: Resolving,
    /// As it is written.
    pub(super) written: Config,
    /// What an operator has changed since.
    pub(super) overlay: SharedOverlay,
    /// What is in use: both together.
    pub(super) config: Config,
}

/// The one that all threads share.
pub(super) type SharedReloader = Arc<Mutex<Reloader>>;

/// A panic in another thread leaves nothing half done that matters here: a change is put into use as a
/// whole, or not at all.
pub(super) fn lock(reloader: &SharedReloader) -> MutexGuard<'_, Reloader> {
    reloader.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread that looks up names, which ends with its own waker.
#[derive(Debug)]
pub(super) struct Resolving {
    pub(super) ending: Arc<Waker>,
    pub(super) thread: Option<JoinHandle<()>>,
}

/// All that a new configuration needs, ready to be put into use.
pub(super) struct Prepared {
    config: Config,
    plan: Plan,
    snapshot: Arc<Snapshot>,
    /// `None` where no name is new.
    resolver: Option<Resolver>,
    checks: Checks,
    listeners: ListenerChange,
}

/// Which names are looked up for a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LookUps {
    /// Those of all backends.
    All,
    /// None: no backend is new.
    None,
}

/// The thread that reloads: when that is asked for, or when the source has changed, until `ending` is
/// raised.
pub(super) fn run(
    reloader: &SharedReloader,
    mut source: Source,
    (asked, stop): (&Reload, &Stop),
    ending: &Waker,
) {
    while !ending.wait(Duration::ZERO) {
        let is_asked = asked.0.reset();
        let watched = source.has_changed.as_mut();
        let has_changed = watched.is_some_and(|has_changed| has_changed());
        if (is_asked || has_changed) && !stop.is_requested() {
            reload(reloader, &source);
        }
        let timeout = match source.has_changed {
            Some(_) => WATCH_INTERVAL,
            None => LONG,
        };
        let sources = [&*asked.0, ending].map(|waker| (waker as &dyn AsFd, Interest::Read));
        // If the wait itself fails, the next look only comes sooner.
        let _ = wait_any(sources, Some(timeout));
    }
}

/// Puts another configuration into use, or says why the old one stays. The file is read without the
/// lock: it may be a pipe that nobody writes to.
fn reload(reloader: &SharedReloader, source: &Source) {
    match (source.load)() {
        Ok(config) => lock(reloader).reload(config),
        Err(text) => log::warn!("{text}\nThe configuration stays as it was."),
    }
}

impl Reloader {
    /// What was changed by hand stays with the backends whose entries are as they were.
    fn reload(&mut self, written: Config) {
        let overlay = self.overlay.load().kept(&self.written, &written);
        match self.prepare(overlay.over(&written), LookUps::All) {
            Ok(Some(prepared)) => {
                self.commit("Reloaded", prepared, overlay);
                self.written = written;
            }
            Ok(None) => {}
            Err(error) => log::warn!("{error}\nThe configuration stays as it was."),
        }
    }

    /// Gets ready all that may fail or take time; `None` if a stop was asked for meanwhile.
    pub(super) fn prepare(
        &self,
        config: Config,
        look_ups: LookUps,
    ) -> Result<Option<Prepared>, StartError> {
        let shared = &self.engine.shared;
        let observed = shared.observed.as_ref();
        let plan = plan(&config, &shared.snapshot().groups, observed.is_some());
        let (settings, routes) = (config.settings.clone(), config.effective_routes());
        let snapshot = Snapshot::new(settings, plan.groups(), routes);
        let mut snapshot = snapshot.map_err(StartError::Routing)?;
        if let Some(observed) = observed {
            snapshot.count_by(&observed.routes);
        }
        let snapshot = Arc::new(snapshot);
        let interval = config.settings.resolve_interval;
        let resolver = match look_ups {
            LookUps::All => Some(resolve(&plan.backends(), interval, &self.stop)?),
            LookUps::None => None,
        };
        // One of its own: the health thread lowers the other.
        let waker = Waker::new().map_err(StartError::Resources)?;
        let checks = check_added(&plan, &shared.health, &waker, &self.stop);
        let listeners = self.bind_added(&config)?;
        let prepared = Prepared {
            config,
            plan,
            snapshot,
            resolver,
            checks,
            listeners,
        };
        Ok((!self.stop.is_requested()).then_some(prepared))
    }

    /// Takes the ports that are new, and lets clients in: they are accepted once the configuration is
    /// in use.
    fn bind_added(&self, config: &Config) -> Result<ListenerChange, StartError> {
        let (old, new) = (&self.config.listen, &config.listen);
        let options = config.settings.sockets.of_clients();
        let mut added = Vec::new();
        for listen in new.iter().filter(|listen| !old.contains(listen)) {
            let listener = bind(listen, options, &self.stop)?;
            open(listen, &listener)?;
            added.push((listen.clone(), listener));
        }
        let removed = old.iter().filter(|listen| !new.contains(listen));
        Ok(ListenerChange {
            added,
            removed: removed.cloned().collect(),
        })
    }

    /// Puts it into use, and logs `what` was done. It is what is written with this over it.
    pub(super) fn commit(&mut self, what: &str, prepared: Prepared, overlay: Overlay) {
        let shared = &self.engine.shared;
        let changes = Changes::between(&self.config, &prepared.config);
        prepared.plan.put_into_use();
        let settings = &prepared.config.settings;
        settings.limits.apply_to(&shared.clients);
        shared.health.replace_snapshot(prepared.snapshot);
        shared.health.hand_over(prepared.checks);
        self.pending.put(prepared.listeners);
        if let Some(resolver) = prepared.resolver {
            self.resolving.replace(resolver, &self.engine);
        }
        shared.note_recent("", "", changes::log(what, &changes));
        self.overlay.store(Arc::new(overlay));
        self.config = prepared.config;
    }
}

impl Resolving {
    /// Begins to look up the names that `resolver` has, in a thread of its own if there are any.
    pub(super) fn start(
        resolver: Resolver,
        engine: &Arc<Engine<ClientSession>>,
    ) -> Result<Self, StartError> {
        let ending = Arc::new(Waker::new().map_err(StartError::Resources)?);
        let thread = match resolver.is_needed() {
            true => Some(spawn("resolve", engine, &ending, |engine, ending| {
                resolver.run(&engine.shared.health.waker, ending);
            })?),
            false => None,
        };
        Ok(Self { ending, thread })
    }

    /// Looks up these names from now on. If the system has no thread for that, the names of before go
    /// on being looked up.
    fn replace(&mut self, resolver: Resolver, engine: &Arc<Engine<ClientSession>>) {
        match Self::start(resolver, engine) {
            Ok(new) => std::mem::replace(self, new).end(),
            Err(error) => log::warn!("Names are not looked up again: {error}"),
        }
    }

    /// Ends the thread. It may be inside a call that cannot be interrupted.
    pub(super) fn end(&mut self) {
        self.ending.wake();
        self.thread.take().into_iter().for_each(join_soon);
    }
}
