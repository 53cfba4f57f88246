//! A client that knows what it must get: every answer is checked byte for byte, and whose it is.

use fastrand::Rng;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// A client that waits for longer has given up.
const PATIENCE: Duration = Duration::from_secs(15);

/// So many bytes of a request are sent at a time when there are pauses.
const PIECE: usize = 16 * 1024;

/// One request, and what proves an answer to be its own.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) id: u64,
    pub(crate) is_post: bool,
    /// Bytes of the body: of the request if it is a POST, else of the answer.
    pub(crate) bytes: usize,
    /// How long the backend takes for it, in milliseconds.
    pub(crate) delay: u64,
    /// Whether the connection is to be closed afterwards.
    pub(crate) closes: bool,
    /// How long the client rests between two pieces of what it sends.
    pub(crate) pause: Duration,
}

impl Order {
    /// One of the common kinds: half are POSTs, most are small and some have tens of
    /// kilobytes, every eighth is on a connection of its own.
    pub(crate) fn random(id: u64, rng: &mut Rng) -> Self {
        let bytes = match rng.u8(..8) {
            0 => 60_000,
            1 | 2 => 8_000,
            _ => 40,
        };
        Self {
            id,
            is_post: rng.bool(),
            bytes,
            delay: rng.u64(..40),
            closes: rng.u8(..8) == 0,
            pause: Duration::ZERO,
        }
    }

    fn method(&self) -> &'static str {
        if self.is_post { "POST" } else { "GET" }
    }

    fn request(&self) -> Vec<u8> {
        let mut target = format!("/?echo={}&delay={}ms", self.id, self.delay);
        if !self.is_post {
            target += &format!("&bytes={}", self.bytes);
        }
        let mut head = format!("{} {target} HTTP/1.1\r\nHost: drill\r\n", self.method());
        if self.closes {
            head += "Connection: close\r\n";
        }
        let mut request = head.into_bytes();
        if self.is_post {
            request.extend(format!("Content-Length: {}\r\n\r\n", self.bytes).bytes());
            request.extend(self.body());
        } else {
            request.extend(b"\r\n");
        }
        request
    }

    /// The body of a POST, which has its number all over it.
    fn body(&self) -> Vec<u8> {
        let text = format!("{}.", self.id);
        text.bytes().cycle().take(self.bytes).collect()
    }

    /// The port of the backend whose answer this is, if it is the right one for this request.
    fn answered_by(&self, answer: &[u8]) -> Option<u16> {
        let digits = answer.iter().take_while(|byte| byte.is_ascii_digit());
        let port = String::from_utf8(digits.copied().collect()).ok()?;
        let line = format!("{port} {} {}\n", self.method(), self.id).into_bytes();
        let expected: Vec<u8> = match self.is_post {
            true => [line, self.body()].concat(),
            false => line.into_iter().cycle().take(self.bytes).collect(),
        };
        (answer == expected).then(|| port.parse().ok())?
    }
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The right answer, from the backend with this port.
    Answered(u16),
    /// Another status, and its text.
    Status(u16, String),
    /// The connection ended before the end of an answer.
    Cut(Cut),
    /// Something that is not the answer.
    Wrong(String),
    /// Nothing in time.
    Late,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// It could not be made.
    Refused,
    /// It had ended already when the request was to be sent, which was then not sent.
    Before,
    /// It ended while the request was on its way.
    Crossed,
    /// Reset without a byte of an answer: the other side had closed, or did not read on.
    Reset,
    /// An orderly end without a byte of an answer.
    End,
    /// In the middle of an answer.
    Within,
}

/// What a glance at a connection shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Quiet,
    Bytes,
    Ended,
}

struct Answer {
    status: u16,
    closes: bool,
    body: Vec<u8>,
}

/// Sends it all in one go, or in pieces with such pauses.
fn send(stream: &mut TcpStream, request: &[u8], pause: Duration) -> io::Result<()> {
    if pause.is_zero() {
        return stream.write_all(request);
    }
    for piece in request.chunks(PIECE) {
        stream.write_all(piece)?;
        thread::sleep(pause);
    }
    Ok(())
}

/// A client with at most one connection.
pub(crate) struct Checker {
    address: SocketAddr,
    stream: Option<TcpStream>,
    received: Vec<u8>,
    /// Whether the last answer said that the connection is closed.
    pub(crate) was_told_to_close: bool,
}

impl Checker {
    pub(crate) fn of(address: SocketAddr) -> Self {
        Self {
            address,
            stream: None,
            received: Vec::new(),
            was_told_to_close: false,
        }
    }

