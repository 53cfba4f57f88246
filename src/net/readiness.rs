//! Which of many parked connections can go on.
//!
//! A connection is registered once, when it is first parked, and stays armed in the kernel. What is
//! asked of it, and under which key, is kept here, so parking it again costs no system call. The
//! kernel reports each change once (edge-triggered), so a session that is still queued is not reported
//! again when a worker polls.
//!
//! The difficulty: a report that is not acted on is never repeated. To arm a connection makes the
//! kernel look at it again. So when it is next asked for, it is armed anew
//! - if it reported something that was not asked for, because it was being served or idle (it is
//!   disarmed meanwhile, or each further byte would wake the leader);
//! - if its session had already left when the report came ([`Readiness::miss`]);
//! - if it was reported, and not read to the end since;
//! - if it may hide more than a read shows (`Report::hides_more`);
//! - if room to write is asked for, which is rare.

use super::Interest;
use super::poller::{Events, Poller, Report};
use std::io;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The kernel's list of registered connections, and what is asked of each.
#[derive(Debug)]
pub struct Readiness {
    poller: Poller,
    watched: Mutex<Watched>,
    /// Keys that this process reports itself, until the next wait.
    posted: Mutex<Vec<usize>>,
}

/// The registered connections, by token.
#[derive(Debug, Default)]
struct Watched {
    slots: Vec<Slot>,
    free: Vec<usize>,
}

#[derive(Debug, Default)]
struct Slot {
    /// `None` while the slot is free.
    stream: Option<Arc<TcpStream>>,
    /// What the kernel reports of it; `None` is nothing at all.
    armed: Option<Interest>,
    /// Something may be there that the kernel will not report unless it is armed anew.
    is_stale: bool,
    asked: Option<(usize, Interest)>,
    /// It was reported since it was last asked for.
    is_reported: bool,
}

/// The place of a connection among the registered ones; dropping it takes the connection out.
#[derive(Debug)]
pub(super) struct Registration {
    readiness: Arc<Readiness>,
    token: usize,
}

/// A connection that has what it is waited for, or something else that was waited for under its key.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    /// Under which it was watched.
    pub key: usize,
    /// `None` if no connection was reported, but what was posted.
    token: Option<usize>,
}

/// Room for what one wait reports.
#[derive(Debug)]
pub struct Reports {
    events: Events,
    ready: Vec<Ready>,
}

impl Reports {
    /// Room for a thousand events.
    #[must_use]
    pub fn new() -> Self {
        Self {
            events: Events::new(),
            ready: Vec::new(),
        }
    }

    /// The ready connections.
    pub fn ready(&self) -> impl Iterator<Item = Ready> + '_ {
        self.ready.iter().copied()
    }
}

impl Default for Reports {
    fn default() -> Self {
        Self::new()
    }
}

