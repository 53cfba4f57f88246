//! What a start needs from outside: the port, and the addresses of the backends.

use super::{StartError, Stop};
use crate::backends::Name;
use crate::config::Config;
use crate::discovery::{self, Resolver};
use crate::exchange::shared::Shared;
use crate::net::listener::Listener;
use std::io;
use std::time::Duration;

/// How long the look-up of the name to listen on may take: as long as the system asks a silent name
/// server, because nothing can be started without an address.
const LISTEN_DEADLINE: Duration = Duration::from_secs(10);

/// Takes the port to listen on.
pub(super) fn bind(config: &Config, stop: &Stop) -> Result<Listener, StartError> {
    let options = config.sockets.of_clients();
    let listener = match &config.address {
        None => Listener::bind_everywhere(config.port, options),
        Some(host) => discovery::within(LISTEN_DEADLINE, host, &stop.waker)
            .and_then(|addresses| Listener::bind(&addresses, config.port, options)),
    };
    listener.map_err(|error| not_listening(config, error))
}

/// The error for an address on which it cannot listen.
pub(super) fn not_listening(config: &Config, error: io::Error) -> StartError {
    let own = Name {
        host: config.address.clone().unwrap_or_default(),
        port: config.port,
    };
    let address = match config.address {
        Some(_) => own.to_string(),
        None => format!("port {}", own.port),
    };
    StartError::Listen(address, error)
}

/// Looks up the backends' names for the first time.
pub(super) fn resolve(shared: &Shared, stop: &Stop) -> Result<Resolver, StartError> {
    let interval = shared.config().resolve_interval;
    let mut resolver =
        Resolver::new(shared.backends().all(), interval).map_err(StartError::Resources)?;
    resolver
        .first_round(&stop.waker)
        .map_err(|(host, error)| StartError::Resolve(host, error))?;
    Ok(resolver)
}
