//! Blocking sockets with a deadline, for the few connections of the admin listener, which have a thread
//! each. Must not know what is said on them.

use super::waker::Waker;
use super::{Interest, listener, wait_any};
use rustix::fd::AsFd;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};
use std::fs::{self, Permissions};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Clients that the kernel holds: more do not come to an admin listener.
const BACKLOG: i32 = 64;

/// Only the user that runs the balancer.
const MODE: u32 = 0o600;

/// Where to listen.
#[derive(Debug)]
pub enum PlainListener {
    /// TCP.
    Tcp(TcpListener),
    /// A socket in the file system, which is removed with its listener.
    Unix(UnixListener, PathBuf),
}

/// A connection.
#[derive(Debug)]
pub struct PlainStream {
    kind: Kind,
    /// Reads and writes fail after it.
    deadline: Instant,
}

#[derive(Debug)]
enum Kind {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl PlainListener {
    /// Listens on an address.
    pub fn tcp(address: SocketAddr) -> io::Result<Self> {
        TcpListener::bind(address).and_then(Self::of_tcp)
    }

    /// Listens on every interface, IPv6 and IPv4.
    pub fn everywhere(port: u16) -> io::Result<Self> {
        let socket = listener::bind_all(port)?;
        rustix::net::listen(&socket, BACKLOG)?;
        Self::of_tcp(socket)
    }

    fn of_tcp(socket: TcpListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self::Tcp(socket))
    }

    /// Listens on a socket in the file system that only this user may connect to. One that nobody listens
    /// on any more is replaced.
    pub fn unix(path: &Path) -> io::Result<Self> {
        remove_stale(path)?;
        let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
        rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
        rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
        // Before it listens: until then all are refused.
        let prepared = fs::set_permissions(path, Permissions::from_mode(MODE))
            .and_then(|()| Ok(rustix::net::listen(&socket, BACKLOG)?));
        let socket = UnixListener::from(socket);
        let this = Self::Unix(socket, path.into());
        prepared?;
        if let Self::Unix(socket, _) = &this {
            socket.set_nonblocking(true)?;
        }
        Ok(this)
    }

    /// Where it listens, with the real port where 0 was asked for.
    pub fn local_name(&self) -> io::Result<String> {
        match self {
            Self::Tcp(socket) => Ok(socket.local_addr()?.to_string()),
            Self::Unix(_, path) => Ok(format!("unix:{}", path.display())),
        }
    }

    /// The next connection and the name of its other end; `None` when `ending` is raised.
    pub fn accept(&self, ending: &Waker) -> io::Result<Option<(PlainStream, String)>> {
        let this: &dyn AsFd = match self {
            Self::Tcp(socket) => socket,
            Self::Unix(socket, _) => socket,
        };
        loop {
            if ending.wait(Duration::ZERO) {
                return Ok(None);
            }
            match self.try_accept() {
                Err(error) if listener::is_nobody(&error) => {}
                accepted => return accepted.map(Some),
            }
            wait_any([(this, Interest::Read), (ending, Interest::Read)], None)?;
        }
    }

    fn try_accept(&self) -> io::Result<(PlainStream, String)> {
        match self {
            Self::Tcp(socket) => {
                let (stream, from) = socket.accept()?;
                stream.set_nonblocking(false)?;
                let from = SocketAddr::new(from.ip().to_canonical(), from.port());
                Ok((PlainStream::new(Kind::Tcp(stream)), from.to_string()))
            }
            Self::Unix(socket, _) => {
                let (stream, _) = socket.accept()?;
                stream.set_nonblocking(false)?;
                let name = "a local user".to_string();
                Ok((PlainStream::new(Kind::Unix(stream)), name))
            }
        }
    }
}

impl Drop for PlainListener {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            let _ = fs::remove_file(path);
        }
    }
}

/// Removes a socket that nobody listens on: the balancer before this one was killed.
fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type().is_socket(),
        Err(_) => return Ok(()),
    };
    if !is_socket {
        let text = "there is a file of this name that is no socket";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) => Err(error),
    }
}

impl PlainStream {
    fn new(kind: Kind) -> Self {
        let deadline = Instant::now();
        Self { kind, deadline }
    }

    /// Connects within `timeout`, which is then the deadline too.
    pub fn tcp(address: SocketAddr, timeout: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, timeout)?;
        Ok(Self::new(Kind::Tcp(stream)).within(timeout))
    }

    /// Connects to a socket in the file system; `timeout` is the deadline.
    pub fn unix(path: &Path, timeout: Duration) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        Ok(Self::new(Kind::Unix(stream)).within(timeout))
    }

    /// The same with a deadline so long from now.
    #[must_use]
    pub fn within(mut self, timeout: Duration) -> Self {
        self.set_timeout(timeout);
        self
    }

    /// Sets the deadline so long from now.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.deadline = Instant::now() + timeout;
    }

    /// The time that is left; an error when there is none.
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match left {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            left => Ok(Some(left)),
        }
    }

    /// Ends the direction to the other end, then takes what still comes, for a moment: closed with
    /// unread bytes, the connection would be reset, and what was sent might be lost.
    pub fn finish(mut self, most: Duration) {
        let shut = match &self.kind {
            Kind::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Kind::Unix(stream) => stream.shutdown(Shutdown::Write),
        };
        self.set_timeout(most);
        let mut discarded = [0; 4096];
        if shut.is_ok() {
            while self.read(&mut discarded).is_ok_and(|count| count > 0) {}
        }
    }
}

impl Read for PlainStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left()?;
        match &mut self.kind {
            Kind::Tcp(stream) => {
                stream.set_read_timeout(left)?;
                stream.read(buffer)
            }
            Kind::Unix(stream) => {
                stream.set_read_timeout(left)?;
                stream.read(buffer)
            }
        }
    }
}

impl Write for PlainStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.left()?;
        match &mut self.kind {
            Kind::Tcp(stream) => {
                stream.set_write_timeout(left)?;
                stream.write(bytes)
            }
            Kind::Unix(stream) => {
                stream.set_write_timeout(left)?;
                stream.write(bytes)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
