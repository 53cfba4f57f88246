//! The thread that asks every backend how it is: a raw HTTP GET each, side by side on one
//! thread, each at its own time and with its own deadline, so that one that hangs delays no
//! other.
//!
//! It reports observations and knows no thresholds; `backends::health` decides what follows.
//! When something did, those who wait for a backend are called, because they have to move.
//!
//! | file | duty |
//! |---|---|
//! | `probe` | one probe: connect, send, read, judge |
//! | `schedule` | when a backend is probed, and how patiently |

mod probe;
mod schedule;
mod symptom;

use crate::backends::health::Observation;
use crate::backends::{Backend, Plight};
use crate::config::LogMode;
use crate::evidence;
use crate::net::alarm::Alarm;
use crate::net::conn::Conn;
use crate::net::{Interest, wait_many};
use crate::turn::Context;
use rustix::fd::AsFd;
use schedule::Schedule;
use std::time::{Duration, Instant};
use symptom::Symptom;

/// How often connections that rested for too long are looked for and closed, and those who
/// wait for a backend that is down are called.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// How soon after a change those who wait are called once more: a session that was about to
/// park when it happened has done so by then.
const CALL_AGAIN: Duration = Duration::from_millis(50);

/// Checks every backend once and tells how each is. What is found here decides at once. The
/// checks go on from here, with [`Checks::run`].
#[must_use]
pub fn first_round(context: &Context, alarm: &Alarm) -> Checks {
    let tells = context.config.log == LogMode::Story;
    if tells {
        log::info!("Performing health check...");
    }
    let all = context.backends.all().iter();
    let mut schedules: Vec<_> = all
        .map(|backend| Schedule::new(backend, Instant::now()))
        .collect();
    while schedules.iter().any(Schedule::is_probing) {
        context.trouble.lower();
        let now = Instant::now();
        for schedule in schedules.iter_mut().filter(|one| one.is_probing()) {
            if let Some(verdict) = schedule.go_on(context, now) {
                take(context, &schedule.backend, &verdict);
                if tells {
                    tell_first(&schedule.backend, &verdict);
                }
            }
        }
        let probing = || schedules.iter().filter(|one| one.is_probing());
        wait(probing, context, alarm, now + SWEEP_INTERVAL);
        if alarm.wait(Duration::ZERO) {
            break;
        }
    }
    Checks(schedules)
}

/// The checks of all backends.
#[derive(Debug)]
pub struct Checks(Vec<Schedule>);

impl Checks {
    /// Checks on until the alarm is raised. `call` brings back those who wait for a backend
    /// that is down, or for any.
    pub fn run(mut self, context: &Context, alarm: &Alarm, call: impl Fn()) {
        let mut next_call = Instant::now();
        while !alarm.wait(Duration::ZERO) {
            // A request may have changed something, too.
            let is_called = context.trouble.lower();
            let now = Instant::now();
            let has_changed = self.go_on(context, now);
            if is_called || has_changed || now >= next_call {
                call();
                sweep(context, now);
                let is_soon = is_called || has_changed;
                next_call = now + if is_soon { CALL_AGAIN } else { SWEEP_INTERVAL };
            }
            wait(|| self.0.iter(), context, alarm, next_call);
        }
    }

    /// Each goes on as far as possible; returns whether anything has changed.
    fn go_on(&mut self, context: &Context, now: Instant) -> bool {
        let mut has_changed = false;
        for schedule in &mut self.0 {
            if let Some(verdict) = schedule.go_on(context, now) {
                has_changed |= take(context, &schedule.backend, &verdict);
            }
        }
        has_changed
    }
}

/// Waits until a probe can go on or is due, something is odd, or it is `until`.
fn wait<'s, I: Iterator<Item = &'s Schedule>>(
    schedules: impl Fn() -> I,
    context: &Context,
    alarm: &Alarm,
    until: Instant,
) {
    let Some(next) = schedules().map(Schedule::due).min() else {
        return;
    };
    let sources = schedules().filter_map(Schedule::waits);
    let sources = sources.map(|(conn, interest)| (conn as &dyn AsFd, interest));
    let alarms = [alarm, &context.trouble].map(|alarm| (alarm as &dyn AsFd, Interest::Read));
    let timeout = next.min(until).saturating_duration_since(Instant::now());
    // If waiting itself fails, the deadlines still end every probe.
    let _ = wait_many(sources.chain(alarms), timeout);
}

/// Takes a verdict into account; returns whether it changed anything.
fn take(context: &Context, backend: &Backend<Conn>, verdict: &Result<(), Symptom>) -> bool {
    let (observation, reason, plight): (_, &dyn std::fmt::Display, _) = match verdict {
        Ok(()) => (Observation::Good, &"", Plight::Unwell),
        // Our own trouble says nothing about the backend.
        Err(Symptom::Ours) => return false,
        Err(symptom) => (
            Observation::Bad(symptom.weight()),
            symptom,
            symptom.plight(),
        ),
    };
    if let Err(symptom) = verdict {
        log::debug!("Server {} failed a check ({symptom}).", backend.name);
    }
    evidence::observe(
        context,
        backend,
        observation,
        evidence::CHECKS,
        reason,
        plight,
    )
    .is_some()
}

fn tell_first(backend: &Backend<Conn>, verdict: &Result<(), Symptom>) {
    let name = &backend.name;
    match verdict {
        Ok(()) => log::info!("Server {name} is healthy."),
        Err(symptom) => log::warn!("Server {name} is unhealthy ({symptom})."),
    }
}

/// Closes backend connections that rested for too long.
fn sweep(context: &Context, now: Instant) {
    let limit = context.config.timeouts.backend_idle;
    for backend in context.backends.all() {
        backend.kept.close_older_than(limit, now);
    }
}
