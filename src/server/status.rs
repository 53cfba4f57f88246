//! What the balancer is doing now, as one plain value.

use super::Server;
use crate::backends::{AdminState, Member, Name, Standing};
use crate::config::Group;
use crate::engine::Engine;
use crate::net::conn::Conn;
use crate::session::ClientSession;
use std::sync::Arc;
use std::time::Instant;

/// The balancer at one moment.
#[derive(Clone, Debug)]
pub struct Status {
    /// Whether new clients should come here: what `--ready-path` answers.
    pub is_ready: bool,
    /// Open client connections.
    pub connections: Share,
    /// Bytes of `--max-memory`.
    pub memory: Share,
    /// The groups in the order of the configuration.
    pub groups: Vec<GroupStatus>,
}

/// One group of backends at one moment.
#[derive(Clone, Debug)]
pub struct GroupStatus {
    /// What it is called.
    pub name: String,
    /// Whether more than half of the backends are silent, so that they are used all the same.
    pub are_most_silent: bool,
    /// The backends in the order of the configuration.
    pub backends: Vec<BackendStatus>,
}

impl GroupStatus {
    fn of(group: &Group) -> Self {
        let members = group.backends.members();
        Self {
            name: group.name.clone(),
            are_most_silent: group.backends.are_most_silent(),
            backends: members.iter().map(BackendStatus::of).collect(),
        }
    }
}

/// How much of a limit is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// What is used.
    pub used: usize,
    /// The most that may be used.
    pub limit: usize,
}

/// One backend at one moment.
#[derive(Clone, Debug)]
pub struct BackendStatus {
    /// What it is called.
    pub name: Name,
    /// Whether it is used only when no other is up.
    pub is_backup: bool,
    /// How far its health lets it have requests.
    pub standing: Standing,
    /// Whether its health is good, whatever the operator wants.
    pub is_up: bool,
    /// Whether it gets new requests.
    pub is_live: bool,
    /// What the operator wants.
    pub admin: AdminState,
    /// What was seen last that was bad.
    pub reason: String,
    /// Since when it has been up or down.
    pub since: Instant,
    /// When it is checked next.
    pub next_check: Option<Instant>,
    /// Requests under way there.
    pub in_flight: usize,
    /// Idle connections to it.
    pub idle: usize,
}

impl BackendStatus {
    fn of(member: &Member<Conn>) -> Self {
        let backend = &member.backend;
        let state = backend.state().clone();
        Self {
            name: backend.name.clone(),
            is_backup: member.is_backup,
            standing: backend.standing(),
            is_up: backend.is_up(),
            is_live: backend.is_live(),
            admin: state.admin,
            reason: state.reason,
            since: state.since,
            next_check: state.next_check,
            in_flight: backend.in_flight(),
            idle: backend.idle.len(),
        }
    }
}

/// Gives the status of a balancer, also while it runs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct StatusHandle(Arc<Engine<ClientSession>>);

impl StatusHandle {
    /// The status now.
    #[must_use]
    pub fn status(&self) -> Status {
        let shared = &self.0.shared;
        let (connections, snapshot) = (&shared.connections, shared.snapshot());
        let memory = connections.memory();
        Status {
            is_ready: shared.is_ready(),
            connections: Share {
                used: connections.open(),
                limit: connections.limit(),
            },
            memory: Share {
                used: memory.used(),
                limit: memory.limit(),
            },
            groups: snapshot
                .groups
                .iter()
                .map(|group| GroupStatus::of(group))
                .collect(),
        }
    }
}

impl Server {
    /// The status now.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status_handle().status()
    }

    /// Gives the status also after [`Self::run`] has taken the server.
    #[must_use]
    pub fn status_handle(&self) -> StatusHandle {
        StatusHandle(Arc::clone(&self.engine))
    }
}
