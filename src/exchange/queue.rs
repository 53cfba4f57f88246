//! With `--max-in-flight`, a request waits in the queue of its group, parked, while every backend has as
//! many requests as it may. It leaves the queue when it is its turn, when its time is over, or with its
//! client.

use super::attempt::{FULL, retried};
use super::{Exchange, ExchangePhase, Flow};
use crate::backends::{Backend, Picked, QueueFull, Waiting, WaitsFor};
use crate::exchange::client::Client;
use crate::exchange::shared::Turn;
use crate::exchange::wait_for::WaitFor;
use crate::http::error::{Cause, Error, Phase};
use crate::log::event::Event;
use crate::net::Interest;
use crate::net::conn::Conn;
use crate::net::readiness::Readiness;
use std::sync::Arc;
use std::time::Instant;

/// The place of a request in the queue. In a box: few exchanges ever have one.
#[derive(Debug)]
pub(super) struct Queued {
    waiting: Waiting<Conn>,
    since: Instant,
    /// After this the client gets 503.
    until: Instant,
    /// It waits for the backend on which the client's authentication depends.
    is_for_pin: bool,
}

impl Exchange {
    /// Whether it waits in the queue of its group.
    #[must_use]
    pub fn is_queued(&self) -> bool {
        self.queued.is_some()
    }

    /// Until when it waits there.
    pub(super) fn queued_until(&self) -> Option<Instant> {
        self.queued.as_ref().map(|place| place.until)
    }

    /// The session is being parked under `key`: a lease that it gets makes it ready.
    pub fn watch_queue(&self, readiness: &Arc<Readiness>, key: usize) {
        if let Some(queued) = &self.queued {
            let readiness = Arc::clone(readiness);
            let wake = move || readiness.post(key);
            queued.waiting.on_grant(Box::new(wake));
        }
    }

    /// What it has got in the queue, if it stands there; `None` if it does not, or has to look for a
    /// backend as if it had not.
    pub(super) fn leave_queue(
        &mut self,
        client: &mut Client,
        turn: &Turn<'_>,
    ) -> Option<Result<ExchangePhase, Error>> {
        let got = match self.queued.as_ref()?.waiting.take() {
            Some(got) => got,
            None => return Some(Err(FULL)),
        };
        let is_for_pin = self.queued.as_ref().is_some_and(|place| place.is_for_pin);
        self.end_queueing(None, turn);
        let Picked::Lease(lease) = got else {
            return None;
        };
        let group = &self.group;
        Some(Ok(match client.pin.as_mut().filter(|_| is_for_pin) {
            Some(pin) => ExchangePhase::on_pin(lease, pin, group, turn),
            None => ExchangePhase::with_lease(lease, group, &self.failures, turn),
        }))
    }

    /// Enters the queue, for what it would have got if there had been room: if it waited for anything
    /// else, the queue could say that there is no such backend, and the choice that there is no room, for
    /// ever. Fails when the queue is full.
    pub(super) fn enter_queue(
        &mut self,
        client: &mut Client,
        turn: &Turn<'_>,
    ) -> Result<(), Error> {
        let pin = client.pin.as_mut().filter(|_| self.failures.is_empty());
        let pin = pin.and_then(|pin| pin.is_wanted().then_some(pin));
        let only = pin.as_ref().map(|pin| pin.backend());
        let waits_for = match only.or_else(|| retried(&self.group, &self.failures)) {
            Some(only) => WaitsFor::Only(Arc::clone(only)),
            None => WaitsFor::AnyBut(self.failed_backends()),
        };
        let behind = self.group.backends.waiting();
        let joined = self.group.backends.wait(self.key, waits_for);
        self.queued = Some(Box::new(Queued {
            waiting: joined.map_err(|QueueFull| FULL)?,
            since: turn.now(),
            until: turn.now() + self.group.settings.choice.queue_timeout,
            is_for_pin: pin.is_some(),
        }));
        self.listeners.report(&Event::Queued { behind }, turn);
        Ok(())
    }

    /// Goes on waiting in the queue. Fails when its time is over, or the client has left.
    pub(super) fn stay_in_queue(
        &mut self,
        client: &Client,
        turn: &Turn<'_>,
    ) -> Result<Flow, Error> {
        let until = self.queued.as_ref().map_or(turn.now(), |place| place.until);
        let waits = match turn.now() >= until {
            true => Err(Error::proxy(Phase::Queue, Cause::TimedOut)),
            false => {
                let wait_for = WaitFor::client(Interest::Reset, until);
                self.wait_unless_client_left(Phase::Queue, wait_for, client, turn)
            }
        };
        if let Err(error) = &waits {
            self.end_queueing(Some(error), turn);
        }
        waits
    }

    /// Leaves the queue, if it stands there.
    pub(super) fn end_queueing(&mut self, error: Option<&Error>, turn: &Turn<'_>) {
        if let Some(queued) = self.queued.take() {
            let waited = turn.now().saturating_duration_since(queued.since);
            let left = Event::LeftQueue { waited, error };
            self.listeners.report(&left, turn);
        }
    }

    /// Where it has failed, and is not to be tried again.
    fn failed_backends(&self) -> Vec<Arc<Backend<Conn>>> {
        let failures = self.failures.iter();
        failures
            .map(|failure| Arc::clone(&failure.backend))
            .collect()
    }
}
