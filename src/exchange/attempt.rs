//! One attempt at one backend: which one is picked, and the connection to it.

mod pinned;
mod report;

use super::client::Client;
use super::failure::Failure;
use super::pin::Pin;
use super::shared::{Shared, Turn};
use super::trial::Trial;
use super::wait_for::WaitFor;
use super::{Exchange, ExchangePhase, Flow};
use crate::backends::idle::Generation;
use crate::backends::{Backend, Key, Lease, Picked, Wanted};
use crate::config::{Group, Settings};
use crate::http::Refusal;
use crate::http::error::{Blame, Cause, Error, Phase};
use crate::log::event::Event;
use crate::metrics::lanes::WorkerState;
use crate::net::Interest;
use crate::net::conn::{Blocking, Conn, Moved};
use crate::net::dial::{Dial, Dialed};
use crate::net::limits::{Shortage, shortage};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A backend that was picked for one attempt.
#[derive(Debug)]
pub struct Attempt {
    /// The backend, with the request counted as in flight there.
    pub backend: Lease<Conn>,
    /// Whether the connection has served a request before.
    pub is_reused: bool,
    /// Whether the connection belongs to the client.
    pub is_pinned: bool,
    generation: Generation,
    /// The backend is ejected, and this attempt finds out whether it is well again; `None` when
    /// that is known.
    pub(super) trial: Option<Trial>,
    /// Whether it was a trial: then its answer has brought the backend back on probation, and does
    /// not end that.
    is_trial: bool,
}

impl ExchangePhase {
    /// An attempt at `backend`: with one of its idle connections, unless `needs_new`, or with a new
    /// one.
    // spine 22
    fn attempt(backend: Lease<Conn>, needs_new: bool, settings: &Settings, now: Instant) -> Self {
        let limit = settings.timeouts.backend_idle;
        let conn = match needs_new {
            true => None,
            false => usable_idle(&backend, limit, now),
        };
        match conn {
            Some(conn) => Self::Transferring(Attempt::new(backend, true), conn),
            None => {
                let due = now + settings.timeouts.connect;
                let options = settings.sockets.of_backends();
                let dial = Dial::new(backend.addresses.in_order(), options, due);
                Self::Connecting(Attempt::new(backend, false), Box::new(dial))
            }
        }
    }

    /// For a request that was nowhere yet: at the backend whose turn it is; or at one that was
    /// ejected, if it is time to try it. `is_safe` says that the request could be repeated.
    // spine 18
    pub(super) fn first_attempt(
        group: &Group,
        key: Key,
        is_safe: bool,
        turn: &Turn<'_>,
    ) -> Result<Self, Error> {
        let (settings, now) = (&group.settings, turn.now());
        let backends = &group.backends;
        if let Some(ejected) = backends.claim_trial(is_safe, now) {
            let trial = Trial::of(ejected.backend());
            let mut phase = Self::attempt(ejected, false, settings, now);
            if let Self::Connecting(attempt, _) | Self::Transferring(attempt, _) = &mut phase {
                (attempt.trial, attempt.is_trial) = (Some(trial), true);
            }
            return Ok(phase);
        }
        let next = leased(backends.pick(key, Wanted::Next))?;
        Ok(Self::attempt(next, false, settings, now))
    }

    /// For a request that has failed: at a backend that was not tried.
    ///
    /// If there is none, a backend whose idle connection turned out to be dead gets one more chance
    /// with a new connection: the connection was at fault, not the backend. A client whose own
    /// connection died gets that chance first, because its next handshake may have to go to the
    /// same backend as the last.
    pub(super) fn another_attempt(
        group: &Group,
        key: Key,
        failures: &[Failure],
        turn: &Turn<'_>,
    ) -> Result<Self, Error> {
        let backends = &group.backends;
        let next = match retried(group, failures) {
            Some(again) => backends.lease(again).ok_or(FULL)?,
            None => {
                let tried = |one: &Backend<Conn>| was_tried(one, failures);
                leased(backends.pick(key, Wanted::Untried(&tried)))?
            }
        };
        Ok(Self::with_lease(next, group, failures, turn))
    }

    /// For a request that could also go on waiting: at a backend that was not tried and is free of
    /// suspicion; at a backup only if it may be one.
    pub(super) fn at_clear(
        group: &Group,
        key: Key,
        may_be_backup: bool,
        failures: &[Failure],
        turn: &Turn<'_>,
    ) -> Option<Self> {
        let tried = |one: &Backend<Conn>| was_tried(one, failures);
        let wanted = Wanted::Clear {
            tried: &tried,
            may_be_backup,
        };
        let next = group.backends.pick(key, wanted).lease()?;
        Some(Self::attempt(next, false, &group.settings, turn.now()))
    }

