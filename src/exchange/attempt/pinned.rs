//! An attempt for a client that a backend connection belongs to.

use super::{Attempt, FULL};
use crate::backends::Lease;
use crate::config::Group;
use crate::exchange::ExchangePhase;
use crate::exchange::pin::Pin;
use crate::exchange::shared::Turn;
use crate::http::error::Error;
use crate::net::conn::Conn;
use std::sync::Arc;

impl ExchangePhase {
    /// On the client's own connection, or else on a new one to the same backend; `None` if there
    /// can be neither, and an error if that backend has as many requests as it may.
    pub(in crate::exchange) fn pinned(
        pin: &mut Pin,
        group: &Group,
        turn: &Turn<'_>,
    ) -> Option<Result<Self, Error>> {
        let backend = Arc::clone(pin.backend());
        if !pin.is_wanted() {
            return None;
        }
        let Some(lease) = group.backends.lease(&backend) else {
            return Some(Err(FULL));
        };
        Some(Ok(Self::on_pin(lease, pin, group, turn)))
    }

    /// The same, with the right to send it.
    pub(in crate::exchange) fn on_pin(
        lease: Lease<Conn>,
        pin: &mut Pin,
        group: &Group,
        turn: &Turn<'_>,
    ) -> Self {
        match pin.take_conn() {
            Some(conn) => {
                let attempt = Attempt {
                    is_pinned: true,
                    ..Attempt::new(lease, true)
                };
                Self::Transferring(attempt, conn)
            }
            None => Self::attempt(lease, false, &group.settings, turn.now()),
        }
    }
}
