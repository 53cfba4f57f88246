//! Bytes from socket to socket without a copy in our memory: on Linux the kernel moves pages through a
//! pipe (`splice(2)`); other systems have no such pipe.
//!
//! A pipe belongs to a worker, which lends it to a session for one turn. What the receiver has no room
//! for is copied from the pipe to a buffer at the end of the turn. So two pipes for each worker are
//! enough, and no pipe is lent while it holds bytes, which would go out on another connection: such a
//! pipe is closed. Must not know what the bytes mean, nor which session they belong to.

use super::buffer::{Buffer, BufferCache};
use super::conn::{Conn, Moved};
use kernel::{Ends, open, read, splice_in, splice_out};
use std::io;

/// How much room a pipe has.
///
/// The kernel counts pages: a pipe of the usual size holds 16 fragments of what came, and each
/// fragment is a page or part of one. Where a file is sent, these are the pages of the file. 16
/// whole ones go on in one call, which takes 16 at a time; 64 KiB cut out of a larger pipe begin
/// and end within a page, are 17 and go on in two calls and in small segments, which costs
/// a third more processor time. What a program writes comes in fragments of up to 32 KiB; with
/// a larger pipe half as many calls take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PipeSize {
    /// As large as the system makes one.
    Usual,
    /// Four times that, if the system allows it.
    Large,
}

impl PipeSize {
    /// The bytes of its pages.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Usual => 64 * 1024,
            Self::Large => 256 * 1024,
        }
    }
}

/// A pipe, and how much is in it.
#[derive(Debug)]
pub struct Pipe {
    ends: Ends,
    size: PipeSize,
    held: usize,
}

/// The pipes of one worker: one of each size at most, made when the first is needed.
#[derive(Debug, Default)]
pub struct Pipes {
    usual: Option<Pipe>,
    large: Option<Pipe>,
    /// This kernel has no such way between sockets.
    pub are_useless: bool,
}

impl Pipes {
    /// An empty pipe; `None` if there is none to be had, for example for want of descriptors.
    pub fn take(&mut self, size: PipeSize) -> Option<Pipe> {
        if self.are_useless {
            return None;
        }
        let spare = self.place(size).take();
        spare.or_else(|| {
            open(size).map(|ends| Pipe {
                ends,
                size,
                held: 0,
            })
        })
    }

    /// Takes a pipe back; one that has anything in it is dropped.
    pub fn put(&mut self, pipe: Pipe) {
        if pipe.is_empty() {
            let place = self.place(pipe.size);
            *place = Some(pipe);
        }
    }

    fn place(&mut self, size: PipeSize) -> &mut Option<Pipe> {
        match size {
            PipeSize::Usual => &mut self.usual,
            PipeSize::Large => &mut self.large,
        }
    }
}

impl Pipe {
    /// How many bytes are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.held
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Takes in at most `most` of what there is to read. Does not wait.
    pub fn fill(&mut self, from: &Conn, most: usize) -> io::Result<Moved> {
        // No flag of the call keeps it from waiting for the socket.
        from.set_blocking(false)?;
        let moved = splice_in(from, &self.ends, most)?;
        from.is_drained.set(moved == Moved::WouldWait);
        if let Moved::Bytes(count) = moved {
            self.held += count;
        }
        Ok(moved)
    }

    /// Passes on what is in it, as far as there is room; returns how much. Does not wait.
    pub fn drain(&mut self, to: &Conn) -> io::Result<usize> {
        to.set_blocking(false)?;
        let mut drained = 0;
        while !self.is_empty() {
            let Moved::Bytes(count) = splice_out(&self.ends, to, self.held)? else {
                break;
            };
            self.held -= count;
            drained += count;
        }
        Ok(drained)
    }

    /// Copies what is left in it to the end of `buffer`.
    pub fn pour(&mut self, buffer: &mut Buffer, cache: &mut BufferCache) -> io::Result<()> {
        let tail = buffer.tail_for(self.held, cache);
        while !self.is_empty() {
            match read(&self.ends, tail)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.held -= count,
            }
        }
        Ok(())
    }
}

/// Whether an error says that the kernel cannot do this at all, or is not allowed to.
#[must_use]
pub fn is_impossible(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let impossible = [Errno::INVAL, Errno::NOSYS, Errno::PERM];
    Errno::from_io_error(error).is_some_and(|errno| impossible.contains(&errno))
}

#[cfg(target_os = "linux")]
mod kernel {
    use super::PipeSize;
    use crate::net::conn::{Conn, Moved, would_wait_or};
    use rustix::buffer::spare_capacity;
    use rustix::fd::OwnedFd;
    use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
    use std::io;

    #[derive(Debug)]
    pub(super) struct Ends {
        reader: OwnedFd,
        pub(super) writer: OwnedFd,
    }

