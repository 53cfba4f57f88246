//! The thread that asks every backend how it is: a raw HTTP GET each, side by side on one
//! thread, each at its own time and with its own deadline, so that one that hangs delays no
//! other.
//!
//! It reports observations and knows no thresholds; `backends::health` decides what follows for
//! new requests. Those under way it never ends: it calls sessions that wait for a backend to
//! come up, or for one that is lost, and they see for themselves what to do.
//!
//! | file | duty |
//! |---|---|
//! | `probe` | one probe: connect, send, read, judge |
//! | `schedule` | when a backend is probed, and what it means that a probe is late |
//! | `usual` | how long probes of a backend usually take |
//! | `report` | what is told of checks, round by round |
//! | `symptom` | what is wrong with a backend, and how it is said |

pub mod loop_detection;
mod monitor;
pub mod outliers;
mod probe;
mod report;
mod schedule;
mod symptom;
mod usual;

pub use monitor::Monitor;

use crate::backends::health::Observation;
use crate::backends::{Backend, Finding};
use crate::http::error::Cause;
use crate::net::conn::Conn;
use crate::net::waker::Waker;
use crate::net::{Interest, wait_many};
use report::Report;
use rustix::fd::AsFd;
use schedule::{Schedule, Seen};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use symptom::Symptom;

/// How often connections that rested for too long are looked for and closed, and those who
/// wait for a backend that is down are called.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Held up for longer than this, we take what we did not hear meanwhile for no silence. Shorter
/// than any silence that something follows from.
const HELD_UP: Duration = Duration::from_millis(200);

/// How soon after a change sessions that wait are called once more: one that was about to park
/// when it happened has done so by then, and one that had just looked for a backend may look
/// again.
const CALL_AGAIN: Duration = Duration::from_millis(250);

/// Checks every backend once and tells how each is, unless the waker is raised before. What is
/// found here decides at once. The checks go on from here, with [`Checks::run`].
#[must_use]
pub fn first_round(monitor: &Monitor, waker: &Waker) -> Checks {
    let (all, now) = (monitor.backends().all(), Instant::now());
    let new = |backend| Schedule::new(backend, &monitor.open_checks, now);
    let mut checks = Checks {
        schedules: all.iter().map(new).collect(),
        report: Report::new(all, monitor.config(), now),
    };
    if waker.wait(Duration::ZERO) {
        return checks;
    }
    checks.report.begin();
    while !checks.schedules.iter().all(Schedule::is_known) {
        monitor.waker.reset();
        let now = Instant::now();
        checks.go_on(monitor, now, |one| !one.is_known());
        let unknown = || checks.schedules.iter().filter(|one| !one.is_known());
        wait(unknown, monitor, waker, now + SWEEP_INTERVAL);
        if waker.wait(Duration::ZERO) {
            return checks;
        }
    }
    checks.report.end_first(Instant::now());
    checks
}

/// The checks of all backends.
#[derive(Debug)]
pub struct Checks {
    schedules: Vec<Schedule>,
    report: Report,
}

impl Checks {
    /// Checks on until the waker is raised. `call` brings back sessions that wait for a backend
    /// to come up, or for one that is lost or down.
    pub fn run(mut self, monitor: &Monitor, waker: &Waker, call: impl Fn()) {
        let mut next_call = Instant::now();
        while !waker.wait(Duration::ZERO) {
            monitor.waker.reset();
            let now = Instant::now();
            self.go_on(monitor, now, |_| true);
            self.report.go_on(now);
            // A request may have changed something, too.
            let has_changed = monitor.has_changed.swap(false, Ordering::SeqCst);
            if has_changed || now >= next_call {
                call();
                sweep(monitor, now);
                next_call = now
                    + if has_changed {
                        CALL_AGAIN
                    } else {
                        SWEEP_INTERVAL
                    };
            }
            let next = self
                .report
                .due(now)
                .map_or(next_call, |due| due.min(next_call));
            let awaited = wait(|| self.schedules.iter(), monitor, waker, next);
            listen_again(monitor, awaited, Instant::now());
        }
    }

    /// Each of these goes on as far as possible.
    fn go_on(&mut self, monitor: &Monitor, now: Instant, which: impl Fn(&Schedule) -> bool) {
        for (index, schedule) in self.schedules.iter_mut().enumerate() {
            if !which(schedule) {
                continue;
            }
            if let Some(seen) = schedule.go_on(&monitor.config().health, now) {
                take(monitor, &schedule.backend, &seen);
                self.report.note(index, &seen);
            }
        }
    }
}

/// Waits until a probe can go on or is due, something is odd, or it is `until`; returns the
/// time by which it should be over.
fn wait<'s, I: Iterator<Item = &'s Schedule>>(
    schedules: impl Fn() -> I,
    monitor: &Monitor,
    waker: &Waker,
    until: Instant,
) -> Instant {
    let next = schedules().map(Schedule::due).min();
    let until = next.map_or(until, |next| next.min(until));
    let sources = schedules().filter_map(Schedule::waits);
    let sources = sources.map(|(conn, interest)| (conn as &dyn AsFd, interest));
    let wakers = [waker, &monitor.waker].map(|waker| (waker as &dyn AsFd, Interest::Read));
    let timeout = until.saturating_duration_since(Instant::now());
    // If waiting itself fails, the deadlines still end every probe.
    let _ = wait_many(sources.chain(wakers), timeout);
    until
}

/// Woken much later than asked, we were paused or starved of processor: what we did not hear
/// meanwhile is no silence.
fn listen_again(monitor: &Monitor, awaited: Instant, now: Instant) {
    if now.saturating_duration_since(awaited) > HELD_UP {
        for backend in monitor.backends().all() {
            backend.heard.listen_again(now);
        }
    }
}

/// Takes what was seen into account.
fn take(monitor: &Monitor, backend: &Backend<Conn>, seen: &Seen) {
    let (observation, reason) = match seen {
        Seen::Good => (Observation::Good, String::new()),
        Seen::Late(what) => (Observation::Late, format!("late while {what}")),
        Seen::Bad(symptom) => {
            log::debug!("Server {} failed a check ({symptom}).", backend.name);
            let Some(evidence) = symptom.evidence() else {
                return;
            };
            if *symptom == Symptom::Itself {
                tell_loop(backend, &symptom.to_string());
            }
            (Observation::Bad(evidence), symptom.to_string())
        }
    };
    let finding = Finding {
        reason,
        is_unreachable: *seen == Seen::Bad(Symptom::Connect(Cause::Unreachable)),
    };
    outliers::observe(monitor, backend, observation, &finding, outliers::CHECKS);
}

/// Says once that a backend is we ourselves: what has to be mended is the command line.
fn tell_loop(backend: &Backend<Conn>, reason: &str) {
    if backend.state().reason != reason {
        log::warn!(
            "Server {} is this balancer itself: it gets no requests; name another server.",
            backend.name
        );
    }
}

/// Closes backend connections that rested for too long.
fn sweep(monitor: &Monitor, now: Instant) {
    let limit = monitor.config().timeouts.backend_idle;
    for backend in monitor.backends().all() {
        backend.idle.close_older_than(limit, now);
        backend.idle.recover(now);
    }
}
