//! What checks and requests observe of backends, and what follows: it is counted, logged, and checked.
//! Every observation, of whichever thread, passes through `note`.
//!
//! | what a request met | what it counts as |
//! |---|---|
//! | connection refused, host unreachable | a failed check: the backend is gone |
//! | no connection in time, a late answer | nothing, but the next check comes at once |
//! | broken or malformed answer, none in time | one of `--eject-after` failures in a row |
//! | the same, and the next backend failed at it too | nothing: the request is at fault |
//! | the backend's own 5xx | nothing: that is an answer |
//! | the client left, our descriptors or ports are used up, the balancer stops | nothing |
//!
//! Each but the last two brings the next check at once. Must not know which requests wait where:
//! nothing here ends one.

use super::changes;
use super::shared::SharedHealth;
use crate::backends::group::Change;
use crate::backends::health::{Evidence, Observation, Transition};
use crate::backends::{Backend, Finding, Name};
use crate::config::Group;
use crate::http::error::{Blame, Cause, Error, Phase};
use crate::log::STATE;
use crate::log::durations::seconds;
use crate::net::conn::Conn;
use std::time::{Duration, Instant};

/// What takes a backend down when enough of it comes in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    /// Bad checks.
    Checks(u32),
    /// Connections of requests that were refused, or found no way to the host.
    Connections(u32),
    /// Requests that failed there, and not because of what they asked for.
    Requests(u32),
}

impl std::fmt::Display for Counted {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Counted::Checks(count) => write!(out, "{count} failed checks"),
            Counted::Connections(count) => write!(out, "{count} failed connections"),
            Counted::Requests(1) => write!(out, "1 failed request"),
            Counted::Requests(count) => write!(out, "{count} failed requests in a row"),
        }
    }
}

/// A check was good, bad or late. `finding` says what was bad.
pub(super) fn observe_check(
    shared: &SharedHealth,
    group: &Group,
    backend: &Backend<Conn>,
    observation: Observation,
    finding: &Finding,
) {
    let counted = Counted::Checks(group.settings.health.fall);
    note(shared, group, backend, observation, finding, counted);
}

/// A response has begun, or a trial has passed, which is news.
pub fn observe_response(
    shared: &SharedHealth,
    group: &Group,
    backend: &Backend<Conn>,
    observation: Observation,
) {
    observe_check(shared, group, backend, observation, &Finding::default());
}

/// An attempt has failed: what that says of the backend at once, whatever becomes of the request.
pub fn observe_failed_attempt(
    shared: &SharedHealth,
    group: &Group,
    backend: &Backend<Conn>,
    error: &Error,
) {
    if !is_evidence(shared, error) {
        return;
    }
    if let (Phase::Connect, Cause::Refused | Cause::Unreachable) = (error.phase, error.cause) {
        let finding = Finding {
            reason: error.to_string(),
            is_unreachable: error.cause == Cause::Unreachable,
        };
        let counted = Counted::Connections(group.settings.health.fall);
        let gone = Observation::Bad(Evidence::Gone);
        note(shared, group, backend, gone, &finding, counted);
    }
    ask_for_check(shared, backend);
}

/// Whether the failed attempt counts towards an ejection, if the request is not at fault.
#[must_use]
pub fn counts_towards_ejection(shared: &SharedHealth, error: &Error) -> bool {
    let is_left_to_checks = error.phase == Phase::Connect
        && matches!(
            error.cause,
            Cause::Refused | Cause::Unreachable | Cause::TimedOut
        );
    is_evidence(shared, error) && !is_left_to_checks
}

/// A request failed there, and not because of what it asked for.
pub fn count_failed_request(
    shared: &SharedHealth,
    group: &Group,
    backend: &Backend<Conn>,
    error: &Error,
) {
    let Some(in_row) = backend.failures.count(group.settings.health.eject_after) else {
        return;
    };
    let finding = Finding {
        reason: error.to_string(),
        ..Finding::default()
    };
    let counted = Counted::Requests(in_row);
    note(
        shared,
        group,
        backend,
        Observation::Failing,
        &finding,
        counted,
    );
}

/// Whether an error is a failure of the backend, and not the result of a decision of ours.
fn is_evidence(shared: &SharedHealth, error: &Error) -> bool {
    let is_ours = matches!(
        error.cause,
        Cause::WentDown | Cause::Unacknowledged | Cause::Mute
    );
    // A request that left an unreachable host had a connection.
    let has_left = error.cause == Cause::Unreachable && error.phase != Phase::Connect;
    error.blame == Blame::Backend && !shared.is_stopping() && !is_ours && !has_left
}

/// Has a backend checked at once, because a request met something odd there.
pub fn ask_for_check(shared: &SharedHealth, backend: &Backend<Conn>) {
    if backend.is_live() && backend.ask_for_check() {
        shared.wake();
    }
}

/// Passes an observation on to the backends' state, and logs what it changed.
fn note(
    shared: &SharedHealth,
    group: &Group,
    backend: &Backend<Conn>,
    observation: Observation,
    finding: &Finding,
    counted: Counted,
) {
    let now = Instant::now();
    let observed = group.backends.observe(backend, observation, finding, now);
    let Some(change) = observed else {
        return;
    };
    log_silence(&change);
    changes::note(
        shared,
        group,
        backend,
        (&change, finding, &counted.to_string()),
    );
    let (name, reason) = (&backend.name, &finding.reason);
    match (change.transition, change.lasted) {
        (Some(Transition::Suspected), _) => log::debug!("Server {name} is suspect ({reason})."),
        (Some(Transition::Cleared), _) => log::debug!("Server {name} is free of suspicion."),
        (Some(Transition::Down), Some(_)) => {
            let (up, of) = (change.up, change.of);
            log::warn!(target: STATE, "Server {name} is DOWN after {counted} ({reason}); {up} of {of} up");
        }
        (Some(Transition::Up), Some(lasted)) => {
            let slow_start = group.settings.health.slow_start;
            backend.slow_start.begin(now, slow_start);
            log_up(name, lasted, &change);
        }
        (Some(Transition::Up | Transition::Down), None) | (None, _) => {}
    }
    shared.note_change();
}

fn log_up(name: &Name, lasted: Duration, change: &Change<Conn>) {
    let (up, of, lasted) = (change.up, change.of, seconds(lasted));
    log::warn!(target: STATE, "Server {name} is UP, it was down for {lasted}; {up} of {of} up");
}

fn log_silence(change: &Change<Conn>) {
    match change.silence {
        Some(true) => log::warn!(
            "More than half of the backends are late: the trouble may be on this side, so \
             they are used all the same."
        ),
        Some(false) => log::warn!("The trouble is over: at most half of the backends are late."),
        None => {}
    }
    for (backend, lasted) in &change.restored {
        log_up(&backend.name, *lasted, change);
    }
}

#[cfg(test)]
mod tests;
