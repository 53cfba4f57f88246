//! The right to send one request to a backend. It counts as in flight until it is dropped.

use super::{Backend, Backends};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A backend that was picked, counted as in flight there and in its group.
pub struct Lease<C> {
    backend: Arc<Backend<C>>,
    group: Arc<Backends<C>>,
}

impl<C> Lease<C> {
    /// What has been counted already.
    pub(super) fn of(backend: &Arc<Backend<C>>, group: &Arc<Backends<C>>) -> Self {
        Self {
            backend: Arc::clone(backend),
            group: Arc::clone(group),
        }
    }

    /// The backend.
    #[must_use]
    pub fn backend(&self) -> &Arc<Backend<C>> {
        &self.backend
    }
}

impl<C> Drop for Lease<C> {
    fn drop(&mut self) {
        self.group.give_back(&self.backend);
    }
}

impl<C> Deref for Lease<C> {
    type Target = Backend<C>;

    fn deref(&self) -> &Backend<C> {
        &self.backend
    }
}

impl<C> fmt::Debug for Lease<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lease").field(&self.name).finish()
    }
}

/// What a request gets that looks for a backend.
#[derive(Debug)]
pub enum Picked<C> {
    /// A backend, which counts the request as in flight.
    Lease(Lease<C>),
    /// Every backend that fits has as many requests as it may: the request may wait.
    Full,
    /// No backend fits.
    NoneLive,
}

impl<C> Picked<C> {
    /// The lease, if there is one.
    #[must_use]
    pub fn lease(self) -> Option<Lease<C>> {
        match self {
            Picked::Lease(lease) => Some(lease),
            Picked::Full | Picked::NoneLive => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::Name;
    use crate::backends::health::Health;

    #[test]
    fn a_lease_counts_as_in_flight_until_it_is_dropped() {
        let name = Name {
            host: "a".into(),
            port: 1,
        };
        let backend = Arc::new(Backend::<()>::new(name, Health::new(1, 1)));
        let group = Backends::of(vec![Arc::clone(&backend)]);
        let lease = || group.lease(&backend).expect("no limit");
        let (first, second) = (lease(), lease());
        assert_eq!((backend.in_flight(), group.in_flight()), (2, 2));
        drop(first);
        assert_eq!((backend.in_flight(), group.in_flight()), (1, 1));
        drop(second);
        assert_eq!((backend.in_flight(), group.in_flight()), (0, 0));
    }
}