    pub(super) fn open(size: PipeSize) -> Option<Ends> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
        if size != PipeSize::Usual {
            // There is a bound on one (`pipe-max-size`) and on all of a user
            // (`pipe-user-pages-soft`). What does not fit into a smaller one stays in the socket.
            let _ = fcntl_setpipe_size(&writer, size.bytes());
        }
        Some(Ends { reader, writer })
    }

    pub(super) fn splice_in(from: &Conn, ends: &Ends, most: usize) -> io::Result<Moved> {
        match splice(from, None, &ends.writer, None, most, SpliceFlags::NONBLOCK) {
            Ok(0) => Ok(Moved::End),
            Ok(count) => Ok(Moved::Bytes(count)),
            Err(errno) => would_wait_or(errno),
        }
    }

    /// A client that has gone is an error; the signal that comes with it, which no flag of
    /// this call keeps away, is ignored by every Rust program.
    pub(super) fn splice_out(ends: &Ends, to: &Conn, most: usize) -> io::Result<Moved> {
        match splice(&ends.reader, None, to, None, most, SpliceFlags::NONBLOCK) {
            Ok(0) => Ok(Moved::WouldWait),
            Ok(count) => Ok(Moved::Bytes(count)),
            Err(errno) => would_wait_or(errno),
        }
    }

    pub(super) fn read(ends: &Ends, to: &mut Vec<u8>) -> io::Result<usize> {
        Ok(rustix::io::read(&ends.reader, spare_capacity(to))?)
    }
}

#[cfg(not(target_os = "linux"))]
mod kernel {
    use super::PipeSize;
    use crate::net::conn::{Conn, Moved};
    use std::io;

    /// There are none.
    #[derive(Debug)]
    pub(super) enum Ends {}

    pub(super) fn open(_: PipeSize) -> Option<Ends> {
        None
    }

    pub(super) fn splice_in(_: &Conn, ends: &Ends, _: usize) -> io::Result<Moved> {
        match *ends {}
    }

    pub(super) fn splice_out(ends: &Ends, _: &Conn, _: usize) -> io::Result<Moved> {
        match *ends {}
    }

    pub(super) fn read(ends: &Ends, _: &mut Vec<u8>) -> io::Result<usize> {
        match *ends {}
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use crate::net::conn::Blocking;
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    fn pair() -> (Conn, TcpStream) {
        let (stream, other) = crate::net::pair();
        let conn = Conn::accepted(stream).expect("open");
        conn.set_options().expect("open");
        (conn, other)
    }

    fn fill(pipe: &mut Pipe, from: &Conn, most: usize) -> Moved {
        loop {
            match pipe.fill(from, most).expect("open") {
                Moved::WouldWait => {}
                moved => return moved,
            }
        }
    }

    #[test]
    fn bytes_pass_in_their_order_and_no_more_than_asked_for() {
        let ((from, mut sender), (to, mut receiver)) = (pair(), pair());
        let (mut spare, mut cache) = (Pipes::default(), BufferCache::default());
        let mut pipe = spare.take(PipeSize::Large).expect("a pipe");
        assert_eq!(pipe.fill(&from, 4).expect("open"), Moved::WouldWait);
        sender.write_all(b"abcdefgh").expect("sends");
        assert_eq!(fill(&mut pipe, &from, 4), Moved::Bytes(4));
        assert_eq!((pipe.len(), pipe.is_empty()), (4, false));
        assert_eq!(pipe.drain(&to).expect("open"), 4);
        let mut got = [0; 4];
        receiver.read_exact(&mut got).expect("it was sent");
        assert_eq!(&got, b"abcd");
        assert_eq!(fill(&mut pipe, &from, 1), Moved::Bytes(1));
        let mut buffer = Buffer::default();
        pipe.pour(&mut buffer, &mut cache).expect("it is there");
        // The socket waits again where that is allowed.
        let rest = from.read(&mut buffer, &mut cache, Blocking::Briefly);
        assert_eq!(rest.expect("open"), Moved::Bytes(3));
        assert_eq!((buffer.bytes(), pipe.is_empty()), (&b"efgh"[..], true));
        drop(sender);
        assert_eq!(fill(&mut pipe, &from, 1), Moved::End);
    }

    #[test]
    fn a_pipe_with_bytes_in_it_is_not_kept() {
        let (from, mut sender) = pair();
        let mut pipes = Pipes::default();
        let pipe = pipes.take(PipeSize::Usual).expect("a pipe");
        pipes.put(pipe);
        assert!(pipes.usual.is_some() && pipes.large.is_none());
        let mut pipe = pipes.take(PipeSize::Usual).expect("the same");
        sender.write_all(b"secret").expect("sends");
        assert_eq!(fill(&mut pipe, &from, 3), Moved::Bytes(3));
        pipes.put(pipe);
        assert!(pipes.usual.is_none());
        pipes.are_useless = true;
        assert!(pipes.take(PipeSize::Usual).is_none());
    }

    #[test]
    fn pipes_have_the_size_that_was_asked_for() {
        let mut pipes = Pipes::default();
        for size in [PipeSize::Usual, PipeSize::Large] {
            let pipe = pipes.take(size).expect("a pipe");
            let has = rustix::pipe::fcntl_getpipe_size(&pipe.ends.writer);
            assert_eq!(has, Ok(size.bytes()));
            pipes.put(pipe);
        }
        assert!(pipes.usual.is_some() && pipes.large.is_some());
    }
}
