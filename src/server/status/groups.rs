//! A group of backends at one moment, and each of its backends.

use crate::backends::health::State;
use crate::backends::{AdminState, Member, Standing};
use crate::config::Group;
use crate::metrics::BackendMetrics;
use crate::metrics::checks::CheckResult;
use crate::net::conn::Conn;
use crate::server::overlay::Overlay;
use serde::Serialize;
use std::time::Instant;

/// One group of backends at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct GroupStatus {
    /// What it is called.
    pub name: String,
    /// How a backend is chosen, as it is written.
    pub algorithm: &'static str,
    /// Requests that have ended.
    pub requests: u64,
    /// How many end in a second, of late.
    pub requests_per_second: f64,
    /// Requests under way at its backends.
    pub in_flight: usize,
    /// The most that may be; `null` is any number.
    pub max_in_flight: Option<usize>,
    /// Requests that wait for a backend with room.
    pub queue: QueueStatus,
    /// How many requests may be sent again now; `null` is any number.
    pub retry_budget_left: Option<usize>,
    /// Whether more than half of the backends are silent, so that they are used all the same.
    #[serde(rename = "silence_mode")]
    pub are_most_silent: bool,
    /// The backends in the order of the configuration.
    pub backends: Vec<BackendStatus>,
}

/// The queue of a group.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct QueueStatus {
    /// Requests that wait.
    pub length: usize,
    /// The most that may.
    pub limit: usize,
}

impl GroupStatus {
    pub(super) fn of(group: &Group, overlay: &Overlay, now: Instant) -> Self {
        let (backends, policy) = (&group.backends, group.backends.policy());
        let members = backends.members();
        let of_member = |member| BackendStatus::of(member, policy.max_in_flight, now);
        let mut all: Vec<BackendStatus> = members.iter().map(of_member).collect();
        set_shares(&mut all);
        for (backend, member) in all.iter_mut().zip(members.iter()) {
            let name = &member.backend.name;
            if let Some(weight) = overlay.written_weight(&group.name, name) {
                (backend.configured_weight, backend.differs_from_file) = (weight, true);
            }
        }
        let metrics = group.metrics.as_deref();
        Self {
            name: group.name.clone(),
            algorithm: policy.algorithm.word(),
            requests: metrics.map_or(0, |metrics| metrics.ended.read()),
            requests_per_second: metrics.map_or(0.0, |metrics| metrics.recent().rate()),
            in_flight: all.iter().map(|one| one.in_flight).sum(),
            max_in_flight: policy.max_in_flight_total,
            queue: QueueStatus {
                length: backends.waiting(),
                limit: policy.queue_length,
            },
            retry_budget_left: (group.settings.retry_budget)
                .map(|percent| backends.retries_left(percent, now)),
            are_most_silent: backends.are_most_silent(),
            backends: all,
        }
    }
}

/// The share of each backend in the requests of the last minute.
fn set_shares(backends: &mut [BackendStatus]) {
    let requests = |one: &BackendStatus| one.history.iter().map(|second| second[0]).sum::<u64>();
    let all: u64 = backends.iter().map(requests).sum();
    for backend in backends {
        backend.share = requests(backend) as f64 / all.max(1) as f64;
    }
}

