//! The socket options of a connection: when the kernel asks whether the peer is still there, and how
//! many bytes the kernel may hold for us.
//!
//! On Linux an accepted connection inherits all of it from the listening one, so that accepting
//! costs no further call. Must not know which side of a session a connection is on.

use rustix::fd::{AsFd, BorrowedFd};
use rustix::net::sockopt;
use std::io;
use std::time::Duration;

/// Probes without an answer after which a peer has vanished: three may be lost.
const PROBES: u32 = 4;

/// The longest time from one probe to the next, which with [`PROBES`] is a minute in all. The
/// kernel counts in seconds, so that the shortest is one.
const LONGEST_INTERVAL: Duration = Duration::from_secs(15);

/// The options of one kind of connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// After this silence the kernel asks the peer's system whether it is still there; `None`: never.
    pub keep_alive: Option<Duration>,
    /// The most bytes that the kernel holds for us and has not sent yet; with more, a write would wait.
    /// `None`: as many as the system allows, which is some megabytes. Linux only.
    pub unsent: Option<u32>,
    /// The most bytes that the kernel keeps until we read them. `None`: the kernel decides, and allows
    /// more as they come faster, up to some megabytes.
    pub unread: Option<usize>,
}

impl Options {
    /// Sets them on a socket, before or after it is connected.
    pub(super) fn apply(&self, socket: impl AsFd) -> io::Result<()> {
        let socket = socket.as_fd();
        if let Some(idle) = self.keep_alive {
            keep_alive(socket, idle)?;
        }
        if let Some(bytes) = self.unread {
            sockopt::set_socket_recv_buffer_size(socket, bytes)?;
        }
        match self.unsent {
            Some(bytes) => limit_unsent(socket, bytes),
            None => Ok(()),
        }
    }
}

/// A peer that has vanished is noticed after `idle` and four intervals of a quarter of it each:
/// after about twice the time.
fn keep_alive(socket: BorrowedFd<'_>, idle: Duration) -> io::Result<()> {
    sockopt::set_socket_keepalive(socket, true)?;
    set_times(socket, idle, interval(idle))
}

fn interval(idle: Duration) -> Duration {
    (idle / PROBES).clamp(Duration::from_secs(1), LONGEST_INTERVAL)
}

#[cfg(not(target_os = "openbsd"))]
fn set_times(socket: BorrowedFd<'_>, idle: Duration, interval: Duration) -> io::Result<()> {
    sockopt::set_tcp_keepidle(socket, idle)?;
    sockopt::set_tcp_keepintvl(socket, interval)?;
    Ok(sockopt::set_tcp_keepcnt(socket, PROBES)?)
}

/// The system has one setting for all connections.
#[cfg(target_os = "openbsd")]
fn set_times(_: BorrowedFd<'_>, _: Duration, _: Duration) -> io::Result<()> {
    Ok(())
}

#[cfg(target_os = "linux")]
fn limit_unsent(socket: BorrowedFd<'_>, bytes: u32) -> io::Result<()> {
    socket2::SockRef::from(&socket).set_tcp_notsent_lowat(bytes)
}

#[cfg(not(target_os = "linux"))]
fn limit_unsent(_: BorrowedFd<'_>, _: u32) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::conn::Conn;
    use crate::net::connect;
    use crate::net::listener::{Accepted, Listener};
    use std::net::{SocketAddr, TcpStream};

    const OPTIONS: Options = Options {
        keep_alive: Some(Duration::from_secs(8)),
        unsent: Some(50_000),
        unread: Some(20_000),
    };

    fn assert_set(conn: &Conn) {
        assert_eq!(sockopt::socket_keepalive(conn), Ok(true));
        assert_eq!(sockopt::tcp_keepidle(conn), Ok(Duration::from_secs(8)));
        assert_eq!(sockopt::tcp_keepintvl(conn), Ok(Duration::from_secs(2)));
        assert_eq!(sockopt::tcp_keepcnt(conn), Ok(PROBES));
        #[cfg(target_os = "linux")]
        {
            // It counts what it needs besides, as much again.
            assert_eq!(sockopt::socket_recv_buffer_size(conn), Ok(40_000));
            let unsent = socket2::SockRef::from(conn).tcp_notsent_lowat();
            assert_eq!(unsent.expect("known"), 50_000);
        }
    }

    fn listener() -> (Listener, SocketAddr) {
        let local = [SocketAddr::from(([127, 0, 0, 1], 0))];
        let listener = Listener::bind(&local, 0, OPTIONS).expect("a port");
        listener.open().expect("free");
        let address = listener.local_addr().expect("bound");
        (listener, address)
    }

    #[test]
    fn accepted_connections_inherit_the_options() {
        let (listener, address) = listener();
        let _client = TcpStream::connect(address).expect("connects");
        assert!(
            Listener::wait_for_any([&listener].into_iter(), &[], Duration::from_secs(9))
                .unwrap_or(false)
        );
        let Ok(Accepted::Client(conn, _)) = listener.accept() else {
            panic!("a client came");
        };
        assert_set(&conn);
    }

    #[test]
    fn connections_that_are_made_have_the_options() {
        let (_listener, address) = listener();
        let conn = connect::begin(address, &OPTIONS).expect("connects");
        while !conn.is_connected().expect("it is listened there") {}
        assert_set(&conn);
    }

    #[test]
    fn a_peer_that_has_vanished_is_noticed_after_twice_the_time() {
        for (idle, all) in [(1, 5), (8, 16), (60, 120), (600, 660)] {
            let idle = Duration::from_secs(idle);
            assert_eq!(idle + interval(idle) * PROBES, Duration::from_secs(all));
        }
    }
}