    /// With a lease that the request has waited for in the queue.
    pub(super) fn with_lease(
        lease: Lease<Conn>,
        group: &Group,
        failures: &[Failure],
        turn: &Turn<'_>,
    ) -> Self {
        // After two idle connections that were dead, a third might be dead too.
        let stale = failures.iter().filter(|failure| failure.was_reused);
        let needs_new = was_tried(&lease, failures) || stale.count() > 1;
        Self::attempt(lease, needs_new, &group.settings, turn.now())
    }
}

impl Attempt {
    /// How it is remembered once it has failed with `error`.
    pub(super) fn failure(&self, error: Error) -> Failure {
        Failure {
            backend: Arc::clone(self.backend.backend()),
            was_reused: self.is_reused,
            was_pinned: self.is_pinned,
            error,
            is_pending: false,
        }
    }

    pub(super) fn new(backend: Lease<Conn>, is_reused: bool) -> Self {
        Self {
            generation: backend.idle.generation(),
            backend,
            is_reused,
            is_pinned: false,
            trial: None,
            is_trial: false,
        }
    }

    /// The head of an answer has come: a backend that was ejected is back.
    pub(super) fn pass_trial(&mut self, group: &Group, shared: &Shared) {
        if let Some(trial) = self.trial.take() {
            trial.pass(group, shared);
        }
    }

    /// The answer is complete.
    pub(super) fn succeed(&mut self, group: &Group, shared: &Shared) {
        self.pass_trial(group, shared);
        if !self.is_trial {
            self.backend.failures.reset();
        }
    }

    /// The attempt has failed.
    pub(super) fn end(self, error: &Error, turn: &Turn<'_>) {
        if error.blame == Blame::Backend
            && let Some(trial) = self.trial
        {
            trial.fail(turn.now());
        }
    }

    /// Keeps the connection idle, for the next request.
    pub(super) fn keep(self, conn: Conn, shared: &Shared, now: Instant) {
        self.backend.idle.put(conn, self.generation, now);
        if self.backend.see_rest() {
            shared.health.wake();
        }
    }

    /// Leaves the connection, if there is one, and the backend to the client.
    pub(super) fn pin(self, conn: Option<Conn>, pin: &mut Option<Box<Pin>>) {
        let pinned = Pin::new(Arc::clone(self.backend.backend()), conn, self.generation);
        match pin {
            Some(pin) => **pin = pinned,
            None => *pin = Some(Box::new(pinned)),
        }
    }
}

impl Exchange {
    /// Phase 1: picks a backend, or waits for one.
    // spine 16
    pub(super) fn find_backend(
        &mut self,
        client: &mut Client,
        turn: &Turn<'_>,
    ) -> Result<Option<Flow>, Error> {
        turn.note(WorkerState::Choosing);
        if let Some(pause) = self.pause(client, turn) {
            return pause.map(Some);
        }
        let chosen = match self.leave_queue(client, turn) {
            Some(chosen) => chosen,
            None => self.choose_attempt(client, turn),
        };
        match chosen {
            Ok(phase) => {
                self.enter(phase, turn);
                Ok(None)
            }
            Err(FULL) if self.is_queued() => self.stay_in_queue(client, turn).map(Some),
            Err(FULL) => self.enter_queue(client, turn).map(|()| None),
            Err(error) => self.hold(error, client, turn).map(Some),
        }
    }

    /// Phase 2: goes on connecting, address after address.
    // spine 23
    pub(super) fn connect(
        &mut self,
        client: &mut Client,
        turn: &Turn<'_>,
    ) -> Result<Option<Flow>, Error> {
        turn.note(WorkerState::Connecting);
        let ExchangePhase::Connecting(attempt, dial) = &mut self.phase else {
            return Ok(None);
        };
        loop {
            let advanced = dial.advance(turn.now());
            match advanced.map_err(|error| cannot_connect(&error, turn.shared))? {
                Dialed::Connected(conn, address) => {
                    attempt.backend.addresses.prefer(address);
                    return self.begin_transfer(conn, turn).map(|()| None);
                }
                Dialed::WouldWait => {
                    let may_block = turn.may_block() == Blocking::Briefly;
                    let conn = dial.conn().filter(|_| may_block);
                    if !conn.is_some_and(|conn| conn.wait(Interest::Write).unwrap_or(true)) {
                        break;
                    }
                }
            }
        }
        let wait_for = WaitFor {
            client: Some(Interest::Reset),
            backend: Some(Interest::Write),
            deadline: dial.address_due(),
        };
        if self.leave_while_connecting(turn) {
            return Ok(None);
        }
        let wait_for = self.suspect_if_late_connecting(wait_for, turn);
        self.wait_unless_client_left(Phase::Connect, wait_for, client, turn)
            .map(Some)
    }

