//! A request that tries a backend which was ejected. Its outcome decides whether other requests
//! follow.

use crate::backends::Backend;
use crate::backends::health::Observation;
use crate::config::Group;
use crate::exchange::shared::Shared;
use crate::health::observations;
use crate::net::conn::Conn;
use std::sync::Arc;
use std::time::Instant;

/// The claim to the only trial of a backend. When it is dropped without a result, another request may
/// try.
#[derive(Debug)]
pub(super) struct Trial {
    backend: Arc<Backend<Conn>>,
}

impl Trial {
    /// The trial of `backend`, which was claimed.
    pub(super) fn of(backend: &Arc<Backend<Conn>>) -> Self {
        let backend = Arc::clone(backend);
        Self { backend }
    }

    /// The head of an answer has come.
    pub(super) fn pass(self, group: &Group, shared: &Shared) {
        observations::observe_response(
            &shared.health,
            group,
            &self.backend,
            Observation::TrialPassed,
        );
    }

    /// The backend has failed again.
    pub(super) fn fail(self, now: Instant) {
        self.backend.failures.fail_trial(now);
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        self.backend.failures.release_trial();
    }
}
