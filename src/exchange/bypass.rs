//! The way round our memory: of a large body that goes out as it comes in, the kernel passes
//! the bytes on from socket to socket, and nobody looks at them.
//!
//! Nothing of that outlasts one call. What the client has no room for stands in its buffer
//! afterwards, as if it had been copied there to begin with; so all that follows, waiting,
//! deadlines, the end, is the same on both ways.

use super::served::Served;
use crate::client::Client;
use crate::error::{Cause, Error, Phase};
use crate::http::body::Body;
use crate::net::conn::{Conn, Moved};
use crate::net::pipe::{SparePipe, is_impossible};
use crate::turn::Turn;

/// What is left of a body must be so much to be worth the calls more: a read into one storage
/// takes as many bytes in one.
const MIN_BYPASS_BYTES: u64 = 32 * 1024;

/// Passes on body bytes, if it can be done this way; says how that went on the backend's side.
/// Never waits for them, even where that is allowed: a wait ends with the first few bytes that
/// come, and while the session is parked more of them gather, which go on together.
pub(super) fn pass(
    body: &mut Body,
    exchange: &Served<'_>,
    client: &mut Client,
    backend: &Conn,
    turn: &mut Turn<'_>,
) -> Result<Option<Moved>, Error> {
    if body.unchanged() < MIN_BYPASS_BYTES || exchange.record.wants_body() {
        return Ok(None);
    }
    let Some(mut pipe) = turn.shelf.pipe.take() else {
        return Ok(None);
    };
    let moved = match pipe.fill(backend, body.unchanged()) {
        Ok(moved) => moved,
        Err(error) if is_impossible(&error) => {
            turn.shelf.pipe = SparePipe::Impossible;
            return Ok(None);
        }
        Err(_) => return Err(Error::backend(Phase::ResponseBody, Cause::Reset)),
    };
    if let Moved::Bytes(count) = moved {
        let is_body = body.relay_whole(count);
        debug_assert!(is_body, "more was taken than belongs to the body");
        turn.moved(count);
        client.flush_pipe(&mut pipe, turn)?;
    }
    turn.shelf.pipe.put(pipe);
    // It stops before an urgent byte as before the end, which only a read tells apart.
    let is_in_doubt = moved == Moved::End || (moved == Moved::Nothing && turn.is_resumed);
    Ok(Some(moved).filter(|_| !is_in_doubt))
}
