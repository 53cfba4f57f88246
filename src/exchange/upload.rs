//! The request on its way to the backend: the rewritten head, then the body as it comes.
//!
//! What was sent stays in the buffer as long as all of it fits, so that another attempt can begin
//! from the start. When the body outgrows the buffer this ends, and what follows is spliced from
//! socket to socket where the kernel can do that (`splice`).

use super::splice::{self, Piece, Source};
use super::wait_for::Peer;
use crate::engine::turn::TURN_BYTES;
use crate::exchange::shared::Turn;
use crate::http::Refusal;
use crate::http::body::Body;
use crate::http::chunked::CHUNK_OVERHEAD;
use crate::http::error::{Cause, Error, Phase};
use crate::metrics::lanes::WorkerState;
use crate::net::buffer::{Buffer, STORAGE_BYTES};
use crate::net::conn::{Blocking, Conn, Moved};
use std::io;

/// Bytes of the request line that a drain logs.
const MAX_LOGGED_BYTES: usize = 200;

/// A request on its way.
#[derive(Debug)]
pub struct Upload {
    /// Bytes for the backend.
    to_backend: Buffer,
    /// How many of them are sent.
    sent: usize,
    body: Body,
    max_body: Option<u64>,
    /// Whether `to_backend` still begins with the head.
    is_whole: bool,
    /// The backend takes no more. It may have answered all the same.
    is_broken: bool,
    /// The client stopped in the middle.
    is_abandoned: bool,
    /// Bytes sent in this attempt.
    total_sent: u64,
    /// How much is spliced at a time.
    piece: Piece,
}

/// How far the upload has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadProgress {
    /// Everything is sent, or nothing more can be sent.
    Ended,
    /// The client's next bytes are missing, or room at the backend.
    WouldWait(Peer),
    /// The body is held back until the backend has spoken.
    Deferred,
    /// It could go on; the answer has a turn first.
    OtherFirst,
}

impl UploadProgress {
    /// Whether nothing but the answer can move.
    #[must_use]
    pub fn is_at_rest(self) -> bool {
        matches!(self, UploadProgress::Ended | UploadProgress::Deferred)
    }
}

impl Upload {
    /// An upload of `head`, already written, and `body`.
    #[must_use]
    pub fn new(head: Buffer, body: Body, max_body: Option<u64>) -> Self {
        Self {
            to_backend: head,
            sent: 0,
            body,
            max_body,
            is_whole: true,
            is_broken: false,
            is_abandoned: false,
            total_sent: 0,
            piece: Piece::default(),
        }
    }

    /// Method and target, as long as the head is in the buffer. A long target is cut.
    #[must_use]
    pub fn request_line(&self) -> Option<&str> {
        let bytes = self.to_backend.bytes();
        let end = bytes.windows(9).position(|end| end == b" HTTP/1.1")?;
        // The rewritten head is ASCII up to here.
        let line = std::str::from_utf8(&bytes[..end.min(MAX_LOGGED_BYTES)]).ok()?;
        self.is_whole.then_some(line)
    }

