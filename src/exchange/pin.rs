//! A backend connection that belongs to one client connection.
//!
//! With NTLM and Negotiate, the backend authenticates a connection, not a request. So all requests of
//! this client use that connection as long as it lives, and no other client's request ever does:
//! between requests it stays here, not among the idle connections for all, and it is closed with the
//! client. It has no idle timeout of its own: a shorter one than the client's
//! (`--keep-alive-timeout`) would cost the client its authentication.

use crate::backends::idle::Generation;
use crate::backends::{AdminState, Backend};
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
        let conn = self.conn.take()?;
        let backend = &self.backend;
        let is_wanted = || backend.state().admin != AdminState::Disabled;
        let was_up = backend.is_up() && !backend.idle.had_outage_since(self.generation);
        (was_up && is_wanted() && conn.is_quiet()).then_some(conn)
    }
}
