//! A backend that follows a script.

use super::{Client, PATIENCE, find};
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A backend in this process that follows a script. Health probes are answered with 200 and
/// not shown to the script.
pub struct Origin {
    pub address: SocketAddr,
    /// Every request, as it came: head and body.
    pub requests: Receiver<Vec<u8>>,
    is_healthy: Arc<AtomicBool>,
    stopping: Arc<AtomicBool>,
}

/// One connection to an [`Origin`].
pub struct Served {
    pub client: Client,
    log: Sender<Vec<u8>>,
}

impl Origin {
    /// A backend that runs `script` for every connection that is no probe. The first request
    /// head has not been read when it begins.
    pub fn scripted(script: impl Fn(&mut Served) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // `std` asks for 128; what overflows that is tried again by the kernel after a second.
        rustix::net::listen(&listener, 4096).unwrap();
        let address = listener.local_addr().unwrap();
        let (log, requests) = unbounded();
        let is_healthy = Arc::new(AtomicBool::new(true));
        let stopping = Arc::new(AtomicBool::new(false));
        let origin = Self {
            address,
            requests,
            is_healthy: Arc::clone(&is_healthy),
            stopping: Arc::clone(&stopping),
        };
        let script = Arc::new(script);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stopping.load(Ordering::SeqCst) {
                    return;
                }
                let (script, log) = (Arc::clone(&script), log.clone());
                let is_healthy = Arc::clone(&is_healthy);
                thread::spawn(move || {
                    if !answer_probe(&stream, &is_healthy) {
                        script(&mut Served {
                            client: Client::on(stream),
                            log,
                        });
                    }
                });
            }
        });
        origin
    }

    /// A backend that answers every request with these bytes, on kept connections.
    pub fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::scripted(move |served| {
            while served.request().is_some() {
                served.client.send(&answer);
            }
        })
    }

    /// The next request that came.
    pub fn request(&self) -> String {
        let request = self.requests.recv_timeout(PATIENCE).expect("a request");
        String::from_utf8_lossy(&request).into_owned()
    }

    /// How many requests have come that were not asked for yet.
    pub fn count(&self) -> usize {
        self.requests.try_iter().count()
    }

    pub fn set_healthy(&self, is_healthy: bool) {
        self.is_healthy.store(is_healthy, Ordering::SeqCst);
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

/// Accepts the next connection, which is the first check, and answers it.
pub fn answer_check(listener: &TcpListener, answer: &str) {
    let mut check = Client::on(listener.accept().unwrap().0);
    check.read_until(b"\r\n\r\n");
    check.send(answer);
}

/// Looks, without taking anything away, whether the connection is a probe, and answers it.
fn answer_probe(stream: &TcpStream, is_healthy: &AtomicBool) -> bool {
    let mut bytes = [0; 4096];
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let Ok(count) = stream.peek(&mut bytes) else {
        return false;
    };
    if find(&bytes[..count], b"User-Agent: lb-health/").is_none() {
        return false;
    }
    let mut client = Client::on(stream.try_clone().unwrap());
    client.read_until(b"\r\n\r\n");
    let status = if is_healthy.load(Ordering::SeqCst) {
        "200 OK"
    } else {
        "500 Bad"
    };
    client.send(format!(
        "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    ));
    true
}

impl Served {
    /// Reads a whole request and shows it to the test; `None` when the connection ends.
    pub fn request(&mut self) -> Option<String> {
        while find(&self.client.read, b"\r\n\r\n").is_none() {
            if self.client.read_more() == 0 {
                return None;
            }
        }
        let mut request = self.client.read_until(b"\r\n\r\n");
        let head = String::from_utf8_lossy(&request).into_owned();
        let field = |name: &str| {
            head.lines()
                .find_map(|line| line.strip_prefix(name))
                .map(str::to_string)
        };
        if let Some(length) = field("Content-Length: ") {
            request.extend(self.client.read_exactly(length.parse().unwrap()));
        } else if field("Transfer-Encoding: chunked").is_some() {
            request.extend(self.client.read_raw_chunks());
        }
        let _ = self.log.send(request.clone());
        Some(String::from_utf8_lossy(&request).into_owned())
    }

    /// Shows the test something else than a request.
    pub fn tell(&self, bytes: impl Into<Vec<u8>>) {
        let _ = self.log.send(bytes.into());
    }

    /// Closes with a reset.
    pub fn reset(&mut self) {
        let none = Some(Duration::ZERO);
        rustix::net::sockopt::set_socket_linger(&self.client.stream, none).unwrap();
    }
}
