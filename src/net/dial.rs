//! A connection to one of several addresses, tried one after the other within one deadline.
//!
//! Requests and checks both connect this way. Must not know what the connection is for, nor
//! what follows from a failure.

use super::conn::Conn;
use super::connect;
use super::limits::shortage;
use super::options::Options;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Instant;

/// The way to a connection.
#[derive(Debug)]
pub struct Dial {
    addresses: Vec<SocketAddr>,
    options: Options,
    /// The address that is being tried.
    current: usize,
    conn: Option<Conn>,
    /// The end of it, over all addresses.
    due: Instant,
    /// When the next address gets its chance.
    address_due: Instant,
    /// The most telling error so far.
    error: Option<io::Error>,
}

/// How far it has come.
#[derive(Debug)]
pub enum Dialed {
    /// The connection can be used; and to which address it leads.
    Connected(Conn, SocketAddr),
    /// The handshake is under way: wait for it to be writable, or for [`Dial::address_due`].
    WouldWait,
}

impl Dial {
    /// Tries these addresses in their order, until `due`; the connection has these options.
    #[must_use]
    pub fn new(addresses: Vec<SocketAddr>, options: Options, due: Instant) -> Self {
        Self {
            addresses,
            options,
            current: 0,
            conn: None,
            due,
            address_due: due,
            error: None,
        }
    }

    /// Goes on as far as possible without waiting. The error, which ends it, is the most telling
    /// one of all addresses.
    pub fn advance(&mut self, now: Instant) -> io::Result<Dialed> {
        loop {
            let Some(&address) = self.addresses.get(self.current) else {
                return Err(self.error.take().unwrap_or_else(no_address));
            };
            let begun = match self.conn.take() {
                None => self.begin(address, now),
                Some(conn) => match conn.is_connected() {
                    Ok(true) => return Ok(Dialed::Connected(conn, address)),
                    Ok(false) if now < self.address_due => {
                        self.conn = Some(conn);
                        return Ok(Dialed::WouldWait);
                    }
                    Ok(false) => Err(ErrorKind::TimedOut.into()),
                    Err(error) => Err(error),
                },
            };
            if let Err(error) = begun {
                self.go_to_next(error);
            }
        }
    }

    /// The connection, while its handshake is under way.
    #[must_use]
    pub fn conn(&self) -> Option<&Conn> {
        self.conn.as_ref()
    }

    /// The same, to be watched.
    pub fn conn_mut(&mut self) -> Option<&mut Conn> {
        self.conn.as_mut()
    }

    /// Whether there is another address to try after this one.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.current + 1 < self.addresses.len()
    }

    /// When all addresses together have had their time.
    #[must_use]
    pub fn due(&self) -> Instant {
        self.due
    }

    /// When the present address has had its time.
    #[must_use]
    pub fn address_due(&self) -> Instant {
        self.address_due
    }

    fn begin(&mut self, address: SocketAddr, now: Instant) -> io::Result<()> {
        self.conn = Some(connect::begin(address, &self.options)?);
        // An equal part of the time that is left, so that a silent address does not use up the
        // others' chance.
        let left = self.due.saturating_duration_since(now);
        let others = u32::try_from(self.addresses.len() - self.current).unwrap_or(u32::MAX);
        self.address_due = now + left / others.max(1);
        Ok(())
    }

    fn go_to_next(&mut self, error: io::Error) {
        self.conn = None;
        self.current += 1;
        if self
            .error
            .as_ref()
            .is_none_or(|so_far| weight(&error) > weight(so_far))
        {
            self.error = Some(error);
        }
    }
}

/// How much an error tells. Where one address refuses and the other is of a kind that this host
/// does not have, the server is gone, and the host is as it always was. But while we have no
/// port left for an address, nothing is known of the server.
fn weight(error: &io::Error) -> u8 {
    match (shortage(error), error.kind()) {
        (Some(_), _) => 5,
        (None, ErrorKind::ConnectionRefused) => 4,
        (None, ErrorKind::ConnectionReset) => 3,
        (None, ErrorKind::TimedOut) => 2,
        (None, _) => 1,
    }
}

