//! Sockets. The only place that names `TcpStream`; above it there are [`conn::Conn`]s.
//!
//! Knows no HTTP and no backend. Linux-only behaviour is behind `cfg`, with a fallback.
//!
//! | file | duty |
//! |---|---|
//! | [`buffer`] | bytes on their way, and the storage that workers lend for them |
//! | [`conn`] | one connection: read, write, wait a moment, half-close |
//! | [`connect`] | a connection in the making, without blocking for it |
//! | [`dial`] | the same over several addresses, within one deadline |
//! | [`readiness`] | which of many parked connections can go on |
//! | `poller` | the kernel's list of them (epoll, or kqueue and its like) |
//! | [`pipe`] | bytes from socket to socket, past our memory |
//! | [`listener`] | the listening socket and its backlog |
//! | [`plain`] | blocking sockets, for the few connections of the admin listener |
//! | [`options`] | when the kernel asks whether a silent peer is there, and how much it holds for us |
//! | `unacknowledged` | how much of what was sent has not arrived |
//! | [`resolve`] | names to addresses |
//! | [`limits`] | how many descriptors the process may have, and what it has run out of |
//! | [`waker`] | a descriptor that wakes a thread out of `poll` |

pub mod block;
pub mod buffer;
pub mod conn;
pub mod connect;
pub mod dial;
pub mod limits;
pub mod listener;
pub mod options;
pub mod pipe;
pub mod plain;
mod poller;
pub mod readiness;
pub mod resolve;
#[cfg(test)]
pub(crate) mod testing;
mod unacknowledged;
pub mod waker;

pub use unacknowledged::queued;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fd::AsFd;
use std::io;
use std::time::Duration;

/// What a connection is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Bytes to read, or the other side's end.
    Read,
    /// Room to write.
    Write,
    /// Either.
    ReadWrite,
    /// Nothing but its breaking: a reset is always reported.
    Reset,
    /// The other side's end, with or without bytes before it. Not reported where
    /// [`REPORTS_END`] is false.
    End,
}

impl Interest {
    /// The interest in reading, in writing, in both, or none at all.
    #[must_use]
    pub fn of(reads: bool, writes: bool) -> Option<Self> {
        match (reads, writes) {
            (true, true) => Some(Interest::ReadWrite),
            (true, false) => Some(Interest::Read),
            (false, true) => Some(Interest::Write),
            (false, false) => None,
        }
    }

    /// Whether it has the other in it.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        (self.reads() || !other.reads())
            && (self.writes() || !other.writes())
            && (self.sees_end() || !other.sees_end())
    }

    /// Whether reading is part of it.
    #[must_use]
    pub fn reads(self) -> bool {
        matches!(self, Interest::Read | Interest::ReadWrite)
    }

    /// Whether the other side's end is reported although bytes are unread before it.
    #[must_use]
    pub fn sees_end(self) -> bool {
        self.reads() || self == Interest::End
    }

    /// Whether writing is part of it.
    #[must_use]
    pub fn writes(self) -> bool {
        matches!(self, Interest::Write | Interest::ReadWrite)
    }
}

/// Whether the system reports that a connection has come to its end on the other side, and not
/// only that there is something to read. Else one has to look.
pub const REPORTS_END: bool = cfg!(all(target_os = "linux", not(lb_portable)));

/// Waits until one of the descriptors has what it is waited for, and returns whether one has.
/// `None` waits without end.
pub fn wait_any<const N: usize>(
    sources: [(&dyn AsFd, Interest); N],
    timeout: Option<Duration>,
) -> io::Result<bool> {
    let mut polled = sources.map(|(source, interest)| poll_fd(source, interest));
    poll(&mut polled, timeout)
}

fn poll_fd(source: &dyn AsFd, interest: Interest) -> PollFd<'_> {
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::IN, interest.reads());
    flags.set(PollFlags::OUT, interest.writes());
    #[cfg(target_os = "linux")]
    flags.set(PollFlags::RDHUP, interest.sees_end());
    PollFd::from_borrowed_fd(source.as_fd(), flags)
}

/// `poll(2)`; an interruption by a signal counts as nothing ready.
fn poll(polled: &mut [PollFd<'_>], timeout: Option<Duration>) -> io::Result<bool> {
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    match rustix::event::poll(polled, timeout.as_ref()) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Like [`wait_any`] for a list: waits up to `timeout` for any of them.
pub fn wait_many<'a>(
    sources: impl Iterator<Item = (&'a dyn AsFd, Interest)>,
    timeout: Duration,
) -> io::Result<bool> {
    let mut polled: Vec<_> = sources
        .map(|(source, interest)| poll_fd(source, interest))
        .collect();
    poll(&mut polled, Some(timeout))
}

/// Both ends of a connection.
#[cfg(test)]
fn pair() -> (std::net::TcpStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let other = std::net::TcpStream::connect(address).expect("connects");
    (listener.accept().expect("it came").0, other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    const ALL: [Interest; 5] = [
        Interest::Read,
        Interest::Write,
        Interest::ReadWrite,
        Interest::Reset,
        Interest::End,
    ];

    #[test]
    fn an_interest_covers_itself_and_what_is_part_of_it() {
        let covered = |interest: Interest| ALL.map(|other| interest.covers(other));
        assert_eq!(covered(Interest::Read), [true, false, false, true, true]);
        assert_eq!(covered(Interest::Write), [false, true, false, true, false]);
        assert_eq!(covered(Interest::ReadWrite), [true; 5]);
        assert_eq!(covered(Interest::Reset), [false, false, false, true, false]);
        assert_eq!(covered(Interest::End), [false, false, false, true, true]);
    }

    #[test]
    fn the_end_is_seen_by_a_reader_and_by_one_that_waits_for_it() {
        let seen = ALL.map(Interest::sees_end);
        assert_eq!(seen, [true, false, true, false, true]);
    }

    #[test]
    fn a_wait_says_whether_anything_is_ready() {
        let ((first, _keeps), (second, mut other)) = (pair(), pair());
        let sources = || [&first, &second].map(|one| (one as &dyn AsFd, Interest::Read));
        let is_ready = |timeout| wait_many(sources().into_iter(), timeout).expect("it can wait");
        assert!(!is_ready(Duration::ZERO));
        assert!(!wait_any(sources(), Some(Duration::ZERO)).expect("it can wait"));
        other.write_all(b"x").expect("sends");
        assert!(is_ready(Duration::from_secs(20)));
        assert!(wait_any(sources(), None).expect("it can wait"));
    }
}
