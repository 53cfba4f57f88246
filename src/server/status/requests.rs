//! The requests that run now: what each is, where it stands, and what it waits for.

use serde::Serialize;

/// A request that runs now. `GET /requests` is a list of these as JSON.
#[derive(Clone, Debug, Serialize)]
pub struct LiveRequest {
    /// The number of the client's connection.
    pub id: u64,
    /// The address of the client.
    pub client: String,
    /// Its method, or how that begins.
    pub method: String,
    /// Its target, or how that begins.
    pub target: String,
    /// The group that it goes to.
    pub group: String,
    /// The backend that it is at, or was at last; empty while it had none.
    pub backend: String,
    /// How many backends it was at, this one included.
    pub attempt: u32,
    /// Where it stands: `queued`, `connecting`, `sending_request`, `waiting_for_response`,
    /// `sending_response` or `tunnel`.
    pub stage: &'static str,
    /// How long ago its head was complete.
    pub age_seconds: f64,
    /// Bytes that have come from the backend.
    pub bytes_received: u64,
    /// Bytes that have gone to the backend.
    pub bytes_sent: u64,
    /// What it waits for, in words; empty while it moves.
    pub waits_for: &'static str,
    /// For how long it waits at most; `null` while it moves.
    pub until_seconds: Option<f64>,
}
