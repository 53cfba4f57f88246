//! The end of an exchange that went well: what becomes of its two connections.

use super::attempt::Attempt;
use super::{Exchange, ExchangePhase, Flow};
use crate::exchange::client::Client;
use crate::exchange::listeners::RequestOutcome;
use crate::exchange::shared::Turn;
use crate::http::error::{Cause, Error, Phase};
use crate::net::conn::Conn;
use std::sync::Arc;

impl Exchange {
    /// The client has the response: decides what becomes of both connections.
    // spine 40
    pub(super) fn finish(&mut self, client: &mut Client, turn: &mut Turn<'_>) -> Flow {
        turn.renew_budget(turn.now());
        let terms = self.answer.terms;
        let is_reusable =
            terms.keeps_backend && self.upload.is_complete() && self.answer.is_clean();
        self.settle_failures(turn);
        let phase = std::mem::replace(&mut self.phase, ExchangePhase::Waiting);
        if let ExchangePhase::Transferring(mut attempt, conn) = phase {
            self.report_attempt_end(&attempt.backend, Ok(terms.status), turn);
            attempt.succeed(&self.group, turn.shared);
            self.keep_connection(attempt, conn, is_reusable, client, turn);
        }
        self.report_end(terms.status, None, client, turn);
        self.release(turn);
        match (terms.keeps_client, self.request.keeps_alive) {
            (true, _) => Flow::NextRequest,
            (false, false) if !self.upload.had_body() => Flow::CloseAsAsked,
            (false, _) => Flow::Linger,
        }
    }

    /// Keeps the backend's connection for the next request: of this client only, if it may be
    /// authenticated as this client, otherwise of any.
    fn keep_connection(
        &self,
        attempt: Attempt,
        conn: Conn,
        is_reusable: bool,
        client: &mut Client,
        turn: &Turn<'_>,
    ) {
        let terms = self.answer.terms;
        let is_clients = attempt.is_pinned
            || self.request.authenticates_connection
            || terms.authenticates_connection;
        match (is_clients, terms.keeps_client) {
            (true, true) => return attempt.pin(is_reusable.then_some(conn), &mut client.pin),
            (true, false) => {}
            (false, _) if is_reusable => attempt.keep(conn, turn.shared, turn.now()),
            (false, _) => {}
        }
        client.pin = None;
    }

    /// The backend has switched, but takes no more of the request, or the client sends no more of it: the
    /// next byte has no meaning any more.
    pub(super) fn cannot_switch(&self) -> Error {
        match self.upload.is_abandoned() {
            true => Error::client(Phase::RequestBody, Cause::Closed),
            false => Error::backend(Phase::RequestBody, Cause::Reset),
        }
    }

    /// The connections go on as a tunnel.
    pub(super) fn switch(&mut self, client: &Client, turn: &mut Turn<'_>) -> Flow {
        self.settle_failures(turn);
        let phase = std::mem::replace(&mut self.phase, ExchangePhase::Waiting);
        let ExchangePhase::Transferring(mut attempt, conn) = phase else {
            return Flow::Close;
        };
        self.report_attempt_end(&attempt.backend, Ok(101), turn);
        attempt.succeed(&self.group, turn.shared);
        self.report_end(101, None, client, turn);
        let rest = std::mem::take(&mut self.answer).into_rest();
        self.upload.release(turn);
        Flow::Tunnel(conn, attempt.backend, Arc::clone(&self.group), rest)
    }

    /// Tells that it is over.
    pub(super) fn report_end(
        &mut self,
        status: u16,
        error: Option<&Error>,
        client: &Client,
        turn: &mut Turn<'_>,
    ) {
        let outcome = RequestOutcome {
            status,
            bytes: self.answer.content(),
            written: client.written + client.outbound.len() as u64,
            error,
        };
        self.listeners.end(&outcome, Some(&self.group), turn);
    }
}
