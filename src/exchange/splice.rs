//! The way round our memory: of a large body that goes out as it comes in, the kernel passes
//! the bytes on from socket to socket, and nobody looks at them.
//!
//! Nothing of that outlasts one call. What the other side has no room for stands in its buffer
//! afterwards, as if it had been copied there to begin with; so all that follows, waiting,
//! deadlines, the end, is the same on both ways. Must not know which of the two directions it
//! serves.

use crate::exchange::shared::Turn;
use crate::http::body::Body;
use crate::http::error::Error;
use crate::net::conn::{Conn, Moved};
use crate::net::pipe::{Pipe, PipeSize};

/// What is left of a body must be so much to be worth the calls more: a read into one storage
/// takes as many bytes in one.
const MIN_BYPASS_BYTES: u64 = 32 * 1024;

/// What is taken at a time of what may well find no room on the other side, and so has to be held
/// by us. Half of it costs a fifth more processor time.
const SMALL_PIECE: usize = PipeSize::Usual.bytes();

/// What is taken at first, and at the most while others wait for the worker: some thirty
/// microseconds' work at loopback speed. With four times as much, other requests beside eight
/// uploads take twice as long, and the uploads cost no less.
const SHARED_PIECE: usize = 128 * 1024;

/// What is taken at the most.
const LARGE_PIECE: usize = PipeSize::Large.bytes();

/// For so many pieces there has to be memory left when one is taken: a block for it may be twice as
/// large, and others take theirs at the same time.
const PIECES_LEFT: usize = 4;

/// How much of one body is taken at a time. One call for much of it saves the other side a
/// wake-up for each small piece; but what it has no room for we hold, so it is about as much as
/// went on at once before.
#[derive(Debug)]
pub(super) struct Piece(usize);

impl Default for Piece {
    fn default() -> Self {
        Self(SHARED_PIECE)
    }
}

impl Piece {
    /// How much to take now.
    pub(super) fn size(&self, turn: &Turn<'_>) -> usize {
        let most = match turn.are_others_queued() {
            true => SHARED_PIECE,
            false => LARGE_PIECE,
        };
        self.within(most, turn.shared.memory_left())
    }

    /// So much at the most, and less where there is little room for what has to be held of it.
    fn within(&self, most: usize, room: usize) -> usize {
        self.0.min(most).min((room / PIECES_LEFT).max(SMALL_PIECE))
    }

    /// So much was `taken`, of which the other side had no room for `left`.
    pub(super) fn learn(&mut self, taken: usize, left: usize) {
        match left {
            0 if taken >= self.0 => self.0 = (4 * self.0).min(LARGE_PIECE),
            0 => {}
            _ => self.0 = (taken - left).clamp(SMALL_PIECE, self.0),
        }
    }
}

/// Where the bytes of a body come from, and how many of them are taken at a time.
pub(super) struct Source<'a> {
    conn: &'a Conn,
    most: usize,
    size: PipeSize,
}

impl<'a> Source<'a> {
    /// What comes in small pieces.
    pub(super) fn small(conn: &'a Conn) -> Self {
        Self {
            conn,
            most: SMALL_PIECE,
            size: PipeSize::Usual,
        }
    }

    /// What may come in large ones, `most` bytes now.
    pub(super) fn large(conn: &'a Conn, most: usize) -> Self {
        Self {
            conn,
            most,
            size: PipeSize::Large,
        }
    }
}

/// Passes on body bytes that come `from` one side, if it can be done this way; returns how that
/// went on that side, and `broken` if it is. `go_on` sees to what is in the pipe afterwards.
///
/// Never waits for bytes, even where that is allowed: a wait ends with the first few that come,
/// and while the session is parked more of them gather, which go on together.
pub(super) fn pass(
    body: &mut Body,
    from: &Source<'_>,
    broken: Error,
    turn: &mut Turn<'_>,
    go_on: impl FnOnce(&mut Pipe, &mut Turn<'_>) -> Result<(), Error>,
) -> Result<Option<Moved>, Error> {
    let unchanged = body.unchanged();
    if unchanged < MIN_BYPASS_BYTES {
        return Ok(None);
    }
    let Some(mut pipe) = turn.take_pipe(from.size) else {
        return Ok(None);
    };
    let most = usize::try_from(unchanged).unwrap_or(usize::MAX);
    let is_resumed = turn.is_resumed;
    let spliced = turn.splice_in(from.conn, &mut pipe, most.min(from.most));
    let Some(moved) = spliced.map_err(|_| broken)? else {
        return Ok(None);
    };
    if let Moved::Bytes(count) = moved {
        let is_body = body.relay_whole(count);
        debug_assert!(is_body, "more was taken than belongs to the body");
        go_on(&mut pipe, turn)?;
    }
    turn.put_pipe(pipe);
    // It stops before an urgent byte as before the end, which only a read tells apart.
    let is_in_doubt = moved == Moved::End || (moved == Moved::WouldWait && is_resumed);
    Ok(Some(moved).filter(|_| !is_in_doubt))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_grows_while_all_of_it_goes_on_and_shrinks_to_what_did() {
        let mut piece = Piece::default();
        let first = piece.0;
        piece.learn(first - 1, 0);
        assert_eq!(piece.0, first, "there was no more to be had");
        for _ in 0..9 {
            piece.learn(piece.0, 0);
        }
        assert_eq!(piece.0, LARGE_PIECE);
        piece.learn(LARGE_PIECE, 3 * LARGE_PIECE / 4);
        assert_eq!(piece.0, LARGE_PIECE / 4);
        piece.learn(1000, 900);
        assert_eq!(piece.0, SMALL_PIECE);
        piece.learn(1000, 999);
        assert_eq!(piece.0, SMALL_PIECE);
    }

    #[test]
    fn a_piece_is_as_small_as_can_be_where_memory_runs_out() {
        let piece = Piece(LARGE_PIECE);
        let within = |room| piece.within(LARGE_PIECE, room);
        assert_eq!(within(usize::MAX), LARGE_PIECE);
        assert_eq!(within(2 * LARGE_PIECE), LARGE_PIECE / 2);
        assert_eq!((within(100_000), within(0)), (SMALL_PIECE, SMALL_PIECE));
        assert_eq!(piece.within(SHARED_PIECE, usize::MAX), SHARED_PIECE);
    }
}
