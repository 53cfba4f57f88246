//! An attempt that failed: where, on what connection, and why.

use super::shared::Shared;
use crate::backends::Backend;
use crate::config::Group;
use crate::health::observations;
use crate::http::error::{Cause, Error, Phase};
use crate::net::conn::Conn;
use std::sync::Arc;

/// An attempt that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The backend.
    pub backend: Arc<Backend<Conn>>,
    /// Whether it was on a connection that had served before.
    pub was_reused: bool,
    /// Whether that connection was the client's own.
    pub was_pinned: bool,
    /// What happened.
    pub error: Error,
    /// Whether the backend is to blame is known only when another one has answered the request: it may
    /// fail at any.
    pub is_pending: bool,
}

impl Failure {
    /// Whether it happened at this backend.
    pub(super) fn is_of(&self, backend: &Backend<Conn>) -> bool {
        std::ptr::eq(&*self.backend, backend)
    }

    /// Whether the backend did not accept the connection in time.
    pub(super) fn is_late_connection(&self) -> bool {
        (self.error.phase, self.error.cause) == (Phase::Connect, Cause::TimedOut)
    }

    /// Counts it towards the ejection of its backend.
    pub(super) fn blame(&self, group: &Group, shared: &Shared) {
        observations::count_failed_request(&shared.health, group, &self.backend, &self.error);
    }
}
