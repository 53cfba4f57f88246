//! A backend connection that belongs to one client connection.
//!
//! With NTLM and Negotiate, the backend authenticates a connection, not a request. So all requests of
//! this client use that connection as long as it lives, and no other client's request ever does:
//! between requests it stays here, not among the idle connections for all, and it is closed with the
//! client. It has no idle timeout of its own: a shorter one than the client's
//! (`--keep-alive-timeout`) would cost the client its authentication.

use crate::backends::Backend;
use crate::backends::idle::Generation;
use crate::net::conn::Conn;
use std::sync::Arc;

/// The connection and its backend. When the connection is gone, the next request still goes to this
/// backend, because a new handshake may be half done.
#[derive(Debug)]
pub struct Pin {
    backend: Arc<Backend<Conn>>,
    conn: Option<Conn>,
    generation: Generation,
}

impl Pin {
    /// A pin to `backend`, with the connection if that stays open. `generation` is that of its lease.
    #[must_use]
    pub fn new(backend: Arc<Backend<Conn>>, conn: Option<Conn>, generation: Generation) -> Self {
        Self {
            backend,
            conn,
            generation,
        }
    }

    /// The backend.
    #[must_use]
    pub fn backend(&self) -> &Arc<Backend<Conn>> {
        &self.backend
    }

    /// Takes the connection, if the next request may use it: it is open and quiet, and its backend was
    /// up all the time. A backend that drains goes on with it, as with everything that it has begun.
    #[must_use]
    pub fn take_conn(&mut self) -> Option<Conn> {
        self.has_usable_conn().then(|| self.conn.take()).flatten()
    }

    /// Whether the next request is to go to this backend: on the connection, or on a new one if that is
    /// possible.
    #[must_use]
    pub fn is_wanted(&mut self) -> bool {
        self.has_usable_conn() || self.backend.is_live()
    }

    /// Whether there is such a connection; one that is not is closed.
    #[must_use]
    fn has_usable_conn(&mut self) -> bool {
        let backend = &self.backend;
        let was_up = backend.is_up() && !backend.idle.had_outage_since(self.generation);
        let is_usable = |conn: &mut Conn| was_up && !backend.is_disabled() && conn.is_quiet();
        self.conn.take_if(|conn| !is_usable(conn));
        self.conn.is_some()
    }
}
