//! Backends: their health, and what is counted of each.

use super::text::{Series, Text};
use crate::backends::{AdminState, Backend, Standing};
use crate::config::Group;
use crate::metrics::backend::HealthStep;
use crate::metrics::checks::CheckResult;
use crate::metrics::{BackendMetrics, Counter, Histogram};
use crate::net::conn::Conn;
use std::fmt;

/// All of them.
pub(super) fn write(groups: &[&Group], text: &mut Text<'_>) -> fmt::Result {
    write_health(groups, text)?;
    write_attempts(groups, text)?;
    write_connections(groups, text)?;
    write_traffic(groups, text)
}

fn write_health(groups: &[&Group], text: &mut Text<'_>) -> fmt::Result {
    let help =
        "Whether more than half of the backends are silent, so that they are used all the same.";
    text.gauge("lb_group_silence_mode", help, |series| {
        groups.iter().try_for_each(|group| {
            let is_on = group.backends.are_most_silent();
            series.value(&[("group", &group.name)], f64::from(u8::from(is_on)))
        })
    })?;
    value(
        groups,
        text,
        "lb_backend_up",
        "Whether its health is good.",
        |one| is(one.is_up()),
    )?;
    value(
        groups,
        text,
        "lb_backend_suspect",
        "Whether others are preferred to it.",
        |one| {
            is(matches!(
                one.standing(),
                Standing::Suspect | Standing::LastResort
            ))
        },
    )?;
    value(
        groups,
        text,
        "lb_backend_live",
        "Whether it gets new requests.",
        |one| is(one.is_live()),
    )?;
    value(
        groups,
        text,
        "lb_backend_draining",
        "Whether an operator keeps new requests from it.",
        |one| is(one.state().admin != AdminState::Enabled),
    )?;
    let help = "How often its health has changed.";
    counted(
        groups,
        text,
        "lb_backend_transitions",
        help,
        |metrics, labels, series| {
            HealthStep::ALL.iter().try_for_each(|step| {
                series.count(&labels.with("to", step.word()), metrics.steps(*step))
            })
        },
    )?;
    counted(
        groups,
        text,
        "lb_backend_checks",
        "Health checks by result.",
        |metrics, labels, series| {
            CheckResult::ALL.iter().try_for_each(|result| {
                series.count(
                    &labels.with("result", result.word()),
                    metrics.checks.total(*result),
                )
            })
        },
    )
}

fn write_attempts(groups: &[&Group], text: &mut Text<'_>) -> fmt::Result {
    count(
        groups,
        text,
        "lb_backend_attempts",
        "Attempts that have ended, answered or not.",
        |one| &one.attempts,
    )?;
    count(
        groups,
        text,
        "lb_backend_failures",
        "Attempts that the backend has failed.",
        |one| &one.failures,
    )?;
    let help = "Attempts that the backend has failed, and responses with a status of 500 or more.";
    count(groups, text, "lb_backend_errors", help, |one| &one.errors)?;
    let help =
        "From the beginning of an attempt on a connection to the first byte of the response.";
    times(groups, text, "lb_backend_first_byte_seconds", help, |one| {
        &one.first_byte_times
    })?;
    value(
        groups,
        text,
        "lb_backend_in_flight",
        "Requests under way.",
        |one| one.in_flight() as f64,
    )
}

fn write_connections(groups: &[&Group], text: &mut Text<'_>) -> fmt::Result {
    count(
        groups,
        text,
        "lb_backend_connections_opened",
        "Connections that were made.",
        |one| &one.connections,
    )?;
    let help = "Requests on a connection that had served another one before.";
    count(groups, text, "lb_backend_connections_reused", help, |one| {
        &one.reused
    })?;
    let help = "Idle connections that had died when they were to be used.";
    count(groups, text, "lb_backend_connections_stale", help, |one| {
        &one.stale
    })?;
    times(
        groups,
        text,
        "lb_backend_connect_seconds",
        "How long it took to connect.",
        |one| &one.connect_times,
    )?;
    value(
        groups,
        text,
        "lb_backend_connections_idle",
        "Idle connections.",
        |one| one.idle.len() as f64,
    )
}

fn write_traffic(groups: &[&Group], text: &mut Text<'_>) -> fmt::Result {
    count(
        groups,
        text,
        "lb_backend_received_bytes",
        "Bytes that have come from it.",
        |one| &one.received,
    )?;
    count(
        groups,
        text,
        "lb_backend_sent_bytes",
        "Bytes that have gone to it.",
        |one| &one.sent,
    )
}

fn is(condition: bool) -> f64 {
    f64::from(u8::from(condition))
}

/// The labels of a backend.
struct Place<'p> {
    group: &'p str,
    backend: String,
}

impl<'p> Place<'p> {
    fn labels(&self) -> [(&str, &str); 2] {
        [("group", self.group), ("backend", &self.backend)]
    }

    fn with<'l>(&'l self, name: &'l str, value: &'l str) -> [(&'l str, &'l str); 3] {
        let [group, backend] = self.labels();
        [group, backend, (name, value)]
    }
}

/// Calls `write` for every backend.
fn each(
    groups: &[&Group],
    mut write: impl FnMut(&Backend<Conn>, &Place<'_>) -> fmt::Result,
) -> fmt::Result {
    groups.iter().try_for_each(|group| {
        let backends = group.backends.all();
        backends.iter().try_for_each(|backend| {
            let place = Place {
                group: &group.name,
                backend: backend.name.to_string(),
            };
            write(backend, &place)
        })
    })
}

fn value(
    groups: &[&Group],
    text: &mut Text<'_>,
    name: &str,
    help: &str,
    of: impl Fn(&Backend<Conn>) -> f64,
) -> fmt::Result {
    text.gauge(name, help, |series| {
        each(groups, |backend, place| {
            series.value(&place.labels(), of(backend))
        })
    })
}

/// What `write` writes for each backend that is counted.
fn counted(
    groups: &[&Group],
    text: &mut Text<'_>,
    name: &str,
    help: &str,
    write: impl Fn(&BackendMetrics, &Place<'_>, &mut Series<'_>) -> fmt::Result,
) -> fmt::Result {
    text.counter(name, help, |series| {
        each(groups, |backend, place| match &backend.metrics {
            Some(metrics) => write(metrics, place, series),
            None => Ok(()),
        })
    })
}

fn count(
    groups: &[&Group],
    text: &mut Text<'_>,
    name: &str,
    help: &str,
    which: impl Fn(&BackendMetrics) -> &Counter,
) -> fmt::Result {
    counted(groups, text, name, help, |metrics, place, series| {
        series.count(&place.labels(), which(metrics).read())
    })
}

fn times(
    groups: &[&Group],
    text: &mut Text<'_>,
    name: &str,
    help: &str,
    which: impl Fn(&BackendMetrics) -> &Histogram,
) -> fmt::Result {
    text.histogram(name, help, |series| {
        each(groups, |backend, place| {
            match backend.metrics.as_deref().map(&which) {
                Some(times) if times.count() > 0 => series.times(&place.labels(), &times.read()),
                _ => Ok(()),
            }
        })
    })
}
