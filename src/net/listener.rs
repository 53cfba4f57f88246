//! The listening sockets: `std::net::TcpListener`s with a real backlog.
//!
//! As a rule there is one socket. A name may have several addresses, and then each has its own.

use super::conn::{Conn, set_options};
use super::options::Options;
use super::waker::Waker;
use super::{Interest, connect, wait_many};
use rustix::fd::AsFd;
use rustix::net::sockopt;
use std::cell::Cell;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

/// Connections that the kernel holds for us while we are busy. `std` asks for 128, which a
/// burst of clients fills in a millisecond; the kernel caps it at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// What clients connect to: at least one socket.
#[derive(Debug)]
pub struct Listener {
    sockets: Vec<TcpListener>,
    /// Which of them is asked first for the next client, so that none is passed over for ever.
    turn: Cell<usize>,
    /// Of the connections that are accepted.
    options: Options,
}

/// What came of waiting for a client.
#[derive(Debug)]
pub enum Accepted {
    /// A client, with its address (never an IPv4 address in IPv6 disguise).
    Client(Conn, SocketAddr),
    /// No client waits.
    Nobody,
}

impl Listener {
    /// Takes `port` on every interface, IPv6 and IPv4. Clients are refused until it is opened; the
    /// connections that it accepts have these options.
    pub fn bind_everywhere(port: u16, options: Options) -> io::Result<Self> {
        Self::of(vec![bind_all(port)?], options)
    }

    /// Takes `port` on all of these addresses. An address that this machine does not have is left out:
    /// a name such as `localhost` has an IPv6 address although IPv6 may be off.
    pub fn bind(addresses: &[SocketAddr], mut port: u16, options: Options) -> io::Result<Self> {
        let mut sockets = Vec::new();
        let mut missing = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in addresses {
            let mut address = *address;
            address.set_port(port);
            match bind(address, |_| Ok(())) {
                Ok(socket) => {
                    // 0 lets the system choose, once for all of them.
                    port = socket.local_addr()?.port();
                    sockets.push(socket);
                }
                Err(error) if is_missing(&error) => missing = error,
                Err(error) => return Err(error),
            }
        }
        match sockets.is_empty() {
            true => Err(missing),
            false => Self::of(sockets, options),
        }
    }

    fn of(sockets: Vec<TcpListener>, options: Options) -> io::Result<Self> {
        for socket in &sockets {
            // Accepted sockets inherit these on Linux; that this one does not block, they do not.
            set_options(socket)?;
            options.apply(socket)?;
            socket.set_nonblocking(true)?;
        }
        Ok(Self {
            sockets,
            turn: Cell::new(0),
            options,
        })
    }

    /// Lets clients in, from now on.
    pub fn open(&self) -> io::Result<()> {
        for socket in &self.sockets {
            rustix::net::listen(socket, BACKLOG)?;
        }
        Ok(())
    }

    /// Where it listens, with the real port where 0 was asked for. Of several addresses the
    /// first.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.sockets[0].local_addr()
    }

    /// Where it listens, for people.
    pub fn describe(&self) -> io::Result<String> {
        let texts: io::Result<Vec<String>> = self.sockets.iter().map(describe).collect();
        Ok(texts?.join(" and "))
    }

    /// The next client, if one waits.
    pub fn accept(&self) -> io::Result<Accepted> {
        for _ in &self.sockets {
            let turn = self.turn.get();
            self.turn.set((turn + 1) % self.sockets.len());
            match self.sockets[turn].accept() {
                Ok((stream, from)) => {
                    let from = SocketAddr::new(from.ip().to_canonical(), from.port());
                    let conn = Conn::accepted(stream)?;
                    if cfg!(not(target_os = "linux")) {
                        self.options.apply(&conn)?;
                    }
                    return Ok(Accepted::Client(conn, from));
                }
                Err(error) if is_nobody(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Accepted::Nobody)
    }

    /// Waits until a client comes to one of `all`, one of `wakers` is raised, or `timeout` has passed;
    /// returns whether one of the first two is so.
    pub fn wait_for_any<'l>(
        all: impl Iterator<Item = &'l Self>,
        wakers: &[&Waker],
        timeout: Duration,
    ) -> io::Result<bool> {
        let sockets = all.flat_map(|listener| &listener.sockets);
        let sockets = sockets.map(|socket| (socket as &dyn AsFd, Interest::Read));
        let wakers = wakers
            .iter()
            .map(|waker| (*waker as &dyn AsFd, Interest::Read));
        wait_many(sockets.chain(wakers), timeout)
    }

    /// Asks the kernel to queue no more clients; the ones in the queue can still be accepted. On some
    /// systems a backlog of 0 means something else, and new clients are queued as before.
    pub fn close_queue(&self) {
        for socket in &self.sockets {
            let _ = rustix::net::listen(socket, 0);
        }
    }
}

/// `[::]` takes IPv4 too, whatever the system's default for that is (`net.ipv6.bindv6only`).
/// Without IPv6 it is `0.0.0.0`.
pub(super) fn bind_all(port: u16) -> io::Result<TcpListener> {
    let both = (Ipv6Addr::UNSPECIFIED, port).into();
    match bind(both, |socket| sockopt::set_ipv6_v6only(socket, false)) {
        Ok(socket) => Ok(socket),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
        Err(_) => bind((Ipv4Addr::UNSPECIFIED, port).into(), |_| Ok(())),
    }
}

