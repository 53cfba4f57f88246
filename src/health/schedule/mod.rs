//! When a backend is probed, and what follows when a probe is late.
//!
//! A backend is probed once per interval. While it is down, suspect or failing, it is probed at
//! least once per second, so that it is out, or back, soon. When a request meets something odd
//! there, it is probed at once.
//!
//! One probe is open at a time, so that checks do not fill the queue of a busy backend. A probe that
//! is not answered in time stays open, and counts as another bad check after each further timeout.
//!
//! A probe has two deadlines. After the first it is *late*, which makes the backend suspect if a
//! request was late as well. After the *timeout* it has failed. A deadline that this process notices
//! late itself says nothing about the backend; it runs once more.

use super::probe::Probe;
use super::symptom::{Activity, Symptom};
use super::usual::Usual;
use crate::backends::Backend;
use crate::backends::health::Evidence;
use crate::config::HealthConfig;
use crate::health::loop_detection::OpenChecks;
use crate::net::Interest;
use crate::net::conn::Conn;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The longest pause between probes while a backend is not up and free of suspicion.
const UNSETTLED_INTERVAL: Duration = Duration::from_secs(1);

/// Intervals vary by this fraction, up or down, so that several balancers do not probe in step.
const JITTER: f64 = 0.05;

/// The shortest time between the starts of two probes: a slow backend, where every request seems
/// odd, is probed four times per second.
const HASTY_INTERVAL: Duration = Duration::from_millis(250);

/// A deadline that is noticed later than this says nothing: this process is what is slow.
const OWN_DELAY: Duration = Duration::from_millis(50);

/// An unanswered probe is replaced after this time, and once after `fall` timeouts: its connection
/// may have died unnoticed, and a backend that was busy for so long has closed some itself.
const LONGEST_PROBE: Duration = Duration::from_secs(10);

/// The result of a look at a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// The backend gave a good answer.
    Good,
    /// The probe is late, while it does this.
    Late(Activity),
    /// The probe failed.
    Bad(Symptom),
}

/// The probes of one backend.
#[derive(Debug)]
pub(super) struct Schedule {
    /// The backend.
    pub(super) backend: Arc<Backend<Conn>>,
    open_checks: Arc<OpenChecks>,
    probe: Option<Probe>,
    /// When the probe under way, or the last one, began.
    began: Instant,
    /// When its present timeout began, and when it ends.
    counted: Instant,
    due: Instant,
    /// When it is late, unless that was reported already.
    late: Option<Instant>,
    /// When the next one begins.
    next: Instant,
    usual: Usual,
    /// The probe under way, or the last one, has its result; what is left is an orderly close.
    is_judged: bool,
    /// Any probe has had a result.
    is_known: bool,
    /// A request was late, so a late probe makes the backend suspect.
    is_urgent: bool,
    lateness_excuse: Excuse,
    timeout_excuse: Excuse,
    /// Timeouts in a row since the last result.
    missed: u32,
}

/// Whether a deadline was run once more because this process was late. Only once: on a machine that
/// is always late, no deadline would ever count.
#[derive(Clone, Copy, Debug, Default)]
struct Excuse {
    is_used: bool,
}

impl Excuse {
    /// Whether the deadline was noticed so late that it says nothing, for the first time.
    fn holds(&mut self, deadline: Instant, now: Instant) -> bool {
        let is_late = now.saturating_duration_since(deadline) > OWN_DELAY;
        is_late && !std::mem::replace(&mut self.is_used, is_late)
    }
}

impl Schedule {
    /// The schedule of a backend that is to be probed at once.
    pub(super) fn new(
        backend: &Arc<Backend<Conn>>,
        open_checks: &Arc<OpenChecks>,
        now: Instant,
    ) -> Self {
        Self {
            backend: Arc::clone(backend),
            open_checks: Arc::clone(open_checks),
            probe: None,
            began: now,
            counted: now,
            due: now,
            late: None,
            next: now,
            usual: Usual::default(),
            is_judged: false,
            is_known: false,
            is_urgent: false,
            lateness_excuse: Excuse::default(),
            timeout_excuse: Excuse::default(),
            missed: 0,
        }
    }

    /// Whether no first result is to be waited for: a probe had one, or none is sent.
    pub(super) fn is_known(&self) -> bool {
        self.is_known || self.backend.is_disabled()
    }

    /// Goes on as far as possible without blocking. Returns each result once.
    pub(super) fn go_on(&mut self, config: &HealthConfig, now: Instant) -> Option<Seen> {
        if self.backend.take_check() {
            self.hasten(config, now);
        }
        if self.backend.take_rest() && self.is_waiting() {
            self.late = Some(now);
        }
        if now >= self.next && (self.is_judged || self.probe.is_none()) {
            self.begin(config, now);
        }
        let probe = self.probe.as_mut()?;
        probe.advance(now);
        let verdict = probe.take_verdict();
        if probe.is_over() || (self.is_judged && now >= self.due) {
            self.probe = None;
        }
        match verdict {
            Some(verdict) => Some(self.take(verdict, config, now)),
            None if self.is_judged => None,
            None if now >= self.due => self.time_out(config, now),
            None => self.check_lateness(config, now),
        }
    }

    fn begin(&mut self, config: &HealthConfig, now: Instant) {
        if self.backend.is_disabled() {
            self.set_next(now + UNSETTLED_INTERVAL);
            return;
        }
        self.is_judged = false;
        self.late = Some(now + self.usual.lateness(config.timeout()));
        (self.lateness_excuse, self.timeout_excuse) = (Excuse::default(), Excuse::default());
        self.probe_anew(config, now);
    }

