//! The addresses of the backends' names. They are looked up at the start and regularly afterwards, so
//! that a name may move without a restart.
//!
//! The system's resolver blocks as long as it likes: ten seconds if the name server is silent. So each
//! look-up has its own thread, and a name that hangs delays no other. There is at most one look-up
//! under way for each name, and `AT_ONCE` for all names together.
//!
//! | file | duty |
//! |---|---|
//! | `look_up` | one look-up on its thread |
//! | `report` | what is logged of it |

mod look_up;
mod report;

use crate::backends::Backend;
use crate::net::conn::Conn;
use crate::net::resolve::{at_port, known};
use crate::net::waker::Waker;
use crate::net::{Interest, wait_any};
pub use look_up::within;
use look_up::{Answers, LookUp};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the start waits for answers; with names that have none yet it goes on without. A
/// name server that works answers within a fraction of it.
const START_DEADLINE: Duration = Duration::from_secs(2);

/// How soon a name is looked up again that has no address yet: it may be that of a server that
/// is just being started.
const UNKNOWN_INTERVAL: Duration = Duration::from_secs(1);

/// Look-ups under way at a time, each with a thread. More names than that wait for their turn.
const AT_ONCE: usize = 64;

/// The names of all backends, and their look-ups.
#[derive(Debug)]
pub struct Resolver {
    hosts: Vec<Host>,
    answers: Answers,
    interval: Duration,
    /// Some backends are given by addresses.
    has_literal: bool,
}

/// One host name, whatever the number of backends that have it.
#[derive(Debug)]
struct Host {
    name: String,
    backends: Vec<Arc<Backend<Conn>>>,
    is_asked: bool,
    is_known: bool,
    /// When it is looked up next, if that is not under way.
    next: Instant,
    /// Why it has no address.
    error: Option<io::Error>,
}

impl Resolver {
    /// The names of these backends, to be looked up every `interval`. Those that are addresses
    /// need no look-up: they are set.
    pub fn new(backends: &[Arc<Backend<Conn>>], interval: Duration) -> io::Result<Self> {
        Self::with(backends, interval, Arc::new(crate::net::resolve::resolve))
    }

    fn with(
        backends: &[Arc<Backend<Conn>>],
        interval: Duration,
        look_up: LookUp,
    ) -> io::Result<Self> {
        let mut hosts: Vec<Host> = Vec::new();
        let (now, mut has_literal) = (Instant::now(), false);
        for backend in backends {
            let name = &backend.name.host;
            if let Some(addresses) = known(name) {
                has_literal = true;
                backend
                    .addresses
                    .replace(at_port(&addresses, backend.name.port));
                continue;
            }
            let backend = Arc::clone(backend);
            match hosts
                .iter_mut()
                .find(|host| host.name.eq_ignore_ascii_case(name))
            {
                Some(host) => host.backends.push(backend),
                None => hosts.push(Host {
                    name: name.clone(),
                    backends: vec![backend],
                    is_asked: false,
                    is_known: false,
                    next: now,
                    error: None,
                }),
            }
        }
        Ok(Self {
            hosts,
            answers: Answers::new(look_up)?,
            interval,
            has_literal,
        })
    }

    /// Whether any backend is given by a name, which may move, and not by an address.
    #[must_use]
    pub fn is_needed(&self) -> bool {
        !self.hosts.is_empty()
    }

    /// Looks up all names once, side by side, until a deadline or the waker; tells which have no
    /// address. If they are all there are, and none is being looked up any more, there is nothing
    /// to balance: the last error is returned.
    pub fn first_round(&mut self, waker: &Waker) -> Result<(), (String, io::Error)> {
        let deadline = Instant::now() + START_DEADLINE;
        while self.hosts.iter().any(Host::is_open) && !waker.wait(Duration::ZERO) {
            let now = Instant::now();
            if now >= deadline {
                break;
            }
            self.ask(now);
            self.wait(waker, deadline - now);
            self.take(None);
        }
        match self.take_fatal() {
            Some(fatal) => Err(fatal),
            // Stopped before the deadline: a name without an answer is no error.
            None if waker.wait(Duration::ZERO) => Ok(()),
            None => {
                self.hosts
                    .iter()
                    .for_each(|host| report::of_start(host, START_DEADLINE));
                Ok(())
            }
        }
    }

