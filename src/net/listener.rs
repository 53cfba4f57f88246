//! The listening socket: a `std::net::TcpListener` with a real backlog.

use super::alarm::Alarm;
use super::conn::{Conn, set_options};
use super::options::Options;
use super::{Interest, wait_any};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

/// Connections that the kernel holds for us while we are busy. `std` asks for 128, which a
/// burst of clients fills in a millisecond; the kernel caps it at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// A socket that clients connect to.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    /// Of the connections that are accepted.
    options: Options,
}

/// What came of waiting for a client.
#[derive(Debug)]
pub enum Accepted {
    /// A client, with its address (never an IPv4 address in IPv6 disguise).
    Client(Conn, SocketAddr),
    /// Nobody is waiting.
    Nobody,
}

impl Listener {
    /// Listens on `address`; `None` means every interface, IPv6 and IPv4. The connections that
    /// it accepts have these options.
    pub fn bind(address: Option<IpAddr>, port: u16, options: Options) -> io::Result<Self> {
        let socket = match address {
            Some(address) => TcpListener::bind((address, port))?,
            None => bind_all(port)?,
        };
        rustix::net::listen(&socket, BACKLOG)?;
        // Accepted sockets inherit these on Linux; that this one does not block, they do not.
        set_options(&socket)?;
        options.apply(&socket)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, options })
    }

    /// Where it listens, with the real port where 0 was asked for.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The next client, if one waits.
    pub fn accept(&self) -> io::Result<Accepted> {
        match self.socket.accept() {
            Ok((stream, from)) => {
                let from = SocketAddr::new(from.ip().to_canonical(), from.port());
                let conn = Conn::accepted(stream)?;
                if cfg!(not(target_os = "linux")) {
                    self.options.apply(&conn)?;
                }
                Ok(Accepted::Client(conn, from))
            }
            Err(error) if is_nobody(&error) => Ok(Accepted::Nobody),
            Err(error) => Err(error),
        }
    }

    /// Waits, however long it takes, until a client comes or the alarm is raised.
    pub fn wait(&self, alarm: &Alarm) -> io::Result<()> {
        wait_any(
            [(&self.socket, Interest::Read), (alarm, Interest::Read)],
            None,
        )
        .map(drop)
    }

    /// Has the kernel take in nobody beside those whom it has queued already. Where it cannot
    /// (what 0 means here differs between systems), newcomers are queued as before.
    pub fn close_queue(&self) {
        let _ = rustix::net::listen(&self.socket, 0);
    }

    /// Whether a client is waiting, or comes within `timeout`.
    #[must_use]
    pub fn has_client(&self, timeout: Duration) -> bool {
        wait_any([(&self.socket, Interest::Read)], Some(timeout)).unwrap_or(false)
    }
}

/// `[::]` takes IPv4 too, unless the system says otherwise; then, or without IPv6, `0.0.0.0`.
fn bind_all(port: u16) -> io::Result<TcpListener> {
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)) {
        Ok(socket) if !rustix::net::sockopt::ipv6_v6only(&socket)? => Ok(socket),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
        _ => TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)),
    }
}

/// No client, a signal, or a client that left while it queued.
fn is_nobody(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, WouldBlock};
    matches!(
        error.kind(),
        WouldBlock | Interrupted | ConnectionAborted | ConnectionReset
    )
}
