//! What the balancer is doing now, as plain values: what the admin listener shows as JSON, what its page
//! draws, and what tests look at. Must not know how they are shown.
//!
//! | file | what it is |
//! |---|---|
//! | this one | the balancer as a whole, and the handle that gives all of it |
//! | `groups` | its groups of backends |
//! | `requests` | the requests that run now |
//! | `metrics` | all that is counted, as Prometheus reads it |

mod groups;
mod metrics;
mod requests;

pub use groups::{BackendStatus, GroupStatus, QueueStatus};
pub use requests::LiveRequest;

use super::Server;
use super::overlay::SharedOverlay;
use crate::engine::Engine;
use crate::exchange::shared::Shared;
use crate::log::stamp::Stamp;
use crate::metrics::changes::ChangeLog;
use crate::metrics::lanes::Lanes;
use crate::metrics::live::{LiveStage, LiveTable};
use crate::session::ClientSession;
use serde::Serialize;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// The balancer at one moment. `GET /status` is this value as JSON; times are in seconds.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// The version of the program.
    pub version: &'static str,
    /// The id of the process.
    pub pid: u32,
    /// The time of day (RFC 3339, UTC).
    pub time: String,
    /// Since when it has been running.
    pub uptime_seconds: f64,
    /// `serving`, `lame_duck` or `stopping`.
    pub state: &'static str,
    /// Whether new clients should come here: what `--ready-path` answers.
    #[serde(rename = "ready")]
    pub is_ready: bool,
    /// Why they should not, in words.
    pub not_ready: Vec<String>,
    /// Open client connections.
    pub connections: Share,
    /// Bytes of `--max-memory`.
    pub memory: Share,
    /// What each worker does; empty if that is not gathered.
    pub workers: Vec<WorkerStatus>,
    /// The parked sessions by stage.
    pub parked: ParkedSessions,
    /// Lines of the log that were lost, because nothing took them quickly enough.
    pub log_lines_dropped: u64,
    /// What changed in the last minute, newest first.
    pub changes: Vec<RecentChange>,
    /// The groups in the order of the configuration.
    pub groups: Vec<GroupStatus>,
}

/// How much of a limit is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Share {
    /// What is used.
    pub used: usize,
    /// The most that may be used.
    pub limit: usize,
}

/// What one worker does at this moment.
#[derive(Clone, Debug, Serialize)]
pub struct WorkerStatus {
    /// The name of its thread.
    pub name: String,
    /// `waiting_for_job`, `leading_poll`, `reading_client`, `choosing`, `connecting`,
    /// `writing_backend`, `waiting_for_backend` or `writing_client`.
    pub state: &'static str,
    /// The session that it serves; `null` without one.
    pub session: Option<u64>,
}

/// How many sessions are parked, by what they wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ParkedSessions {
    /// The client's next request.
    pub idle: usize,
    /// The rest of a request head.
    pub reading_head: usize,
    /// A backend that is up, or one with room.
    pub queued: usize,
    /// A connection to a backend.
    pub connecting: usize,
    /// More of a request, or room for it at the backend.
    pub sending_request: usize,
    /// The head of a response.
    pub waiting_for_response: usize,
    /// More of a response, or room for it at the client.
    pub sending_response: usize,
    /// Bytes of either side of a tunnel.
    pub tunnel: usize,
    /// The client, which has its last answer.
    pub closing: usize,
}

/// Something that changed a moment ago.
#[derive(Clone, Debug, Serialize)]
pub struct RecentChange {
    /// When that was (RFC 3339, UTC).
    pub time: String,
    /// How long ago that is.
    pub seconds_ago: f64,
    /// The group that it concerns; empty if it concerns the whole balancer.
    pub group: String,
    /// The backend that it concerns; empty if it concerns more than one.
    pub backend: String,
    /// What changed, and why.
    pub text: String,
}

/// Gives the status of a balancer, also while it runs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct StatusHandle(Arc<Engine<ClientSession>>, SharedOverlay);

impl StatusHandle {
    /// Why new clients should not come here, in words; empty if they should.
    #[must_use]
    pub fn not_ready(&self) -> Vec<String> {
        not_ready(&self.0.shared)
    }

    /// The status now.
    #[must_use]
    pub fn status(&self) -> Status {
        let shared = &self.0.shared;
        let (connections, snapshot) = (&shared.connections, shared.snapshot());
        let memory = connections.memory();
        let observed = shared.observed.as_deref();
        let (now, overlay) = (Instant::now(), self.1.load());
        let groups = snapshot.groups.iter();
        Status {
            version: env!("CARGO_PKG_VERSION"),
            pid: std::process::id(),
            time: Stamp::of(SystemTime::now()).rfc3339(),
            uptime_seconds: now.saturating_duration_since(shared.started).as_secs_f64(),
            state: state(shared),
            is_ready: shared.is_ready(),
            not_ready: not_ready(shared),
            connections: Share {
                used: connections.open(),
                limit: connections.limit(),
            },
            memory: Share {
                used: memory.used(),
                limit: memory.limit(),
            },
            workers: observed.map_or_else(Vec::new, |one| workers(&one.lanes)),
            parked: observed
                .map_or_else(ParkedSessions::default, |one| ParkedSessions::of(&one.live)),
            log_lines_dropped: shared.log.lost(),
            changes: observed.map_or_else(Vec::new, |one| recent_changes(&one.changes, now)),
            groups: groups
                .map(|group| GroupStatus::of(group, &overlay, now))
                .collect(),
        }
    }
}

impl ParkedSessions {
    fn of(live: &LiveTable) -> Self {
        let parked = live.parked();
        let of = |stage: LiveStage| parked[stage as usize];
        Self {
            idle: of(LiveStage::Idle),
            reading_head: of(LiveStage::ReadingHead),
            queued: of(LiveStage::Queued),
            connecting: of(LiveStage::Connecting),
            sending_request: of(LiveStage::SendingRequest),
            waiting_for_response: of(LiveStage::WaitingForResponse),
            sending_response: of(LiveStage::SendingResponse),
            tunnel: of(LiveStage::Tunnel),
            closing: of(LiveStage::Closing),
        }
    }
}

fn workers(lanes: &Lanes) -> Vec<WorkerStatus> {
    let states = (1..).zip(lanes.read());
    states
        .map(|(number, (state, session))| WorkerStatus {
            name: format!("worker-{number}"),
            state: state.word(),
            session,
        })
        .collect()
}

fn recent_changes(changes: &ChangeLog, now: Instant) -> Vec<RecentChange> {
    let changes = changes.last_minute(now).into_iter();
    changes
        .map(|noted| RecentChange {
            time: Stamp::of(noted.time).rfc3339(),
            seconds_ago: now.saturating_duration_since(noted.at).as_secs_f64(),
            group: noted.group,
            backend: noted.backend,
            text: noted.text,
        })
        .collect()
}

fn state(shared: &Shared) -> &'static str {
    match (shared.is_stopping(), shared.is_leaving()) {
        (true, _) => "stopping",
        (false, true) => "lame_duck",
        (false, false) => "serving",
    }
}

/// Why new clients should not come here.
fn not_ready(shared: &Shared) -> Vec<String> {
    let mut reasons = Vec::new();
    match state(shared) {
        "stopping" => reasons.push("the balancer is stopping".into()),
        "lame_duck" => reasons.push("the balancer is about to stop".into()),
        _ => {}
    }
    if !shared.is_any_backend_live() {
        reasons.push("no backend is up".into());
    }
    reasons
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
        StatusHandle(Arc::clone(&self.engine), Arc::clone(&self.overlay))
    }
}
