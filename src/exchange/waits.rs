//! What an exchange waits for when nothing moves, until when, and who is to blame if it never comes.
//!
//! The table, by the state of the upload and of the answer. While the answer has to be written to
//! the client first, nothing is read from the backend.
//!
//! | upload | answer | from the client | from the backend | timeout | blamed |
//! |---|---|---|---|---|---|
//! | any | waits for the client | room | as the upload | body | the client: response body |
//! | waits for the client | any other | bytes | bytes | body | the client: request body |
//! | waits for the backend | any other | | room, bytes | body | the backend: request body |
//! | held back | awaited | | bytes | body | the backend: response head |
//! | done | awaited | | bytes | response | the backend: response head |
//! | done, but the client gave up | any | | bytes | body | the client: request body |
//! | held back, done | begun | | bytes | body | the backend: response body |
//! | any | switched | as the upload | as the upload | body | as the upload |

use super::answer::AnswerProgress;
use super::attempt::Attempt;
use super::client::Client;
use super::shared::Turn;
use super::transfer::Progress;
use super::upload::UploadProgress;
use super::wait_for::{Peer, WaitFor};
use super::{Exchange, ExchangePhase, Flow};
use crate::health::observations;
use crate::http::error::{Cause, Error, Phase};
use crate::log::event::{Awaited, Event};
use crate::net::{Interest, REPORTS_END};
use std::time::{Duration, Instant};

/// An answer that takes longer is late: the backend is checked, idle connections that may be in its
/// way are closed, and the client is watched, so that its leaving is noticed.
const LATE: Duration = Duration::from_millis(250);

/// An answer that takes longer is not quick, and does not go first. With slow answers many requests are
/// open anyway, so nothing is gained if their answers go first. It also does harm: answers that come
/// together bring new requests together, and this repeats. With answers that take 100 ms it cost a
/// tenth of the throughput. With 20 ms instead of 50, less is gained at 4000 busy connections.
const QUICK: Duration = Duration::from_millis(50);

impl Exchange {
    /// Whether the request was sent a moment ago, and nothing of the answer has come.
    #[must_use]
    pub fn awaits_quick_answer(&self) -> bool {
        self.awaits_first_byte() && self.timer.waited(Instant::now()) < QUICK
    }

    /// Whether the whole request was sent, and nothing of the answer has come.
    pub(super) fn awaits_first_byte(&self) -> bool {
        self.upload.is_complete() && !self.answer.is_begun
    }

    /// Blocks briefly, on both sides at once; returns whether something can move.
    pub(super) fn can_move(&self, wait_for: &WaitFor, client: &Client) -> bool {
        self.conn()
            .is_some_and(|backend| wait_for.block_briefly(&client.conn, backend))
    }

    /// Whether the body need be held back no longer: the backend has asked for it, or been silent
    /// for so long that we ask in its place. A final answer means that it never will.
    pub(super) fn stops_deferring(&mut self, client: &mut Client, turn: &mut Turn<'_>) -> bool {
        let now = turn.now();
        match self.expectation.due(now) {
            None => true,
            Some(due) if now < due || !self.answer.is_awaited() => false,
            Some(_) => {
                let is_sending = !client.inbound.is_empty();
                let outbound = turn.tail(&mut client.outbound);
                self.expectation.ask_in_place(is_sending, outbound);
                true
            }
        }
    }

    /// The row of the table that holds now. Fails when its timeout has passed.
    // spine 32
    pub(super) fn wait_for(
        &mut self,
        sending: UploadProgress,
        answering: AnswerProgress,
        client: &Client,
        turn: &Turn<'_>,
    ) -> Result<WaitFor, Error> {
        let now = turn.now();
        let mut deadline = self.deadline(sending, client, now);
        if now >= deadline {
            return Err(self.timed_out(sending, answering));
        }
        if sending == UploadProgress::Deferred
            && self.answer.is_awaited()
            && let Some(due) = self.expectation.due(now)
        {
            deadline = deadline.min(due);
        }
        self.suspect_if_late(sending, answering, turn);
        let reads_client = sending.waits_for(Peer::Client);
        let writes_client = answering.waits_for(Peer::Client);
        let writes_backend = sending.waits_for(Peer::Backend);
        // Behind a 101 the backend's bytes wait for the end of the request.
        let reads_backend = !writes_client && answering != AnswerProgress::Switched;
        let backend = Interest::of(reads_backend, writes_backend);
        // The client is watched, so that its leaving is noticed. Watching costs system calls, and most
        // answers are quick, so it begins only when the answer is late.
        let (client, deadline) = match Interest::of(reads_client, writes_client) {
            Some(client) => (Some(client), deadline),
            None if turn.is_resumed => (Some(Interest::Reset), deadline),
            None => (None, deadline.min(now + LATE)),
        };
        Ok(WaitFor {
            client,
            backend,
            deadline,
        })
    }

