//! Large bodies bypass our memory: the kernel passes their bytes on from socket to socket.
//!
//! Only bodies that go out exactly as they come in are spliced. Nothing of a splice outlasts one call:
//! bytes for which the other side has no room are moved to its buffer, as if they had been copied in
//! the first place. So waits, deadlines and the end are the same as without it. Must not know which
//! of the two directions it serves.

use crate::exchange::shared::Turn;
use crate::http::body::Body;
use crate::http::error::Error;
use crate::net::conn::{Conn, Moved};
use crate::net::pipe::{Pipe, PipeSize};

/// Less than this is not worth the additional calls: a single read takes as many bytes.
const MIN_SPLICE_BYTES: u64 = 32 * 1024;

/// Bytes taken at a time where the other side may well have no room, so that we have to hold them.
/// Half as many cost a fifth more processor time.
const SMALL_PIECE: usize = PipeSize::Usual.bytes();

/// Bytes taken at first, and at most while other sessions are queued: some thirty microseconds of work
/// at loopback speed. With four times as many, other requests beside eight uploads take twice as long,
/// and the uploads cost no less.
const SHARED_PIECE: usize = 128 * 1024;

/// The most bytes taken at a time.
const LARGE_PIECE: usize = PipeSize::Large.bytes();

/// A piece is taken only if there is memory left for this many: a block for it may be twice as large,
/// and other sessions take theirs at the same time.
const PIECES_LEFT: usize = 4;

/// How many bytes of one body are taken at a time. A large piece saves the other side a wake-up for
/// each small one. But we have to hold what it has no room for, so the size follows what it took at
/// once before.
#[derive(Debug)]
pub(super) struct Piece(usize);

impl Default for Piece {
    fn default() -> Self {
        Self(SHARED_PIECE)
    }
}

impl Piece {
    /// How many bytes to take now.
    pub(super) fn size(&self, turn: &Turn<'_>) -> usize {
        let most = match turn.are_others_queued() {
            true => SHARED_PIECE,
            false => LARGE_PIECE,
        };
        self.within(most, turn.shared.memory_left())
    }

    /// At most `most` bytes, and less where there is little `room` for what has to be held.
    fn within(&self, most: usize, room: usize) -> usize {
        self.0.min(most).min((room / PIECES_LEFT).max(SMALL_PIECE))
    }

    /// Notes that of `taken` bytes the other side had no room for `left`.
    pub(super) fn learn(&mut self, taken: usize, left: usize) {
        match left {
            0 if taken >= self.0 => self.0 = (4 * self.0).min(LARGE_PIECE),
            0 => {}
            _ => self.0 = (taken - left).clamp(SMALL_PIECE, self.0),
        }
    }
}

/// Where the bytes of a body come from, and how many are taken at a time.
pub(super) struct Source<'a> {
    conn: &'a Conn,
    most: usize,
    size: PipeSize,
}

impl<'a> Source<'a> {
    /// Small pieces of `conn`.
    pub(super) fn small(conn: &'a Conn) -> Self {
        Self {
            conn,
            most: SMALL_PIECE,
            size: PipeSize::Usual,
        }
    }

    /// Pieces of up to `most` bytes of `conn`.
    pub(super) fn large(conn: &'a Conn, most: usize) -> Self {
        Self {
            conn,
            most,
            size: PipeSize::Large,
        }
    }
}

/// Splices body bytes `from` one side; `None` if they cannot be spliced. Fails with `broken` if that
/// side is broken. `go_on` passes on what is in the pipe.
///
/// Never blocks, even where that is allowed: a blocking call returns with the first few bytes, while
/// a parked session lets more of them gather, which go on together.
pub(super) fn pass(
    body: &mut Body,
    from: &Source<'_>,
    broken: Error,
    turn: &mut Turn<'_>,
    go_on: impl FnOnce(&mut Pipe, &mut Turn<'_>) -> Result<(), Error>,
) -> Result<Option<Moved>, Error> {
    let unchanged = body.unchanged();
    if unchanged < MIN_SPLICE_BYTES {
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
    // It stops at an urgent byte as at the end; only a read can tell them apart.
    let is_in_doubt = moved == Moved::End || (moved == Moved::WouldWait && is_resumed);
    Ok(Some(moved).filter(|_| !is_in_doubt))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;
    use crate::exchange::testing::Fixture;

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
        let mut piece = Piece(LARGE_PIECE);
        piece.learn(LARGE_PIECE, LARGE_PIECE / 4);
        assert_eq!(piece.0, 3 * LARGE_PIECE / 4);
        piece.learn(1000, 900);
        assert_eq!(piece.0, SMALL_PIECE);
        piece.learn(1000, 999);
        assert_eq!(piece.0, SMALL_PIECE);
    }

    #[test]
    fn the_first_piece_leaves_others_their_turn() {
        let mut fixture = Fixture::new(1, Settings::default());
        assert_eq!(Piece::default().size(&fixture.turn()), SHARED_PIECE);
        assert_eq!(Piece(LARGE_PIECE).size(&fixture.turn()), LARGE_PIECE);
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
