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
//! | `changes` | the same for those who look: what changed, and how often |
//! | `report` | what is logged of checks, round by round |
//! | [`loop_detection`] | how a check recognises this balancer itself |

mod changes;
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
use crate::config::Group;
use crate::http::error::Cause;
use crate::metrics::checks::CheckResult;
use crate::net::conn::Conn;
use crate::net::waker::Waker;
use crate::net::{Interest, wait_many};
use report::Report;
use rustix::fd::AsFd;
use schedule::{Schedule, Seen};
use std::sync::Arc;
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

/// Checks every backend of these groups once and logs the results, unless `stop` is woken before. A
/// first result decides alone. The checks go on with [`Checks::run`].
///
/// `waker` is raised when a backend is to be checked or has changed.
#[must_use]
pub fn first_round(
    shared: &SharedHealth,
    groups: Vec<CheckedGroup>,
    waker: &Waker,
    stop: &Waker,
) -> Checks {
    let mut checks = Checks { groups };
    if stop.wait(Duration::ZERO) {
        return checks;
    }
    checks.groups.iter().for_each(|group| group.report.begin());
    loop {
        waker.reset();
        let now = Instant::now();
        checks.go_on(shared, now, |one| !one.is_known());
        if checks.schedules().all(Schedule::is_known) {
            break;
        }
        let unknown = || checks.schedules().filter(|one| !one.is_known());
        wait(unknown, waker, stop, now + SWEEP_INTERVAL);
        if stop.wait(Duration::ZERO) {
            return checks;
        }
    }
    let groups = checks.groups.iter_mut();
    groups.for_each(|group| group.report.end_first(Instant::now()));
    checks
}

/// The checks of all backends.
#[derive(Debug)]
pub struct Checks {
    groups: Vec<CheckedGroup>,
}

/// The checks of one group.
#[derive(Debug)]
pub struct CheckedGroup {
    group: Arc<Group>,
    schedules: Vec<Schedule>,
    report: Report,
}

impl CheckedGroup {
    /// The checks of these backends, which are all of the group or those that are new in it. The
    /// first one of each is due at once.
    #[must_use]
    pub fn new(
        group: &Arc<Group>,
        backends: &[Arc<Backend<Conn>>],
        shared: &SharedHealth,
        now: Instant,
    ) -> Self {
        let schedule = |backend| Schedule::new(backend, &shared.open_checks, now);
        Self {
            group: Arc::clone(group),
            schedules: backends.iter().map(schedule).collect(),
            report: Report::new(backends, &group.settings, now),
        }
    }

    fn go_on(&mut self, shared: &SharedHealth, now: Instant, which: impl Fn(&Schedule) -> bool) {
        for (index, schedule) in self.schedules.iter_mut().enumerate() {
            if !which(schedule) {
                continue;
            }
            if let Some(seen) = schedule.go_on(&self.group.settings.health, now) {
                take(shared, &self.group, &schedule.backend, &seen);
                self.report.note(index, &seen);
            }
        }
    }
}

impl Checks {
    /// Goes on checking until `stop` is woken. `recall` queues the sessions that wait for a backend
    /// to come up, or for one that is lost or down.
    pub fn run(mut self, shared: &SharedHealth, stop: &Waker, recall: impl Fn()) {
        let mut next_recall = Instant::now();
        while !stop.wait(Duration::ZERO) {
            shared.waker.reset();
            let now = Instant::now();
            if let Some(new) = shared.take_new_checks() {
                self.follow_reload(new, shared, now);
            }
            self.go_on(shared, now, |_| true);
            let groups = self.groups.iter_mut();
            groups.for_each(|group| group.report.go_on(now));
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
            let reports = self.groups.iter().filter_map(|group| group.report.due(now));
            let next = reports.fold(next_recall, Instant::min);
            let awaited = wait(|| self.schedules(), &shared.waker, stop, next);
            listen_again(shared, awaited, Instant::now());
        }
    }

