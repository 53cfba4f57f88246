//! The accept loop: takes clients out of the kernel's queue and hands them to the engine.
//!
//! It reads nothing from a client. While the limits allow no more connections, new clients wait in
//! the kernel's queue, which costs nothing here.

use super::Server;
use super::warning::Warning;
use crate::engine::Engine;
use crate::engine::thread_policy::ThreadPolicy;
use crate::log::durations::seconds;
use crate::net::limits::{self, Shortage};
use crate::net::listener::Accepted;
use crate::session::ClientSession;
use std::io;
use std::time::{Duration, Instant};

/// How long to wait before `accept` is tried again after it failed.
const ACCEPT_BACK_OFF: Duration = Duration::from_millis(10);

/// How long the next clients are left in the kernel's queue while sessions are queued here, which
/// are served first anyway. Accepted together, they cost one wake-up instead of one each.
const ACCEPT_PAUSE: Duration = Duration::from_micros(100);

/// How often a lame duck checks whether it is time to stop.
const LAME_DUCK_CHECK: Duration = Duration::from_millis(10);

/// How often a full balancer checks whether it has to stop.
const FULL_CHECK: Duration = Duration::from_millis(100);

/// Idle connections that are closed at a time to make room for new clients.
const EVICTED: usize = 32;

impl Server {
    pub(super) fn accept_until_stopped(&mut self, policy: &mut ThreadPolicy) {
        self.accept_while(
            policy,
            |server| !server.stop.is_requested(),
            // When the wait fails, the next `accept` fails too, and that is logged.
            |server| drop(server.listeners.wait(&server.stop.waker, &server.pending)),
        );
    }

    /// Serves for another `--lame-duck` while `--ready-path` answers no: a balancer in front notices
    /// that, and sends its clients elsewhere before this one is gone.
    pub(super) fn accept_as_lame_duck(&mut self, policy: &mut ThreadPolicy) {
        let shared = &self.engine.shared;
        let time = shared.snapshot().settings.lame_duck;
        let until = Instant::now() + time;
        shared.leave();
        if !time.is_zero() {
            log::info!("Not ready any more; serving for another {}.", seconds(time));
        }
        self.accept_while(
            policy,
            |server| Instant::now() < until && !server.stop.is_repeated(),
            |server| _ = server.listeners.has_client(LAME_DUCK_CHECK),
        );
    }

    /// Accepts clients while `goes_on`. `wait` waits for the next one.
    // spine 01
    fn accept_while(
        &mut self,
        policy: &mut ThreadPolicy,
        goes_on: impl Fn(&Self) -> bool,
        wait: impl Fn(&Self),
    ) {
        let (mut full, mut failing) = (Warning::default(), Warning::default());
        let mut has_accepted = false;
        while goes_on(self) {
            policy.follow();
            self.follow_reload();
            if self.engine.shared.connections.is_full() {
                self.wait_for_room(&mut full);
                continue;
            }
            match self.listeners.accept() {
                Ok(Accepted::Client(conn, address)) => {
                    self.engine.admit(conn, address);
                    has_accepted = true;
                }
                Ok(Accepted::Nobody) => {
                    let was_busy = std::mem::take(&mut has_accepted) && self.engine.has_queued();
                    match was_busy {
                        true => std::thread::sleep(ACCEPT_PAUSE),
                        false => wait(self),
                    }
                }
                Err(error) => {
                    failing.log(|| format!("Cannot accept: {error}; trying again."));
                    self.back_off(&error);
                }
            }
        }
    }

    /// Takes over the listeners that a reload has brought. The clients that are queued at one that is
    /// removed were let in by the kernel, so they are served.
    fn follow_reload(&mut self) {
        let Some(mut removed) = self.listeners.follow(&self.pending) else {
            return;
        };
        while let Ok(Accepted::Client(conn, address)) = removed.accept() {
            self.engine.admit(conn, address);
        }
    }

    /// The limits allow no more connections: closes idle ones, and waits for room.
    fn wait_for_room(&self, full: &mut Warning) {
        let connections = &self.engine.shared.connections;
        full.log(|| match connections.open() >= connections.limit() {
            true => format!(
                "{} connections, as many as --max-connections allows; new clients wait.",
                connections.limit()
            ),
            false => format!(
                "{} connections take all memory that --max-memory allows; new clients wait.",
                connections.open()
            ),
        });
        if connections.is_crowded() && self.listeners.has_client(Duration::ZERO) {
            evict_idle(&self.engine);
        }
        let _ = connections.wait_for_room(FULL_CHECK);
    }

    /// `accept` failed: if descriptors are short, idle connections are closed.
    fn back_off(&self, error: &io::Error) {
        if limits::shortage(error) == Some(Shortage::Descriptors) {
            self.engine.shared.close_idle_backend_connections();
            evict_idle(&self.engine);
        }
        // The waker stays raised after a stop was requested, so waiting for it would be no pause.
        if self.stop.is_requested() {
            std::thread::sleep(ACCEPT_BACK_OFF);
        }
        let _ = self.stop.waker.wait(ACCEPT_BACK_OFF);
    }
}

/// Closes some connections that are kept alive and not in use.
fn evict_idle(engine: &Engine<ClientSession>) {
    engine.recall(EVICTED, ClientSession::is_idle, ClientSession::evict);
}
