//! One connection: read, write, wait, half-close.
//!
//! Sockets are blocking, with `SO_RCVTIMEO` and `SO_SNDTIMEO` set once, so that a plain `recv` waits
//! for [`SOCKET_TIMEOUT`] and not longer. Where a call must not wait at all, it has the flag
//! `MSG_DONTWAIT`. Must not know what the bytes mean, nor which session they belong to.

use super::buffer::{Buffer, BufferCache};
use super::readiness::{Readiness, Registration};
use super::{Interest, wait_any};
use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::sockopt::{self, Timeout};
use rustix::net::{RecvFlags, SendFlags};
use std::cell::Cell;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

/// The longest that one blocking call on a socket takes. Half of the blocking budget (see
/// `engine::turn`), so that a wait begun just before its end stays within all of it.
pub const SOCKET_TIMEOUT: Duration = Duration::from_millis(10);

/// The most that one [`Conn::discard`] takes.
pub const DISCARD_BYTES: usize = 32 * 1024;

/// Whether a call may block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocking {
    /// Up to [`SOCKET_TIMEOUT`].
    Briefly,
    /// Not at all.
    Never,
}

/// How a read or a write went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// So many bytes, at least one.
    Bytes(usize),
    /// None, now.
    WouldWait,
    /// None, for ever: the other side has ended its direction. Reads only.
    End,
}

/// A TCP connection.
#[derive(Debug)]
pub struct Conn {
    /// Shared with the list of registered connections, which gives it up when we do.
    pub(super) stream: Arc<TcpStream>,
    /// Where it is registered, from its first parking to its end.
    pub(super) registration: Option<Registration>,
    /// Whether the socket is in blocking mode. Each call that depends on the mode sets it first.
    pub(super) is_blocking: Cell<bool>,
    /// Whether the last read took all there was. Watching it resets that: see
    /// [`super::readiness`].
    pub(super) is_drained: Cell<bool>,
}

impl Conn {
    /// An accepted connection. On Linux the options are inherited from the listening socket,
    /// so that accepting costs no further call.
    pub(super) fn accepted(stream: TcpStream) -> io::Result<Self> {
        let conn = Self {
            stream: Arc::new(stream),
            registration: None,
            is_blocking: Cell::new(true),
            is_drained: Cell::new(false),
        };
        if cfg!(not(target_os = "linux")) {
            conn.set_options()?;
        }
        Ok(conn)
    }

    /// Sets blocking mode, the timeouts, and no Nagle delay.
    pub(super) fn set_options(&self) -> io::Result<()> {
        self.stream.set_nonblocking(false)?;
        self.is_blocking.set(true);
        set_options(&self.stream)
    }

    /// Sets blocking or non-blocking mode, if it is not set already.
    pub(super) fn set_blocking(&self, is_blocking: bool) -> io::Result<()> {
        if self.is_blocking.replace(is_blocking) != is_blocking {
            self.stream.set_nonblocking(!is_blocking)?;
        }
        Ok(())
    }

    /// Appends what there is to read to `buffer`.
    pub fn read(
        &self,
        buffer: &mut Buffer,
        cache: &mut BufferCache,
        wait: Blocking,
    ) -> io::Result<Moved> {
        let flags = match wait {
            Blocking::Briefly => {
                self.set_blocking(true)?;
                RecvFlags::empty()
            }
            Blocking::Never => RecvFlags::DONTWAIT,
        };
        let tail = buffer.tail_with_room(cache);
        let room = tail.capacity() - tail.len();
        let read = rustix::net::recv(&self.stream, spare_capacity(tail), flags);
        let moved = match read {
            Ok((0, _)) => Ok(Moved::End),
            Ok((count, _)) => Ok(Moved::Bytes(count)),
            Err(errno) => would_wait_or(errno),
        };
        self.is_drained.set(match moved {
            Ok(Moved::Bytes(count)) => count < room,
            Ok(Moved::WouldWait) => true,
            Ok(Moved::End) | Err(_) => false,
        });
        moved
    }

    /// Takes what there is to read, [`DISCARD_BYTES`] at most, and throws it away. On Linux the
    /// kernel does that, and copies nothing.
    pub fn discard(&self, wait: Blocking) -> io::Result<Moved> {
        let mut flags = RecvFlags::empty();
        match wait {
            Blocking::Briefly => self.set_blocking(true)?,
            Blocking::Never => flags.insert(RecvFlags::DONTWAIT),
        }
        // Of TCP, `tcp(7)` says so; elsewhere the flag means nothing, or another thing.
        #[cfg(target_os = "linux")]
        flags.insert(RecvFlags::TRUNC);
        let mut scrap = [0; DISCARD_BYTES];
        let moved = match rustix::net::recv(&self.stream, &mut scrap, flags) {
            Ok((_, 0)) => Ok(Moved::End),
            Ok((_, count)) => Ok(Moved::Bytes(count)),
            Err(errno) => would_wait_or(errno),
        };
        self.is_drained.set(match moved {
            Ok(Moved::Bytes(count)) => count < DISCARD_BYTES,
            Ok(Moved::WouldWait) => true,
            Ok(Moved::End) | Err(_) => false,
        });
        moved
    }