    fn schedules(&self) -> impl Iterator<Item = &Schedule> {
        self.groups.iter().flat_map(|group| &group.schedules)
    }

    /// Goes on with the schedules for which `which` holds.
    fn go_on(&mut self, shared: &SharedHealth, now: Instant, which: impl Fn(&Schedule) -> bool) {
        let groups = self.groups.iter_mut();
        groups.for_each(|group| group.go_on(shared, now, &which));
    }

    /// Checks what is configured now. Backends that remain keep their schedules; `new` has those of
    /// the others, which have had their first check.
    fn follow_reload(&mut self, new: Checks, shared: &SharedHealth, now: Instant) {
        let known = std::mem::take(&mut self.groups).into_iter();
        let known = known.chain(new.groups).flat_map(|group| group.schedules);
        let mut known: Vec<Schedule> = known.collect();
        for group in &shared.snapshot().groups {
            let backends: Vec<_> = group.backends.all().to_vec();
            let mut checked = CheckedGroup::new(group, &backends, shared, now);
            for schedule in &mut checked.schedules {
                let is_same = |one: &Schedule| Arc::ptr_eq(&one.backend, &schedule.backend);
                if let Some(place) = known.iter().position(is_same) {
                    *schedule = known.swap_remove(place);
                }
            }
            self.groups.push(checked);
        }
    }
}

/// Waits until a probe can go on or is due, a request met something odd, or it is `until`. Returns
/// when the wait was to end.
fn wait<'s, I: Iterator<Item = &'s Schedule>>(
    schedules: impl Fn() -> I,
    waker: &Waker,
    stop: &Waker,
    until: Instant,
) -> Instant {
    let next = schedules().map(Schedule::due).min();
    let until = next.map_or(until, |next| next.min(until));
    let sources = schedules().filter_map(Schedule::waits);
    let sources = sources.map(|(conn, interest)| (conn as &dyn AsFd, interest));
    let wakers = [stop, waker].map(|waker| (waker as &dyn AsFd, Interest::Read));
    let timeout = until.saturating_duration_since(Instant::now());
    // If the wait itself fails, the deadlines still end every probe.
    let _ = wait_many(sources.chain(wakers), timeout);
    until
}

/// If this thread woke much later than asked, the process was paused or starved of processor time:
/// then silence of backends does not count.
fn listen_again(shared: &SharedHealth, awaited: Instant, now: Instant) {
    if now.saturating_duration_since(awaited) > HELD_UP {
        for_each_backend(shared, |_, backend| backend.heard.listen_again(now));
    }
}

/// Calls `with` for every backend of every group.
fn for_each_backend(shared: &SharedHealth, with: impl Fn(&Group, &Backend<Conn>)) {
    for group in &shared.snapshot().groups {
        for backend in group.backends.all().iter() {
            with(group, backend);
        }
    }
}

/// Reports what was seen.
fn take(shared: &SharedHealth, group: &Group, backend: &Backend<Conn>, seen: &Seen) {
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
    count_check(backend, seen);
    let finding = Finding {
        reason,
        is_unreachable: *seen == Seen::Bad(Symptom::Connect(Cause::Unreachable)),
    };
    observations::observe_check(shared, group, backend, observation, &finding);
}

/// Counts a check, for those who look.
fn count_check(backend: &Backend<Conn>, seen: &Seen) {
    if let Some(metrics) = &backend.metrics {
        metrics.checks.count(match seen {
            Seen::Good => CheckResult::Good,
            Seen::Late(_) => CheckResult::Late,
            Seen::Bad(_) => CheckResult::Bad,
        });
    }
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
    for_each_backend(shared, |group, backend| {
        let limit = group.settings.timeouts.backend_idle;
        backend.idle.close_older_than(limit, now);
        backend.idle.recover(now);
    });
    for group in &shared.snapshot().groups {
        group.backends.note_time(now);
    }
}

#[cfg(test)]
mod tests;
