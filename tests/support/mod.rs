//! What the tests share: a balancer on a port of its own, backends that follow a script, and
//! a client that speaks raw bytes. Nothing here uses the code that is tested, except to start
//! it.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test file uses a part of this"
)]

use crossbeam_channel::{Receiver, Sender, unbounded};
use lb::backends::Name;
use lb::config::Config;
use lb::engine::Engine;
use lb::log::LogMode;
use lb::log::writer::LogWriter;
use lb::server::{Ended, Server, Stop};
use lb::session::ClientSession;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Longer than anything here should take, also on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A balancer in this process.
pub struct Lb {
    pub address: SocketAddr,
    pub engine: Arc<Engine<ClientSession>>,
    stop: Stop,
    was_asked: AtomicBool,
    thread: Option<JoinHandle<Ended>>,
}

impl Lb {
    /// A balancer over these backends with default settings, but for a short drain.
    pub fn over(backends: &[SocketAddr]) -> Self {
        Self::with(backends, |_| {})
    }

    /// The same, with other settings.
    pub fn with(backends: &[SocketAddr], change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config {
            address: Some("127.0.0.1".into()),
            port: 0,
            backends: backends.iter().map(name_of).collect(),
            log: LogMode::Off,
            ..Config::default()
        };
        config.timeouts.drain = Duration::from_millis(300);
        change(&mut config);
        let server = Server::start(config, LogWriter::silent()).expect("starts");
        let (address, stop) = (server.local_addr().unwrap(), server.stop());
        let engine = server.engine();
        let thread = Some(thread::spawn(move || server.run()));
        Self {
            address,
            engine,
            stop,
            was_asked: AtomicBool::new(false),
            thread,
        }
    }

    pub fn client(&self) -> Client {
        Client::to(self.address)
    }

    /// Asks it to stop, without waiting for it.
    pub fn ask_to_stop(&self) {
        // A second time would mean: at once.
        if !self.was_asked.swap(true, Ordering::SeqCst) {
            self.stop.request();
        }
    }

    /// Stops it and says how it ended.
    pub fn stop(mut self) -> Ended {
        self.ask_to_stop();
        self.thread.take().unwrap().join().expect("no panic")
    }
}

impl Drop for Lb {
    fn drop(&mut self) {
        self.ask_to_stop();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(
                thread::panicking() || ended.is_ok(),
                "the balancer panicked"
            );
        }
    }
}

pub fn name_of(address: &SocketAddr) -> Name {
    Name {
        host: address.ip().to_string(),
        port: address.port(),
    }
}

/// An address where nobody listens, and nobody will: the port is taken, but not listened on.
pub fn nobody() -> SocketAddr {
    use rustix::net::{AddressFamily, SocketType, bind, socket};
    let taken = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&taken, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    // As a `TcpListener` only to be asked for its address.
    let taken = TcpListener::from(taken);
    let address = taken.local_addr().unwrap();
    std::mem::forget(taken);
    address
}

/// Waits until something is true.
pub fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_true() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// A client that sends and reads raw bytes.
pub struct Client {
    pub stream: TcpStream,
    read: Vec<u8>,
}

/// A response as the client saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    /// Status line and fields, without the empty line.
    pub head: String,
    pub body: Vec<u8>,
    /// Whether the body ended as its framing says.
    pub is_whole: bool,
}

impl Response {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Client {
    pub fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("connects");
        Self::on(stream)
    }