    /// Writes as much of `bytes`, which are not empty, as there is room for.
    pub fn write(&self, bytes: &[u8], wait: Blocking) -> io::Result<Moved> {
        let mut flags = SendFlags::empty();
        match wait {
            Blocking::Briefly => self.set_blocking(true)?,
            Blocking::Never => flags.insert(SendFlags::DONTWAIT),
        }
        #[cfg(target_os = "linux")]
        flags.insert(SendFlags::NOSIGNAL);
        match rustix::net::send(&self.stream, bytes, flags) {
            Ok(count) => Ok(Moved::Bytes(count)),
            Err(errno) => would_wait_or(errno),
        }
    }

    /// What a read would find now; takes nothing away.
    pub fn peek(&self) -> io::Result<Moved> {
        let mut byte = [0; 1];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        match rustix::net::recv(&self.stream, &mut byte, flags) {
            Ok((0, _)) => Ok(Moved::End),
            Ok((count, _)) => Ok(Moved::Bytes(count)),
            Err(errno) => would_wait_or(errno),
        }
    }

    /// Whether it is open and there is nothing to read, as should be between two exchanges.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        matches!(self.peek(), Ok(Moved::WouldWait))
    }

    /// Whether it is broken: reset, or given up by the kernel. A side that has only finished
    /// sending is not. Says so also while bytes that came before are still unread.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        use rustix::event::{PollFd, PollFlags};
        let mut polled = [PollFd::new(&self.stream, PollFlags::empty())];
        let ready = rustix::event::poll(&mut polled, Some(&rustix::event::Timespec::default()));
        ready.is_ok()
            && polled[0]
                .revents()
                .intersects(PollFlags::ERR | PollFlags::HUP)
    }

    /// Whether the other side has finished sending, or is gone. Some systems do not report this while
    /// bytes are unread; there the bytes have to be read first.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        #[cfg(target_os = "linux")]
        let has_ended = wait_any([(self, Interest::End)], Some(Duration::ZERO)).unwrap_or(true);
        #[cfg(not(target_os = "linux"))]
        let has_ended = matches!(self.peek(), Ok(Moved::End) | Err(_));
        has_ended
    }

    /// Why it is broken, if it is. Returned once. Bytes that came before may still be unread.
    #[must_use]
    pub fn take_error(&self) -> Option<io::Error> {
        match sockopt::socket_error(&self.stream) {
            Ok(Ok(())) => None,
            Ok(Err(errno)) | Err(errno) => Some(errno.into()),
        }
    }

    /// Tells the other side that no more bytes come; reading goes on.
    pub fn end_sending(&self) {
        // It can fail only when the connection is gone, which the next read tells.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Makes closing visible as a failure (a reset), not as an ordinary end.
    pub fn reset_on_close(&self) {
        // It can fail only when the connection is gone already.
        let _ = sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO));
    }

    /// Our own end of it.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    /// Asks `readiness` to report this connection once, under `key`, when it has what it is
    /// waited for. Replaces what was asked before.
    pub fn watch(
        &mut self,
        readiness: &Arc<Readiness>,
        key: usize,
        interest: Interest,
    ) -> io::Result<()> {
        let is_drained = self.is_drained.take();
        if let Some(registration) = &self.registration {
            return registration.ask(key, interest, is_drained);
        }
        let registration = Registration::reserve(readiness, &self.stream);
        let registration = self.registration.insert(registration);
        registration.add(&self.stream, key, interest)
    }

    /// Waits for [`SOCKET_TIMEOUT`] at most; returns whether it is ready.
    pub fn wait(&self, interest: Interest) -> io::Result<bool> {
        wait_any([(self, interest)], Some(SOCKET_TIMEOUT))
    }
}

