//! The thread that asks every backend how it is: a raw HTTP GET each, all of a round side by
//! side on one thread, each with its own deadline.
//!
//! It reports observations and knows no thresholds; `backends::health` decides what follows.

mod probe;

use crate::backends::Backend;
use crate::backends::health::{Observation, Transition};
use crate::config::{HealthConfig, LogMode};
use crate::net::alarm::Alarm;
use crate::net::conn::Conn;
use crate::net::{Interest, wait_many};
use crate::turn::Context;
use probe::{Probe, Symptom};
use rustix::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The longest pause between rounds while a backend is down or was seen failing, so that one
/// that returns is used again soon.
const UNSETTLED_INTERVAL: Duration = Duration::from_secs(1);

/// How often connections that rested for too long are looked for and closed.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Checks round after round until the alarm is raised.
pub fn run(context: &Context, alarm: &Alarm) {
    let mut next = next_round(context, Instant::now());
    loop {
        let now = Instant::now();
        let pause = next.saturating_duration_since(now).min(SWEEP_INTERVAL);
        if alarm.wait(pause) {
            return;
        }
        sweep(context);
        if Instant::now() >= next {
            let began = Instant::now();
            round(context, alarm);
            next = next_round(context, began);
        }
    }
}

/// When the round after the one that began then is due.
fn next_round(context: &Context, began: Instant) -> Instant {
    let is_unsettled = |backend: &Arc<Backend<Conn>>| backend.health().is_unsettled();
    let interval = context.config.health.interval;
    let is_hasty = context.backends.all().iter().any(is_unsettled);
    began
        + if is_hasty {
            interval.min(UNSETTLED_INTERVAL)
        } else {
            interval
        }
}

/// Closes backend connections that rested for too long.
fn sweep(context: &Context) {
    let (limit, now) = (context.config.timeouts.backend_idle, Instant::now());
    for backend in context.backends.all() {
        backend.kept.close_older_than(limit, now);
    }
}

/// One round: probes everybody and takes the results into account.
pub fn round(context: &Context, alarm: &Alarm) {
    let tells_all = context.config.log == LogMode::Story;
    if tells_all {
        log::info!("Performing health check...");
    }
    let probes = probe_all(context.backends.all(), &context.config.health, alarm);
    for (backend, probe) in context.backends.all().iter().zip(probes) {
        let observation = match probe.verdict() {
            // Our own trouble, or a round cut short, says nothing about the backend.
            None | Some(Err(Symptom::Ours)) => continue,
            Some(Ok(())) => Observation::Good,
            Some(Err(_)) => Observation::Bad,
        };
        let transition = backend.observe(observation);
        if tells_all || transition.is_some() {
            tell(backend, probe.verdict(), transition);
        }
    }
}

fn probe_all(backends: &[Arc<Backend<Conn>>], config: &HealthConfig, alarm: &Alarm) -> Vec<Probe> {
    let due = Instant::now() + config.timeout;
    let mut probes: Vec<Probe> = backends
        .iter()
        .map(|backend| Probe::new(backend, &config.path, due))
        .collect();
    loop {
        let now = Instant::now();
        probes.iter_mut().for_each(|probe| probe.advance(now));
        let waiting = || probes.iter().filter_map(Probe::waits);
        let Some(next) = waiting().map(|(_, _, due)| due).min() else {
            return probes;
        };
        let sources = waiting().map(|(conn, interest, _)| (conn as &dyn AsFd, interest));
        let alarmed = std::iter::once((alarm as &dyn AsFd, Interest::Read));
        // If waiting itself fails, the deadlines still end the round.
        let _ = wait_many(sources.chain(alarmed), next.saturating_duration_since(now));
        if alarm.wait(Duration::ZERO) {
            return probes;
        }
    }
}

fn tell(
    backend: &Backend<Conn>,
    verdict: Option<&Result<(), Symptom>>,
    transition: Option<Transition>,
) {
    let name = &backend.name;
    match (verdict, transition) {
        (Some(Err(symptom)), Some(_)) => log::warn!("Server {name} is unhealthy ({symptom})."),
        (Some(Err(symptom)), None) => log::info!("Server {name} is unhealthy ({symptom})."),
        _ => log::info!("Server {name} is healthy."),
    }
}
