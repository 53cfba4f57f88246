//! What tests of this room share.

use crate::net::conn::Conn;
use crate::net::connect;
use crate::net::listener::{Accepted, Listener};
use crate::net::options::Options;
use std::net::SocketAddr;

/// Two ends of a connection.
pub(super) fn pair() -> (Conn, Conn) {
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