    pub fn on(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            read: Vec::new(),
        }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.write_all(bytes.as_ref()).expect("sends");
        self
    }

    /// A `GET` without a body, and its answer.
    pub fn get(&mut self, target: &str) -> Response {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n"))
            .response()
    }

    /// The next response, of whatever framing.
    pub fn response(&mut self) -> Response {
        self.try_response(false).expect("a response")
    }

    /// The next response to a `HEAD`.
    pub fn head_response(&mut self) -> Response {
        self.try_response(true).expect("a response")
    }

    /// The next response, or `None` if the connection ends before one.
    pub fn try_response(&mut self, is_head: bool) -> Option<Response> {
        let length = loop {
            match find(&self.read, b"\r\n\r\n") {
                Some(position) => break position + 4,
                None if self.read_more() == 0 => return None,
                None => {}
            }
        };
        let head = String::from_utf8(self.read.drain(..length).collect()).expect("UTF-8");
        let head = head.trim_end_matches("\r\n").replace("\r\n", "\n");
        let status = head.split(' ').nth(1).unwrap().parse().expect("a status");
        let mut response = Response {
            status,
            head,
            body: Vec::new(),
            is_whole: true,
        };
        if !is_head && status >= 200 && status != 204 && status != 304 {
            self.read_body(&mut response);
        }
        Some(response)
    }

    fn read_body(&mut self, response: &mut Response) {
        if let Some(length) = response.field("Content-Length") {
            let length: usize = length.parse().unwrap();
            while self.read.len() < length && self.read_more() > 0 {}
            response.is_whole = self.read.len() >= length;
            response.body = self.read.drain(..length.min(self.read.len())).collect();
        } else if response.field("Transfer-Encoding") == Some("chunked") {
            response.is_whole = self.read_chunks(&mut response.body);
        } else {
            while self.read_more() > 0 {}
            response.body = std::mem::take(&mut self.read);
        }
    }

    /// Chunks and trailers; returns whether the end came.
    fn read_chunks(&mut self, body: &mut Vec<u8>) -> bool {
        loop {
            let Some(line) = self.read_line() else {
                return false;
            };
            let size = usize::from_str_radix(&line, 16).expect("a size and nothing else");
            if size == 0 {
                break;
            }
            while self.read.len() < size + 2 {
                if self.read_more() == 0 {
                    body.append(&mut self.read);
                    return false;
                }
            }
            body.extend(self.read.drain(..size));
            assert_eq!(self.read.drain(..2).collect::<Vec<_>>(), b"\r\n");
        }
        loop {
            match self.read_line() {
                Some(line) if line.is_empty() => return true,
                Some(_) => {}
                None => return false,
            }
        }
    }

    /// A chunked body with its trailers, as it came.
    fn read_raw_chunks(&mut self) -> Vec<u8> {
        let mut raw = Vec::new();
        loop {
            let line = self.read_until(b"\r\n");
            let size = String::from_utf8(line.clone()).unwrap();
            let size = usize::from_str_radix(size.trim_end(), 16).expect("a size and nothing else");
            raw.extend(line);
            if size == 0 {
                break;
            }
            raw.extend(self.read_exactly(size + 2));
        }
        loop {
            let line = self.read_until(b"\r\n");
            raw.extend(&line);
            if line == b"\r\n" {
                return raw;
            }
        }
    }

    /// A line without its CRLF.
    fn read_line(&mut self) -> Option<String> {
        let end = loop {
            match find(&self.read, b"\r\n") {
                Some(end) => break end,
                None if self.read_more() == 0 => return None,
                None => {}
            }
        };
        let line: Vec<u8> = self.read.drain(..end + 2).collect();
        Some(String::from_utf8(line).unwrap().trim_end().to_string())
    }

    /// Bytes up to and with `end`.
    pub fn read_until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            if let Some(position) = find(&self.read, end) {
                return self.read.drain(..position + end.len()).collect();
            }
            assert!(
                self.read_more() > 0,
                "ended before {end:?}: {:?}",
                self.read
            );
        }
    }

    /// Reads until what has come ends with `end`; returns whether it does before the connection
    /// ends.
    pub fn read_to_end_of(&mut self, end: &[u8]) -> bool {
        while !self.read.ends_with(end) {
            if self.read_more() == 0 {
                return false;
            }
        }
        true
    }

    /// Exactly so many bytes.
    pub fn read_exactly(&mut self, count: usize) -> Vec<u8> {
        while self.read.len() < count {
            assert!(
                self.read_more() > 0,
                "ended after {} of {count} bytes",
                self.read.len()
            );
        }
        self.read.drain(..count).collect()
    }

    /// Everything until the connection ends; a reset counts as an end.
    pub fn read_to_end(&mut self) -> Vec<u8> {
        while self.read_more() > 0 {}
        std::mem::take(&mut self.read)
    }

    /// Whether the connection ends without another byte.
    pub fn is_closed(&mut self) -> bool {
        self.read.is_empty() && self.read_more() == 0
    }

    fn read_more(&mut self) -> usize {
        let mut bytes = [0; 64 * 1024];
        match self.stream.read(&mut bytes) {
            Ok(count) => {
                self.read.extend_from_slice(&bytes[..count]);
                count
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                panic!(
                    "nothing came in time; so far {:?}",
                    String::from_utf8_lossy(&self.read)
                )
            }
            Err(_) => 0,
        }
    }
}