impl Readiness {
    /// A new, empty list. Fails when no descriptor is left.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            poller: Poller::new()?,
            watched: Mutex::default(),
            posted: Mutex::default(),
        })
    }

    /// Waits until a watched connection is ready, `timeout` has passed (`None`: never) or
    /// [`Self::interrupt`] is called.
    pub fn wait(&self, reports: &mut Reports, timeout: Option<Duration>) -> io::Result<()> {
        let Reports { events, ready } = reports;
        ready.clear();
        self.poller.wait(events, timeout)?;
        let mut watched = self.watched();
        let reports = events.reports();
        ready.extend(reports.filter_map(|report| watched.take(report, &self.poller)));
        drop(watched);
        let posted = std::mem::take(&mut *self.posted());
        ready.extend(posted.into_iter().map(|key| Ready { key, token: None }));
        Ok(())
    }

    /// Reports what waits under `key` as ready, for a reason that the kernel does not know: a backend
    /// has room for a request that waits for it.
    pub fn post(&self, key: usize) {
        self.posted().push(key);
        self.interrupt();
    }

    fn posted(&self) -> MutexGuard<'_, Vec<usize>> {
        // No code that could panic runs under the lock.
        self.posted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the current or next [`Self::wait`] at once.
    pub fn interrupt(&self) {
        // It can fail only when the descriptor is gone, and then no thread waits.
        let _ = self.poller.notify();
    }

    /// Takes back a report that came after its session had left: by now the connection may belong to
    /// another session, which waits for the same.
    pub fn miss(&self, ready: Ready) {
        let mut watched = self.watched();
        // It may be gone as well.
        if let Some(token) = ready.token
            && let Some(slot) = watched.slots.get_mut(token)
        {
            slot.is_stale = true;
            if let Some((_, interest)) = slot.asked {
                slot.rearm(token, interest, &self.poller);
            }
        }
    }

    fn ask(
        &self,
        token: usize,
        (key, interest): (usize, Interest),
        is_drained: bool,
    ) -> io::Result<()> {
        let mut watched = self.watched();
        let slot = &mut watched.slots[token];
        slot.asked = Some((key, interest));
        let is_news_to_come = !std::mem::take(&mut slot.is_reported) || is_drained;
        let is_armed = slot.armed.is_some_and(|armed| armed.covers(interest));
        match is_armed && !slot.is_stale && is_news_to_come && !interest.writes() {
            true => Ok(()),
            false => slot.arm(token, interest, &self.poller),
        }
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        // No code that could panic runs under the lock.
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    /// The connection of a report, if it was asked for. If not, the kernel is to report only what is
    /// asked for.
    fn take(&mut self, report: Report, poller: &Poller) -> Option<Ready> {
        let token = report.token;
        let slot = self.slots.get_mut(token)?;
        match slot.asked {
            Some((key, interest)) if report.answers(interest) => {
                slot.asked = None;
                slot.is_reported = true;
                slot.is_stale |= report.is_over || report.hides_more;
                let token = Some(token);
                return Some(Ready { key, token });
            }
            Some((_, interest)) => slot.rearm(token, interest, poller),
            None if slot.armed.is_some() => slot.disarm(token, poller),
            // The last report of one that was disarmed.
            None => {}
        }
        None
    }

    fn reserve(&mut self, stream: &Arc<TcpStream>) -> usize {
        let token = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() - 1
        });
        self.slots[token].stream = Some(Arc::clone(stream));
        token
    }
}

impl Slot {
    /// Has the kernel report this from now on.
    fn arm(&mut self, token: usize, interest: Interest, poller: &Poller) -> io::Result<()> {
        (self.armed, self.is_stale) = (Some(interest), false);
        match &self.stream {
            Some(stream) => poller.arm(stream, token, interest),
            None => Ok(()),
        }
    }

    /// The same, ignoring a failure: it can fail only if the connection is gone, and then there is
    /// nothing to report.
    fn rearm(&mut self, token: usize, interest: Interest, poller: &Poller) {
        let _ = self.arm(token, interest, poller);
    }

    /// Has the kernel report nothing.
    fn disarm(&mut self, token: usize, poller: &Poller) {
        self.armed = None;
        if let Some(stream) = &self.stream {
            // As with `rearm`.
            let _ = poller.disarm(stream, token);
        }
    }
}

impl Registration {
    /// Gives the connection a slot. Whatever happens then, dropping the registration frees it.
    pub(super) fn reserve(readiness: &Arc<Readiness>, stream: &Arc<TcpStream>) -> Self {
        Self {
            readiness: Arc::clone(readiness),
            token: readiness.watched().reserve(stream),
        }
    }

    /// Adds the connection to the kernel's list, and asks for it as [`Self::ask`] does.
    pub(super) fn add(&self, stream: &TcpStream, key: usize, interest: Interest) -> io::Result<()> {
        let mut watched = self.readiness.watched();
        let slot = &mut watched.slots[self.token];
        (slot.armed, slot.asked) = (Some(interest), Some((key, interest)));
        drop(watched);
        self.readiness.poller.add(stream, self.token, interest)
    }

    /// Asks for the connection to be reported once. `is_drained` says that all there was to read has
    /// been read since it was last asked for.
    pub(super) fn ask(&self, key: usize, interest: Interest, is_drained: bool) -> io::Result<()> {
        self.readiness.ask(self.token, (key, interest), is_drained)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut watched = self.readiness.watched();
        let slot = std::mem::take(&mut watched.slots[self.token]);
        // Before it can be closed: `Poller::add` relies on it.
        if let Some(stream) = &slot.stream {
            // Nothing to be done if it fails: closing removes it from the kernel's list too.
            let _ = self.readiness.poller.delete(stream);
        }
        watched.free.push(self.token);
        // The slot may be the stream's last owner, and closing is a system call: not under the
        // lock.
        drop(watched);
    }
}

#[cfg(test)]
mod tests;
