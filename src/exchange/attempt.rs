//! One attempt at one backend: a kept connection, or a new one in the making.

use super::failure::Failure;
use super::trial::Trial;
use crate::backends::Backend;
use crate::backends::kept::Era;
use crate::client::pin::Pin;
use crate::error::{Blame, Cause, Error, Phase};
use crate::http::Refusal;
use crate::net::Interest;
use crate::net::conn::{Conn, Moved, Wait};
use crate::net::dial::{Dial, Progress};
use crate::net::limits::{Shortage, shortage};
use crate::turn::{Context, Turn, Waits};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A lease on a backend for one attempt, and the connection to it.
#[derive(Debug)]
pub struct Attempt {
    /// The backend.
    pub backend: Arc<Backend<Conn>>,
    /// Whether the connection has served a request before.
    pub is_reused: bool,
    /// Whether the connection belongs to the client.
    pub is_pinned: bool,
    era: Era,
    conn: Option<Conn>,
    /// The way to a connection; `None` once there is one. In a box: most attempts have one kept.
    connecting: Option<Box<Dial>>,
    /// The backend is ejected, and this tries whether it is well again; `None` when that is
    /// known.
    pub(super) trial: Option<Trial>,
    /// Whether it was a trial: then its answer has brought the backend back on probation, and
    /// does not end that.
    is_trial: bool,
}

/// How far connecting has come.
#[derive(Debug)]
pub enum Connected {
    /// The connection can be used.
    Yes,
    /// It must be waited for.
    Park(Waits),
}

impl Attempt {
    /// The right to use a backend for a request that was nowhere yet: by turn; or one that was
    /// ejected, if it is time to try it. `is_safe` says that the request could be repeated.
    pub fn first(is_safe: bool, turn: &Turn<'_>) -> Result<Self, Error> {
        let (context, now) = (turn.context, turn.now());
        let backends = &context.backends;
        if let Some(ejected) = backends.claim_trial(is_safe, now) {
            let mut attempt = Self::new(ejected, false, context, now);
            (attempt.trial, attempt.is_trial) = (Some(Trial::of(ejected)), true);
            return Ok(attempt);
        }
        let next = backends.next().ok_or(NONE_LIVE)?;
        Ok(Self::new(next, false, context, now))
    }

    /// The right to use another backend after these failures: one that was not tried.
    ///
    /// If there is none, a backend whose kept connection turned out dead gets one more chance
    /// with a new connection: the connection was at fault, not the backend.
    ///
    /// A client whose own connection died gets that chance first: its next handshake may have
    /// to go to the same backend as the last.
    pub fn next(failures: &[Failure], turn: &Turn<'_>) -> Result<Self, Error> {
        let backends = &turn.context.backends;
        let stale = || {
            let mut all = backends.all().iter();
            all.find(|one| one.is_live() && was_only_stale(one.index, failures))
        };
        let untried = || backends.next_after(|index| was_tried(index, failures));
        let next = match failures.last().is_some_and(|last| last.was_pinned) {
            true => stale().or_else(untried),
            false => untried().or_else(stale),
        };
        let next = next.ok_or(NONE_LIVE)?;
        // After two kept connections that were dead, a third might be too.
        let stale = failures.iter().filter(|failure| failure.was_reused);
        let needs_new = was_tried(next.index, failures) || stale.count() > 1;
        Ok(Self::new(next, needs_new, turn.context, turn.now()))
    }

    /// The same for a request that could also go on waiting: at one that was not tried and is
    /// free of suspicion; at a backup only if it may be one.
    pub(super) fn at_clear(
        may_be_backup: bool,
        failures: &[Failure],
        turn: &Turn<'_>,
    ) -> Option<Self> {
        let backends = &turn.context.backends;
        let next = backends.next_clear(may_be_backup, |index| was_tried(index, failures))?;
        Some(Self::new(next, false, turn.context, turn.now()))
    }

    /// The right to use the client's own connection, or else a new one to the same backend; `None`
    /// if neither is to be had.
    pub(super) fn pinned(pin: &mut Pin, turn: &Turn<'_>) -> Option<Self> {
        let conn = pin.take_conn();
        let (context, now) = (turn.context, turn.now());
        match conn {
            Some(conn) => Some(Self {
                is_pinned: true,
                ..Self::on(Some(conn), pin.backend(), context, now)
            }),
            None if pin.backend().is_live() => Some(Self::new(pin.backend(), false, context, now)),
            None => None,
        }
    }

    /// Leases `backend`, with one of its kept connections if there is a good one.
    ///
    /// `needs_new` takes none.
    fn new(backend: &Arc<Backend<Conn>>, needs_new: bool, context: &Context, now: Instant) -> Self {
        let limit = context.config.timeouts.backend_idle;
        let conn = match needs_new {
            true => None,
            false => good_kept(backend, limit, now),
        };
        Self::on(conn, backend, context, now)
    }

    /// Leases `backend` with this connection, or a new one.
    fn on(
        conn: Option<Conn>,
        backend: &Arc<Backend<Conn>>,
        context: &Context,
        now: Instant,
    ) -> Self {
        let era = backend.kept.era();
        let dial = || {
            let due = now + context.config.timeouts.connect;
            let options = context.config.sockets.backends;
            Box::new(Dial::new(backend.addresses.in_order(), options, due))
        };
        let connecting = conn.is_none().then(dial);
        Self {
            backend: Arc::clone(backend),
            is_reused: conn.is_some(),
            is_pinned: false,
            era,
            conn,
            connecting,
            trial: None,
            is_trial: false,
        }
    }

    /// Whether there is no connection yet.
    pub fn is_connecting(&self) -> bool {
        self.connecting.is_some()
    }

