//! Which of many parked connections can go on: epoll or kqueue, each connection reported once
//! for each time it is asked for (one-shot).
//!
//! Holds the one `unsafe` block of the crate.

use super::Interest;
use super::conn::Conn;
use polling::{Event, Events, Poller};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Events taken out of the kernel in one call.
const EVENTS_PER_WAIT: usize = 1024;

/// The kernel's list of registered connections.
#[derive(Debug)]
pub struct Readiness {
    poller: Poller,
}

/// Room for what one wait reports.
#[derive(Debug)]
pub struct Reports(Events);

impl Reports {
    /// Room for a thousand events.
    #[must_use]
    pub fn new() -> Self {
        let places =
            std::num::NonZeroUsize::new(EVENTS_PER_WAIT).unwrap_or(std::num::NonZeroUsize::MIN);
        Self(Events::with_capacity(places))
    }

    /// The keys under which the ready connections were watched.
    pub fn keys(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().map(|event| event.key)
    }
}

impl Default for Reports {
    fn default() -> Self {
        Self::new()
    }
}

impl Readiness {
    /// A new, empty list. Fails when no descriptor is left.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            poller: Poller::new()?,
        })
    }

    /// Waits until a watched connection is ready, `timeout` has passed (`None`: never) or
    /// [`Self::interrupt`] is called.
    pub fn wait(&self, reports: &mut Reports, timeout: Option<Duration>) -> io::Result<()> {
        reports.0.clear();
        match self.poller.wait(&mut reports.0, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    /// Ends the current or next [`Self::wait`] at once.
    pub fn interrupt(&self) {
        // It can fail only when the descriptor is gone, and then nobody waits.
        let _ = self.poller.notify();
    }
}

impl Conn {
    /// Asks `readiness` to report this connection once, under `key`, when it has what it is
    /// waited for. Replaces what was asked before. `key` is not `usize::MAX`.
    pub fn watch(
        &mut self,
        readiness: &Arc<Readiness>,
        key: usize,
        interest: Interest,
    ) -> io::Result<()> {
        let event = Event::new(key, interest.reads(), interest.writes());
        if self.registration.is_some() {
            return readiness.poller.modify(&self.stream, event);
        }
        self.register(readiness, event)
    }

    #[allow(unsafe_code)]
    fn register(&mut self, readiness: &Arc<Readiness>, event: Event) -> io::Result<()> {
        // SAFETY: a source must be deleted from the poller before it is closed. The stream is
        // owned by this `Conn` and never leaves it; `registration` is set as soon as the
        // source is added, and `Drop` below deletes it while the stream is still open. The
        // poller lives at least as long, because `registration` holds a reference to it.
        unsafe { readiness.poller.add(&self.stream, event)? };
        self.registration = Some(Arc::clone(readiness));
        Ok(())
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        if let Some(readiness) = self.registration.take() {
            // Nothing to be done if it fails: closing removes it from the kernel's list too.
            let _ = readiness.poller.delete(&self.stream);
        }
    }
}
