//! The process as a whole: its version, its connections and memory, its sessions and its workers.

use super::text::Text;
use crate::engine::Engine;
use crate::metrics::lanes::{Lanes, WorkerState};
use crate::metrics::live::{LiveStage, LiveTable};
use crate::session::ClientSession;
use std::fmt;

/// What is known in any case.
pub(super) fn write(engine: &Engine<ClientSession>, text: &mut Text<'_>) -> fmt::Result {
    let shared = &engine.shared;
    let (connections, memory) = (&shared.connections, shared.connections.memory());
    text.gauge(
        "lb_build_info",
        "The version of the program; always 1.",
        |series| series.value(&[("version", env!("CARGO_PKG_VERSION"))], 1.0),
    )?;
    let seconds = shared.started.elapsed().as_secs_f64();
    value(
        text,
        "lb_uptime_seconds",
        "Since when it has been running.",
        seconds,
    )?;
    let is_ready = f64::from(u8::from(shared.is_ready()));
    value(
        text,
        "lb_ready",
        "Whether new clients should come here.",
        is_ready,
    )?;
    let open = connections.open() as f64;
    value(
        text,
        "lb_client_connections",
        "Open client connections.",
        open,
    )?;
    let limit = connections.limit() as f64;
    value(
        text,
        "lb_client_connections_limit",
        "The most that may be open.",
        limit,
    )?;
    value(
        text,
        "lb_memory_bytes",
        "Memory that client connections hold.",
        memory.used() as f64,
    )?;
    let limit = memory.limit() as f64;
    value(
        text,
        "lb_memory_limit_bytes",
        "The most that they may hold.",
        limit,
    )?;
    let help = "Lines of the log that were lost, because nothing took them quickly enough.";
    text.counter("lb_log_lines_dropped", help, |series| {
        series.count(&[], shared.log.lost())
    })
}

fn value(text: &mut Text<'_>, name: &str, help: &str, value: f64) -> fmt::Result {
    text.gauge(name, help, |series| series.value(&[], value))
}

/// The sessions that are parked.
pub(super) fn write_sessions(live: &LiveTable, text: &mut Text<'_>) -> fmt::Result {
    let parked = live.parked();
    text.gauge(
        "lb_sessions_parked",
        "Parked sessions by stage.",
        |series| {
            LiveStage::ALL
                .iter()
                .zip(parked)
                .try_for_each(|(stage, count)| {
                    series.value(&[("stage", stage.word())], count as f64)
                })
        },
    )
}

/// What the workers do.
pub(super) fn write_workers(lanes: &Lanes, text: &mut Text<'_>) -> fmt::Result {
    let workers = lanes.read();
    text.gauge(
        "lb_workers",
        "Workers by what they do at this moment.",
        |series| {
            WorkerState::ALL.iter().try_for_each(|state| {
                let count = workers.iter().filter(|(one, _)| one == state).count();
                series.value(&[("state", state.word())], count as f64)
            })
        },
    )
}
