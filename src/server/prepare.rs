//! What a start and a reload need from outside before they take effect: ports, the addresses of new
//! backends, and whether these answer.

use super::groups::Plan;
use super::{StartError, Stop};
use crate::backends::Backend;
use crate::config::Listen;
use crate::discovery::{self, Resolver};
use crate::health::{self, CheckedGroup, Checks, SharedHealth};
use crate::net::conn::Conn;
use crate::net::listener::Listener;
use crate::net::options::Options;
use crate::net::waker::Waker;
use std::sync::Arc;
use std::time::{Duration, Instant};

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

/// Lets clients in there.
pub(super) fn open(listen: &Listen, listener: &Listener) -> Result<(), StartError> {
    let opened = listener.open();
    opened.map_err(|error| StartError::Listen(listen.to_string(), error))
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

/// Checks the backends that are new in this plan, before they get their first request. `waker` may not
/// be one that another thread lowers.
pub(super) fn check_added(
    plan: &Plan,
    health: &SharedHealth,
    waker: &Waker,
    stop: &Stop,
) -> Checks {
    let now = Instant::now();
    let groups = plan.groups.iter().filter(|group| !group.added.is_empty());
    let checked = groups.map(|group| CheckedGroup::new(&group.group, &group.added, health, now));
    health::first_round(health, checked.collect(), waker, &stop.waker)
}
