//! The end of an exchange that went well: what becomes of the client's connection and of the
//! backend's.

use super::attempt::Attempt;
use super::{Exchange, Flow};
use crate::client::Client;
use crate::error::{Cause, Error, Phase};
use crate::turn::Turn;

impl Exchange {
    /// The response is with the client: decides what becomes of both connections.
    pub(super) fn finish(&mut self, client: &mut Client, turn: &mut Turn<'_>) -> Flow {
        turn.renew_patience(turn.now());
        let terms = self.answer.terms;
        let is_reusable =
            terms.keeps_backend && self.upload.is_complete() && self.answer.is_clean();
        self.settle_failures(turn);
        if let Some(mut attempt) = self.attempt.take() {
            attempt.succeed(turn.context);
            self.put_to_rest(attempt, is_reusable, client, turn);
        }
        self.record
            .end(terms.status, self.answer.content(), None, turn);
        self.release(turn);
        match (terms.keeps_client, self.request.keeps_alive) {
            (true, _) => Flow::NextRequest,
            (false, false) if !self.upload.had_body() => Flow::CloseAsAsked,
            (false, _) => Flow::Linger,
        }
    }

    /// Keeps the backend's connection for the next request: of this client only, if it is or may
    /// be authenticated as this client, else of any.
    fn put_to_rest(
        &self,
        attempt: Attempt,
        is_reusable: bool,
        client: &mut Client,
        turn: &Turn<'_>,
    ) {
        let terms = self.answer.terms;
        let is_clients = attempt.is_pinned
            || self.request.authenticates_connection
            || terms.authenticates_connection;
        match (is_clients, terms.keeps_client) {
            (true, true) => return attempt.pin(is_reusable, &mut client.pin),
            (true, false) => {}
            (false, _) if is_reusable => attempt.keep(turn.context, turn.now()),
            (false, _) => {}
        }
        client.pin = None;
    }

    /// The backend has switched, and takes no more of the request, or the client has sent no more
    /// of it: nobody knows any more what the next byte means.
    pub(super) fn cannot_switch(&self) -> Error {
        match self.upload.is_abandoned() {
            true => Error::client(Phase::RequestBody, Cause::Closed),
            false => Error::backend(Phase::RequestBody, Cause::Reset),
        }
    }

    /// The connections go on as a tunnel.
    pub(super) fn switch(&mut self, turn: &mut Turn<'_>) -> Flow {
        self.settle_failures(turn);
        let Some(mut attempt) = self.attempt.take() else {
            return Flow::Close;
        };
        attempt.succeed(turn.context);
        let rest = std::mem::take(&mut self.answer).into_rest();
        self.record.end(101, 0, None, turn);
        self.upload.release(turn.shelf);
        match attempt.into_tunnel() {
            Some((conn, backend)) => Flow::Tunnel(conn, backend, rest),
            None => Flow::Close,
        }
    }
}