pub fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

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

/// What a process prints, line by line, read by a thread of its own.
pub fn lines_of(out: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = unbounded();
    thread::spawn(move || {
        BufReader::new(out)
            .lines()
            .map_while(Result::ok)
            .for_each(|line| drop(sender.send(line)));
    });
    lines
}

/// The `backend` program as a process of its own.
pub struct Program {
    pub child: Child,
    pub address: SocketAddr,
    pub lines: Receiver<String>,
}

impl Program {
    /// Starts it on `port` (0: any) and waits until it listens.
    pub fn backend(port: u16) -> Self {
        Self::try_backend(port).expect("starts")
    }

    pub fn try_backend(port: u16) -> Option<Self> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_backend"))
            .arg(port.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("runs");
        let lines = lines_of(child.stdout.take().unwrap());
        match lines.recv_timeout(PATIENCE) {
            Ok(line) => {
                let address = line
                    .rsplit(' ')
                    .next()
                    .unwrap()
                    .parse()
                    .expect("an address");
                Some(Self {
                    child,
                    address,
                    lines,
                })
            }
            Err(_) => {
                let _ = child.wait();
                None
            }
        }
    }

    /// `kill -9`
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Descriptors that a process has open.
#[cfg(target_os = "linux")]
pub fn open_descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .count()
}

/// Threads of a process.
#[cfg(target_os = "linux")]
pub fn threads(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .count()
}

/// The `lb` program, to listen on a port of its own, with at most `descriptors` (0: as many as we
/// may have).
pub fn lb_command(descriptors: u32, words: &[&str]) -> Command {
    let limit = match descriptors {
        0 => String::new(),
        count => format!("ulimit -n {count}; "),
    };
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("{limit}exec \"$0\" \"$@\"")])
        .args([env!("CARGO_BIN_EXE_lb"), "127.0.0.1:0"])
        .args(words);
    command
}

/// The `lb` program as a process of its own, on a port of its own.
pub struct LbProgram {
    pub child: Child,
    pub address: SocketAddr,
    pub errors: Receiver<String>,
}

impl LbProgram {
    /// Starts it with at most `descriptors` (0: as many as we may have) and waits until it
    /// listens. What it prints on stderr can be read, from the line about listening on.
    pub fn start(descriptors: u32, words: &[&str]) -> Self {
        Self::spawn(lb_command(descriptors, words))
    }

    /// Starts it by this command.
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("runs");
        let errors = lines_of(child.stderr.take().unwrap());
        // Owned from here on: it ends with the test, also if it never says that it listens.
        let mut program = Self {
            child,
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
            errors,
        };
        program.address = program.wait_for_address();
        program
    }

    fn wait_for_address(&self) -> SocketAddr {
        loop {
            let line = self
                .errors
                .recv_timeout(PATIENCE)
                .expect("it says that it listens");
            if let Some(rest) = line.strip_prefix("Load balancer is listening on ") {
                return rest.split(' ').next().unwrap().parse().expect("an address");
            }
        }
    }

    pub fn client(&self) -> Client {
        Client::to(self.address)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for its end; returns the exit code.
    pub fn wait(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for LbProgram {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The line that begins so, of a balancer with these words, which is ended then.
pub fn said(words: &[&str], beginning: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_lb"))
        .args(words)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = lines_of(child.stderr.take().unwrap());
    let mut all = std::iter::from_fn(|| lines.recv_timeout(PATIENCE).ok());
    let line = all.find(|line| line.starts_with(beginning));
    child.kill().unwrap();
    child.wait().unwrap();
    line.unwrap_or_else(|| panic!("no {beginning}"))
}
