//! Two ends of a connection, for unit tests.

use super::conn::Conn;
use super::connect;
use super::listener::{Accepted, Listener};
use super::options::Options;
use std::net::SocketAddr;

/// Ours and theirs.
pub(crate) fn pair() -> (Conn, Conn) {
    let local = [SocketAddr::from(([127, 0, 0, 1], 0))];
    let listener = Listener::bind(&local, 0, Options::default()).expect("a port");
    listener.open().expect("free");
    let near = connect::begin(listener.local_addr().expect("bound"), &Options::default())
        .expect("descriptors");
    loop {
        if let Ok(Accepted::Client(far, _)) = listener.accept() {
            return (near, far);
        }
    }
}
