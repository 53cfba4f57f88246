//! A way for bytes from socket to socket that does not lead through our memory: on Linux the
//! kernel hands pages on through a pipe (`splice(2)`); elsewhere there is no such pipe.
//!
//! A pipe is a worker's, for a moment, and never leaves it with a session: what the other side
//! has no room for is poured out into a buffer. So there are no more pipes than workers, and none is
//! ever passed on with bytes in it, which would turn up on somebody else's connection: such a
//! one is dropped. Must not know what the bytes mean or whose they are.

use super::buffer::{Buffer, Shelf};
use super::conn::{Conn, Moved};
use kernel::{Ends, open, read, splice_in, splice_out};
use std::io;

/// The size that a pipe is to have, for the largest piece that anybody takes (see
/// `exchange::bypass`). Where the system allows less, a pipe has as much as it allows, and what
/// does not fit stays in the socket.
pub const PIPE_BYTES: usize = 1024 * 1024;

/// A pipe, and how much is in it.
#[derive(Debug)]
pub struct Pipe {
    ends: Ends,
    held: usize,
}

/// The pipe of one worker.
#[derive(Debug, Default)]
pub enum SparePipe {
    /// None was needed yet, or the last one was dropped.
    #[default]
    Missing,
    /// An empty one.
    Spare(Pipe),
    /// This kernel has no such way between sockets.
    Impossible,
}

impl SparePipe {
    /// An empty pipe; `None` if there is none to be had, for example for want of descriptors.
    pub fn take(&mut self) -> Option<Pipe> {
        match std::mem::take(self) {
            Self::Spare(pipe) => Some(pipe),
            Self::Missing => open().map(|ends| Pipe { ends, held: 0 }),
            Self::Impossible => {
                *self = Self::Impossible;
                None
            }
        }
    }

    /// Takes a pipe back; one that has anything in it is dropped.
    pub fn put(&mut self, pipe: Pipe) {
        if pipe.is_empty() {
            *self = Self::Spare(pipe);
        }
    }
}

impl Pipe {
    /// How many bytes are in it.
    #[must_use]
    pub fn held(&self) -> usize {
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
        from.is_drained.set(moved == Moved::Nothing);
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
    pub fn pour(&mut self, buffer: &mut Buffer, shelf: &mut Shelf) -> io::Result<()> {
        let tail = buffer.tail_for(self.held, shelf);
        while !self.is_empty() {
            match read(&self.ends, tail)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.held -= count,
            }
        }
        Ok(())
    }
}

/// Whether an error says that the kernel cannot do this at all, or is told not to.
#[must_use]
pub fn is_impossible(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let impossible = [Errno::INVAL, Errno::NOSYS, Errno::PERM];
    Errno::from_io_error(error).is_some_and(|errno| impossible.contains(&errno))
}

#[cfg(target_os = "linux")]
mod kernel {
    use crate::net::conn::{Conn, Moved, nothing_or};
    use rustix::buffer::spare_capacity;
    use rustix::fd::OwnedFd;
    use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
    use std::io;

    /// The size of a pipe of which no other is asked for.
    const USUAL_BYTES: usize = 64 * 1024;

    #[derive(Debug)]
    pub(super) struct Ends {
        reader: OwnedFd,
        writer: OwnedFd,
    }

    pub(super) fn open() -> Option<Ends> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
        // There is a bound on one (`pipe-max-size`) and on all of a user (`pipe-user-pages-soft`).
        let mut size = super::PIPE_BYTES;
        while size > USUAL_BYTES && fcntl_setpipe_size(&writer, size).is_err() {
            size /= 2;
        }
        Some(Ends { reader, writer })
    }

    pub(super) fn splice_in(from: &Conn, ends: &Ends, most: usize) -> io::Result<Moved> {
        match splice(from, None, &ends.writer, None, most, SpliceFlags::NONBLOCK) {
            Ok(0) => Ok(Moved::End),
            Ok(count) => Ok(Moved::Bytes(count)),
            Err(errno) => nothing_or(errno),
        }
    }

    /// A client that has gone is an error; the signal that comes with it, which no flag of
    /// this call keeps away, is ignored by every Rust program.
    pub(super) fn splice_out(ends: &Ends, to: &Conn, most: usize) -> io::Result<Moved> {
        match splice(&ends.reader, None, to, None, most, SpliceFlags::NONBLOCK) {
            Ok(0) => Ok(Moved::Nothing),
            Ok(count) => Ok(Moved::Bytes(count)),
            Err(errno) => nothing_or(errno),
        }
    }

    pub(super) fn read(ends: &Ends, to: &mut Vec<u8>) -> io::Result<usize> {
        Ok(rustix::io::read(&ends.reader, spare_capacity(to))?)
    }
}

#[cfg(not(target_os = "linux"))]
mod kernel {
    use crate::net::conn::{Conn, Moved};
    use std::io;

    /// There are none.
    #[derive(Debug)]
    pub(super) enum Ends {}

    pub(super) fn open() -> Option<Ends> {
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::net::conn::Wait;
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
                Moved::Nothing => {}
                moved => return moved,
            }
        }
    }

    #[test]
    fn bytes_pass_in_their_order_and_no_more_than_asked_for() {
        let ((from, mut sender), (to, mut receiver)) = (pair(), pair());
        let (mut spare, mut shelf) = (SparePipe::default(), Shelf::default());
        let mut pipe = spare.take().expect("a pipe");
        assert_eq!(pipe.fill(&from, 4).expect("open"), Moved::Nothing);
        sender.write_all(b"abcdefgh").expect("sends");
        assert_eq!(fill(&mut pipe, &from, 4), Moved::Bytes(4));
        assert_eq!(pipe.drain(&to).expect("open"), 4);
        let mut got = [0; 4];
        receiver.read_exact(&mut got).expect("it was sent");
        assert_eq!(&got, b"abcd");
        assert_eq!(fill(&mut pipe, &from, 1), Moved::Bytes(1));
        let mut buffer = Buffer::default();
        pipe.pour(&mut buffer, &mut shelf).expect("it is there");
        // The socket waits again where that is allowed.
        let rest = from.read(&mut buffer, &mut shelf, Wait::Moment);
        assert_eq!(rest.expect("open"), Moved::Bytes(3));
        assert_eq!((buffer.bytes(), pipe.is_empty()), (&b"efgh"[..], true));
        drop(sender);
        assert_eq!(fill(&mut pipe, &from, 1), Moved::End);
    }

    #[test]
    fn a_pipe_with_bytes_in_it_is_not_kept() {
        let (from, mut sender) = pair();
        let mut spare = SparePipe::default();
        let pipe = spare.take().expect("a pipe");
        spare.put(pipe);
        assert!(matches!(spare, SparePipe::Spare(_)));
        let mut pipe = spare.take().expect("the same");
        sender.write_all(b"secret").expect("sends");
        assert_eq!(fill(&mut pipe, &from, 3), Moved::Bytes(3));
        spare.put(pipe);
        assert!(matches!(spare, SparePipe::Missing));
        spare = SparePipe::Impossible;
        assert!(spare.take().is_none() && matches!(spare, SparePipe::Impossible));
    }
}
