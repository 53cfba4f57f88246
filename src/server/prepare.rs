//! What a start needs from outside: the port, and the addresses of the backends.

use super::{StartError, Stop};
use crate::backends::Backend;
use crate::config::Listen;
use crate::discovery::{self, Resolver};
use crate::net::conn::Conn;
use crate::net::listener::Listener;
use crate::net::options::Options;
use std::sync::Arc;
use std::time::Duration;

/// How long the look-up of the name to listen on may take: as long as the system asks a silent name
/// server, because nothing can be started without an address.
const LISTEN_DEADLINE: Duration = Duration::from_secs(10);

/// Takes a port to listen on.
pub(super) fn bind(listen: &Listen, options: Options, stop: &Stop) -> Result<Listener, StartError> {
    let listener = match &listen.address {
        None => Listener::bind_everywhere(listen.port, options),
        Some(host) => discovery::within(LISTEN_DEADLINE, host, &stop.waker)
            .and_then(|addresses| Listener::bind(&addresses, listen.port, options)),
    };
    listener.map_err(|error| StartError::Listen(listen.to_string(), error))
}

/// Looks up the names of these backends for the first time.
pub(super) fn resolve(
    backends: &[Arc<Backend<Conn>>],
    interval: Duration,
    stop: &Stop,
) -> Result<Resolver, StartError> {
    let mut resolver = Resolver::new(backends, interval).map_err(StartError::Resources)?;
    resolver
        .first_round(&stop.waker)
        .map_err(|(host, error)| StartError::Resolve(host, error))?;
    Ok(resolver)
}
