//! When a backend is probed, and how patiently.
//!
//! As a rule every interval. Once it was seen failing, at least every second, so that it is
//! out, or back, soon. When a request met something odd there, at once, and then with little
//! patience: a backend that usually answers a probe in a millisecond, and now has not after a
//! quarter of a second, is not just slow. That is what finds a frozen one within a second.

use super::probe::Probe;
use super::symptom::{CONNECTING, Symptom};
use crate::backends::{Backend, Wish};
use crate::config::HealthConfig;
use crate::net::Interest;
use crate::net::conn::Conn;
use crate::turn::Context;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The longest pause between probes while a backend is down or was seen failing.
const UNSETTLED_INTERVAL: Duration = Duration::from_secs(1);

/// Intervals vary by this part, up or down, so that several balancers do not probe in step.
const JITTER: f64 = 0.05;

/// The shortest time between two probes, however much is odd: a slow backend, of which every
/// request seems odd, is asked four times a second.
const HASTY_INTERVAL: Duration = Duration::from_millis(250);

/// The least patience that a hasty probe has.
const HASTY_TIMEOUT: Duration = Duration::from_millis(250);

/// So many times as long as probes of this backend took lately is too long for a hasty one.
const HASTY_FACTOR: u32 = 8;

/// Woken later than this after a deadline, we are what is slow, and a hasty probe that failed
/// for want of time says nothing.
const OWN_DELAY: Duration = Duration::from_millis(50);

/// The probes of one backend.
#[derive(Debug)]
pub(super) struct Schedule {
    /// The backend.
    pub(super) backend: Arc<Backend<Conn>>,
    probe: Option<Probe>,
    /// When the probe under way, or the last one, began.
    began: Instant,
    /// When the next one begins.
    next: Instant,
    /// How long good probes took lately.
    usual: Duration,
    is_judged: bool,
    /// Whether the probe under way, or else the next one, is an impatient one.
    is_hasty: bool,
    /// A hasty one was excused: the next has all its time, or on a busy machine none would
    /// ever count.
    is_excused: bool,
}

impl Schedule {
    /// A backend that is due at once.
    pub(super) fn new(backend: &Arc<Backend<Conn>>, now: Instant) -> Self {
        Self {
            backend: Arc::clone(backend),
            probe: None,
            began: now,
            next: now,
            usual: Duration::ZERO,
            is_judged: false,
            is_hasty: false,
            is_excused: false,
        }
    }

    /// Whether the first verdict is still to come.
    pub(super) fn is_probing(&self) -> bool {
        !self.is_judged
    }

    /// Goes on as far as possible; returns a verdict, once for each probe.
    pub(super) fn go_on(&mut self, context: &Context, now: Instant) -> Option<Result<(), Symptom>> {
        let config = &context.config.health;
        if self.backend.take_suspicion() {
            self.hasten(config, now);
        }
        // A verdict first: what is left of a probe after that is politeness.
        if now >= self.next && (self.is_judged || self.probe.is_none()) {
            self.begin(config, now);
        }
        let probe = self.probe.as_mut()?;
        let was_due = probe.due();
        probe.advance(now);
        let verdict = probe.take_verdict();
        if probe.is_over() {
            self.probe = None;
        }
        let woke_late = now.saturating_duration_since(was_due) > OWN_DELAY;
        let verdict = self.excuse(verdict?, woke_late);
        self.judge(&verdict, config, now);
        Some(verdict)
    }

    /// A probe that failed for want of time says little if we were late ourselves, or if the
    /// backend answered requests meanwhile: then it has much to do, and is not frozen.
    fn excuse(&self, verdict: Result<(), Symptom>, woke_late: bool) -> Result<(), Symptom> {
        let Err(Symptom::TimedOut(what)) = verdict else {
            return verdict;
        };
        let has_answered = self.backend.take_answered() && what != CONNECTING;
        Err(match (self.is_hasty, has_answered) {
            (true, true) => Symptom::Ours,
            (true, false) if woke_late => Symptom::Ours,
            (false, true) => Symptom::Overdue(what),
            _ => Symptom::TimedOut(what),
        })
    }

