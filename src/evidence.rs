//! What is seen of backends, by checks and by requests, and what follows from it: it is taken
//! into account, told, and looked into.
//!
//! | what a request met | what it counts as |
//! |---|---|
//! | connection refused, unreachable | a failed check, hard evidence |
//! | no connection in time | a failed check, soft evidence |
//! | broken or malformed answer, none in time | one of `--eject-after` in a row |
//! | the backend's own 5xx | nothing: that is an answer |
//! | the client left, our own descriptors or ports are used up, we are stopping | nothing |
//!
//! Each but the last two, and an answer that is late, brings the next check at once.

use crate::backends::health::{Observation, Transition, Weight};
use crate::backends::select::Change;
use crate::backends::{Backend, Finding, Plight};
use crate::error::{Blame, Cause, Error, Phase};
use crate::net::conn::Conn;
use crate::turn::Context;
use std::time::Duration;

/// What a failed attempt says of the backend.
pub fn of_failure(context: &Context, backend: &Backend<Conn>, error: &Error) {
    if error.blame != Blame::Backend || context.is_stopping() || error.cause == Cause::WentDown {
        return;
    }
    let limit = context.config.health.eject_after;
    let (observation, what, plight) = match (error.phase, error.cause) {
        // Who refuses new connections may be finishing what it has.
        (Phase::Connect, Cause::Refused) => {
            (Observation::Bad(Weight::Hard), CONNECTIONS, Plight::Unwell)
        }
        (Phase::Connect, Cause::Unreachable) => {
            (Observation::Bad(Weight::Hard), CONNECTIONS, Plight::Gone)
        }
        (Phase::Connect, Cause::TimedOut) => {
            (Observation::Bad(Weight::Soft), CONNECTIONS, Plight::Gone)
        }
        _ if limit == 0 => return suspect(context, backend),
        _ => match backend.count_failure() {
            u32::MAX => (Observation::Ejected, PROBATION, Plight::Unwell),
            row if row >= limit => (Observation::Ejected, REQUESTS, Plight::Unwell),
            _ => return suspect(context, backend),
        },
    };
    observe(context, backend, observation, what, error, plight);
    suspect(context, backend);
}

/// Something is odd: has the backend checked at once.
pub fn suspect(context: &Context, backend: &Backend<Conn>) {
    if backend.is_live() && backend.suspect() {
        context.trouble.raise();
    }
}

/// What is counted when a backend goes down.
pub const CHECKS: &str = "failed checks";
const CONNECTIONS: &str = "failed connections";
const REQUESTS: &str = "failed requests in a row";
const PROBATION: &str = "failed request so soon";

/// Takes what was seen into account; tells what changed, if anything. `what` names what was
/// counted, `reason` what was seen.
pub fn observe(
    context: &Context,
    backend: &Backend<Conn>,
    observation: Observation,
    what: &str,
    reason: &dyn std::fmt::Display,
    plight: Plight,
) -> Option<Change> {
    let reason = match observation {
        // Most observations are good, and nothing is kept of them.
        Observation::Good => String::new(),
        _ => reason.to_string(),
    };
    let finding = Finding { reason, plight };
    let change = context.backends.observe(backend, observation, &finding)?;
    // The checker also sees to those who wait for this backend, or for any.
    context.trouble.raise();
    if change.lasted.is_some() {
        if change.transition == Transition::Up {
            backend
                .ramp
                .begin(std::time::Instant::now(), context.config.health.slow_start);
        }
        tell(
            context,
            backend,
            observation,
            what,
            &finding.reason,
            &change,
        );
    }
    Some(change)
}

fn tell(
    context: &Context,
    backend: &Backend<Conn>,
    observation: Observation,
    what: &str,
    reason: &str,
    change: &Change,
) {
    let health = &context.config.health;
    let (name, up, of) = (&backend.name, change.up, change.of);
    match change.transition {
        Transition::Down => {
            let count = match (observation, what) {
                (_, PROBATION) => 1,
                (Observation::Ejected, _) => health.eject_after,
                _ => health.fall,
            };
            log::warn!("Server {name} is DOWN after {count} {what} ({reason}); {up} of {of} up");
        }
        Transition::Up => {
            let lasted = seconds(change.lasted.unwrap_or_default());
            log::info!("Server {name} is UP, it was down for {lasted}; {up} of {of} up");
        }
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
