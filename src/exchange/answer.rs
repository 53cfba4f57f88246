//! The response on its way to the client: interim heads, the final head, the body.

mod heads;

use super::served::Served;
use super::splice::{self, Source};
use super::terms::Terms;
use super::wait_for::Peer;
use crate::engine::turn::TURN_BYTES;
use crate::exchange::client::Client;
use crate::exchange::shared::Turn;
use crate::http::Refusal;
use crate::http::body::Body;
use crate::http::chunked::CHUNK_OVERHEAD;
use crate::http::error::{Cause, Error, Phase};
use crate::http::interim_rate::InterimRate;
use crate::http::scan::HeadScan;
use crate::log::event::Event;
use crate::metrics::lanes::WorkerState;
use crate::net::buffer::{Buffer, STORAGE_BYTES};
use crate::net::conn::{Conn, Moved};
use std::io;

/// A response in transit.
#[derive(Debug, Default)]
pub struct Answer {
    /// Bytes from the backend that are not passed on yet.
    from_backend: Buffer,
    phase: AnswerPhase,
    interim: InterimRate,
    /// How often the backend has asked for more time (102).
    extensions: u32,
    /// Whether the backend has sent anything at all.
    pub is_begun: bool,
    /// Bytes that have come from the backend.
    pub received: u64,
    /// A head has announced content that it cannot have, so bytes may follow that belong to no
    /// response.
    is_doubtful: bool,
    /// Whether the client has got bytes of the final answer.
    pub is_forwarded: bool,
    /// What the final head settles.
    pub terms: Terms,
}

#[derive(Debug)]
enum AnswerPhase {
    Awaited(HeadScan),
    Relayed(Body),
    /// The head of a 101 is passed on; what follows is not HTTP.
    Switched,
}

impl Default for AnswerPhase {
    fn default() -> Self {
        AnswerPhase::Awaited(HeadScan::of_response())
    }
}

/// How far the response has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerProgress {
    /// The client has all of it.
    Complete,
    /// The two sides have switched to another protocol.
    Switched,
    /// The backend's next bytes are missing, or room at the client.
    WouldWait(Peer),
    /// It could go on; other sessions, or the upload, have a turn first.
    OtherFirst,
}

