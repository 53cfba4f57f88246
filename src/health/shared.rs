//! What requests and the health thread both know: the backends, and how the health thread is woken.

use super::loop_detection::OpenChecks;
use crate::backends::Backends;
use crate::config::{Config, Snapshot};
use crate::net::conn::Conn;
use crate::net::waker::Waker;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The health of all backends, as it is known now.
#[derive(Debug)]
pub struct SharedHealth {
    /// The configuration and the backends, as they are now.
    pub snapshot: Arc<Snapshot>,
    /// The checks under way: one that comes in at our own listener has found a loop.
    pub open_checks: Arc<OpenChecks>,
    /// Wakes the health thread: a backend is to be checked, or has changed.
    pub waker: Waker,
    /// A backend has changed since the health thread looked last.
    pub(super) has_changed: AtomicBool,
    /// Set once, when the balancer stops: what fails then says nothing about a backend.
    is_stopping: AtomicBool,
}

impl SharedHealth {
    /// Nothing is known yet. Fails when no descriptor is left.
    pub fn new(snapshot: Arc<Snapshot>) -> io::Result<Self> {
        Ok(Self {
            snapshot,
            open_checks: Arc::default(),
            waker: Waker::new()?,
            has_changed: AtomicBool::new(false),
            is_stopping: AtomicBool::new(false),
        })
    }

    /// The configuration as it is now.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.snapshot.config
    }

    /// The backends as they are now.
    #[must_use]
    pub fn backends(&self) -> &Backends<Conn> {
        &self.snapshot.backends
    }

    /// A backend has changed: sessions that wait for one may have something to do.
    pub fn note_change(&self) {
        self.has_changed.store(true, Ordering::SeqCst);
        self.waker.wake();
    }

    /// Wakes the health thread, because a backend is to be checked or has changed.
    pub fn wake(&self) {
        self.waker.wake();
    }

    /// From now on no failure counts.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }
}
