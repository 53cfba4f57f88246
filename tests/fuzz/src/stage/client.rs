//! A client that says all it has to say, and listens until the balancer is done with it.

use super::PATIENCE;
use crate::splits;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

/// Sends `bytes` in two pieces and ends its direction; returns all that came back.
pub fn talk(balancer: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(balancer).expect("it listens");
    let _ = stream.set_nodelay(true);
    let (first, second) = bytes.split_at(splits::middle(bytes));
    // The balancer may have seen enough after the first.
    let _ = stream
        .write_all(first)
        .and_then(|()| stream.write_all(second));
    let _ = stream.shutdown(Shutdown::Write);
    read_all(&mut stream)
}

fn read_all(stream: &mut TcpStream) -> Vec<u8> {
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a timeout can be set");
    let (mut all, mut bytes) = (Vec::new(), [0; 16 * 1024]);
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return all,
            Ok(count) => all.extend_from_slice(&bytes[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                panic!(
                    "the balancer neither answers nor closes; so far {}",
                    all.escape_ascii()
                )
            }
            // A reset is an end too.
            Err(_) => return all,
        }
    }
}