impl Answer {
    /// Whether the final head is still to come.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        matches!(self.phase, AnswerPhase::Awaited(_))
    }

    /// How often the backend has asked for more time.
    #[must_use]
    pub fn extensions(&self) -> u32 {
        self.extensions
    }

    /// Whether the backend sent nothing that does not belong to the response, and announced nothing
    /// of the kind.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.from_backend.is_empty() && !self.is_doubtful
    }

    /// Body bytes passed on.
    #[must_use]
    pub fn content(&self) -> u64 {
        match &self.phase {
            AnswerPhase::Relayed(body) => body.content,
            _ => 0,
        }
    }

    /// The bytes behind a 101.
    #[must_use]
    pub fn into_rest(self) -> Buffer {
        self.from_backend
    }

    /// Moves what can be moved from the backend to the client. Its calls may block when the request
    /// is sent, because then nothing else can happen meanwhile.
    // spine 27
    pub fn pump(
        &mut self,
        exchange: &mut Served<'_>,
        client: &mut Client,
        backend: &Conn,
        turn: &mut Turn<'_>,
    ) -> Result<AnswerProgress, Error> {
        let until = client.written + TURN_BYTES as u64;
        loop {
            if !client.outbound.is_empty() {
                self.report_last_bytes(exchange, turn);
                let held = client.outbound.len();
                let is_flushed = client.flush(exchange.may_block(turn), turn)?;
                self.is_forwarded |= !self.is_awaited() && client.outbound.len() < held;
                if !is_flushed {
                    return Ok(AnswerProgress::WouldWait(Peer::Client));
                }
                continue;
            }
            match &self.phase {
                AnswerPhase::Relayed(body) if body.is_complete() => {
                    return Ok(AnswerProgress::Complete);
                }
                AnswerPhase::Switched => return Ok(AnswerProgress::Switched),
                _ => {}
            }
            if self.digest(exchange, client, turn)? {
                if self.is_awaited() && turn.is_over() {
                    return Ok(AnswerProgress::OtherFirst);
                }
                continue;
            }
            // Other sessions are queued, or the upload can go on.
            if turn.is_over() || (!exchange.is_sent && client.written >= until) {
                return Ok(AnswerProgress::OtherFirst);
            }
            if !self.receive(exchange, client, backend, turn)? {
                return Ok(AnswerProgress::WouldWait(Peer::Backend));
            }
        }
    }

    /// Reports it if what is outbound is the end of the response.
    fn report_last_bytes(&self, exchange: &mut Served<'_>, turn: &Turn<'_>) {
        if let AnswerPhase::Relayed(body) = &self.phase
            && body.is_complete()
        {
            let event = Event::LastBytes {
                status: self.terms.status,
                bytes: body.content,
            };
            exchange.listeners.report(&event, turn);
        }
    }

    /// Turns bytes from the backend into bytes for the client; returns whether there was anything to
    /// do.
    fn digest(
        &mut self,
        exchange: &mut Served<'_>,
        client: &mut Client,
        turn: &mut Turn<'_>,
    ) -> Result<bool, Error> {
        let has_heads = self.digest_heads(exchange, client, turn)?;
        if self.from_backend.is_empty() {
            return Ok(has_heads);
        }
        match &mut self.phase {
            AnswerPhase::Awaited(_) => Ok(has_heads),
            AnswerPhase::Relayed(body) => {
                let event = Event::Body(self.from_backend.bytes());
                exchange.listeners.report(&event, turn);
                relay(body, &mut self.from_backend, &mut client.outbound, turn)
                    .map(|has_moved| has_moved || has_heads)
            }
            AnswerPhase::Switched => Ok(has_heads),
        }
    }

    /// Takes what there is from the backend; returns whether there was anything.
    // spine 28
    fn receive(
        &mut self,
        exchange: &Served<'_>,
        client: &mut Client,
        backend: &Conn,
        turn: &mut Turn<'_>,
    ) -> Result<bool, Error> {
        let passed = match &mut self.phase {
            // The story shows the beginning of the body, so it must not be spliced.
            AnswerPhase::Relayed(body) if !exchange.listeners.wants_body() => {
                let broken = Error::backend(Phase::ResponseBody, Cause::Reset);
                let from = Source::small(backend);
                splice::pass(body, &from, broken, turn, |pipe, turn| {
                    client.flush_pipe(pipe, turn)
                })?
            }
            _ => None,
        };
        let moved = match passed {
            Some(moved) => moved,
            None => self.read(exchange, backend, turn)?,
        };
        match moved {
            Moved::Bytes(count) => {
                self.received += count as u64;
                Ok(true)
            }
            Moved::WouldWait => Ok(false),
            Moved::End => self.end(client, turn).map(|()| true),
        }
    }

    fn read(
        &mut self,
        exchange: &Served<'_>,
        backend: &Conn,
        turn: &mut Turn<'_>,
    ) -> Result<Moved, Error> {
        turn.note(WorkerState::WaitingForBackend);
        let blocking = exchange.may_block(turn);
        if exchange.is_sent && !self.is_begun && turn.skips_reading(blocking) {
            return Ok(Moved::WouldWait);
        }
        let moved = turn
            .read(backend, &mut self.from_backend, blocking)
            .map_err(|_| self.failure(Cause::Reset))?;
        self.is_begun |= matches!(moved, Moved::Bytes(_));
        Ok(moved)
    }

    /// The backend has closed: the end of a body without a length, otherwise a failure.
    fn end(&mut self, client: &mut Client, turn: &mut Turn<'_>) -> Result<(), Error> {
        let ended = match &mut self.phase {
            AnswerPhase::Relayed(body) => body.close(turn.tail(&mut client.outbound)).is_ok(),
            _ => false,
        };
        if ended {
            Ok(())
        } else {
            Err(self.failure(Cause::Closed))
        }
    }

    fn failure(&self, cause: Cause) -> Error {
        let phase = if self.is_awaited() {
            Phase::ResponseHead
        } else {
            Phase::ResponseBody
        };
        Error::backend(phase, cause)
    }

    /// How much memory it will hold when it is parked.
    #[must_use]
    pub fn shrunk_bytes(&self) -> usize {
        self.from_backend.shrunk_bytes()
    }

    /// Gives back the storage that is not needed while nothing happens.
    pub fn shrink(&mut self, turn: &mut Turn<'_>) -> io::Result<()> {
        turn.shrink(&mut self.from_backend)
    }

    /// Gives back all storage.
    pub fn release(&mut self, turn: &mut Turn<'_>) {
        turn.discard_buffer(&mut self.from_backend);
    }
}

/// Passes body bytes on, as many as there is room for in the storage. Bytes that stay as they are are
/// handed over without a copy.
fn relay(
    body: &mut Body,
    from: &mut Buffer,
    to: &mut Buffer,
    turn: &mut Turn<'_>,
) -> Result<bool, Error> {
    if to.is_empty() && body.relay_whole(from.len()) {
        from.hand_over(to);
        return Ok(true);
    }
    let room = STORAGE_BYTES
        .saturating_sub(to.len() + CHUNK_OVERHEAD)
        .min(from.len());
    let consumed = body
        .relay(&from.bytes()[..room], turn.tail(to))
        .map_err(bad_body)?;
    from.consume(consumed);
    Ok(consumed > 0)
}

fn bad_body(refusal: Refusal) -> Error {
    Error::backend(Phase::ResponseBody, Cause::Message(refusal))
}

#[cfg(test)]
mod tests;
