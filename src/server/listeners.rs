//! All that clients can connect to: a listener for each address in the configuration. A reload
//! adds and removes some; the accept loop takes the change over between two clients.

use crate::config::Listen;
use crate::net::listener::{Accepted, Listener};
use crate::net::waker::Waker;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long a wait for a client lasts before it begins again.
const WAIT: Duration = Duration::from_secs(3600);

/// The listeners, at least one.
#[derive(Debug)]
pub(super) struct Listeners {
    open: Vec<(Listen, Listener)>,
    /// Which of them is asked first for the next client, so that none is passed over for ever.
    turn: usize,
}

/// What a reload changes.
#[derive(Debug, Default)]
pub(super) struct ListenerChange {
    /// Opened, to be accepted from.
    pub(super) added: Vec<(Listen, Listener)>,
    /// To be closed, once the clients in their queues are accepted.
    pub(super) removed: Vec<Listen>,
}

/// A change on its way to the accept loop.
#[derive(Debug)]
pub(super) struct PendingChange {
    change: Mutex<Option<ListenerChange>>,
    /// Set while there is one, because the accept loop asks for every client.
    is_there: AtomicBool,
    /// Raised while there is one, because it waits in `poll` too.
    waker: Waker,
}

impl PendingChange {
    /// None yet. Fails when no descriptor is left.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            change: Mutex::default(),
            is_there: AtomicBool::new(false),
            waker: Waker::new()?,
        })
    }

    /// Hands a change to the accept loop.
    pub(super) fn put(&self, change: ListenerChange) {
        let mut pending = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        match pending.as_mut() {
            Some(earlier) => {
                earlier.added.extend(change.added);
                earlier.removed.extend(change.removed);
            }
            None => *pending = Some(change),
        }
        self.is_there.store(true, Ordering::Release);
        self.waker.wake();
    }

    fn take(&self) -> Option<ListenerChange> {
        if !self.is_there.load(Ordering::Acquire) {
            return None;
        }
        let mut pending = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_there.store(false, Ordering::Relaxed);
        self.waker.reset();
        pending.take()
    }
}

impl Listeners {
    /// These listeners, which are bound.
    pub(super) fn new(bound: Vec<(Listen, Listener)>) -> Self {
        Self {
            open: bound,
            turn: 0,
        }
    }

    /// Where the first one listens.
    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.open[0].1.local_addr()
    }

    /// Where they listen, for people.
    pub(super) fn describe(&self) -> String {
        let texts = self.open.iter();
        // Each was asked for its address when it was bound: it has one.
        let texts = texts.map(|(_, listener)| listener.describe().unwrap_or_default());
        texts.collect::<Vec<_>>().join(" and ")
    }

    /// The next client, if one waits.
    pub(super) fn accept(&mut self) -> io::Result<Accepted> {
        for _ in 0..self.open.len() {
            self.turn = (self.turn + 1) % self.open.len();
            match self.open[self.turn].1.accept()? {
                Accepted::Nobody => {}
                client => return Ok(client),
            }
        }
        Ok(Accepted::Nobody)
    }

    /// Waits, however long it takes, until a client comes, the waker is raised, or there is a change.
    pub(super) fn wait(&self, waker: &Waker, pending: &PendingChange) -> io::Result<()> {
        let wakers = [waker, &pending.waker];
        Listener::wait_for_any(self.each(), &wakers, WAIT).map(drop)
    }

    /// Whether a client is waiting, or comes within `timeout`.
    pub(super) fn has_client(&self, timeout: Duration) -> bool {
        Listener::wait_for_any(self.each(), &[], timeout).unwrap_or(false)
    }

    /// Asks the kernel to queue no more clients; the ones in the queues can still be accepted.
    pub(super) fn close_queues(&self) {
        self.each().for_each(Listener::close_queue);
    }

    fn each(&self) -> impl Iterator<Item = &Listener> {
        self.open.iter().map(|(_, listener)| listener)
    }

    /// Takes a change over, if there is one. Returns the listeners that are removed, with clients in
    /// their queues perhaps.
    pub(super) fn follow(&mut self, pending: &PendingChange) -> Option<Self> {
        let change = pending.take()?;
        self.open.extend(change.added);
        let is_removed = |(listen, _): &mut (Listen, Listener)| change.removed.contains(listen);
        let removed = Self::new(self.open.extract_if(.., is_removed).collect());
        removed.close_queues();
        Some(removed)
    }
}
