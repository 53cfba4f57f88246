//! The end: what is in flight is finished, then every thread is joined.

use super::Ended;
use super::warning::Warning;
use crate::workers::Floor;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a thread gets to end that may be inside the system's resolver.
const JOIN_TIMEOUT: Duration = Duration::from_millis(500);

/// Waits until nobody is inside, saying once a second what it waits for.
pub(super) fn drain(floor: &Floor) -> Ended {
    const LOOK: Duration = Duration::from_millis(50);
    let gate = &floor.context.gate;
    let deadline = Instant::now() + floor.context.config.timeouts.drain;
    let mut waiting = Warning::every(Duration::from_secs(1));
    loop {
        // Without a request they close when called. Called again and again, because one may
        // have been on its way to the lot.
        floor.call_waiting();
        if gate.wait_until_empty(LOOK) {
            return Ended::Drained;
        }
        if Instant::now() >= deadline {
            log::warn!(
                "The drain timeout is over; {} connections are cut.",
                gate.inside()
            );
            return Ended::Expired;
        }
        waiting.say(|| what_is_waited_for(floor));
    }
}

fn what_is_waited_for(floor: &Floor) -> String {
    let mut oldest: Option<(Instant, String)> = None;
    let mut count = 0;
    floor.lot.for_each(|session| {
        if let Some(exchange) = session.describe() {
            count += 1;
            if oldest.as_ref().is_none_or(|oldest| exchange.0 < oldest.0) {
                oldest = Some(exchange);
            }
        }
    });
    let inside = floor.context.gate.inside();
    match oldest {
        Some((since, backend)) => {
            let age = since.elapsed().as_secs();
            format!(
                "Waiting for {count} requests on {inside} connections, oldest {age} s: {backend}"
            )
        }
        None => format!("Waiting for {inside} connections."),
    }
}

/// Ends the threads that serve, once nobody is inside or the time is over.
pub(super) fn end_threads(floor: &Floor, workers: Vec<JoinHandle<()>>, lot: JoinHandle<()>) {
    floor.lot.close();
    join(lot);
    floor.jobs.dismiss(workers.len());
    workers.into_iter().for_each(join);
    // What the drain timeout cut off.
    drop(floor.lot.call_all());
}

pub(super) fn join(thread: JoinHandle<()>) {
    // A panic in it has been printed by the panic itself.
    let _ = thread.join();
}

/// Joins a thread that may be inside a call that nothing can interrupt.
pub(super) fn join_soon(thread: JoinHandle<()>) {
    let deadline = Instant::now() + JOIN_TIMEOUT;
    while !thread.is_finished() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    if thread.is_finished() {
        join(thread);
    }
}
