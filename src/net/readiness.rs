//! Which of many parked connections can go on.
//!
//! A connection is registered once, when it is first parked, and stays armed in the kernel
//! (level-triggered), while what is asked of it, and under which key, is kept here. So parking
//! one again costs no system call. A connection that reports something nobody asked for, for
//! it is being served or rests, is disarmed and armed anew when it is next asked for.

use super::Interest;
use super::conn::Conn;
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
    /// What the kernel reports of it again and again; `None` is nothing at all.
    armed: Option<Interest>,
    asked: Option<(usize, Interest)>,
}

/// The place of a connection among the registered ones; dropping it takes the connection out.
#[derive(Debug)]
pub(super) struct Registration {
    readiness: Arc<Readiness>,
    token: usize,
}

/// Room for what one wait reports.
#[derive(Debug)]
pub struct Reports {
    events: Events,
    keys: Vec<usize>,
}

impl Reports {
    /// Room for a thousand events.
    #[must_use]
    pub fn new() -> Self {
        Self {
            events: Events::new(),
            keys: Vec::new(),
        }
    }

    /// The keys under which the ready connections were watched.
    pub fn keys(&self) -> impl Iterator<Item = usize> + '_ {
        self.keys.iter().copied()
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
        })
    }

    /// Waits until a watched connection is ready, `timeout` has passed (`None`: never) or
    /// [`Self::interrupt`] is called.
    pub fn wait(&self, reports: &mut Reports, timeout: Option<Duration>) -> io::Result<()> {
        let Reports { events, keys } = reports;
        keys.clear();
        self.poller.wait(events, timeout)?;
        let mut watched = self.watched();
        let reports = events.reports();
        keys.extend(reports.filter_map(|report| watched.take(report, &self.poller)));
        Ok(())
    }

    /// Ends the current or next [`Self::wait`] at once.
    pub fn interrupt(&self) {
        // It can fail only when the descriptor is gone, and then nobody waits.
        let _ = self.poller.notify();
    }

    /// Asks a registered connection to be reported once.
    fn ask(&self, token: usize, key: usize, interest: Interest) -> io::Result<()> {
        let mut watched = self.watched();
        let slot = &mut watched.slots[token];
        slot.asked = Some((key, interest));
        match slot.armed.is_some_and(|armed| armed.covers(interest)) {
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
    /// The key to which a report belongs, if somebody asked for it. If not, the kernel is told
    /// to report no more than what is asked: it would repeat itself for ever.
    fn take(&mut self, report: Report, poller: &Poller) -> Option<usize> {
        let slot = self.slots.get_mut(report.token)?;
        match slot.asked {
            Some((key, interest)) if report.answers(interest) => {
                slot.asked = None;
                Some(key)
            }
            Some((_, interest)) => {
                // Arming can fail only if the connection is gone, and then it reports nothing.
                let _ = slot.arm(report.token, interest, poller);
                None
            }
            None if slot.armed.is_some() => {
                let _ = slot.disarm(report.token, poller);
                None
            }
            // The last report of one that was disarmed.
            None => None,
        }
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
        self.armed = Some(interest);
        match &self.stream {
            Some(stream) => poller.arm(stream, token, interest),
            None => Ok(()),
        }
    }

    /// Has the kernel report nothing.
    fn disarm(&mut self, token: usize, poller: &Poller) -> io::Result<()> {
        self.armed = None;
        match &self.stream {
            Some(stream) => poller.disarm(stream, token),
            None => Ok(()),
        }
    }
}

impl Conn {
    /// Asks `readiness` to report this connection once, under `key`, when it has what it is
    /// waited for. Replaces what was asked before.
    pub fn watch(
        &mut self,
        readiness: &Arc<Readiness>,
        key: usize,
        interest: Interest,
    ) -> io::Result<()> {
        match &self.registration {
            Some(registration) => readiness.ask(registration.token, key, interest),
            None => self.register(readiness, key, interest),
        }
    }

    fn register(
        &mut self,
        readiness: &Arc<Readiness>,
        key: usize,
        interest: Interest,
    ) -> io::Result<()> {
        let mut watched = readiness.watched();
        let token = watched.reserve(&self.stream);
        let slot = &mut watched.slots[token];
        (slot.armed, slot.asked) = (Some(interest), Some((key, interest)));
        drop(watched);
        // From here on, whatever happens, dropping it frees the slot.
        self.registration = Some(Registration {
            readiness: Arc::clone(readiness),
            token,
        });
        readiness.poller.add(&self.stream, token, interest)
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
