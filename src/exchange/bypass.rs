//! The way round our memory: of a large body that goes out as it comes in, the kernel passes
//! the bytes on from socket to socket, and nobody looks at them.
//!
//! Nothing of that outlasts one call. What the other side has no room for stands in its buffer
//! afterwards, as if it had been copied there to begin with; so all that follows, waiting,
//! deadlines, the end, is the same on both ways.

use crate::http::body::Body;
use crate::net::buffer::Buffer;
use crate::net::conn::{Conn, Moved};
use crate::net::pipe::{Pipe, SparePipe, is_impossible};
use crate::turn::Turn;
use std::io;

/// What is left of a body must be so much to be worth the calls more: a read into one storage
/// takes as many bytes in one.
const MIN_BYPASS_BYTES: u64 = 32 * 1024;

/// How it went.
#[derive(Debug)]
pub(super) enum Passed {
    /// It cannot be done this way now.
    No,
    /// So much was there to be read, and of that so many bytes are written; the rest is in the
    /// buffer.
    On(Moved, usize),
    /// The side that sends is broken.
    NoSource,
    /// The side that receives is; what was read is lost.
    NoSink,
}

/// Passes on what has come of `body`; what `to` has no room for goes to `rest`, which must be
/// empty. Never waits, even where that is allowed: a wait ends with the first few bytes that
/// come, and while the session is parked more of them gather, which go on together.
pub(super) fn pass(
    body: &mut Body,
    from: &Conn,
    to: &Conn,
    rest: &mut Buffer,
    turn: &mut Turn<'_>,
) -> Passed {
    if body.unchanged() < MIN_BYPASS_BYTES {
        return Passed::No;
    }
    let Some(mut pipe) = turn.shelf.pipe.take() else {
        return Passed::No;
    };
    let moved = match pipe.fill(from, body.unchanged()) {
        Ok(moved) => moved,
        Err(error) if is_impossible(&error) => {
            turn.shelf.pipe = SparePipe::Impossible;
            return Passed::No;
        }
        Err(_) => return Passed::NoSource,
    };
    let mut written = 0;
    if let Moved::Bytes(count) = moved {
        let is_body = body.relay_whole(count);
        debug_assert!(is_body, "more was taken than belongs to the body");
        turn.moved(count);
        written = match empty(&mut pipe, to, rest, turn) {
            Ok(written) => written,
            // The pipe is dropped here, with what is in it.
            Err(_) => return Passed::NoSink,
        };
    }
    turn.shelf.pipe.put(pipe);
    Passed::On(moved, written)
}

/// Writes what is in the pipe, as far as there is room, and puts the rest aside.
fn empty(pipe: &mut Pipe, to: &Conn, rest: &mut Buffer, turn: &mut Turn<'_>) -> io::Result<usize> {
    let written = pipe.drain(to)?;
    turn.moved(written);
    if !pipe.is_empty() {
        pipe.pour(rest, turn.shelf)?;
    }
    Ok(written)
}
