//! What a session waits for, and how long it may.

use crate::net::conn::{Conn, SOCKET_TIMEOUT};
use crate::net::{Interest, wait_any};
use std::time::{Duration, Instant};

/// What a session waits for when it would wait.
#[derive(Clone, Copy, Debug)]
pub struct WaitFor {
    /// On the client's connection.
    pub client: Option<Interest>,
    /// On the backend's connection.
    pub backend: Option<Interest>,
    /// When the wait is over in any case.
    pub deadline: Instant,
}

impl WaitFor {
    /// Waits for the client only.
    #[must_use]
    pub fn client(interest: Interest, deadline: Instant) -> Self {
        Self {
            client: Some(interest),
            backend: None,
            deadline,
        }
    }

    /// Blocks briefly, on both sides at once; returns whether something can move.
    #[must_use]
    pub fn block_briefly(&self, client: &Conn, backend: &Conn) -> bool {
        let timeout = Some(SOCKET_TIMEOUT);
        let ready = match (self.client, self.backend) {
            (Some(on_client), Some(on_backend)) => {
                wait_any([(client, on_client), (backend, on_backend)], timeout)
            }
            (Some(interest), None) => wait_any([(client, interest)], timeout),
            (None, Some(interest)) => wait_any([(backend, interest)], timeout),
            (None, None) => Ok(false),
        };
        ready.unwrap_or(true)
    }
}

/// One of the two sides of an exchange or a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// The client.
    Client,
    /// The backend.
    Backend,
}

/// A timeout that begins anew with every progress.
#[derive(Debug)]
pub struct ProgressTimer<P> {
    /// When it was first asked with the present progress.
    since: Option<Instant>,
    progress: P,
}

impl<P: Default> Default for ProgressTimer<P> {
    fn default() -> Self {
        Self {
            since: None,
            progress: P::default(),
        }
    }
}

impl<P: PartialEq> ProgressTimer<P> {
    /// The deadline: `timeout` after this was first asked with the same `progress`.
    pub fn deadline(&mut self, progress: P, timeout: Duration, now: Instant) -> Instant {
        if self.progress != progress {
            (self.since, self.progress) = (None, progress);
        }
        *self.since.get_or_insert(now) + timeout
    }

    /// Since when there has been no progress; `None` if [`Self::deadline`] was never asked.
    #[must_use]
    pub fn since(&self) -> Option<Instant> {
        self.since
    }

    /// How long there has been no progress; zero if [`Self::deadline`] was never asked.
    #[must_use]
    pub fn waited(&self, now: Instant) -> Duration {
        self.since
            .map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}