    /// Whether the whole request was sent.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.body.is_complete() && !self.has_unsent()
    }

    /// Whether the client has sent all of its request.
    #[must_use]
    pub fn is_received(&self) -> bool {
        self.body.is_complete()
    }

    /// Whether the request had content.
    #[must_use]
    pub fn had_body(&self) -> bool {
        self.body.content > 0 || !self.body.is_complete()
    }

    /// Whether the client stopped in the middle of it.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.is_abandoned
    }

    /// Whether bytes wait for room at the backend.
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        self.sent < self.to_backend.len()
    }

    /// Whether another attempt could send everything that this one has sent.
    #[must_use]
    pub fn can_be_repeated(&self) -> bool {
        self.is_whole
    }

    /// Bytes sent in this attempt.
    #[must_use]
    pub fn total_sent(&self) -> u64 {
        self.total_sent
    }

    /// Prepares another attempt.
    pub fn rewind(&mut self) {
        debug_assert!(self.is_whole);
        (self.sent, self.total_sent, self.is_broken) = (0, 0, false);
    }

    /// The client sends no more: shuts down sending to the backend, which would wait for it.
    pub fn break_off(&mut self, backend: &Conn) -> UploadProgress {
        backend.end_sending();
        (self.is_broken, self.is_abandoned) = (true, true);
        UploadProgress::Ended
    }

    /// Moves what can be moved without blocking, from the client through `inbound` to the backend. Of
    /// a body that is held back, nothing moves.
    // spine 26
    pub fn pump(
        &mut self,
        client: &Conn,
        inbound: &mut Buffer,
        is_held: bool,
        backend: &Conn,
        turn: &mut Turn<'_>,
    ) -> Result<UploadProgress, Error> {
        let until = self.total_sent + TURN_BYTES as u64;
        loop {
            if !is_held {
                self.take_from(inbound, turn)?;
            }
            if self.is_broken || self.is_complete() {
                return Ok(UploadProgress::Ended);
            }
            // However fast the client sends, an early answer gets its turn.
            if self.total_sent >= until {
                return Ok(UploadProgress::OtherFirst);
            }
            if self.has_unsent() {
                if !self.send(backend, turn) {
                    return Ok(UploadProgress::WouldWait(Peer::Backend));
                }
            } else if is_held {
                return Ok(UploadProgress::Deferred);
            } else if !self.pass_or_receive(client, inbound, backend, turn)? {
                return Ok(UploadProgress::WouldWait(Peer::Client));
            }
        }
    }

    /// Moves body bytes from `inbound` to `to_backend`, as far as there is room.
    fn take_from(&mut self, inbound: &mut Buffer, turn: &mut Turn<'_>) -> Result<(), Error> {
        if inbound.is_empty() || self.body.is_complete() {
            return Ok(());
        }
        if self.to_backend.len() + inbound.len() + CHUNK_OVERHEAD > STORAGE_BYTES {
            if self.has_unsent() {
                return Ok(());
            }
            self.to_backend.clear();
            (self.sent, self.is_whole) = (0, false);
        }
        if self.to_backend.is_empty() && self.body.relay_whole(inbound.len()) {
            inbound.hand_over(&mut self.to_backend);
        } else {
            let tail = turn.tail(&mut self.to_backend);
            let consumed = self.body.relay(inbound.bytes(), tail);
            inbound.consume(consumed.map_err(bad_body)?);
        }
        if self.max_body.is_some_and(|max| self.body.announced() > max) {
            return Err(bad_body(TOO_LARGE));
        }
        Ok(())
    }

    /// Sends what is in the buffer; returns whether all of it was taken.
    fn send(&mut self, backend: &Conn, turn: &mut Turn<'_>) -> bool {
        turn.note(WorkerState::WritingBackend);
        let unsent = &self.to_backend.bytes()[self.sent..];
        match turn.write(backend, unsent, Blocking::Never) {
            Ok(Moved::Bytes(count)) => {
                self.sent += count;
                self.total_sent += count as u64;
                !self.has_unsent()
            }
            Ok(_) => false,
            Err(_) => {
                // An early answer may be there to be read; if not, reading gives the error.
                self.is_broken = true;
                true
            }
        }
    }

    /// Takes what there is from the client; returns whether there was anything.
    fn pass_or_receive(
        &mut self,
        client: &Conn,
        inbound: &mut Buffer,
        backend: &Conn,
        turn: &mut Turn<'_>,
    ) -> Result<bool, Error> {
        // What another attempt may need is copied.
        let passed = match self.is_whole {
            true => None,
            false => self.pass(client, backend, turn)?,
        };
        match passed {
            Some(moved) => Ok(moved != Moved::WouldWait),
            None => self.receive(client, inbound, turn),
        }
    }

    /// Splices what lies beyond the buffer, if the kernel can do that.
    fn pass(
        &mut self,
        client: &Conn,
        backend: &Conn,
        turn: &mut Turn<'_>,
    ) -> Result<Option<Moved>, Error> {
        let broken = Error::client(Phase::RequestBody, Cause::Reset);
        let from = Source::large(client, self.piece.size(turn));
        let (piece, to_backend) = (&mut self.piece, &mut self.to_backend);
        let (is_broken, total_sent) = (&mut self.is_broken, &mut self.total_sent);
        self.sent = 0;
        to_backend.clear();
        splice::pass(&mut self.body, &from, broken, turn, |pipe, turn| {
            let taken = pipe.len();
            let Ok(count) = turn.splice_out(pipe, backend) else {
                // As in `send`.
                *is_broken = true;
                return Ok(());
            };
            *total_sent += count as u64;
            piece.learn(taken, pipe.len());
            if !pipe.is_empty() {
                let lost = |_| Error::proxy(Phase::RequestBody, Cause::Reset);
                turn.pour(pipe, to_backend).map_err(lost)?;
            }
            Ok(())
        })
    }

    /// Reads from the client; returns whether there was anything.
    fn receive(
        &mut self,
        client: &Conn,
        inbound: &mut Buffer,
        turn: &mut Turn<'_>,
    ) -> Result<bool, Error> {
        turn.note(WorkerState::ReadingClient);
        match turn.read(client, inbound, Blocking::Never) {
            Ok(Moved::Bytes(_)) => Ok(true),
            Ok(Moved::WouldWait) => Ok(false),
            Ok(Moved::End) => Err(Error::client(Phase::RequestBody, Cause::Closed)),
            Err(_) => Err(Error::client(Phase::RequestBody, Cause::Reset)),
        }
    }

    /// How much memory it will hold when it is parked.
    #[must_use]
    pub fn shrunk_bytes(&self) -> usize {
        self.to_backend.shrunk_bytes()
    }

    /// Gives back the storage that is not needed while nothing happens.
    pub fn shrink(&mut self, turn: &mut Turn<'_>) -> io::Result<()> {
        turn.shrink(&mut self.to_backend)
    }

    /// Gives back all storage.
    pub fn release(&mut self, turn: &mut Turn<'_>) {
        turn.discard_buffer(&mut self.to_backend);
    }
}

