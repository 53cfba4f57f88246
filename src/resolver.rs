//! The thread that asks again which addresses the backends' names have, so that a name may
//! move without a restart. The system's resolver blocks for as long as it likes; nobody else
//! waits for it.

use crate::backends::addresses::Difference;
use crate::backends::{Backend, Name};
use crate::net::alarm::Alarm;
use crate::net::conn::Conn;
use crate::net::resolve::resolve;
use crate::turn::Context;
use std::io;
use std::net::{IpAddr, SocketAddr};

/// Resolves every backend once. Those that fail have no address for now; if all do, there is
/// nothing to balance and the last error is returned.
pub fn resolve_all(context: &Context) -> Result<(), (String, io::Error)> {
    let mut failure = None;
    let mut has_any = false;
    for backend in context.backends.all() {
        match resolve(&backend.name.host, backend.name.port) {
            Ok(addresses) => {
                backend.addresses.replace(addresses);
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
                    if let Some(difference) = backend.addresses.replace(addresses) {
                        move_over(backend, &difference);
                    }
                }
                Err(error) => log::debug!("{}: {error}", backend.name.host),
            }
        }
    }
}

/// A name has other addresses: they are used from now on. Connections that are kept to the old
/// ones end when they are not in use.
fn move_over(backend: &Backend<Conn>, difference: &Difference) {
    if !difference.removed.is_empty() {
        backend.kept.clear();
    }
    log::info!("{}", describe(&backend.name, difference));
}

/// `app:80 has moved: now also 10.0.0.2:80, no longer 10.0.0.1:80`
fn describe(name: &Name, difference: &Difference) -> String {
    let list = |addresses: &[SocketAddr]| {
        let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        texts.join(" ")
    };
    let mut parts = Vec::new();
    if !difference.added.is_empty() {
        parts.push(format!("now also {}", list(&difference.added)));
    }
    if !difference.removed.is_empty() {
        parts.push(format!("no longer {}", list(&difference.removed)));
    }
    format!("{name} has moved: {}", parts.join(", "))
}

fn is_name(backend: &Backend<Conn>) -> bool {
    backend.name.host.parse::<IpAddr>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_move_is_told_as_a_difference() {
        let [a, b] = [1, 2].map(|last| SocketAddr::from(([10, 0, 0, last], 80)));
        let name = Name {
            host: "app".into(),
            port: 80,
        };
        let told = |added, removed| describe(&name, &Difference { added, removed });
        assert_eq!(
            told(vec![b], vec![a]),
            "app:80 has moved: now also 10.0.0.2:80, no longer 10.0.0.1:80"
        );
        assert_eq!(
            told(vec![], vec![a, b]),
            "app:80 has moved: no longer 10.0.0.1:80 10.0.0.2:80"
        );
    }
}
