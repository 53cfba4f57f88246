//! Names to addresses. The system's resolver blocks for as long as it likes, so it is called by
//! threads of its own, never by a worker.
//!
//! Addresses carry no port here (0): one look-up serves all ports of a host.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

/// The addresses of a host that need no look-up: an address stands for itself, and the empty
/// name for this machine.
#[must_use]
pub fn known(host: &str) -> Option<Vec<SocketAddr>> {
    match host.parse::<IpAddr>() {
        Ok(address) => Some(vec![SocketAddr::new(address, 0)]),
        Err(_) => host.is_empty().then(loopback),
    }
}

/// This machine, as it reaches itself.
fn loopback() -> Vec<SocketAddr> {
    let addresses: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    addresses.map(|address| SocketAddr::new(address, 0)).into()
}

/// All addresses of `host`, in the resolver's order and without repetition. An address with a
/// zone (`fe80::1%eth0`) is looked up too, since only the system knows its interfaces. An answer
/// without addresses is an error. `localhost` is this machine whether the resolver knows it or
/// not (RFC 6761 §6.3).
pub fn resolve(host: &str) -> io::Result<Vec<SocketAddr>> {
    if let Some(addresses) = known(host) {
        return Ok(addresses);
    }
    match look_up(host) {
        Err(_) if host.eq_ignore_ascii_case("localhost") => Ok(loopback()),
        answer => answer,
    }
}

fn look_up(host: &str) -> io::Result<Vec<SocketAddr>> {
    let mut addresses = Vec::new();
    for address in (host, 0).to_socket_addrs()? {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            "the name has no address",
        ));
    }
    Ok(addresses)
}

/// The same addresses at a port.
#[must_use]
pub fn at_port(addresses: &[SocketAddr], port: u16) -> Vec<SocketAddr> {
    let at_port = |mut address: SocketAddr| {
        address.set_port(port);
        address
    };
    addresses.iter().copied().map(at_port).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_and_this_machine_need_no_resolver() {
        let texts = |host: &str| -> Option<Vec<String>> {
            let known = known(host)?;
            Some(
                at_port(&known, 80)
                    .iter()
                    .map(ToString::to_string)
                    .collect(),
            )
        };
        assert_eq!(texts("::1"), Some(vec!["[::1]:80".into()]));
        let here = vec!["127.0.0.1:80".into(), "[::1]:80".into()];
        assert_eq!(texts(""), Some(here));
        assert_eq!(texts("localhost"), None, "it may stand in a hosts file");
        assert!(resolve("localhost").is_ok());
    }

    #[test]
    fn a_zone_is_part_of_an_address_and_an_interface_that_is_not_there_has_none() {
        let zone = |address: &SocketAddr| match address {
            SocketAddr::V6(address) => address.scope_id(),
            SocketAddr::V4(_) => 0,
        };
        let found = resolve("fe80::1%1").expect("an address");
        assert_eq!(found.iter().map(zone).collect::<Vec<_>>(), [1]);
        assert!(resolve("fe80::1%no-such-one").is_err());
    }
}
