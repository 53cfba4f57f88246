//! The right to send one request to a backend. It counts as in flight until it is dropped.

use super::Backend;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A backend that was picked, counted as in flight there.
pub struct Lease<C>(Arc<Backend<C>>);

impl<C> Lease<C> {
    /// Leases a backend that the caller has chosen itself.
    #[must_use]
    pub fn of(backend: &Arc<Backend<C>>) -> Self {
        backend.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(backend))
    }

    /// The backend.
    #[must_use]
    pub fn backend(&self) -> &Arc<Backend<C>> {
        &self.0
    }
}

impl<C> Drop for Lease<C> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<C> Deref for Lease<C> {
    type Target = Backend<C>;

    fn deref(&self) -> &Backend<C> {
        &self.0
    }
}

impl<C> fmt::Debug for Lease<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lease").field(&self.name).finish()
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
        let (first, second) = (Lease::of(&backend), Lease::of(&backend));
        assert_eq!(backend.in_flight(), 2);
        drop(first);
        assert_eq!(backend.in_flight(), 1);
        drop(second);
        assert_eq!(backend.in_flight(), 0);
    }
}