/// One backend at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct BackendStatus {
    /// What it is called.
    pub name: String,
    /// The address that is tried first; empty while none is known.
    pub address: String,
    /// `up`, `suspect` (others are preferred), `down`, `draining` or `disabled`.
    pub state: &'static str,
    /// What was seen last that was bad; empty while it is up and its last check was good.
    pub reason: String,
    /// Since when it has been up or down.
    pub since_seconds: f64,
    /// In how many seconds it is checked next; `null` before the first check is planned.
    pub next_check_seconds: Option<f64>,
    /// Its share of the requests, beside the weights of the others.
    pub weight: u32,
    /// The weight that is configured.
    pub configured_weight: u32,
    /// Whether it is used only when no other is up.
    pub is_backup: bool,
    /// Whether it is otherwise than the configuration says, because an operator has changed it.
    pub differs_from_file: bool,
    /// Requests under way there.
    pub in_flight: usize,
    /// The most that may be; `null` is any number.
    pub max_in_flight: Option<usize>,
    /// Idle connections to it.
    pub idle: usize,
    /// Attempts that have ended there, answered or not.
    pub requests: u64,
    /// How many end in a second, of late.
    pub requests_per_second: f64,
    /// Requests that it failed, or answered with a status of 500 or more.
    pub errors: u64,
    /// Its share of the requests of its group in the last minute.
    pub share: f64,
    /// Half of the requests of the last minute took no longer; `null` if there were none.
    pub p50_seconds: Option<f64>,
    /// The same of 99 in a hundred.
    pub p99_seconds: Option<f64>,
    /// Requests and errors of each of the last sixty seconds, oldest first.
    pub history: Vec<[u64; 2]>,
    /// The last checks: `good`, `bad` or `late`, newest last.
    pub checks: Vec<&'static str>,
    /// How far its health lets it have requests.
    #[serde(skip)]
    pub standing: Standing,
    /// Whether its health is good, whatever the operator wants.
    #[serde(skip)]
    pub is_up: bool,
    /// Whether it gets new requests.
    #[serde(skip)]
    pub is_live: bool,
}

impl BackendStatus {
    fn of(member: &Member<Conn>, max_in_flight: Option<usize>, now: Instant) -> Self {
        let backend = &member.backend;
        let (state, standing) = (backend.state().clone(), backend.standing());
        let address = backend.addresses.first();
        let until = |next: Instant| next.saturating_duration_since(now).as_secs_f64();
        let counted = backend
            .metrics
            .as_deref()
            .map_or_else(Counted::default, Counted::of);
        Self {
            name: backend.name.to_string(),
            address: address.map_or_else(String::new, |one| one.to_string()),
            state: state_word(state.admin, standing),
            reason: match state.health.state() {
                State::Up { bad: 0 } => String::new(),
                _ => state.reason,
            },
            since_seconds: now.saturating_duration_since(state.since).as_secs_f64(),
            next_check_seconds: state.next_check.map(until),
            weight: member.weight,
            configured_weight: member.weight,
            is_backup: member.is_backup,
            differs_from_file: false,
            in_flight: backend.in_flight(),
            max_in_flight,
            idle: backend.idle.len(),
            requests: counted.requests,
            requests_per_second: counted.rate,
            errors: counted.errors,
            share: 0.0,
            p50_seconds: counted.p50,
            p99_seconds: counted.p99,
            history: counted.history,
            checks: counted.checks,
            standing,
            is_up: backend.is_up(),
            is_live: backend.is_live(),
        }
    }
}

/// What is counted of a backend.
#[derive(Default)]
struct Counted {
    requests: u64,
    errors: u64,
    rate: f64,
    p50: Option<f64>,
    p99: Option<f64>,
    history: Vec<[u64; 2]>,
    checks: Vec<&'static str>,
}

impl Counted {
    fn of(metrics: &BackendMetrics) -> Self {
        let recent = metrics.recent();
        let times = recent.times(metrics.durations.read());
        let checks = metrics.checks.last().into_iter();
        Self {
            requests: metrics.attempts.read(),
            errors: metrics.errors.read(),
            rate: recent.rate(),
            p50: times.quantile(0.5),
            p99: times.quantile(0.99),
            history: recent.history(),
            checks: checks.map(CheckResult::word).collect(),
        }
    }
}

fn state_word(admin: AdminState, standing: Standing) -> &'static str {
    match (admin, standing) {
        (AdminState::Disabled, _) => "disabled",
        (AdminState::Draining, _) => "draining",
        (AdminState::Enabled, Standing::Clear) => "up",
        (AdminState::Enabled, Standing::Suspect | Standing::LastResort) => "suspect",
        (AdminState::Enabled, Standing::Down | Standing::DownSilent) => "down",
    }
}
