//! A backend connection that belongs to one client connection.
//!
//! With NTLM and Negotiate the backend remembers for the connection who the client is. So this
//! client's requests go there for as long as that connection lives, and no other client's ever
//! does: between requests it rests here, not among those that are kept for everybody, and it is
//! closed with the client. It has no idle timeout of its own. The client's (`--keep-alive-timeout`)
//! bounds it, since a shorter one would cost the client its authentication.

use crate::backends::idle::Generation;
use crate::backends::{AdminState, Backend};
use crate::net::conn::Conn;
use std::sync::Arc;

/// The connection, and the backend whose it is. When the connection is gone the backend is still
/// the one to ask: a new handshake may be half way through.
#[derive(Debug)]
pub struct Pin {
    backend: Arc<Backend<Conn>>,
    conn: Option<Conn>,
    generation: Generation,
}

impl Pin {
    /// A pin to `backend`; with the connection, leased in `generation`, if that stays open.
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

    /// The connection, if the next request may go there: it is open and quiet, and its backend has
    /// been up all the time. A backend that drains goes on with it, as with all that it has begun.
    #[must_use]
    pub fn take_conn(&mut self) -> Option<Conn> {
        let conn = self.conn.take()?;
        let backend = &self.backend;
        let is_wanted = || backend.state().admin != AdminState::Disabled;
        let was_up = backend.is_up() && !backend.idle.had_outage_since(self.generation);
        (was_up && is_wanted() && conn.is_quiet()).then_some(conn)
    }
}