/// The name has no address.
fn no_address() -> io::Error {
    ErrorKind::NotFound.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Interest, wait_any};
    use std::net::TcpListener;
    use std::time::Duration;

    /// Dials these to the end.
    fn dial(addresses: &[SocketAddr]) -> io::Result<SocketAddr> {
        let due = Instant::now() + Duration::from_secs(20);
        let mut dial = Dial::new(addresses.to_vec(), Options::default(), due);
        loop {
            if let Dialed::Connected(_, address) = dial.advance(Instant::now())? {
                return Ok(address);
            }
            let conn = dial.conn().expect("it waits for one");
            wait_any([(conn, Interest::Write)], Some(Duration::from_secs(1)))?;
        }
    }

    fn refusing() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("bound")
    }

    /// No host has this address as a neighbour: it is for documentation (RFC 3849), and without
    /// a zone a link-local address leads nowhere.
    fn nowhere() -> SocketAddr {
        "[fe80::1]:9".parse().expect("an address")
    }

    #[test]
    fn a_refusal_counts_whatever_the_other_addresses_say() {
        let refused = |addresses: &[SocketAddr]| dial(addresses).expect_err("refused").kind();
        let expected = ErrorKind::ConnectionRefused;
        assert_ne!(refused(&[nowhere()]), expected);
        assert_eq!(refused(&[refusing(), nowhere()]), expected);
        assert_eq!(refused(&[nowhere(), refusing()]), expected);
    }

    #[test]
    fn the_first_address_that_answers_is_used_and_none_at_all_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        assert_eq!(dial(&[nowhere(), refusing(), address]).ok(), Some(address));
        assert_eq!(dial(&[]).expect_err("none").kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_want_of_ports_says_nothing_of_the_server_although_another_address_refused() {
        let errno = |errno: rustix::io::Errno| io::Error::from(errno);
        let short = weight(&errno(rustix::io::Errno::ADDRNOTAVAIL));
        assert!(short > weight(&errno(rustix::io::Errno::CONNREFUSED)));
        assert!(
            weight(&errno(rustix::io::Errno::NETUNREACH)) < weight(&ErrorKind::TimedOut.into())
        );
    }

    /// An address to which handshakes are not completed, and what keeps it so.
    fn full() -> (SocketAddr, (TcpListener, std::net::TcpStream)) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        rustix::net::listen(&listener, 0).expect("bound");
        let address = listener.local_addr().expect("bound");
        let first = std::net::TcpStream::connect(address).expect("connects");
        (address, (listener, first))
    }

    #[test]
    fn each_address_has_an_equal_part_of_the_time_that_is_left() {
        let ((first, _keeps), (second, _keeps_too)) = (full(), full());
        let (start, unit) = (Instant::now(), Duration::from_secs(1));
        let due = start + unit * 4;
        let mut dial = Dial::new(vec![first, second], Options::default(), due);
        let waits = |dial: &mut Dial, seconds| {
            let dialed = dial.advance(start + unit * seconds);
            let is_waiting = matches!(dialed, Ok(Dialed::WouldWait));
            assert!(!is_waiting || (dial.conn().is_some() && dial.conn_mut().is_some()));
            is_waiting
        };
        assert!(waits(&mut dial, 0) && dial.has_more());
        assert_eq!(dial.address_due(), start + unit * 2);
        assert!(waits(&mut dial, 1) && dial.has_more());
        assert!(
            waits(&mut dial, 2) && !dial.has_more(),
            "it goes on to the second"
        );
        assert_eq!(dial.address_due(), due);
        let error = dial.advance(due).expect_err("none has answered");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }

    #[test]
    fn of_two_errors_that_tell_as_much_the_first_is_kept() {
        let mut dial = Dial::new(vec![nowhere(); 2], Options::default(), Instant::now());
        dial.go_to_next(io::Error::other("first"));
        dial.go_to_next(io::Error::other("second"));
        let error = dial.advance(Instant::now()).expect_err("none is left");
        assert_eq!(error.to_string(), "first");
    }
}