impl AsFd for Conn {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// The options that every socket of ours has, the listening one included.
pub(super) fn set_options(socket: impl AsFd) -> io::Result<()> {
    let socket = socket.as_fd();
    sockopt::set_socket_timeout(socket, Timeout::Recv, Some(SOCKET_TIMEOUT))?;
    sockopt::set_socket_timeout(socket, Timeout::Send, Some(SOCKET_TIMEOUT))?;
    sockopt::set_tcp_nodelay(socket, true)?;
    Ok(())
}

/// A timeout and an interrupting signal mean "not now"; the rest is an error.
pub(super) fn would_wait_or(errno: Errno) -> io::Result<Moved> {
    match errno {
        Errno::AGAIN | Errno::INTR => Ok(Moved::WouldWait),
        _ => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn a_connection_blocks_only_while_it_is_set_to() {
        let (stream, _other) = crate::net::pair();
        let conn = Conn::accepted(stream).expect("open");
        conn.set_options().expect("open");
        for is_blocking in [true, false, false, true, true] {
            conn.set_blocking(is_blocking).expect("open");
            let flags = rustix::fs::fcntl_getfl(&conn.stream).expect("open");
            assert_ne!(flags.contains(rustix::fs::OFlags::NONBLOCK), is_blocking);
        }
    }

    #[test]
    fn only_a_discard_that_finds_less_than_it_could_take_has_found_all() {
        let (stream, mut other) = crate::net::pair();
        let conn = Conn::accepted(stream).expect("open");
        conn.set_options().expect("open");
        for (bytes, is_drained) in [(DISCARD_BYTES, false), (5, true)] {
            other.write_all(&vec![b'x'; bytes]).expect("sends");
            // All of it is here before it is discarded.
            let mut all = vec![0; bytes];
            while conn.stream.peek(&mut all).expect("open") < bytes {}
            conn.discard(Blocking::Briefly).expect("open");
            assert_eq!(conn.is_drained.get(), is_drained, "{bytes}");
        }
    }

    #[test]
    fn what_is_discarded_is_gone_and_no_more_of_it_than_one_call_takes() {
        let (stream, mut other) = crate::net::pair();
        let conn = Conn::accepted(stream).expect("open");
        assert!(matches!(
            conn.discard(Blocking::Never),
            Ok(Moved::WouldWait)
        ));
        other.write_all(&[b'x'; DISCARD_BYTES]).expect("sends");
        other.write_all(b"rest").expect("sends");
        drop(other);
        let mut discarded = 0;
        while discarded < DISCARD_BYTES {
            match conn.discard(Blocking::Never).expect("open") {
                Moved::Bytes(count) if discarded + count <= DISCARD_BYTES => discarded += count,
                Moved::WouldWait => {}
                moved => panic!("{moved:?} after {discarded}"),
            }
        }
        let mut buffer = Buffer::default();
        conn.set_options().expect("open");
        let read = conn.read(&mut buffer, &mut BufferCache::default(), Blocking::Briefly);
        assert!(matches!(read, Ok(Moved::Bytes(4))) && buffer.bytes() == b"rest");
        assert!(matches!(conn.discard(Blocking::Never), Ok(Moved::End)));
    }

    #[test]
    fn a_peek_tells_silence_bytes_and_the_end_apart() {
        let (stream, mut other) = crate::net::pair();
        let conn = Conn::accepted(stream).expect("open");
        assert!(conn.is_quiet());
        other.write_all(b"x").expect("sends");
        while conn.is_quiet() {}
        assert!(matches!(conn.peek(), Ok(Moved::Bytes(1))));
        let mut buffer = Buffer::default();
        let read = conn.read(&mut buffer, &mut BufferCache::default(), Blocking::Never);
        assert!(matches!(read, Ok(Moved::Bytes(1))) && conn.is_quiet());
        drop(other);
        while conn.is_quiet() {}
        assert!(matches!(conn.peek(), Ok(Moved::End)));
    }

    #[test]
    fn a_connection_is_broken_by_a_reset_and_has_ended_with_the_last_byte_of_the_other_side() {
        let (stream, other) = crate::net::pair();
        let conn = Conn::accepted(stream).expect("open");
        assert!(!conn.has_ended() && !conn.is_broken() && conn.take_error().is_none());
        other.shutdown(Shutdown::Write).expect("open");
        while !conn.has_ended() {}
        assert!(!conn.is_broken());
        sockopt::set_socket_linger(&other, Some(Duration::ZERO)).expect("open");
        drop(other);
        while !conn.is_broken() {}
        assert!(conn.take_error().is_some() && conn.take_error().is_none());
    }

    #[test]
    fn a_wait_ends_when_there_is_something_to_read_or_after_a_moment() {
        let (stream, mut other) = crate::net::pair();
        let conn = Conn::accepted(stream).expect("open");
        assert!(!conn.wait(Interest::Read).expect("open"));
        assert!(conn.wait(Interest::Write).expect("open"));
        other.write_all(b"x").expect("sends");
        while !conn.wait(Interest::Read).expect("open") {}
    }

    #[test]
    fn a_read_that_fills_its_room_may_have_left_something() {
        let (stream, mut other) = crate::net::pair();
        let conn = Conn::accepted(stream).expect("open");
        conn.set_options().expect("open");
        let (mut buffer, mut cache) = (Buffer::default(), BufferCache::default());
        other.write_all(b"x").expect("sends");
        while conn.is_quiet() {}
        let read = conn.read(&mut buffer, &mut cache, Blocking::Never);
        assert!(matches!(read, Ok(Moved::Bytes(1))) && conn.is_drained.get());
        buffer.tail_with_room(&mut cache);
        let room = buffer.tail(&mut cache).capacity() - buffer.len();
        other.write_all(&vec![b'x'; room]).expect("sends");
        let mut all = vec![0; room];
        while rustix::net::recv(&conn.stream, &mut all, RecvFlags::PEEK)
            .expect("open")
            .0
            < room
        {}
        let read = conn.read(&mut buffer, &mut cache, Blocking::Never);
        assert!(matches!(read, Ok(Moved::Bytes(count)) if count == room));
        assert!(!conn.is_drained.get());
    }
}