    /// The connection is made: it is used, unless the backend has spoken on it already.
    fn begin_transfer(&mut self, conn: Conn, turn: &Turn<'_>) -> Result<(), Error> {
        listen_first(&conn)?;
        let phase = std::mem::replace(&mut self.phase, ExchangePhase::Waiting);
        if let ExchangePhase::Connecting(attempt, _) = phase {
            self.listeners
                .report(&Event::Connected(&attempt.backend), turn);
            self.phase = ExchangePhase::Transferring(attempt, conn);
        }
        Ok(())
    }
}

/// What was picked, or why nothing could be.
fn leased(picked: Picked<Conn>) -> Result<Lease<Conn>, Error> {
    match picked {
        Picked::Lease(lease) => Ok(lease),
        Picked::Full => Err(FULL),
        Picked::NoneLive => Err(NONE_LIVE),
    }
}

/// Every backend that fits has as many requests as it may.
pub(super) const FULL: Error = Error::proxy(Phase::Queue, Cause::Full);

const NONE_LIVE: Error = Error::proxy(Phase::Queue, Cause::NoneLive);

/// A backend that speaks or hangs up before it was asked anything gets no request: what it says
/// cannot be the answer, and nothing is lost by asking another.
fn listen_first(conn: &Conn) -> Result<(), Error> {
    const SPOKE: Refusal = Refusal::bad("it spoke before it was asked");
    let cause = match conn.peek() {
        Ok(Moved::WouldWait) => return Ok(()),
        Ok(Moved::Bytes(_)) => Cause::Message(SPOKE),
        Ok(Moved::End) => Cause::Closed,
        Err(_) => Cause::Reset,
    };
    Err(Error::backend(Phase::Connect, cause))
}

/// The backend that gets one more chance, if it is time for that: see
/// [`ExchangePhase::another_attempt`].
pub(super) fn retried<'f>(
    group: &Group,
    failures: &'f [Failure],
) -> Option<&'f Arc<Backend<Conn>>> {
    let mut backends = failures.iter().map(|failure| &failure.backend);
    let stale = backends.find(|one| one.is_live() && was_only_stale(one, failures))?;
    let is_first = failures.last().is_some_and(|last| last.was_pinned);
    let has_untried = || group.backends.has_untried(|one| was_tried(one, failures));
    (is_first || !has_untried()).then_some(stale)
}

fn was_tried(backend: &Backend<Conn>, failures: &[Failure]) -> bool {
    failures.iter().any(|failure| failure.is_of(backend))
}

/// Whether it was tried once, on an idle connection.
fn was_only_stale(backend: &Backend<Conn>, failures: &[Failure]) -> bool {
    let mut there = failures.iter().filter(|failure| failure.is_of(backend));
    there.next().is_some_and(|first| first.was_reused) && there.next().is_none()
}

/// What it means that no connection could be made. When no descriptor is left, idle connections are
/// closed; a port would not come back for a minute.
fn cannot_connect(error: &io::Error, shared: &Shared) -> Error {
    let shortage = shortage(error);
    if shortage == Some(Shortage::Descriptors) {
        shared.close_idle_backend_connections();
    }
    match shortage {
        Some(Shortage::Ports) => Error::proxy(Phase::Connect, Cause::NoPort),
        Some(Shortage::Descriptors | Shortage::Memory) => {
            Error::proxy(Phase::Connect, Cause::Exhausted)
        }
        None => Error::backend(Phase::Connect, Cause::of_connect(error)),
    }
}

/// The idle connection that was used last, unless it is too old or something has happened to it. Each
/// connection is tested before use. If the backend has closed it, a request that cannot be repeated
/// would be lost. If it has unread bytes, they would be taken for the next answer.
fn usable_idle(backend: &Backend<Conn>, limit: Duration, now: Instant) -> Option<Conn> {
    while let Some((conn, since)) = backend.idle.take() {
        if now.saturating_duration_since(since) > limit {
            continue;
        }
        if conn.is_quiet() {
            return Some(conn);
        }
        if let Some(metrics) = &backend.metrics {
            metrics.stale.count();
        }
    }
    None
}

#[cfg(test)]
mod tests;
