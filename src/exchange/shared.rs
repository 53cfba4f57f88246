//! What all sessions share, and what one worker keeps for the sessions that it serves.

use super::Exchange;
use super::slot::SpareSlots;
#[cfg(test)]
use crate::backends::{Backend, Backends};
#[cfg(test)]
use crate::config::Settings;
use crate::config::Snapshot;
use crate::engine::client_limit::ClientLimits;
use crate::engine::connection_limit::ConnectionLimit;
use crate::engine::memory::Claim;
use crate::engine::turn;
use crate::health::SharedHealth;
use crate::log::dates::Dates;
use crate::log::writer::LogWriter;
use crate::log::{Output, Stories};
use crate::metrics::Observed;
#[cfg(test)]
use crate::net::conn::Conn;
use arc_swap::Guard;
use fastrand::Rng;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// A worker's turn with one session.
pub type Turn<'w> = turn::Turn<'w, Shared, Local>;

/// What all sessions share.
#[derive(Debug)]
pub struct Shared {
    /// The settings and groups as they are now, and what is known of the health of their backends.
    pub health: SharedHealth,
    /// Where lines about requests go.
    pub log: LogWriter,
    /// How many requests the story tells of now.
    pub stories: Stories,
    /// How many connections are open, and how many may be.
    pub connections: Arc<ConnectionLimit>,
    /// How much each client may send.
    pub clients: Arc<ClientLimits>,
    /// What is counted and noted for those who look, if it was asked for.
    pub observed: Option<Arc<Observed>>,
    /// When all of this began.
    pub started: Instant,
    /// Set once, when a stop is asked for.
    stopping: AtomicBool,
    /// Set once, when a stop is near: `--ready-path` says no from then on.
    leaving: AtomicBool,
}

impl Shared {
    /// What sessions share before the first backend is checked.
    #[must_use]
    pub fn new(health: SharedHealth, log: LogWriter, connections: Arc<ConnectionLimit>) -> Self {
        let clients = ClientLimits::new(None, None, 1);
        health.snapshot().settings.limits.apply_to(&clients);
        Self {
            health,
            log,
            stories: Stories::default(),
            connections,
            clients,
            observed: None,
            started: Instant::now(),
            stopping: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
        }
    }

    /// The same, and what happens is counted and noted.
    #[must_use]
    pub fn observed_by(self, observed: Arc<Observed>) -> Self {
        Self {
            health: self.health.noting(Arc::clone(&observed.changes)),
            observed: Some(observed),
            ..self
        }
    }

    /// Notes that something has changed, for those who look: `group` and `backend` are empty where it
    /// concerns more than one.
    pub fn note_recent(&self, group: &str, backend: &str, text: String) {
        if let Some(observed) = &self.observed {
            observed.changes.note(group, backend, text);
        }
    }

    /// What sessions share where these are the backends, and this is the configuration.
    #[cfg(test)]
    pub(super) fn over(backends: Vec<Arc<Backend<Conn>>>, settings: Settings) -> Self {
        let snapshot = Snapshot::of_one_group(settings, Backends::of(backends));
        let health = SharedHealth::new(snapshot).expect("descriptors");
        let memory = crate::engine::memory::Memory::new(usize::MAX, || u64::MAX);
        let connections = ConnectionLimit::new(1, memory);
        Self::new(health, LogWriter::silent(), connections)
    }

    /// The settings and groups as they are now.
    #[must_use]
    pub fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.health.snapshot()
    }

    /// Closes all idle connections to backends, because descriptors are short.
    pub fn close_idle_backend_connections(&self) {
        for group in &self.snapshot().groups {
            let all = group.backends.all();
            all.iter().for_each(|backend| backend.idle.give_back());
        }
    }

    /// From now on `--ready-path` says no.
    pub fn leave(&self) {
        self.leaving.store(true, Ordering::SeqCst);
    }

    /// From now on no connection is kept alive, and no failure counts against a backend.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.health.stop();
    }

    /// Whether the balancer is about to end, so that no connection is kept alive.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Whether new clients should come here: not when a stop is near or no backend is live.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.is_stopping() && !self.is_leaving() && self.is_any_backend_live()
    }

    /// Whether a stop is near.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// Whether any backend of any group gets requests.
    #[must_use]
    pub fn is_any_backend_live(&self) -> bool {
        let snapshot = self.snapshot();
        let mut groups = snapshot.groups.iter();
        groups.any(|group| group.backends.is_any_live())
    }

    /// Whether connections are worth keeping: not while stopping, and not while new clients cannot
    /// be accepted.
    #[must_use]
    pub fn keeps_alive(&self) -> bool {
        !self.is_stopping() && !self.connections.is_crowded()
    }

    /// How many bytes of memory are left for what sessions hold while they wait.
    #[must_use]
    pub fn memory_left(&self) -> usize {
        self.connections.memory().room(Claim::UnderWay)
    }
}

/// What one worker keeps for the sessions that it serves.
#[derive(Debug, Default)]
pub struct Local {
    /// The clock for `Date` and the log.
    pub dates: Dates,
    /// Boxes for exchanges.
    pub exchanges: SpareSlots<Exchange>,
    /// Where ids come from.
    pub random: Rng,
    /// Where lines about requests are gathered.
    text: Vec<u8>,
}

/// What is needed to print a line about a request.
pub fn log_output<'t>(turn: &'t mut Turn<'_>) -> Output<'t> {
    Output {
        dates: &mut turn.local.dates,
        text: &mut turn.local.text,
        writer: &turn.shared.log,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::testing::Fixture;

    #[test]
    fn it_is_ready_while_a_backend_is_live_and_no_stop_is_near() {
        assert!(!Fixture::new(0, Settings::default()).shared.is_ready());
        let shared = Fixture::new(1, Settings::default()).shared;
        assert!(shared.is_ready() && !shared.is_stopping() && shared.keeps_alive());
        assert_eq!(
            shared.memory_left(),
            shared.connections.memory().room(Claim::UnderWay)
        );
        shared.leave();
        assert!(!shared.is_ready() && !shared.is_stopping() && shared.keeps_alive());
        let shared = Fixture::new(1, Settings::default()).shared;
        shared.stop();
        assert!(!shared.is_ready() && shared.is_stopping() && !shared.keeps_alive());
    }

    #[test]
    fn no_connection_is_kept_where_none_can_be_accepted() {
        let shared = Fixture::new(1, Settings::default()).shared;
        let _only = shared.connections.acquire();
        assert!(!shared.keeps_alive());
    }

    #[test]
    fn idle_connections_are_given_back_when_descriptors_are_short() {
        let fixture = Fixture::new(1, Settings::default());
        let _other_end = fixture.keep_idle(0);
        fixture.shared.close_idle_backend_connections();
        assert!(fixture.backends[0].idle.is_empty());
    }
}
