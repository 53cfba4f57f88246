//! A client that says all it has to say, and listens until the balancer is done with it.

use super::script::Speech;
use super::{PATIENCE, speak};
use crate::wire::show;
use std::io::{ErrorKind, Read};
use std::net::{Shutdown, SocketAddr, TcpStream};

/// What came back to a client.
#[derive(Debug, Default)]
pub struct Answered {
    /// All of its bytes.
    pub bytes: Vec<u8>,
    /// It ended with a reset, which nobody takes for an ordinary end.
    pub is_reset: bool,
}

/// Sends all of `speech` and ends its direction; returns all that came back.
pub fn talk(balancer: SocketAddr, speech: &Speech) -> Answered {
    let mut stream = TcpStream::connect(balancer).expect("it listens");
    let _ = stream.set_nodelay(true);
    // The balancer may have heard enough before the end.
    let _ = speak(&mut stream, speech);
    let _ = stream.shutdown(Shutdown::Write);
    read_all(&mut stream)
}

fn read_all(stream: &mut TcpStream) -> Answered {
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a timeout can be set");
    let (mut answered, mut bytes) = (Answered::default(), [0; 16 * 1024]);
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return answered,
            Ok(count) => answered.bytes.extend_from_slice(&bytes[..count]),
            // The fuzzer's own alarm clock.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                panic!(
                    "neither an answer nor an end; so far {}",
                    show(&answered.bytes)
                )
            }
            Err(_) => {
                answered.is_reset = true;
                return answered;
            }
        }
    }
}
