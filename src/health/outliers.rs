//! What is seen of backends, by checks and by requests, and what follows from it: it is taken
//! into account, told, and looked into.
//!
//! | what a request met | what it counts as |
//! |---|---|
//! | connection refused, host unreachable | a failed check: the backend is gone |
//! | no connection in time, an answer that is late | nothing but the next check, at once |
//! | broken or malformed answer, none in time | one of `--eject-after` in a row |
//! | the same, and the next backend failed at it too | nothing: it is the request's fault |
//! | the backend's own 5xx | nothing: that is an answer |
//! | the client left, our own descriptors or ports are used up, we are stopping | nothing |
//!
//! Each but the last two brings the next check at once. Must not know which requests wait where:
//! what is found here never ends one.

use super::monitor::Monitor;
use crate::backends::group::Change;
use crate::backends::health::{Evidence, Observation, Transition};
use crate::backends::{Backend, Finding, Name};
use crate::http::error::{Blame, Cause, Error, Phase};
use crate::net::conn::Conn;
use std::time::{Duration, Instant};

/// What a failed attempt says of the backend at once, whatever becomes of the request.
pub fn of_failed_attempt(monitor: &Monitor, backend: &Backend<Conn>, error: &Error) {
    if !is_evidence(monitor, error) {
        return;
    }
    if let (Phase::Connect, Cause::Refused | Cause::Unreachable) = (error.phase, error.cause) {
        let finding = Finding {
            reason: error.to_string(),
            is_unreachable: error.cause == Cause::Unreachable,
        };
        let observation = Observation::Bad(Evidence::Gone);
        observe(
            monitor,
            backend,
            observation,
            &finding,
            "failed connections",
        );
    }
    ask_for_check(monitor, backend);
}

/// Whether the failed attempt is one of those that eject a backend when they come in a row, if
/// the request is not at fault.
#[must_use]
pub fn counts_towards_ejection(monitor: &Monitor, error: &Error) -> bool {
    let is_connecting = error.phase == Phase::Connect;
    let is_of_checks = matches!(
        error.cause,
        Cause::Refused | Cause::Unreachable | Cause::TimedOut
    );
    is_evidence(monitor, error) && !(is_connecting && is_of_checks)
}

/// A request failed there, and not because of what it asked for.
pub fn of_failed_request(monitor: &Monitor, backend: &Backend<Conn>, error: &Error) {
    let Some(in_row) = backend.failures.count(monitor.config().health.eject_after) else {
        return;
    };
    let finding = Finding {
        reason: error.to_string(),
        ..Finding::default()
    };
    let what = match in_row {
        1 => "failed request",
        _ => "failed requests in a row",
    };
    let backends = monitor.backends();
    let change = backends.observe(backend, Observation::Failing, &finding, Instant::now());
    follow(monitor, backend, &finding, (in_row, what), change);
}

/// A backend's failures only, and not those that follow from a decision of ours.
fn is_evidence(monitor: &Monitor, error: &Error) -> bool {
    let is_ours = matches!(
        error.cause,
        Cause::WentDown | Cause::Unacknowledged | Cause::Mute
    );
    // A request that left an unreachable host had a connection.
    let has_left = error.cause == Cause::Unreachable && error.phase != Phase::Connect;
    error.blame == Blame::Backend && !monitor.is_stopping() && !is_ours && !has_left
}

/// Something is odd: has the backend checked at once.
pub fn ask_for_check(monitor: &Monitor, backend: &Backend<Conn>) {
    if backend.is_live() && backend.ask_for_check() {
        monitor.wake();
    }
}

/// What is counted when checks take a backend down.
pub const CHECKS: &str = "failed checks";

/// Takes what was seen into account; tells what changed, if anything. `what` names what was
/// counted, `finding` says what was seen that was bad.
pub fn observe(
    monitor: &Monitor,
    backend: &Backend<Conn>,
    observation: Observation,
    finding: &Finding,
    what: &str,
) {
    let backends = monitor.backends();
    let change = backends.observe(backend, observation, finding, Instant::now());
    let count = monitor.config().health.fall;
    follow(monitor, backend, finding, (count, what), change);
}

/// A response has begun, or a trial has passed, which is news.
pub fn of_response(monitor: &Monitor, backend: &Backend<Conn>, observation: Observation) {
    observe(monitor, backend, observation, &Finding::default(), CHECKS);
}

/// Tells what changed, and has the checking thread see to those whom it concerns.
fn follow(
    monitor: &Monitor,
    backend: &Backend<Conn>,
    finding: &Finding,
    (count, what): (u32, &str),
    change: Option<Change<Conn>>,
) {
    let Some(change) = change else {
        return;
    };
    tell_of_silence(&change);
    let (name, up, of) = (&backend.name, change.up, change.of);
    let reason = &finding.reason;
    match (change.transition, change.lasted) {
        (Some(Transition::Suspected), _) => log::debug!("Server {name} is suspect ({reason})."),
        (Some(Transition::Cleared), _) => log::debug!("Server {name} is free of suspicion."),
        (Some(Transition::Down), Some(_)) => {
            log::warn!("Server {name} is DOWN after {count} {what} ({reason}); {up} of {of} up");
        }
        (Some(Transition::Up), Some(lasted)) => {
            let slow_start = monitor.config().health.slow_start;
            backend.slow_start.begin(Instant::now(), slow_start);
            tell_up(&backend.name, lasted, &change);
        }
        (Some(Transition::Up | Transition::Down), None) | (None, _) => {}
    }
    monitor.note_change();
}

fn tell_up(name: &Name, lasted: Duration, change: &Change<Conn>) {
    let (up, of, lasted) = (change.up, change.of, seconds(lasted));
    log::warn!("Server {name} is UP, it was down for {lasted}; {up} of {of} up");
}

fn tell_of_silence(change: &Change<Conn>) {
    match change.silence {
        Some(true) => log::warn!(
            "More than half of the servers are late: the trouble may be ours or everybody's, so \
             they are used all the same."
        ),
        Some(false) => log::warn!("The trouble is over: at most half of the servers are late."),
        None => {}
    }
    for (backend, lasted) in &change.restored {
        tell_up(&backend.name, *lasted, change);
    }
}

/// A time as people say it: `0.8 s`, `12 s`.
#[must_use]
pub fn seconds(time: Duration) -> String {
    match time.as_secs() {
        0..10 => format!("{:.1} s", time.as_secs_f32()),
        whole => format!("{whole} s"),
    }
}
