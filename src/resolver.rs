//! The thread that asks again which addresses the backends' names have, so that a name may
//! move without a restart. The system's resolver blocks for as long as it likes; nobody else
//! waits for it.

use crate::backends::Backend;
use crate::net::alarm::Alarm;
use crate::net::conn::Conn;
use crate::net::resolve::resolve;
use crate::turn::Context;
use std::io;
use std::net::IpAddr;

/// Resolves every backend once. Those that fail have no address for now; if all do, there is
/// nothing to balance and the last error is returned.
pub fn resolve_all(context: &Context) -> Result<(), (String, io::Error)> {
    let mut failure = None;
    let mut has_any = false;
    for backend in context.backends.all() {
        match resolve(&backend.name.host, backend.name.port) {
            Ok(addresses) => {
                backend.set_addresses(addresses);
                has_any = true;
            }
            Err(error) => {
                if let Some((host, error)) = failure.replace((backend.name.host.clone(), error)) {
                    log::warn!("{host} cannot be resolved: {error}");
                }
            }
        }
    }
    match failure {
        Some(failure) if !has_any => Err(failure),
        Some((host, error)) => {
            log::warn!("{host} cannot be resolved: {error}; asking again in a while");
            Ok(())
        }
        None => Ok(()),
    }
}

/// Whether any backend is given by a name, which may move, and not by an address.
#[must_use]
pub fn is_needed(context: &Context) -> bool {
    context
        .backends
        .all()
        .iter()
        .any(|backend| is_name(backend))
}

/// Resolves all names again and again until the alarm is raised.
pub fn run(context: &Context, alarm: &Alarm) {
    while !alarm.wait(context.config.resolve_interval) {
        for backend in context
            .backends
            .all()
            .iter()
            .filter(|backend| is_name(backend))
        {
            // On failure the last good answer stays.
            match resolve(&backend.name.host, backend.name.port) {
                Ok(addresses) => {
                    let text = format!("{addresses:?}");
                    if backend.set_addresses(addresses) {
                        log::info!("{} has moved to {text}", backend.name);
                    }
                }
                Err(error) => log::debug!("{}: {error}", backend.name.host),
            }
        }
    }
}

fn is_name(backend: &Backend<Conn>) -> bool {
    backend.name.host.parse::<IpAddr>().is_err()
}
