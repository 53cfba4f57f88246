//! The door for I/O: every byte of a session goes through these calls.
//!
//! They lend buffers their storage, count bytes towards the turn, and are the one place where a
//! call can be observed. Nothing else touches the storage of buffers.

use super::Turn;
use crate::net::block::BlockCache;
use crate::net::buffer::{Buffer, BufferCache};
use crate::net::conn::{Blocking, Conn, Moved};
use crate::net::pipe::{Pipe, PipeSize, Pipes, is_impossible};
use std::io;
use std::sync::Arc;

/// What a worker lends to the sessions that it serves.
#[derive(Debug, Default)]
pub struct IoCache {
    pub(super) buffers: BufferCache,
    pub(super) pipes: Pipes,
}

impl IoCache {
    /// An empty cache, which shares `blocks` with all others.
    #[must_use]
    pub fn sharing(blocks: &Arc<BlockCache>) -> Self {
        Self {
            buffers: BufferCache::sharing(blocks),
            pipes: Pipes::default(),
        }
    }
}

impl<S, L> Turn<'_, S, L> {
    /// Appends what there is to read from `conn` to `buffer`.
    #[inline]
    pub fn read(
        &mut self,
        conn: &Conn,
        buffer: &mut Buffer,
        blocking: Blocking,
    ) -> io::Result<Moved> {
        let moved = conn.read(buffer, &mut self.cache.buffers, blocking);
        self.count_io(&moved);
        moved
    }

    /// Writes as much of `bytes`, which are not empty, as `conn` takes.
    #[inline]
    pub fn write(&mut self, conn: &Conn, bytes: &[u8], blocking: Blocking) -> io::Result<Moved> {
        let moved = conn.write(bytes, blocking);
        self.count_io(&moved);
        moved
    }

    /// Reads from `conn` what there is, and throws it away.
    pub fn discard(&mut self, conn: &Conn, blocking: Blocking) -> io::Result<Moved> {
        let moved = conn.discard(blocking);
        self.count_io(&moved);
        moved
    }

    /// An empty pipe; `None` where the kernel has none that leads from socket to socket.
    pub fn take_pipe(&mut self, size: PipeSize) -> Option<Pipe> {
        self.cache.pipes.take(size)
    }

    /// Takes a pipe back. One that still holds bytes is closed.
    pub fn put_pipe(&mut self, pipe: Pipe) {
        self.cache.pipes.put(pipe);
    }

    /// Moves at most `most` bytes that there are to read from `conn` into `pipe`; `None` if the
    /// kernel cannot do that. Never blocks.
    pub fn splice_in(
        &mut self,
        conn: &Conn,
        pipe: &mut Pipe,
        most: usize,
    ) -> io::Result<Option<Moved>> {
        let moved = pipe.fill(conn, most);
        if let Err(error) = &moved
            && is_impossible(error)
        {
            self.cache.pipes.are_useless = true;
            return Ok(None);
        }
        self.count_io(&moved);
        moved.map(Some)
    }

    /// Moves what is in `pipe` to `conn`, as far as it takes it; returns how many bytes that were.
    /// Never blocks.
    pub fn splice_out(&mut self, pipe: &mut Pipe, conn: &Conn) -> io::Result<usize> {
        let drained = pipe.drain(conn)?;
        self.count_moved(drained);
        Ok(drained)
    }

    /// Copies what is left in `pipe` to the end of `buffer`.
    pub fn pour(&mut self, pipe: &mut Pipe, buffer: &mut Buffer) -> io::Result<()> {
        pipe.pour(buffer, &mut self.cache.buffers)
    }

    /// The end of `buffer`, to append to.
    #[inline]
    pub fn tail<'b>(&mut self, buffer: &'b mut Buffer) -> &'b mut Vec<u8> {
        buffer.tail(&mut self.cache.buffers)
    }

    /// Gives the storage of `buffer` back if it is empty.
    pub fn release(&mut self, buffer: &mut Buffer) {
        buffer.release(&mut self.cache.buffers);
    }

    /// Empties `buffer` and gives its storage back.
    pub fn discard_buffer(&mut self, buffer: &mut Buffer) {
        buffer.clear();
        buffer.release(&mut self.cache.buffers);
    }

    /// Moves what is in `buffer` to memory of its size, for a session that is about to be parked.
    /// Fails if the system has no memory for that.
    pub fn shrink(&mut self, buffer: &mut Buffer) -> io::Result<()> {
        buffer.shrink(&mut self.cache.buffers)
    }

    #[inline]
    fn count_io(&mut self, moved: &io::Result<Moved>) {
        if let Ok(Moved::Bytes(count)) = moved {
            self.count_moved(*count);
        }
    }
}
