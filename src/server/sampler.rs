//! A thread that reads the counters once a second, so that the last minute is known second by second and
//! a request pays nothing for that. It runs only if there is something to look at them.

use crate::engine::Engine;
use crate::net::waker::Waker;
use crate::session::ClientSession;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

/// Reads the counters of all groups and backends once a second until `ending` is raised.
pub(super) fn run(engine: &Engine<ClientSession>, ending: &Waker) {
    let shared = &engine.shared;
    loop {
        let since = shared.started.elapsed();
        let next = shared.started + SECOND * (since.as_secs() as u32 + 1);
        if ending.wait(next.saturating_duration_since(Instant::now())) {
            return;
        }
        sample(engine, since.as_secs() + 1);
    }
}

/// Reads them at the end of this second.
fn sample(engine: &Engine<ClientSession>, second: u64) {
    for group in &engine.shared.snapshot().groups {
        for backend in group.backends.all().iter() {
            if let Some(metrics) = &backend.metrics {
                metrics.note_second(second);
            }
        }
        let full = group
            .metrics
            .as_ref()
            .map(|metrics| metrics.note_second(second));
        if let Some(count @ 1..) = full {
            let s = if count == 1 { "" } else { "s" };
            let text = format!("the queue was full: {count} request{s} turned away in a second");
            engine.shared.note_recent(&group.name, "", text);
        }
    }
}