    /// The connection, once [`Self::connect`] has said yes.
    pub fn conn(&self) -> Option<&Conn> {
        self.conn.as_ref()
    }

    /// The connection, made or in the making, to be watched.
    pub fn conn_mut(&mut self) -> Option<&mut Conn> {
        match &mut self.connecting {
            Some(dial) => dial.conn_mut(),
            None => self.conn.as_mut(),
        }
    }

    /// Takes the connection out for good, with the backend whose it is.
    pub fn into_tunnel(self) -> Option<(Conn, Arc<Backend<Conn>>)> {
        Some((self.conn?, self.backend))
    }

    /// The head of an answer has come: a backend that was ejected is back.
    pub(super) fn pass_trial(&mut self, context: &Context) {
        if let Some(trial) = self.trial.take() {
            trial.pass(context);
        }
    }

    /// The answer is complete.
    pub(super) fn succeed(&mut self, context: &Context) {
        self.pass_trial(context);
        if !self.is_trial {
            self.backend.failures.reset();
        }
    }

    /// It has failed. Closes its connection, since descriptors may be what the next one lacks.
    pub(super) fn end(self, error: &Error, turn: &Turn<'_>) {
        if error.blame == Blame::Backend
            && let Some(trial) = self.trial
        {
            trial.fail(turn.now());
        }
    }

    /// Puts the connection to rest, for the next request.
    pub fn keep(self, context: &Context, now: Instant) {
        let Some(conn) = self.conn else {
            return;
        };
        self.backend.kept.put(conn, self.era, now);
        if self.backend.see_rest() {
            context.trouble.raise();
        }
    }

    /// Leaves the connection to the client, if it stays open; and the backend in any case.
    pub(super) fn pin(self, stays_open: bool, pin: &mut Option<Box<Pin>>) {
        let conn = self.conn.filter(|_| stays_open);
        let pinned = Pin::new(self.backend, conn, self.era);
        match pin {
            Some(pin) => **pin = pinned,
            None => *pin = Some(Box::new(pinned)),
        }
    }

    /// Goes on connecting, address after address, without holding the worker for it.
    pub fn connect(&mut self, turn: &Turn<'_>) -> Result<Connected, Error> {
        while let Some(mut dial) = self.connecting.take() {
            match dial.advance(turn.now()) {
                Err(error) => return Err(failed(&error, turn.context)),
                Ok(Progress::Connected) => {
                    let made = dial.finish();
                    made.iter()
                        .for_each(|(_, to)| self.backend.addresses.prefer(*to));
                    self.conn = made.map(|(conn, _)| conn);
                    self.listen_first()?;
                }
                Ok(Progress::Waiting) => {
                    let may_wait = turn.wait() == Wait::Moment;
                    let conn = dial.conn().filter(|_| may_wait);
                    let is_ready =
                        conn.is_some_and(|conn| conn.wait(Interest::Write).unwrap_or(true));
                    let dial = self.connecting.insert(dial);
                    if !is_ready {
                        return Ok(Connected::Park(waits(dial)));
                    }
                }
            }
        }
        Ok(Connected::Yes)
    }

    /// A backend that speaks or hangs up before it was asked anything gets no request: what it
    /// says cannot be the answer, and nothing is lost by asking another.
    fn listen_first(&self) -> Result<(), Error> {
        const SPOKE: Refusal = Refusal::bad("it spoke before it was asked");
        let cause = match self.conn.as_ref().map(Conn::peek) {
            None | Some(Ok(Moved::Nothing)) => return Ok(()),
            Some(Ok(Moved::Bytes(_))) => Cause::Message(SPOKE),
            Some(Ok(Moved::End)) => Cause::Closed,
            Some(Err(_)) => Cause::Reset,
        };
        Err(Error::backend(Phase::Connect, cause))
    }
}

/// Nobody is there.
const NONE_LIVE: Error = Error::proxy(Phase::Queue, Cause::NoneLive);

fn was_tried(index: usize, failures: &[Failure]) -> bool {
    failures.iter().any(|failure| failure.backend == index)
}

/// Whether it was tried, once, on a kept connection.
fn was_only_stale(index: usize, failures: &[Failure]) -> bool {
    let mut there = failures.iter().filter(|failure| failure.backend == index);
    there.next().is_some_and(|first| first.was_reused) && there.next().is_none()
}

/// What it means that no connection could be made. Descriptors that rest unused are given back
/// when none is left; a port would not come back for a minute.
fn failed(error: &io::Error, context: &Context) -> Error {
    let shortage = shortage(error);
    if shortage == Some(Shortage::Descriptors) {
        for backend in context.backends.all() {
            backend.kept.give_back();
        }
    }
    match shortage {
        Some(Shortage::Ports) => Error::proxy(Phase::Connect, Cause::NoPort),
        Some(Shortage::Descriptors | Shortage::Memory) => {
            Error::proxy(Phase::Connect, Cause::Exhausted)
        }
        None => Error::backend(Phase::Connect, Cause::of_connect(error)),
    }
}

fn waits(dial: &Dial) -> Waits {
    Waits {
        client: Some(Interest::Reset),
        backend: Some(Interest::Write),
        deadline: dial.address_due(),
    }
}

/// The kept connection that was used last, unless it has become old or something has happened
/// to it. It is looked at however short it rested: closed, it would cost a request that cannot
/// be sent twice; with bytes to read, those would be taken for the answer to the next request.
fn good_kept(backend: &Backend<Conn>, limit: Duration, now: Instant) -> Option<Conn> {
    while let Some((conn, since)) = backend.kept.take() {
        if now.saturating_duration_since(since) <= limit && conn.is_quiet() {
            return Some(conn);
        }
    }
    None
}