/// A socket that has this address, and does not listen yet.
fn bind(
    address: SocketAddr,
    prepare: impl FnOnce(&TcpListener) -> rustix::io::Result<()>,
) -> io::Result<TcpListener> {
    let socket = TcpListener::from(connect::new_socket(connect::family(address))?);
    // So that a restart need not wait for connections of before to be forgotten.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    prepare(&socket)?;
    rustix::net::bind(&socket, &address)?;
    Ok(socket)
}

/// Whether this machine has no such address, or no address of the kind.
fn is_missing(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let missing = [Errno::ADDRNOTAVAIL, Errno::AFNOSUPPORT];
    Errno::from_io_error(error).is_some_and(|errno| missing.contains(&errno))
}

fn describe(socket: &TcpListener) -> io::Result<String> {
    let address = socket.local_addr()?;
    let is_v6 = address.is_ipv6() && address.ip().is_unspecified();
    Ok(match is_v6 && !sockopt::ipv6_v6only(socket)? {
        true => format!("{address} (IPv4 and IPv6)"),
        false => address.to_string(),
    })
}

/// No client, a signal, or a client that left while it queued.
pub(super) fn is_nobody(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, WouldBlock};
    matches!(
        error.kind(),
        WouldBlock | Interrupted | ConnectionAborted | ConnectionReset
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    const LONG: Duration = Duration::from_secs(20);

    fn has_client(listener: &Listener, timeout: Duration) -> bool {
        Listener::wait_for_any([listener].into_iter(), &[], timeout).unwrap_or(false)
    }

    #[test]
    fn all_addresses_of_one_family_are_named_as_such() {
        let all: SocketAddr = ([0, 0, 0, 0], 0).into();
        let listener = Listener::bind(&[all], 0, Options::default()).expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let name = listener.describe().expect("bound");
        assert_eq!(name, format!("0.0.0.0:{port}"));
    }

    #[test]
    fn each_address_of_a_name_is_listened_on_and_those_that_are_missing_are_left_out() {
        let addresses: Vec<SocketAddr> = ["127.0.0.1:0", "192.0.2.1:0", "127.0.0.2:0"]
            .map(|text| text.parse().expect("an address"))
            .into();
        let listener = Listener::bind(&addresses, 0, Options::default()).expect("two are here");
        let port = listener.local_addr().expect("bound").port();
        let expected = format!("127.0.0.1:{port} and 127.0.0.2:{port}");
        assert_eq!(listener.describe().expect("bound"), expected);
        let refused = TcpStream::connect(("127.0.0.2", port)).expect_err("not open");
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        listener.open().expect("free");
        for _ in 0..3 {
            for address in ["127.0.0.1", "127.0.0.2"] {
                let client = TcpStream::connect((address, port)).expect("listens");
                assert!(has_client(&listener, Duration::from_secs(20)));
                let from = match listener.accept().expect("no error") {
                    Accepted::Client(_, from) => from,
                    Accepted::Nobody => panic!("nobody on {address}"),
                };
                assert_eq!(from, client.local_addr().expect("connected"));
            }
        }
        assert!(matches!(listener.accept(), Ok(Accepted::Nobody)));
        assert!(Listener::bind(&addresses[1..2], 0, Options::default()).is_err());
        let taken = Listener::bind(&addresses[..1], port, Options::default()).expect_err("taken");
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn everywhere_is_both_families_and_says_so() {
        let listener = Listener::bind_everywhere(0, Options::default()).expect("a port");
        listener.open().expect("free");
        let port = listener.local_addr().expect("bound").port();
        let expected = match listener.local_addr().expect("bound").is_ipv6() {
            true => format!("[::]:{port} (IPv4 and IPv6)"),
            false => format!("0.0.0.0:{port}"),
        };
        assert_eq!(listener.describe().expect("bound"), expected);
        TcpStream::connect(("127.0.0.1", port)).expect("IPv4 in any case");
    }

    #[test]
    fn an_error_says_whether_an_address_is_missing_or_no_client_waits() {
        use rustix::io::Errno;
        for (errno, missing, nobody) in [
            (Errno::ADDRNOTAVAIL, true, false),
            (Errno::AFNOSUPPORT, true, false),
            (Errno::ADDRINUSE, false, false),
            (Errno::ACCESS, false, false),
            (Errno::AGAIN, false, true),
            (Errno::INTR, false, true),
            (Errno::CONNABORTED, false, true),
            (Errno::CONNRESET, false, true),
            (Errno::MFILE, false, false),
        ] {
            let error = io::Error::from(errno);
            assert_eq!(
                (is_missing(&error), is_nobody(&error)),
                (missing, nobody),
                "{errno:?}"
            );
        }
    }

    #[test]
    fn a_wait_for_clients_lasts_until_one_comes_or_the_waker_is_raised() {
        let address = [SocketAddr::from(([127, 0, 0, 1], 0))];
        let listener = Listener::bind(&address, 0, Options::default()).expect("a port");
        listener.open().expect("free");
        let waker = Waker::new().expect("descriptors");
        assert!(!has_client(&listener, Duration::ZERO));
        let raised = &waker;
        let listener = std::thread::scope(|scope| {
            let waits = scope.spawn(move || {
                let waited = Listener::wait_for_any([&listener].into_iter(), &[raised], LONG);
                waited.map(|_| listener)
            });
            // Long enough for a wait that does not wait to be over.
            std::thread::sleep(Duration::from_millis(50));
            assert!(!waits.is_finished());
            waker.wake();
            waits.join().expect("no panic").expect("it can wait")
        });
        waker.reset();
        let _client = TcpStream::connect(listener.local_addr().expect("bound")).expect("listens");
        Listener::wait_for_any([&listener].into_iter(), &[&waker], LONG).expect("it can wait");
        assert!(matches!(listener.accept(), Ok(Accepted::Client(..))));
    }
}