    /// Sends the request, on a new connection if there is none, and judges the answer.
    pub(crate) fn ask(&mut self, order: &Order) -> Outcome {
        let answer = self.exchange(&order.request(), order.pause);
        let closes = order.closes || answer.as_ref().map_or(true, |answer| answer.closes);
        self.was_told_to_close = answer.as_ref().is_ok_and(|answer| answer.closes);
        if closes {
            self.stream = None;
        }
        let answer = match answer {
            Ok(answer) => answer,
            Err(outcome) => return outcome,
        };
        let text = || String::from_utf8_lossy(&answer.body[..answer.body.len().min(300)]).into();
        match (answer.status, order.answered_by(&answer.body)) {
            (200, Some(port)) if self.received.is_empty() => Outcome::Answered(port),
            (200, Some(_)) => Outcome::Wrong("more than one answer".into()),
            (200, None) => Outcome::Wrong(text()),
            (status, _) => Outcome::Status(status, text()),
        }
    }

    /// Opens the connection, if there is none.
    pub(crate) fn connect(&mut self) -> Result<(), Outcome> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(self.address);
            let stream = stream.map_err(|_| Outcome::Cut(Cut::Refused))?;
            let _ = stream.set_nodelay(true);
            let _ = stream.set_read_timeout(Some(PATIENCE));
            let _ = stream.set_write_timeout(Some(PATIENCE));
            self.received.clear();
            self.stream = Some(stream);
        }
        Ok(())
    }

    fn exchange(&mut self, request: &[u8], pause: Duration) -> Result<Answer, Outcome> {
        self.connect()?;
        self.check_quiet()?;
        // Whoever refuses a request answers before the end of it: what is said comes first,
        // and that it could not be sent only if nothing is said.
        let stream = self.stream.as_mut().expect("connected");
        let was_sent = send(stream, request, pause).is_ok();
        // Nobody reads a request, and ends the connection over it, as soon as this.
        let is_crossed = self.look() == Look::Ended;
        match self.answer() {
            Err(Outcome::Cut(Cut::End)) if is_crossed => Err(Outcome::Cut(Cut::Crossed)),
            Err(Outcome::Cut(Cut::End)) if !was_sent || self.was_unread() => {
                Err(Outcome::Cut(Cut::Reset))
            }
            otherwise => otherwise,
        }
    }

    /// After an orderly end: whether it had come before the request did. The other side's
    /// kernel has then answered the request with a reset, which a read does not tell any more.
    fn was_unread(&self) -> bool {
        let stream = self.stream.as_ref().expect("connected");
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(50) {
            if stream.take_error().is_ok_and(|error| error.is_some()) {
                return true;
            }
            thread::sleep(Duration::from_millis(1));
        }
        false
    }

    /// Nothing may come, and the connection may not end, before the request is sent.
    fn check_quiet(&self) -> Result<(), Outcome> {
        match self.look() {
            Look::Quiet => Ok(()),
            Look::Bytes => Err(Outcome::Wrong("an answer without a request".into())),
            Look::Ended => Err(Outcome::Cut(Cut::Before)),
        }
    }

    /// What there is to be read at this moment.
    fn look(&self) -> Look {
        let stream = self.stream.as_ref().expect("connected");
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        match recv(stream, &mut [0; 1][..], flags) {
            Ok((_, 1..)) => Look::Bytes,
            Err(Errno::AGAIN) => Look::Quiet,
            Ok(_) | Err(_) => Look::Ended,
        }
    }

    fn answer(&mut self) -> Result<Answer, Outcome> {
        let length = loop {
            let end = self
                .received
                .windows(4)
                .position(|part| part == b"\r\n\r\n");
            match end {
                Some(end) => break end + 4,
                None => self.read_more()?,
            }
        };
        let head: Vec<u8> = self.received.drain(..length).collect();
        let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
        let number = |text: Option<&str>| text.and_then(|text| text.trim().parse::<usize>().ok());
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
        let status = number(head.split(' ').nth(1));
        let length = number(field("content-length:"));
        let (Some(status), Some(length)) = (status, length) else {
            return Err(Outcome::Wrong(head));
        };
        while self.received.len() < length {
            self.read_more().map_err(|outcome| match outcome {
                Outcome::Cut(_) => Outcome::Cut(Cut::Within),
                otherwise => otherwise,
            })?;
        }
        Ok(Answer {
            status: u16::try_from(status).unwrap_or(0),
            closes: field("connection:").is_some_and(|value| value.contains("close")),
            body: self.received.drain(..length).collect(),
        })
    }

    fn read_more(&mut self) -> Result<(), Outcome> {
        let mut bytes = [0; 64 * 1024];
        let stream = self.stream.as_mut().expect("connected");
        match stream.read(&mut bytes) {
            Ok(count @ 1..) => {
                self.received.extend_from_slice(&bytes[..count]);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(Outcome::Late),
            _ if !self.received.is_empty() => Err(Outcome::Cut(Cut::Within)),
            Ok(_) => Err(Outcome::Cut(Cut::End)),
            Err(_) => Err(Outcome::Cut(Cut::Reset)),
        }
    }
}