    /// When the timeout of the present row passes, if there is no progress.
    fn deadline(&mut self, sending: UploadProgress, client: &Client, now: Instant) -> Instant {
        let is_awaited = self.answer.is_awaited();
        // Held back for good when the final head has come.
        let is_sent = match is_awaited {
            true => sending == UploadProgress::Ended,
            false => sending.is_at_rest(),
        };
        let timeouts = &self.group.settings.timeouts;
        let timeout = match is_awaited && is_sent {
            true => timeouts.response,
            false => timeouts.body,
        };
        let progress = Progress {
            sent: self.upload.total_sent(),
            written: if is_awaited { 0 } else { client.written },
            extensions: is_sent.then(|| self.answer.extensions()),
        };
        self.timer.deadline(progress, timeout, now)
    }

    /// A backend whose answer is late is worth a check, whatever it usually takes: it may be frozen.
    fn suspect_if_late(&self, sending: UploadProgress, answering: AnswerProgress, turn: &Turn<'_>) {
        let waits_for_it = sending.is_at_rest() || sending.waits_for(Peer::Backend);
        let is_late = turn.is_resumed && waits_for_it && self.answer.is_awaited();
        if is_late
            && answering.waits_for(Peer::Backend)
            && let Some(attempt) = self.attempt()
        {
            look_into(attempt, turn);
        }
    }

    /// The same while it is being connected to, which should be a matter of a moment.
    pub(super) fn suspect_if_late_connecting(
        &self,
        mut wait_for: WaitFor,
        turn: &Turn<'_>,
    ) -> WaitFor {
        match self.attempt() {
            Some(attempt) if turn.is_resumed => look_into(attempt, turn),
            _ => wait_for.deadline = wait_for.deadline.min(turn.now() + LATE),
        }
        wait_for
    }

    /// Returns what to wait for. If the session was parked for that already, the client may have left:
    /// then it returns an error instead. `phase` is what is under way while no answer has come.
    // spine 33
    pub(super) fn wait_unless_client_left(
        &mut self,
        phase: Phase,
        mut wait_for: WaitFor,
        client: &Client,
        turn: &Turn<'_>,
    ) -> Result<Flow, Error> {
        let aborts = self.ends_with_client();
        if turn.is_resumed {
            let gone = |cause| match self.answer.is_awaited() {
                true => Err(Error::client(phase, cause)),
                false => Err(Error::client(Phase::ResponseBody, cause)),
            };
            if client.conn.is_broken() {
                return gone(Cause::Reset);
            }
            if aborts && client.conn.has_ended() {
                return gone(Cause::Aborted);
            }
        }
        if aborts && wait_for.client == Some(Interest::Reset) {
            wait_for.client = Some(Interest::End);
            if !REPORTS_END {
                wait_for.deadline = wait_for.deadline.min(turn.now() + LATE);
            }
        }
        self.listeners.report(&Event::Parked(self.awaited()), turn);
        Ok(Flow::WouldWait(wait_for))
    }

    fn awaited(&self) -> Awaited {
        match &self.phase {
            ExchangePhase::Waiting if self.is_queued() => Awaited::Room,
            ExchangePhase::Waiting if self.short.is_some() => Awaited::Resources,
            ExchangePhase::Waiting => Awaited::Backend,
            ExchangePhase::Connecting(..) => Awaited::Connection,
            ExchangePhase::Transferring(..) if !self.answer.is_awaited() => Awaited::Body,
            ExchangePhase::Transferring(..) if self.upload.is_complete() => Awaited::Response,
            ExchangePhase::Transferring(..) => Awaited::Request,
        }
    }

    /// Whether the client has sent all of its request, gets none of its answer yet, and wants none
    /// if it closes its side now.
    fn ends_with_client(&self) -> bool {
        let is_asked_for = self.group.settings.abort_on_close;
        is_asked_for && self.answer.is_awaited() && self.upload.is_received()
    }

    /// Who is to blame when the timeout of the present row has passed.
    fn timed_out(&self, sending: UploadProgress, answering: AnswerProgress) -> Error {
        let cause = Cause::TimedOut;
        if answering.waits_for(Peer::Client) {
            return Error::client(Phase::ResponseBody, cause);
        }
        match sending {
            UploadProgress::WouldWait(Peer::Client) => Error::client(Phase::RequestBody, cause),
            UploadProgress::WouldWait(Peer::Backend) => Error::backend(Phase::RequestBody, cause),
            _ if self.upload.is_abandoned() => Error::client(Phase::RequestBody, Cause::Closed),
            _ if self.answer.is_awaited() => Error::backend(Phase::ResponseHead, cause),
            _ => Error::backend(Phase::ResponseBody, cause),
        }
    }
}

/// Has a backend checked that is late. Where nothing ever came on the connection, our idle ones may
/// be what is in its way.
fn look_into(attempt: &Attempt, turn: &Turn<'_>) {
    observations::ask_for_check(&turn.shared.health, &attempt.backend);
    if !attempt.is_reused && !turn.is_overdue {
        // The check that was asked for looks again.
        let _ = attempt.backend.release_idle(turn.now());
    }
}

#[cfg(test)]
mod tests;