    /// The reason why there is nothing to balance, and never will be.
    fn take_fatal(&mut self) -> Option<(String, io::Error)> {
        let is_hopeless = !self.has_literal && self.hosts.iter().all(|host| host.error.is_some());
        let host = self.hosts.last_mut().filter(|_| is_hopeless)?;
        Some((host.name.clone(), host.error.take()?))
    }

    /// Looks up all names again and again until the waker is woken. `trouble` wakes the thread that
    /// checks backends.
    pub fn run(mut self, trouble: &Waker, waker: &Waker) {
        while !waker.wait(Duration::ZERO) {
            let now = Instant::now();
            self.ask(now);
            // When no more may be asked, an answer wakes us.
            let idle = self.hosts.iter().filter(|host| !host.is_asked);
            let next = idle.map(|host| host.next).min();
            let next = next.filter(|_| self.under_way() < AT_ONCE);
            self.wait(
                waker,
                next.map_or(self.interval, |next| next.saturating_duration_since(now)),
            );
            self.take(Some(trouble));
        }
    }

    fn under_way(&self) -> usize {
        self.hosts.iter().filter(|host| host.is_asked).count()
    }

    /// Begins the look-ups that are due.
    fn ask(&mut self, now: Instant) {
        let mut room = AT_ONCE.saturating_sub(self.under_way());
        for (index, host) in self.hosts.iter_mut().enumerate() {
            if !host.is_asked && now >= host.next && room > 0 {
                host.is_asked = true;
                room -= 1;
                self.answers.ask(index, &host.name);
            }
        }
    }

    fn wait(&self, waker: &Waker, timeout: Duration) {
        let arrived = self.answers.arrived();
        // If waiting itself fails, the next round only comes sooner.
        let _ = wait_any(
            [(waker, Interest::Read), (arrived, Interest::Read)],
            Some(timeout),
        );
    }

    /// Takes the answers that have come; changes are logged after the start.
    fn take(&mut self, trouble: Option<&Waker>) {
        while let Some((index, answer)) = self.answers.next() {
            let host = &mut self.hosts[index];
            host.is_asked = false;
            match answer {
                Ok(addresses) => host.shrink(&addresses, trouble),
                // The last good answer stays.
                Err(error) => {
                    log::debug!("{}: {error}", host.name);
                    host.error = Some(error);
                }
            }
            let interval = match host.is_known {
                true => self.interval,
                false => self.interval.min(UNKNOWN_INTERVAL),
            };
            host.next = Instant::now() + interval;
        }
    }
}

impl Host {
    /// Nothing is known of it yet.
    fn is_open(&self) -> bool {
        self.error.is_none() && !self.is_known
    }

    /// These are its addresses from now on. Connections that are kept to others end when they
    /// are not in use. With `trouble` the change is logged, and a backend that had none is checked.
    fn shrink(&mut self, addresses: &[SocketAddr], trouble: Option<&Waker>) {
        (self.error, self.is_known) = (None, true);
        for backend in &self.backends {
            let addresses = at_port(addresses, backend.name.port);
            let Some(difference) = backend.addresses.replace(addresses) else {
                continue;
            };
            if !difference.removed.is_empty() {
                backend.idle.clear();
            }
            let Some(trouble) = trouble else { continue };
            report::of_move(&backend.name, &difference);
            if difference.is_first && backend.ask_for_check() {
                trouble.wake();
            }
        }
    }
}

#[cfg(test)]
mod tests;
