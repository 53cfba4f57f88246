//! Whether a client may send another request, where that is limited: decided when the head is complete,
//! before a backend is asked.

use super::own_reply::OwnReply;
use crate::exchange::client::CountedClient;
use crate::exchange::shared::Shared;
use crate::http::Refusal;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The answer to a client that has too many connections.
const TOO_MANY_CONNECTIONS: Refusal =
    Refusal::with_status(429, "this client has as many connections as it may");

/// The answer to a client that sends too many requests.
const TOO_MANY_REQUESTS: Refusal =
    Refusal::with_status(429, "this client sends more requests than it may");

/// When a client with too many connections may come again: as soon as it has closed one.
const SOON: Duration = Duration::from_secs(1);

/// Counts a request of the client at `address`, and its connection. Fails with the answer, if it has
/// too many of either.
pub(super) fn admit(
    address: IpAddr,
    client: &mut Option<Box<CountedClient>>,
    shared: &Shared,
    now: Instant,
) -> Result<(), OwnReply> {
    let limits = &shared.clients;
    if client
        .as_ref()
        .is_none_or(|counted| counted.address != address)
    {
        // The connection of a proxy counts for the client of its last request only.
        *client = None;
        let refused = || OwnReply::error(TOO_MANY_CONNECTIONS);
        let permit = limits
            .try_connect(address)
            .map_err(|_| refused().retry_after(SOON).closing())?;
        *client = Some(Box::new(CountedClient { address, permit }));
    }
    let passed = limits.try_request(address, now);
    passed.map_err(|too_many| OwnReply::error(TOO_MANY_REQUESTS).retry_after(too_many.retry_after))
}
