//! The balancer as a whole: start, accept, stop.
//!
//! | file | what it is |
//! |---|---|
//! | `start` | from a configuration to a balancer that listens |
//! | `accept` | the accept loop |
//! | `listeners` | where clients can connect to |
//! | `drain` | what is in flight is finished, then the threads end |
//! | `stop` | how a balancer is asked to stop |
//! | `threads` | how its threads begin and end |
//! | `status` | what it is doing now |
//! | `sampler` | a thread that reads the counters once a second |
//! | `reload`, `groups` | from one configuration to another while it serves |
//! | [`steer`], `overlay` | what an operator changes while it serves |
//! | `changes` | what is logged of that |
//! | `prepare` | ports, names and the first checks, for a start and for a reload |
//! | `capacity`, `memory` | how many connections, and how much memory, the machine allows |
//! | `announce` | what is logged at the start |
//! | `start_error`, `warning` | errors of the start, and warnings that are not repeated all the time |

mod accept;
mod announce;
mod capacity;
mod changes;
mod drain;
mod groups;
mod listeners;
mod memory;
mod overlay;
mod prepare;
mod reload;
mod sampler;
mod start;
mod start_error;
mod status;
pub mod steer;
mod stop;
mod threads;
mod warning;

pub use overlay::BackendChange;
pub use reload::{Reload, Source};
pub use start_error::StartError;
pub use status::{
    BackendStatus, GroupStatus, LiveRequest, ParkedSessions, QueueStatus, RecentChange, Share,
    Status, StatusHandle, WorkerStatus,
};
pub use steer::Steering;
pub use stop::Stop;

use crate::engine::Engine;
use crate::engine::thread_policy::ThreadPolicy;
use crate::net::waker::Waker;
use crate::session::ClientSession;
use drain::{drain, end_threads};
use listeners::{Listeners, PendingChange};
use overlay::SharedOverlay;
use reload::SharedReloader;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use threads::{join, join_soon, spawn};

/// How a balancer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything in flight was finished.
    Drained,
    /// The drain timeout passed first, or a second stop was asked for.
    Cut,
}

/// A balancer that listens and has checked its backends once, ready to [`run`](Server::run).
#[derive(Debug)]
pub struct Server {
    listeners: Listeners,
    /// A change of the listeners that a reload has brought.
    pending: Arc<PendingChange>,
    engine: Arc<Engine<ClientSession>>,
    stop: Stop,
    /// Ends the threads that look after backends. They end last, because requests in flight need
    /// them.
    ending: Arc<Waker>,
    workers: Vec<JoinHandle<()>>,
    health: JoinHandle<()>,
    /// Reads the counters, if anything is counted.
    sampler: Option<JoinHandle<()>>,
    /// What changes the configuration.
    reloader: SharedReloader,
    reloading: Option<JoinHandle<()>>,
    /// What an operator has changed.
    overlay: SharedOverlay,
    /// No stop was asked for before the first client could come.
    is_in_use: bool,
}

impl Server {
    /// Where it listens, with the real port where 0 was asked for; of several addresses, at the first.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listeners.local_addr()
    }

    /// Stops it.
    #[must_use]
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Reloads the configuration from `source` when `reload` asks for it, or when the source has
    /// changed.
    pub fn reload_from(&mut self, source: Source, reload: &Reload) -> Result<(), StartError> {
        let (reloader, stop) = (Arc::clone(&self.reloader), self.stop.clone());
        let asked = reload.clone();
        let thread = spawn("reload", &self.engine, &self.ending, move |_, ending| {
            reload::run(&reloader, source, (&asked, &stop), ending);
        })?;
        self.reloading = Some(thread);
        Ok(())
    }

    /// Changes its backends, also after [`Self::run`] has taken the server.
    #[must_use]
    pub fn steering(&self) -> Steering {
        Steering::new(&self.reloader)
    }

    /// Its engine, to be looked at.
    #[must_use]
    pub fn engine(&self) -> Arc<Engine<ClientSession>> {
        Arc::clone(&self.engine)
    }

    /// Serves until a stop is asked for, then finishes what is in flight. All threads have ended
    /// when it returns. The calling thread keeps the scheduling policy of the workers.
    #[must_use]
    pub fn run(mut self) -> Ended {
        let mut policy = ThreadPolicy::of_this_thread(&self.engine.policy);
        self.accept_until_stopped(&mut policy);
        // Before it has let clients in, no load balancer in front of it has to learn that it leaves.
        if self.is_in_use {
            self.accept_as_lame_duck(&mut policy);
        }
        self.engine.shared.stop();
        let ended = drain(&self.engine, self.listeners, &self.stop);
        end_threads(&self.engine, self.workers);
        self.ending.wake();
        join(self.health);
        self.sampler.into_iter().for_each(join);
        self.reloading.into_iter().for_each(join_soon);
        reload::lock(&self.reloader).resolving.end();
        ended
    }
}
