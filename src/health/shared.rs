//! What requests and the health thread both know: the backends, and how the health thread is woken.

use super::Checks;
use super::loop_detection::OpenChecks;
use crate::config::Snapshot;
use crate::metrics::changes::ChangeLog;
use crate::net::waker::Waker;
use arc_swap::{ArcSwap, Guard};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The health of all backends, as it is known now.
#[derive(Debug)]
pub struct SharedHealth {
    /// The settings and groups as they are now.
    snapshot: ArcSwap<Snapshot>,
    /// The checks under way: one that comes in at our own listener has found a loop.
    pub open_checks: Arc<OpenChecks>,
    /// Wakes the health thread: a backend is to be checked, or has changed.
    pub waker: Waker,
    /// The checks of backends that a reload has brought, until the health thread takes them.
    new_checks: Mutex<Option<Checks>>,
    /// A backend has changed since the health thread looked last.
    pub(super) has_changed: AtomicBool,
    /// Where changes are noted for those who look, if any do.
    pub(super) changes: Option<Arc<ChangeLog>>,
    /// Set once, when the balancer stops: what fails then says nothing about a backend.
    is_stopping: AtomicBool,
}

impl SharedHealth {
    /// Nothing is known yet. Fails when no descriptor is left.
    pub fn new(snapshot: Arc<Snapshot>) -> io::Result<Self> {
        Ok(Self {
            snapshot: ArcSwap::new(snapshot),
            open_checks: Arc::default(),
            waker: Waker::new()?,
            new_checks: Mutex::default(),
            has_changed: AtomicBool::new(false),
            changes: None,
            is_stopping: AtomicBool::new(false),
        })
    }

    /// The same, and changes of backends are noted there.
    #[must_use]
    pub fn noting(self, changes: Arc<ChangeLog>) -> Self {
        let changes = Some(changes);
        Self { changes, ..self }
    }

    /// The settings and groups as they are now.
    #[must_use]
    pub fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    /// From now on these are the settings and groups. Returns those of before.
    pub fn replace_snapshot(&self, snapshot: Arc<Snapshot>) -> Arc<Snapshot> {
        self.snapshot.swap(snapshot)
    }

    /// Hands the checks of new backends to the health thread. The snapshot that has these backends is in
    /// use already.
    pub fn hand_over(&self, new: Checks) {
        *self
            .new_checks
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(new);
        self.note_change();
    }

    pub(super) fn take_new_checks(&self) -> Option<Checks> {
        let mut new = self
            .new_checks
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        new.take()
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
