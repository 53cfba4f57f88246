//! Health: what is seen of backends, by checks and by requests, and what follows from it.
//!
//! The health thread sends every backend a raw HTTP `GET`, all side by side on one thread, each with
//! its own time and deadline, so that a backend that hangs delays no other. It reports observations;
//! the thresholds are those of `backends::health`, a pure state machine. Requests report what they
//! met ([`observations`]).
//!
//! Nothing here ends a request. The health thread recalls sessions that wait for a backend to come
//! up, or for one that is lost, and each of them sees what to do.
//!
//! | file | what it is |
//! |---|---|
//! | `shared` | what requests and the health thread share |
//! | `probe` | one probe: connect, send, read, judge |
//! | `schedule` | when a backend is probed, and what follows when a probe is late |
//! | `usual` | how long probes of a backend usually take |
//! | `symptom` | why a check failed |
//! | [`observations`] | what requests see of backends, and what follows from each observation |
//! | `report` | what is logged of checks, round by round |
//! | [`loop_detection`] | how a check recognises this balancer itself |

pub mod loop_detection;
pub mod observations;
mod probe;
mod report;
mod schedule;
mod shared;
mod symptom;
mod usual;

pub use shared::SharedHealth;

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

/// How often connections that were idle for too long are closed, and sessions that wait for a
/// backend are recalled.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// A pause of this thread after which silence of backends is not counted: it may be ours. Shorter
/// than any silence from which something follows.
const HELD_UP: Duration = Duration::from_millis(200);

/// How soon after a change waiting sessions are recalled once more. A session that was about to be
/// parked at the change is parked by then, and one that had just looked for a backend may look again.
const RECALL_AGAIN: Duration = Duration::from_millis(250);

/// Checks every backend once and logs the results, unless `stop` is woken before. A first result
/// decides alone. The checks go on with [`Checks::run`].
#[must_use]
pub fn first_round(shared: &SharedHealth, stop: &Waker) -> Checks {
    let (all, now) = (shared.backends().all(), Instant::now());
    let new = |backend| Schedule::new(backend, &shared.open_checks, now);
    let mut checks = Checks {
        schedules: all.iter().map(new).collect(),
        report: Report::new(all, shared.config(), now),
    };
    if stop.wait(Duration::ZERO) {
        return checks;
    }
    checks.report.begin();
    while !checks.schedules.iter().all(Schedule::is_known) {
        shared.waker.reset();
        let now = Instant::now();
        checks.go_on(shared, now, |one| !one.is_known());
        let unknown = || checks.schedules.iter().filter(|one| !one.is_known());
        wait(unknown, shared, stop, now + SWEEP_INTERVAL);
        if stop.wait(Duration::ZERO) {
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
    /// Goes on checking until `stop` is woken. `recall` queues the sessions that wait for a backend
    /// to come up, or for one that is lost or down.
    pub fn run(mut self, shared: &SharedHealth, stop: &Waker, recall: impl Fn()) {
        let mut next_recall = Instant::now();
        while !stop.wait(Duration::ZERO) {
            shared.waker.reset();
            let now = Instant::now();
            self.go_on(shared, now, |_| true);
            self.report.go_on(now);
            // A request may have changed something as well.
            let has_changed = shared.has_changed.swap(false, Ordering::SeqCst);
            if has_changed || now >= next_recall {
                recall();
                sweep(shared, now);
                next_recall = now
                    + if has_changed {
                        RECALL_AGAIN
                    } else {
                        SWEEP_INTERVAL
                    };
            }
            let next = self
                .report
                .due(now)
                .map_or(next_recall, |due| due.min(next_recall));
            let awaited = wait(|| self.schedules.iter(), shared, stop, next);
            listen_again(shared, awaited, Instant::now());
        }
    }

    /// Goes on with the schedules for which `which` holds.
    fn go_on(&mut self, shared: &SharedHealth, now: Instant, which: impl Fn(&Schedule) -> bool) {
        for (index, schedule) in self.schedules.iter_mut().enumerate() {
            if !which(schedule) {
                continue;
            }
            if let Some(seen) = schedule.go_on(&shared.config().health, now) {
                take(shared, &schedule.backend, &seen);
                self.report.note(index, &seen);
            }
        }
    }
}

/// Waits until a probe can go on or is due, a request met something odd, or it is `until`. Returns
/// when the wait was to end.
fn wait<'s, I: Iterator<Item = &'s Schedule>>(
    schedules: impl Fn() -> I,
    shared: &SharedHealth,
    stop: &Waker,
    until: Instant,
) -> Instant {
    let next = schedules().map(Schedule::due).min();
    let until = next.map_or(until, |next| next.min(until));
    let sources = schedules().filter_map(Schedule::waits);
    let sources = sources.map(|(conn, interest)| (conn as &dyn AsFd, interest));
    let wakers = [stop, &shared.waker].map(|waker| (waker as &dyn AsFd, Interest::Read));
    let timeout = until.saturating_duration_since(Instant::now());
    // If the wait itself fails, the deadlines still end every probe.
    let _ = wait_many(sources.chain(wakers), timeout);
    until
}

/// If this thread woke much later than asked, the process was paused or starved of processor time:
/// then silence of backends does not count.
fn listen_again(shared: &SharedHealth, awaited: Instant, now: Instant) {
    if now.saturating_duration_since(awaited) > HELD_UP {
        for backend in shared.backends().all() {
            backend.heard.listen_again(now);
        }
    }
}

/// Reports what was seen.
fn take(shared: &SharedHealth, backend: &Backend<Conn>, seen: &Seen) {
    let (observation, reason) = match seen {
        Seen::Good => (Observation::Good, String::new()),
        Seen::Late(what) => (Observation::Late, format!("late while {what}")),
        Seen::Bad(symptom) => {
            log::debug!("Server {} failed a check ({symptom}).", backend.name);
            let Some(evidence) = symptom.evidence() else {
                return;
            };
            if *symptom == Symptom::Itself {
                log_loop(backend, &symptom.to_string());
            }
            (Observation::Bad(evidence), symptom.to_string())
        }
    };
    let finding = Finding {
        reason,
        is_unreachable: *seen == Seen::Bad(Symptom::Connect(Cause::Unreachable)),
    };
    observations::observe_check(shared, backend, observation, &finding);
}

/// Logs once that a backend is this balancer itself: the command line is wrong.
fn log_loop(backend: &Backend<Conn>, reason: &str) {
    if backend.state().reason != reason {
        log::warn!(
            "Server {} is this balancer itself: it gets no requests; name another backend.",
            backend.name
        );
    }
}

/// Closes backend connections that were idle for too long.
fn sweep(shared: &SharedHealth, now: Instant) {
    let limit = shared.config().timeouts.backend_idle;
    for backend in shared.backends().all() {
        backend.idle.close_older_than(limit, now);
        backend.idle.recover(now);
    }
}

#[cfg(test)]
mod tests;
