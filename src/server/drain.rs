//! The end: what is in flight is finished, then the threads end.

use super::listeners::Listeners;
use super::threads::join;
use super::warning::Warning;
use super::{Ended, Stop};
use crate::engine::Engine;
use crate::net::limits;
use crate::net::listener::Accepted;
use crate::session::ClientSession;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the drain accepts what is queued and closes what is idle.
const LOOK: Duration = Duration::from_millis(50);

/// Serves the clients that the kernel has queued already, then waits until every connection is
/// closed, logging once per second what it waits for.
pub(super) fn drain(engine: &Engine<ClientSession>, listeners: Listeners, stop: &Stop) -> Ended {
    let connections = &engine.shared.connections;
    let deadline = Instant::now() + engine.shared.snapshot().settings.timeouts.drain;
    let mut waiting = Warning::every(Duration::from_secs(1));
    listeners.close_queues();
    let mut listeners = Some(listeners);
    loop {
        // Once the listeners are dropped, the kernel refuses new clients.
        let open = listeners.as_mut();
        if !open.is_some_and(|open| accept_what_is_queued(open, engine, stop)) {
            listeners = None;
        }
        // Sessions without a request close when they are recalled. They are recalled again and again,
        // because one may have been on its way to the lot.
        recall_without_request(engine);
        let is_over = stop.is_repeated() || Instant::now() >= deadline;
        if connections.wait_until_empty(LOOK) && (listeners.is_none() || is_over) {
            return Ended::Drained;
        }
        if is_over {
            log::warn!("{} connections are cut.", connections.open());
            return Ended::Cut;
        }
        waiting.log(|| what_is_waited_for(engine));
    }
}

/// Recalls all sessions without a request, so that each closes or goes on.
fn recall_without_request(engine: &Engine<ClientSession>) {
    engine.recall(usize::MAX, ClientSession::has_no_request, |_| ());
}

/// Accepts as many clients as the limits allow; returns whether more may be queued.
fn accept_what_is_queued(
    listeners: &mut Listeners,
    engine: &Engine<ClientSession>,
    stop: &Stop,
) -> bool {
    while !engine.shared.connections.is_full() && !stop.is_repeated() {
        if !listeners.has_client(Duration::ZERO) {
            return false;
        }
        match listeners.accept() {
            Ok(Accepted::Client(conn, address)) => engine.admit(conn, address),
            Ok(Accepted::Nobody) => {}
            Err(error) => {
                // If descriptors are short, it goes on when other sessions have ended.
                engine.shared.close_idle_backend_connections();
                return limits::shortage(&error).is_some();
            }
        }
    }
    true
}

fn what_is_waited_for(engine: &Engine<ClientSession>) -> String {
    let mut oldest: Option<(Instant, String)> = None;
    let mut count = 0;
    engine.for_each_parked(|session| {
        if let Some(exchange) = session.describe() {
            count += 1;
            if oldest.as_ref().is_none_or(|oldest| exchange.0 < oldest.0) {
                oldest = Some(exchange);
            }
        }
    });
    let open = engine.shared.connections.open();
    match oldest {
        Some((since, what)) => {
            let (age, s) = (since.elapsed().as_secs(), if count == 1 { "" } else { "s" });
            format!("waiting for {count} request{s}, oldest {age} s: {what}")
        }
        None => format!("waiting for {open} connections to close"),
    }
}

/// Ends the workers, once every connection is closed or the time is over.
pub(super) fn end_threads(engine: &Engine<ClientSession>, workers: Vec<JoinHandle<()>>) {
    engine.close();
    workers.into_iter().for_each(join);
    // The sessions that are cut.
    engine.clear();
}
