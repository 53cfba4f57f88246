//! Changes of backends, counted and noted for those who look. Must not know what brought them about.

use super::shared::SharedHealth;
use crate::backends::group::Change;
use crate::backends::health::Transition;
use crate::backends::{Backend, Finding};
use crate::config::Group;
use crate::log::durations::seconds;
use crate::metrics::backend::HealthStep;
use crate::net::conn::Conn;
use std::time::Duration;

/// Notes what an observation has changed. `counted` says what was seen how often, such as
/// `2 failed checks`.
pub(super) fn note(
    shared: &SharedHealth,
    group: &Group,
    backend: &Backend<Conn>,
    (change, finding, counted): (&Change<Conn>, &Finding, &str),
) {
    if let Some(transition) = change.transition {
        count(backend, transition);
        let text = text(transition, change, finding, counted);
        note_text(shared, group, Some(backend), text);
    }
    for (restored, lasted) in &change.restored {
        count(restored, Transition::Up);
        let text = format!("{}, because too many are out", up(Some(*lasted)));
        note_text(shared, group, Some(restored), text);
    }
    if let Some(is_on) = change.silence {
        let text = match is_on {
            true => "more than half of the backends are late, so they are used all the same",
            false => "at most half of the backends are late again",
        };
        note_text(shared, group, None, text.into());
    }
}

fn count(backend: &Backend<Conn>, transition: Transition) {
    if let Some(metrics) = &backend.metrics {
        metrics.step(match transition {
            Transition::Up => HealthStep::Up,
            Transition::Down => HealthStep::Down,
            Transition::Suspected => HealthStep::Suspected,
            Transition::Cleared => HealthStep::Cleared,
        });
    }
}

fn text(transition: Transition, change: &Change<Conn>, finding: &Finding, counted: &str) -> String {
    let reason = &finding.reason;
    match (transition, change.lasted) {
        (Transition::Suspected, _) => format!("suspect ({reason})"),
        (Transition::Cleared, _) => "free of suspicion".into(),
        (Transition::Up, lasted) => up(lasted),
        (Transition::Down, Some(_)) => format!("DOWN after {counted} ({reason})"),
        (Transition::Down, None) => format!("DOWN at its first check ({reason})"),
    }
}

fn up(lasted: Option<Duration>) -> String {
    match lasted {
        Some(lasted) => format!("UP, it was down for {}", seconds(lasted)),
        None => "UP at its first check".into(),
    }
}

fn note_text(shared: &SharedHealth, group: &Group, backend: Option<&Backend<Conn>>, text: String) {
    if let Some(changes) = &shared.changes {
        let name = backend.map(|backend| backend.name.to_string());
        changes.note(&group.name, &name.unwrap_or_default(), text);
    }
}
