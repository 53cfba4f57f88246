//! A connection that is broken off, but not what was sent on it before.

use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

/// How long what was sent gets to arrive. What has not is lost with the reset.
const ARRIVAL: Duration = Duration::from_secs(2);

/// The same where the system does not tell what has arrived: to the same machine much less is
/// needed.
const BLIND_ARRIVAL: Duration = Duration::from_millis(50);

/// Has the connection closed so that the other side sees a reset, behind what was sent before;
/// always the error that ends it.
pub(crate) fn reset(stream: &TcpStream) -> io::Result<bool> {
    wait_for_arrival(stream)?;
    rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO))?;
    Err(ErrorKind::ConnectionReset.into())
}

fn wait_for_arrival(stream: &TcpStream) -> io::Result<()> {
    let (own, peer) = (stream.local_addr()?, stream.peer_addr()?);
    let until = Instant::now() + ARRIVAL;
    while Instant::now() < until {
        match lb::net::queued(own, peer) {
            Some(0) => break,
            Some(_) => thread::sleep(Duration::from_millis(1)),
            None => {
                thread::sleep(BLIND_ARRIVAL);
                break;
            }
        }
    }
    Ok(())
}