/// The refusal of a body over `--max-body`.
pub const TOO_LARGE: Refusal = Refusal::with_status(413, "the request body is too large");

fn bad_body(refusal: Refusal) -> Error {
    Error::client(Phase::RequestBody, Cause::Message(refusal))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;
    use crate::exchange::testing::Fixture;

    const GET: &str = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
    const PUT: &str = "PUT /b HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n";

    #[test]
    fn only_the_answer_moves_once_the_request_is_sent_or_held_back() {
        assert!(UploadProgress::Ended.is_at_rest() && UploadProgress::Deferred.is_at_rest());
        assert!(!UploadProgress::WouldWait(Peer::Client).is_at_rest());
        assert!(!UploadProgress::OtherFirst.is_at_rest());
    }

    #[test]
    fn a_request_knows_its_line_and_whether_it_has_a_body() {
        let mut fixture = Fixture::new(1, Settings::default());
        let get = fixture.waiting(GET).exchange;
        assert_eq!(get.upload.request_line(), Some("GET /a"));
        assert!(!get.upload.had_body() && get.upload.is_received());
        let put = fixture.waiting(PUT).exchange;
        assert_eq!(put.upload.request_line(), Some("PUT /b"));
        assert!(put.upload.had_body() && !put.upload.is_received());
    }

    #[test]
    fn a_request_whose_body_was_sent_had_one() {
        let mut fixture = Fixture::new(1, Settings::default());
        let mut under_way = fixture.transferring(PUT);
        let sent = under_way.client_end.write(b"body", Blocking::Briefly);
        sent.expect("open");
        under_way.pump_until(&mut fixture, |exchange| exchange.upload.is_complete());
        let upload = &under_way.exchange.upload;
        assert!(upload.had_body() && upload.is_received() && !upload.is_abandoned());
    }

    #[test]
    fn a_long_request_line_is_cut() {
        let mut fixture = Fixture::new(1, Settings::default());
        let head = GET.replace("/a", &format!("/{}", "x".repeat(2 * MAX_LOGGED_BYTES)));
        let exchange = fixture.waiting(&head).exchange;
        let line = exchange.upload.request_line().expect("it is whole");
        assert_eq!(line.len(), MAX_LOGGED_BYTES);
    }
}
