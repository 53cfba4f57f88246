//! How a balancer is asked to stop.

use super::StartError;
use crate::net::waker::Waker;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Asks a balancer to stop. Cheap to clone, usable from any thread.
#[derive(Clone, Debug)]
pub struct Stop {
    pub(super) waker: Arc<Waker>,
    requests: Arc<AtomicU32>,
}

impl Stop {
    /// A stop for a balancer that is about to be started, so that its start can be stopped as well.
    pub fn new() -> Result<Self, StartError> {
        let waker = Arc::new(Waker::new().map_err(StartError::Resources)?);
        Ok(Self {
            waker,
            requests: Arc::default(),
        })
    }

    /// Asks for a stop; returns how often that was done before. The second request cuts what is in
    /// flight.
    pub fn request(&self) -> u32 {
        let before = self.requests.fetch_add(1, Ordering::SeqCst);
        self.waker.wake();
        before
    }

    pub(super) fn is_requested(&self) -> bool {
        self.requests.load(Ordering::SeqCst) > 0
    }

    /// Whether a stop was asked for more than once: what is in flight is not waited for.
    pub(super) fn is_repeated(&self) -> bool {
        self.requests.load(Ordering::SeqCst) > 1
    }
}
