//! Requests: how many, with which result, how long they took; and what the groups count of them.

use super::text::{Series, Text};
use crate::config::Group;
use crate::metrics::codes::CodeCounters;
use crate::metrics::routes::RouteCounters;
use crate::metrics::{Counter, GroupMetrics, Histogram};
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// All of them.
pub(super) fn write(
    groups: &[&Group],
    unrouted: &CodeCounters,
    names: &[Arc<str>],
    text: &mut Text<'_>,
) -> fmt::Result {
    write_requests(groups, unrouted, names, text)?;
    write_durations(groups, text)?;
    write_retries(groups, text)?;
    write_queues(groups, text)
}

fn write_requests(
    groups: &[&Group],
    unrouted: &CodeCounters,
    names: &[Arc<str>],
    text: &mut Text<'_>,
) -> fmt::Result {
    let help = "Requests that have ended. backend is the one that answered or was tried last, and \
                empty if none was; route and group are empty if no route was looked for or found.";
    text.counter("lb_requests", help, |series| {
        let mut result = write_codes("", ["", ""], unrouted, series);
        for group in groups {
            let name = &group.name;
            let mut add = |backend: &str, routes: &RouteCounters| {
                routes.for_each(names, |route, codes| {
                    let done = write_codes(route, [name, backend], codes, series);
                    result = result.and(done);
                });
            };
            if let Some(metrics) = &group.metrics {
                add("", &metrics.unserved);
            }
            for backend in group.backends.all().iter() {
                if let Some(metrics) = &backend.metrics {
                    add(&backend.name.to_string(), &metrics.requests);
                }
            }
        }
        result
    })
}

fn write_codes(
    route: &str,
    [group, backend]: [&str; 2],
    codes: &CodeCounters,
    series: &mut Series<'_>,
) -> fmt::Result {
    let mut result = Ok(());
    codes.for_each(|code, count| {
        let labels = [
            ("route", route),
            ("group", group),
            ("backend", backend),
            ("code", code),
        ];
        let done = series.count(&labels, count);
        result = result.and(done);
    });
    result
}

fn write_durations(groups: &[&Group], text: &mut Text<'_>) -> fmt::Result {
    let help = "How long requests took, from the end of their heads to the end of the responses. \
                backend as in lb_requests_total.";
    text.histogram("lb_request_duration_seconds", help, |series| {
        for group in groups {
            let mut add = |backend: &str, times: &Histogram| match times.count() {
                0 => Ok(()),
                _ => series.times(
                    &[("group", &group.name), ("backend", backend)],
                    &times.read(),
                ),
            };
            if let Some(metrics) = &group.metrics {
                add("", &metrics.unserved_durations)?;
            }
            for backend in group.backends.all().iter() {
                if let Some(metrics) = &backend.metrics {
                    add(&backend.name.to_string(), &metrics.durations)?;
                }
            }
        }
        Ok(())
    })
}

fn write_retries(groups: &[&Group], text: &mut Text<'_>) -> fmt::Result {
    count(
        groups,
        text,
        "lb_retries",
        "Attempts that were followed by another one, or by a wait for it.",
        |one| &one.retries,
    )?;
    let help = "Retries of requests that may have reached a backend: these use the retry budget.";
    count(groups, text, "lb_retry_budget_used", help, |one| {
        &one.budget_used
    })?;
    let help = "Requests that were not sent again because the retry budget was used up.";
    count(groups, text, "lb_retry_budget_refused", help, |one| {
        &one.budget_refused
    })?;
    let help = "Requests that may be sent again now, before the retry budget is used up.";
    text.gauge("lb_retry_budget_left", help, |series| {
        for group in groups {
            if let Some(percent) = group.settings.retry_budget {
                let left = group.backends.retries_left(percent, Instant::now());
                series.value(&[("group", &group.name)], left as f64)?;
            }
        }
        Ok(())
    })
}

fn write_queues(groups: &[&Group], text: &mut Text<'_>) -> fmt::Result {
    text.gauge(
        "lb_queue_length",
        "Requests that wait for a backend with room.",
        |series| {
            groups.iter().try_for_each(|group| {
                series.value(&[("group", &group.name)], group.backends.waiting() as f64)
            })
        },
    )?;
    text.gauge(
        "lb_queue_limit",
        "The most requests that may wait.",
        |series| {
            groups.iter().try_for_each(|group| {
                let limit = group.backends.policy().queue_length;
                series.value(&[("group", &group.name)], limit as f64)
            })
        },
    )?;
    let help = "How long requests waited that left the queue with a backend.";
    text.histogram("lb_queue_wait_seconds", help, |series| {
        each(groups, |name, metrics| {
            series.times(&[("group", name)], &metrics.queue_times.read())
        })
    })?;
    let help = "Requests that were turned away because the queue was full.";
    count(groups, text, "lb_queue_full", help, |one| &one.queue_full)?;
    let help = "Requests that were turned away because they had waited too long.";
    count(groups, text, "lb_queue_timeouts", help, |one| {
        &one.queue_timeouts
    })
}

/// Calls `write` for each group that is counted.
fn each(
    groups: &[&Group],
    mut write: impl FnMut(&str, &GroupMetrics) -> fmt::Result,
) -> fmt::Result {
    groups.iter().try_for_each(|group| match &group.metrics {
        Some(metrics) => write(&group.name, metrics),
        None => Ok(()),
    })
}

/// One counter of each group.
fn count(
    groups: &[&Group],
    text: &mut Text<'_>,
    name: &str,
    help: &str,
    which: impl Fn(&GroupMetrics) -> &Counter,
) -> fmt::Result {
    text.counter(name, help, |series| {
        each(groups, |group, metrics| {
            series.count(&[("group", group)], which(metrics).read())
        })
    })
}
