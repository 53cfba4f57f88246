//! The right to send one request to a backend. It counts as in flight until it is dropped.

use super::backend::Backend;
use super::in_flight::Counted;
use super::shared::Backends;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A backend that was picked, with a request counted as in flight there.
pub struct Lease<C> {
    counted: Counted<C>,
    group: Arc<Backends<C>>,
}

impl<C> Lease<C> {
    /// The lease for a request that is counted.
    pub(super) fn new(counted: Counted<C>, group: &Arc<Backends<C>>) -> Self {
        let group = Arc::clone(group);
        Self { counted, group }
    }

    /// The backend.
    #[must_use]
    pub fn backend(&self) -> &Arc<Backend<C>> {
        &self.counted.backend
    }

    /// The group that it was picked from.
    #[must_use]
    pub fn group(&self) -> &Arc<Backends<C>> {
        &self.group
    }
}

impl<C> Drop for Lease<C> {
    fn drop(&mut self) {
        self.group.release(&self.counted);
    }
}

impl<C> Deref for Lease<C> {
    type Target = Backend<C>;

    fn deref(&self) -> &Backend<C> {
        &self.counted.backend
    }
}

impl<C> fmt::Debug for Lease<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lease").field(&self.name).finish()
    }
}
