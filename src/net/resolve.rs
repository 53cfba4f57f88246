//! Names to addresses, by the system's resolver. It blocks for as long as that takes, so it
//! is called at start and by a thread of its own, never by a worker.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

/// All addresses of `host`, a name or an address, in the resolver's order and without
/// repetition. An answer without addresses is an error.
pub fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let mut addresses = Vec::new();
    for address in (host, port).to_socket_addrs()? {
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
