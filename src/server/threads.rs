//! How threads of the balancer begin and end.

use super::StartError;
use crate::engine::Engine;
use crate::net::waker::Waker;
use crate::session::ClientSession;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long to wait for a thread that may be inside the system's resolver.
const JOIN_TIMEOUT: Duration = Duration::from_millis(500);

/// Starts a thread that runs until `ending` is raised.
pub(super) fn spawn(
    name: &str,
    engine: &Arc<Engine<ClientSession>>,
    ending: &Arc<Waker>,
    run: impl FnOnce(&Engine<ClientSession>, &Waker) + Send + 'static,
) -> Result<JoinHandle<()>, StartError> {
    let (engine, ending) = (Arc::clone(engine), Arc::clone(ending));
    std::thread::Builder::new()
        .name(name.into())
        .spawn(move || run(&engine, &ending))
        .map_err(StartError::Resources)
}

pub(super) fn join(thread: JoinHandle<()>) {
    // A panic in it has been printed by the panic itself.
    let _ = thread.join();
}

/// Joins a thread that may be inside a call that cannot be interrupted.
pub(super) fn join_soon(thread: JoinHandle<()>) {
    let deadline = Instant::now() + JOIN_TIMEOUT;
    while !thread.is_finished() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    if thread.is_finished() {
        join(thread);
    }
}
