//! What is said at the start: where it listens, for which servers, and what may surprise.

use super::listeners::Listeners;
use crate::backends::{Backend, Member};
use crate::config::Group;
use crate::exchange::shared::Shared;
use crate::net::conn::Conn;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// Says all of it.
pub(super) fn announce(shared: &Shared, listeners: &Listeners) {
    let snapshot = shared.snapshot();
    snapshot.groups.iter().for_each(|group| surprises(group));
    let targets: Vec<String> = match snapshot.groups.as_slice() {
        [only] => vec![names(only)],
        several => several.iter().map(|group| described(group)).collect(),
    };
    let (listens_on, targets) = (listeners.describe(), targets.join("; "));
    log::info!("Load balancer is listening on {listens_on} -> {targets}");
    let is_up = |group: &Group| group.backends.count_up() > 0;
    for group in snapshot.groups.iter().filter(|group| !is_up(group)) {
        match snapshot.groups.len() {
            1 => log::warn!("No backend is healthy yet; clients get 503 until one is."),
            _ => log::warn!(
                "No backend of group {} is healthy yet; its clients get 503 until one is.",
                group.name
            ),
        }
    }
}

/// What may be another server than the user thinks.
fn surprises(group: &Group) {
    let backends = group.backends.all();
    same_servers(&backends)
        .iter()
        .for_each(|text| log::warn!("{text}"));
    let several = backends.iter().filter_map(|one| several_addresses(one));
    several.for_each(|text| log::info!("{text}"));
}

/// `shop: 10.0.0.1:80, 10.0.0.2:80 (backup)`
fn described(group: &Group) -> String {
    format!("{}: {}", group.name, names(group))
}

fn names(group: &Group) -> String {
    let members = group.backends.members();
    let names = members.iter().map(named);
    names.collect::<Vec<_>>().join(", ")
}

fn named(member: &Member<Conn>) -> String {
    let name = &member.backend.name;
    match member.is_backup {
        true => format!("{name} (backup)"),
        false => name.to_string(),
    }
}

/// A name with several addresses is one server: only one of them gets requests. That the two of
/// this machine itself are one server is no surprise.
fn several_addresses(backend: &Backend<Conn>) -> Option<String> {
    let addresses = backend.addresses.in_order();
    let (used, others) = addresses.split_first()?;
    if others.is_empty() || addresses.iter().all(|one| one.ip().is_loopback()) {
        return None;
    }
    let (name, others) = (&backend.name, list(others));
    Some(format!(
        "Server {name} has {} addresses: {used} is used, and {others} only if that fails; to spread \
         requests over them, name each as a server.",
        addresses.len()
    ))
}

fn list(addresses: &[SocketAddr]) -> String {
    let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

/// Servers that are named twice in different ways.
fn same_servers(backends: &[Arc<Backend<Conn>>]) -> Vec<String> {
    let mut owners: HashMap<SocketAddr, &Backend<Conn>> = HashMap::new();
    let mut texts = Vec::new();
    for backend in backends {
        let addresses = backend.addresses.in_order();
        let same = addresses
            .iter()
            .find_map(|address| Some((address, *owners.get(address)?)));
        if let Some((address, first)) = same {
            texts.push(format!(
                "Server {} is the same as {} ({address}), which so gets two shares of the requests; \
                 name each server once.",
                backend.name, first.name
            ));
        }
        for address in addresses {
            owners.entry(address).or_insert(backend);
        }
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::Name;
    use crate::backends::health::Health;

    fn backend(host: &str, addresses: &[&str]) -> Arc<Backend<Conn>> {
        let name = Name {
            host: host.into(),
            port: 80,
        };
        let backend = Backend::new(name, Health::new(2, 2));
        let parse = |text: &&str| text.parse().expect("an address");
        backend
            .addresses
            .replace(addresses.iter().map(parse).collect());
        Arc::new(backend)
    }

    #[test]
    fn a_server_with_two_names_is_logged_with_both() {
        let [one, two] = ["10.0.0.1:80", "10.0.0.2:80"];
        let backends = [
            backend("a", &[one]),
            backend("b", &[two]),
            backend("c", &[two, one]),
        ];
        assert!(same_servers(&backends[..2]).is_empty());
        let texts = same_servers(&backends);
        assert_eq!(texts.len(), 1);
        assert!(
            texts[0].starts_with("Server c:80 is the same as a:80 (10.0.0.1:80)"),
            "{texts:?}"
        );
    }

    #[test]
    fn of_several_addresses_the_one_that_is_used_is_logged() {
        let several = backend("a", &["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"]);
        several
            .addresses
            .prefer("10.0.0.2:80".parse().expect("an address"));
        let text = several_addresses(&several).expect("three");
        let expected = "Server a:80 has 3 addresses: 10.0.0.2:80 is used, and 10.0.0.1:80, \
                        10.0.0.3:80 only if that fails; ";
        assert!(text.starts_with(expected), "{text}");
        let here = backend("localhost", &["127.0.0.1:80", "[::1]:80"]);
        assert_eq!(several_addresses(&here), None);
        assert_eq!(several_addresses(&backend("b", &["10.0.0.1:80"])), None);
    }
}