    fn begin(&mut self, config: &HealthConfig, now: Instant) {
        if self.backend.state().wish == Wish::Disabled {
            self.set_next(now + UNSETTLED_INTERVAL);
            return;
        }
        let patience = match self.is_hasty {
            true => self.hasty_patience(config),
            false => config.timeout,
        };
        // From now on.
        let _ = self.backend.take_answered();
        self.probe = Some(Probe::new(&self.backend, config, now + patience));
        (self.began, self.is_judged) = (now, false);
        // Planned anew as soon as there is a verdict.
        self.set_next(now + config.interval.max(config.timeout));
    }

    fn hasty_patience(&self, config: &HealthConfig) -> Duration {
        let patience = (self.usual * HASTY_FACTOR).max(HASTY_TIMEOUT);
        patience.min(config.timeout)
    }

    /// Plans the next probe by what this one has found.
    fn judge(&mut self, verdict: &Result<(), Symptom>, config: &HealthConfig, now: Instant) {
        self.is_judged = true;
        if verdict.is_ok() {
            // The slowest of late, soon forgotten.
            let took = now.saturating_duration_since(self.began);
            self.usual = took.max(self.usual / 2);
        }
        let was_hasty = std::mem::take(&mut self.is_hasty);
        self.is_excused = was_hasty && *verdict == Err(Symptom::Ours);
        let is_confirming = was_hasty && verdict.is_err();
        // As it was before this verdict: who has just become well is looked at once more.
        let state = self.backend.state();
        let is_unsettled = state.health.is_known() && state.health.is_unsettled();
        let is_up = state.health.is_up();
        drop(state);
        let interval = match is_unsettled || verdict.is_err() {
            true => config.interval.min(UNSETTLED_INTERVAL),
            false => config.interval,
        };
        let jitter = 1.0 + JITTER * (2.0 * fastrand::f64() - 1.0);
        self.set_next(self.began + interval.mul_f64(jitter));
        if is_confirming && is_up {
            self.hasten(config, now);
        }
    }

    fn set_next(&mut self, next: Instant) {
        self.next = next;
        self.backend.state().next_check = Some(next);
    }

    /// Something is odd: probes now, or has the probe under way make haste.
    fn hasten(&mut self, config: &HealthConfig, now: Instant) {
        let patience = self.hasty_patience(config);
        match &mut self.probe {
            Some(_) if !self.is_judged && self.is_excused => {}
            Some(probe) if !self.is_judged => {
                self.is_hasty = true;
                probe.hasten(now.max(self.began + patience));
            }
            _ => {
                self.is_hasty = !self.is_excused;
                self.set_next(self.next.min(now.max(self.began + HASTY_INTERVAL)));
            }
        }
    }

    /// When it has something to do in any case.
    pub(super) fn due(&self) -> Instant {
        match &self.probe {
            Some(probe) if self.is_judged => probe.due().min(self.next),
            Some(probe) => probe.due(),
            None => self.next,
        }
    }

    /// What the probe under way waits for.
    pub(super) fn waits(&self) -> Option<(&Conn, Interest)> {
        self.probe.as_ref().and_then(Probe::waits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::Name;
    use crate::backends::health::Health;

    fn schedule(now: Instant) -> Schedule {
        let name = Name {
            host: "localhost".into(),
            port: 5001,
        };
        let backend = Backend::new(0, name, Health::new(2, 2));
        Schedule::new(&Arc::new(backend), now)
    }

    #[test]
    fn after_an_impatient_check_was_excused_the_next_one_has_all_its_time() {
        let (now, config) = (Instant::now(), HealthConfig::default());
        let mut schedule = schedule(now);
        let mut run = |is_late| {
            schedule.hasten(&config, now);
            let is_hasty = schedule.is_hasty;
            let verdict = schedule.excuse(Err(Symptom::TimedOut("reading")), is_late);
            schedule.judge(&verdict, &config, now);
            (is_hasty, verdict)
        };
        // On a machine that is always late, every impatient check would be excused for ever.
        let timed_out = Err(Symptom::TimedOut("reading"));
        assert_eq!(run(true), (true, Err(Symptom::Ours)));
        assert_eq!(run(true), (false, timed_out.clone()));
        assert_eq!(run(false), (true, timed_out));
    }
}
