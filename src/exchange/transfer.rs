//! Phase 3: request and response pass at the same time, through one connection to the backend.

use super::answer::AnswerProgress;
use super::client::Client;
use super::key::new_cookie;
use super::served::Served;
use super::shared::Turn;
use super::upload::UploadProgress;
use super::wait_for::Peer;
use super::{Exchange, ExchangePhase, Flow};
use crate::backends::health::Observation;
use crate::health::observations;
use crate::http::error::{Cause, Error, Phase};
use crate::http::field_rules::NO_RULES;
use crate::http::forward::ResponseEdits;
use crate::net::conn::Blocking;

/// What must change for a timeout to begin anew.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Bytes of the request that were sent.
    pub(super) sent: u64,
    /// Bytes of the final response that the client got. Interim responses are no progress.
    pub(super) written: u64,
    /// The whole request is sent; and how often the backend has asked for more time (102) since.
    pub(super) extensions: Option<u32>,
}

impl Exchange {
    /// Moves bytes both ways until the response is complete or nothing more can move now.
    // spine 24
    pub(super) fn transfer(
        &mut self,
        client: &mut Client,
        turn: &mut Turn<'_>,
    ) -> Result<Option<Flow>, Error> {
        loop {
            let Some((sending, answering)) = self.pump(client, turn)? else {
                return Ok(None);
            };
            match (sending, answering) {
                (_, AnswerProgress::Complete) => return Ok(Some(self.finish(client, turn))),
                (_, AnswerProgress::Switched) if self.upload.is_complete() => {
                    return Ok(Some(self.switch(client, turn)));
                }
                (UploadProgress::Ended, AnswerProgress::Switched) => {
                    return Err(self.cannot_switch());
                }
                _ if turn.is_over() => return Ok(Some(Flow::Yield)),
                (UploadProgress::OtherFirst, _) | (_, AnswerProgress::OtherFirst) => continue,
                (UploadProgress::Deferred, _) if self.stops_deferring(client, turn) => continue,
                _ => {}
            }
            let mut wait_for = self.wait_for(sending, answering, client, turn)?;
            if self.leave_if_lost(turn) {
                return Ok(None);
            }
            let look = self.next_look(turn).unwrap_or(wait_for.deadline);
            wait_for.deadline = wait_for.deadline.min(look);
            // With the request sent, the calls for the answer have blocked already.
            let may_block = !sending.is_at_rest() && turn.may_block() == Blocking::Briefly;
            if !may_block || !self.can_move(&wait_for, client) {
                let flow =
                    self.wait_unless_client_left(Phase::ResponseHead, wait_for, client, turn)?;
                return Ok(Some(flow));
            }
        }
    }

    /// One pass in each direction; `None` in another phase.
    // spine 25
    pub(super) fn pump(
        &mut self,
        client: &mut Client,
        turn: &mut Turn<'_>,
    ) -> Result<Option<(UploadProgress, AnswerProgress)>, Error> {
        let ExchangePhase::Transferring(attempt, backend) = &mut self.phase else {
            return Ok(None);
        };
        let is_deferred = self.expectation.is_deferred();
        let sent = self.upload.total_sent();
        let sending = self.upload.pump(
            &client.conn,
            &mut client.inbound,
            is_deferred,
            backend,
            turn,
        );
        let sending = match sending {
            // The answer is on its way already: the client gets it although it gave up sending.
            Err(error) if error.cause == Cause::Closed && !self.answer.is_awaited() => {
                self.upload.break_off(backend)
            }
            sending => sending?,
        };
        let rules = self.response_headers.as_deref().unwrap_or(&NO_RULES);
        let tag = attempt.backend.tag;
        let mut served = Served {
            edits: ResponseEdits {
                rules,
                request_id: self.request.id.as_ref(),
                cookie: new_cookie(&self.group.settings.choice, self.key, tag, &self.request),
            },
            settings: &self.group.settings,
            request: &self.request,
            expectation: &mut self.expectation,
            listeners: &mut self.listeners,
            is_sent: sending.is_at_rest(),
            is_received: self.upload.is_received(),
        };
        let (was_begun, received) = (self.answer.is_begun, self.answer.received);
        let answering = self.answer.pump(&mut served, client, backend, turn);
        let (sent, received_now) = (
            self.upload.total_sent() - sent,
            self.answer.received - received,
        );
        if received_now > 0 {
            let (backend, now) = (&attempt.backend, turn.now());
            let is_first_there = !attempt.is_reused;
            if was_begun {
                backend.heard.other(now);
            } else if backend.hear_response(is_first_there, now) {
                let news = Observation::Response;
                observations::observe_response(&turn.shared.health, &self.group, backend, news);
            }
            if !self.answer.is_awaited() {
                attempt.pass_trial(&self.group, turn.shared);
            }
        }
        if sent > 0 || received_now > 0 {
            let is_first = !was_begun && received_now > 0;
            let measure = self.listeners.measure();
            measure.count_bytes([sent, received_now], is_first, turn.now());
        }
        Ok(Some((sending, answering?)))
    }
}

impl UploadProgress {
    /// Whether it waits for this side.
    pub(super) fn waits_for(self, peer: Peer) -> bool {
        self == UploadProgress::WouldWait(peer)
    }
}

impl AnswerProgress {
    /// Whether it waits for this side.
    pub(super) fn waits_for(self, peer: Peer) -> bool {
        self == AnswerProgress::WouldWait(peer)
    }
}
