//! What an exchange waits for, for how long, and whose fault it is when that never comes.

use super::attempt::Attempt;
use super::{Exchange, Flow, answer, upload};
use crate::client::Client;
use crate::error::{Cause, Error, Phase};
use crate::evidence;
use crate::net::{Interest, REPORTS_END};
use crate::turn::{Context, Turn, Waits};
use std::time::{Duration, Instant};

/// After so long an answer is late: the backend is checked, idle connections that may be in its
/// way are closed, and the client is watched, so that its leaving is noticed.
const LOOK_AFTER: Duration = Duration::from_millis(250);

/// An answer that takes longer is no quick one. Of those so many are in flight in any case that
/// nothing is won by passing them on before others; but all that come together then bring as
/// many requests together, which come back together, and so on: with answers that take 100 ms
/// it cost a tenth of the throughput. With 20 ms less is won at 4000 busy connections.
const QUICK: Duration = Duration::from_millis(50);

impl Exchange {
    /// Whether the request was sent a moment ago, and nothing of the answer has come.
    #[must_use]
    pub fn awaits_quick_answer(&self) -> bool {
        self.awaits_first_byte() && self.due.waited(Instant::now()) < QUICK
    }

    /// Whether the request was sent whole, and nothing of the answer has come.
    pub(super) fn awaits_first_byte(&self) -> bool {
        self.upload.is_complete() && !self.answer.is_begun
    }

    /// Waits for a moment, on both sides at once; returns whether something can move.
    pub(super) fn can_move(&self, waits: &Waits, client: &Client) -> bool {
        let backend = self.attempt.as_ref().and_then(Attempt::conn);
        backend.is_some_and(|backend| waits.moment(&client.conn, backend))
    }

    /// Whether the body need be held back no longer: the backend has asked for it, or been
    /// silent for so long that we ask in its place. A final answer means that it never will.
    pub(super) fn stops_holding(&mut self, client: &mut Client, turn: &mut Turn<'_>) -> bool {
        let now = turn.now();
        match self.expectation.due(now) {
            None => true,
            Some(due) if now < due || !self.answer.is_awaited() => false,
            Some(_) => {
                let is_sending = !client.inbound.is_empty();
                let outbound = client.outbound.tail(turn.shelf);
                self.expectation.ask_in_place(is_sending, outbound);
                true
            }
        }
    }

    /// What has to happen before anything can move, and until when it must.
    pub(super) fn waits(
        &mut self,
        sending: upload::Progress,
        answering: answer::Progress,
        client: &Client,
        turn: &Turn<'_>,
    ) -> Result<Waits, Error> {
        let timeouts = &turn.context.config.timeouts;
        // Held back for good when the final head has come.
        let is_sent = match self.answer.is_awaited() {
            true => sending == upload::Progress::Done,
            false => sending.is_at_rest(),
        };
        // What is written before the final head, interim heads, is no progress.
        let (written, timeout) = match (self.answer.is_awaited(), is_sent) {
            (true, true) => (0, timeouts.response),
            (true, false) => (0, timeouts.body),
            (false, _) => (client.written, timeouts.body),
        };
        // A backend that has all of the request has as much time again with every 102.
        let extensions = match is_sent {
            true => 1 + u64::from(self.answer.extensions()),
            false => 0,
        };
        let now = turn.now();
        let moved = self.upload.total_sent() + written + extensions;
        let deadline = self.due.after(moved, timeout, now);
        if now >= deadline {
            return Err(self.timed_out(sending, answering));
        }
        let is_held = sending == upload::Progress::Held && self.answer.is_awaited();
        let deadline = match self.expectation.due(now).filter(|_| is_held) {
            Some(due) => deadline.min(due),
            None => deadline,
        };
        self.wonder(sending, answering, turn);
        let reads_client = sending == upload::Progress::NeedsClient;
        let writes_client = answering == answer::Progress::NeedsClient;
        let writes_backend = sending == upload::Progress::NeedsBackend;
        // Behind a 101 the backend's bytes wait for the end of the request.
        let reads_backend = !writes_client && answering != answer::Progress::Switched;
        let backend = Interest::of(reads_backend, writes_backend);
        // A client that goes away is noticed although nothing is expected of it; but most
        // answers come sooner than that is worth its system calls.
        let (client, deadline) = match Interest::of(reads_client, writes_client) {
            Some(client) => (Some(client), deadline),
            None if turn.is_resumed => (Some(Interest::Reset), deadline),
            None => (None, deadline.min(now + LOOK_AFTER)),
        };
        Ok(Waits {
            client,
            backend,
            deadline,
        })
    }

    /// A backend that has let us wait for so long already, whatever it usually takes, is worth a
    /// look: it may be frozen.
    fn wonder(&self, sending: upload::Progress, answering: answer::Progress, turn: &Turn<'_>) {
        let waits_for_it = sending.is_at_rest() || sending == upload::Progress::NeedsBackend;
        let is_late = turn.is_resumed && waits_for_it && self.answer.is_awaited();
        if let (true, answer::Progress::NeedsBackend, Some(attempt)) =
            (is_late, answering, &self.attempt)
        {
            look_into(attempt, turn);
        }
    }

    /// The same while it is being connected to, which should be a matter of a moment.
    pub(super) fn wonder_while_connecting(&self, mut waits: Waits, turn: &Turn<'_>) -> Waits {
        match &self.attempt {
            Some(attempt) if turn.is_resumed => look_into(attempt, turn),
            _ => waits.deadline = waits.deadline.min(turn.now() + LOOK_AFTER),
        }
        waits
    }

    /// Parks; unless the session comes out of the lot without anything to move, and that is
    /// because the client has gone. `phase` is what waits while the answer does not come.
    pub(super) fn park(
        &self,
        phase: Phase,
        mut waits: Waits,
        client: &Client,
        turn: &Turn<'_>,
    ) -> Result<Flow, Error> {
        let aborts = self.ends_with_client(turn.context);
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
        if aborts && waits.client == Some(Interest::Reset) {
            waits.client = Some(Interest::End);
            if !REPORTS_END {
                waits.deadline = waits.deadline.min(turn.now() + LOOK_AFTER);
            }
        }
        Ok(Flow::Park(waits))
    }

    /// Whether the client has sent all of its request, gets none of its answer yet, and wants
    /// none if it closes its side now.
    fn ends_with_client(&self, context: &Context) -> bool {
        context.config.abort_on_close && self.answer.is_awaited() && self.upload.is_received()
    }

    /// Whose fault it is that nothing has moved for so long.
    fn timed_out(&self, sending: upload::Progress, answering: answer::Progress) -> Error {
        let cause = Cause::TimedOut;
        match (sending, answering) {
            (_, answer::Progress::NeedsClient) => Error::client(Phase::ResponseBody, cause),
            (upload::Progress::NeedsClient, _) => Error::client(Phase::RequestBody, cause),
            (upload::Progress::NeedsBackend, _) => Error::backend(Phase::RequestBody, cause),
            _ if self.upload.is_abandoned() => Error::client(Phase::RequestBody, Cause::Closed),
            _ if self.answer.is_awaited() => Error::backend(Phase::ResponseHead, cause),
            _ => Error::backend(Phase::ResponseBody, cause),
        }
    }
}

/// Has a backend checked that is late. Where nothing ever came on the connection, our idle ones
/// may be what is in the way of this.
fn look_into(attempt: &Attempt, turn: &Turn<'_>) {
    evidence::ask_for_check(turn.context, &attempt.backend);
    if !attempt.is_reused && !turn.is_overdue {
        // The check that was asked for looks again.
        let _ = attempt.backend.release_idle(turn.now());
    }
}
