//! What the final head of a response settles for the time after it. Must not know how bytes are moved.

use super::served::Served;
use crate::exchange::shared::Turn;
use crate::http::auth;
use crate::http::forward::client_encoding;
use crate::http::response::ResponseHead;

/// What becomes of the two connections after the response.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms {
    /// The final status; 0 until it is known.
    pub status: u16,
    /// The client's connection stays open.
    pub keeps_client: bool,
    /// The backend's connection stays open, as far as the backend is concerned.
    pub keeps_backend: bool,
    /// Only a close shows the client where the body ends, or what follows a 101.
    pub ends_by_close: bool,
    /// The client is asked to authenticate its connection, not only its request.
    pub authenticates_connection: bool,
}

/// What the final head settles.
pub(super) fn terms(head: &ResponseHead<'_, '_>, exchange: &Served<'_>, turn: &Turn<'_>) -> Terms {
    let (_, has_visible_end) = client_encoding(head.framing, exchange.request.version);
    Terms {
        status: head.status,
        keeps_client: exchange.request.keeps_alive
            && has_visible_end
            && exchange.is_received
            && turn.shared.keeps_alive(),
        keeps_backend: head.keeps_alive(),
        ends_by_close: !has_visible_end || head.status == 101,
        authenticates_connection: auth::is_offered(head.status, head.fields),
    }
}