    /// Opens a probe with the whole timeout. The next one is planned when it has its result.
    fn probe_anew(&mut self, config: &HealthConfig, now: Instant) {
        self.began = now;
        self.count_anew(config, now);
        self.probe = Some(Probe::new(
            &self.backend,
            config,
            &self.open_checks,
            self.due,
        ));
    }

    fn count_anew(&mut self, config: &HealthConfig, now: Instant) {
        (self.counted, self.due) = (now, now + config.timeout());
        self.set_next(self.due);
    }

    /// The answer has come, or none will.
    fn take(&mut self, verdict: Result<(), Symptom>, config: &HealthConfig, now: Instant) -> Seen {
        let evidence = verdict.as_ref().err().and_then(Symptom::evidence);
        if verdict.is_ok() || evidence == Some(Evidence::Unwell) {
            self.backend.idle.see_answer(true, now);
        }
        self.end(verdict.as_ref().err(), config, now);
        match verdict {
            Ok(()) => {
                self.usual.note(now.saturating_duration_since(self.began));
                Seen::Good
            }
            Err(symptom) => Seen::Bad(symptom),
        }
    }

    /// Reports the probe as late, if it is.
    fn check_lateness(&mut self, config: &HealthConfig, now: Instant) -> Option<Seen> {
        let late = self.late.filter(|late| now >= *late)?;
        let lateness = self.usual.lateness(config.timeout());
        if self.lateness_excuse.holds(late, now) {
            self.late = Some(now + lateness);
            return None;
        }
        self.late = self.backend.release_idle(now);
        self.backend.watch_rest(self.late.is_none());
        let activity = self.probe.as_ref()?.activity();
        // A backend that responds to other requests is busy, not frozen. But its system accepts
        // connections however busy it is, until the queue is full.
        let since = now.checked_sub(lateness).unwrap_or(self.began);
        let is_busy =
            activity != Activity::Connecting && self.backend.heard.has_responded_since(since);
        (self.is_urgent && !is_busy).then_some(Seen::Late(activity))
    }

    /// The timeout has passed. While responses to requests come from the backend, it is no worse
    /// than late.
    fn time_out(&mut self, config: &HealthConfig, now: Instant) -> Option<Seen> {
        let probe = self.probe.as_ref()?;
        let (activity, may_be_answered) = (probe.activity(), probe.may_be_answered());
        let is_excused = self.timeout_excuse.holds(self.due, now);
        let responds = self.backend.heard.has_responded_since(self.counted);
        let is_old = now.saturating_duration_since(self.began) >= LONGEST_PROBE;
        self.missed += u32::from(!is_excused);
        // The probe may have been lost: a backend that goes down for this is probed again at once.
        let is_lost = !is_excused && self.missed == config.fall;
        let is_replaced = is_old || is_lost;
        let symptom = Symptom::TimedOut(activity);
        if may_be_answered && !is_replaced {
            self.count_anew(config, now);
        } else if is_excused || is_replaced {
            self.probe_anew(config, now);
        } else {
            self.probe = None;
            self.end(Some(&symptom), config, now);
        }
        if is_excused {
            return None;
        }
        self.timeout_excuse = Excuse::default();
        self.is_known = true;
        match responds {
            true => Some(Seen::Late(activity)),
            false => Some(Seen::Bad(symptom)),
        }
    }

    /// Plans the next probe by the result of this one.
    fn end(&mut self, symptom: Option<&Symptom>, config: &HealthConfig, now: Instant) {
        (self.is_judged, self.is_known, self.is_urgent) = (true, true, false);
        self.missed = 0;
        self.backend.watch_rest(false);
        // As it was before this result: a backend that has just recovered is probed again soon.
        let state = self.backend.state();
        let is_unsettled = state.health.is_known() && state.health.is_unsettled();
        let is_up = state.health.is_up();
        drop(state);
        let interval = match is_unsettled || symptom.is_some() {
            true => config.interval.min(UNSETTLED_INTERVAL),
            false => config.interval,
        };
        let jitter = 1.0 + JITTER * (2.0 * fastrand::f64() - 1.0);
        self.set_next(self.began + interval.mul_f64(jitter));
        // A backend that is gone is probed again at once: whether it stays gone is soon known.
        let is_gone = symptom.and_then(Symptom::evidence) == Some(Evidence::Gone);
        if is_gone && is_up {
            self.hasten_next(now);
        }
    }

    fn set_next(&mut self, next: Instant) {
        self.next = next;
        self.backend.set_next_check(next);
    }

    /// A request met something odd: probes now, or makes the probe under way urgent, which may be
    /// late already.
    fn hasten(&mut self, config: &HealthConfig, now: Instant) {
        self.is_urgent = true;
        if !self.is_waiting() {
            return self.hasten_next(now);
        }
        let late = self.began + self.usual.lateness(config.timeout());
        self.late = Some(late.max(now));
    }

    /// Whether a probe waits for its answer.
    fn is_waiting(&self) -> bool {
        self.probe.is_some() && !self.is_judged
    }

    fn hasten_next(&mut self, now: Instant) {
        self.set_next(self.next.min(now.max(self.began + HASTY_INTERVAL)));
    }

    /// When it has something to do at the latest.
    pub(super) fn due(&self) -> Instant {
        let Some(probe) = &self.probe else {
            return self.next;
        };
        if self.is_judged {
            return self.due.min(self.next);
        }
        let others = [self.late, probe.next_address_due()];
        others.into_iter().flatten().fold(self.due, Instant::min)
    }

    /// What the probe under way waits for.
    pub(super) fn waits(&self) -> Option<(&Conn, Interest)> {
        self.probe.as_ref().and_then(Probe::waits)
    }
}

#[cfg(test)]
mod tests;
