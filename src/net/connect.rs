//! A connection in the making, without blocking for it.
//!
//! `std`'s `connect_timeout` would hold the worker for the whole timeout. Here the handshake
//! is begun and can be waited for anywhere, like readiness to write.

use super::conn::Conn;
use super::options::Options;
use super::{Interest, wait_any};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, sockopt};
use std::cell::Cell;
use std::io;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

/// Begins to connect to `address`, with these options. Whether it is done
/// [`is_connected`](Conn::is_connected) says; until then the connection may be parked for
/// [`Interest::Write`].
pub fn begin(address: SocketAddr, options: &Options) -> io::Result<Conn> {
    let stream = TcpStream::from(new_socket(family(address))?);
    stream.set_nonblocking(true)?;
    options.apply(&stream)?;
    match rustix::net::connect(&stream, &address) {
        Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => {}
        Err(Errno::ADDRNOTAVAIL) if !has_source(address) => return Err(Errno::NETUNREACH.into()),
        Err(errno) => return Err(errno.into()),
    }
    Ok(Conn {
        stream: Arc::new(stream),
        registration: None,
        is_blocking: Cell::new(false),
        is_drained: Cell::new(false),
    })
}

pub(super) fn family(address: SocketAddr) -> AddressFamily {
    match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    }
}

/// Whether this host has an address to connect from. A datagram socket asks the kernel the same
/// question without sending anything, and has ports of its own.
fn has_source(address: SocketAddr) -> bool {
    let own = match address {
        SocketAddr::V4(_) => SocketAddr::from(([0; 4], 0)),
        SocketAddr::V6(_) => SocketAddr::from(([0; 16], 0)),
    };
    let asked = UdpSocket::bind(own).and_then(|socket| socket.connect(address));
    !asked.is_err_and(|error| error.kind() == io::ErrorKind::AddrNotAvailable)
}

#[cfg(target_os = "linux")]
pub(super) fn new_socket(family: AddressFamily) -> rustix::io::Result<rustix::fd::OwnedFd> {
    use rustix::net::SocketFlags;
    rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn new_socket(family: AddressFamily) -> rustix::io::Result<rustix::fd::OwnedFd> {
    let socket = rustix::net::socket(family, SocketType::STREAM, None)?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    #[cfg(any(target_os = "macos", target_os = "ios"))]
    sockopt::set_socket_nosigpipe(&socket, true)?;
    Ok(socket)
}

impl Conn {
    /// Whether the handshake is done, and if so makes the connection ready for use; the error
    /// says how it failed.
    pub fn is_connected(&self) -> io::Result<bool> {
        if !wait_any([(self, Interest::Write)], Some(Duration::ZERO))? {
            return Ok(false);
        }
        sockopt::socket_error(&self.stream)?.map_err(io::Error::from)?;
        // No program listens on a port that the system hands out for outgoing connections, and by
        // chance it was handed to this one: TCP lets a socket connect to itself.
        if self.stream.local_addr()? == self.stream.peer_addr()? {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        self.set_options()?;
        Ok(true)
    }
}
