//! The requests that run now: what each is, where it stands, and what it waits for.

use super::StatusHandle;
use crate::backends::Name;
use crate::metrics::live::LiveReading;
use serde::Serialize;
use std::time::{Duration, Instant};

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
    pub attempt: u16,
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

impl StatusHandle {
    /// The requests that run now and began at least `older` ago, oldest first. None is seen unless that
    /// was asked for: see `Config::is_observed`.
    #[must_use]
    pub fn requests(&self, older: Duration) -> Vec<LiveRequest> {
        let Some(observed) = &self.0.shared.observed else {
            return Vec::new();
        };
        let now = Instant::now();
        let running = observed.live.requests().into_iter();
        let is_old = |one: &LiveReading| now.saturating_duration_since(one.began) >= older;
        running
            .take_while(is_old)
            .map(|one| LiveRequest::of(one, now))
            .collect()
    }

    /// Ends a request: its client gets an error if nothing of an answer was sent, and its connection is
    /// closed. Returns whether there was such a request. Takes a fraction of a second at most.
    #[must_use]
    pub fn close_request(&self, id: u64) -> bool {
        let engine = &self.0;
        let Some(observed) = &engine.shared.observed else {
            return false;
        };
        let is_asked = observed.live.ask_to_close(id);
        // A session that a worker has sees that it was asked when it has its next turn. It may be on its
        // way to the lot, so it is looked for there again.
        for _ in 0..CLOSE_LOOKS {
            if !is_asked || !observed.live.is_running(id) {
                break;
            }
            engine.recall(1, |session| session.is_seen_as(id), |_| ());
            std::thread::sleep(CLOSE_LOOK);
        }
        is_asked
    }
}

/// How often, and after which time, a session that is to close is looked for again. A worker blocks for no
/// longer than 20 ms.
const CLOSE_LOOKS: u32 = 25;
const CLOSE_LOOK: Duration = Duration::from_millis(4);

impl LiveRequest {
    fn of(reading: LiveReading, now: Instant) -> Self {
        let backend = reading.backend.map(|(host, port)| Name { host, port });
        let until = reading.until;
        Self {
            id: reading.id,
            client: reading.client.to_string(),
            method: reading.method,
            target: reading.target,
            group: reading.group,
            backend: backend.map_or_else(String::new, |name| name.to_string()),
            attempt: reading.attempt,
            stage: reading.stage.word(),
            age_seconds: now.saturating_duration_since(reading.began).as_secs_f64(),
            bytes_received: reading.received,
            bytes_sent: reading.sent,
            waits_for: reading.awaited.words(),
            until_seconds: until.map(|until| until.saturating_duration_since(now).as_secs_f64()),
        }
    }
}
