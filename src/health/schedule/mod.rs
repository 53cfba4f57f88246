//! When a backend is probed, and what it means that a probe is late.
//!
//! As a rule every interval; once it was seen failing or suspect, at least every second, so
//! that it is out, or back, soon; when a request met something odd there, at once. One probe
//! is open at a time, so that checks do not fill the queue of a backend that is busy: one that
//! was not answered in time stays open, and counts as one more bad check after each further
//! timeout.
//!
//! Two deadlines run: after the *patience* a probe is late, which makes the backend suspect if
//! a request was late as well; after the *timeout* it has failed. Neither counts when we were
//! late ourselves to notice it; then it runs once more.

use super::probe::{CONNECTING, Probe};
use super::symptom::Symptom;
use super::usual::Usual;
use crate::backends::health::Evidence;
use crate::backends::{AdminState, Backend};
use crate::config::HealthConfig;
use crate::health::loop_detection::OpenChecks;
use crate::net::Interest;
use crate::net::conn::Conn;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The longest pause between probes while a backend is not up and free of suspicion.
const UNSETTLED_INTERVAL: Duration = Duration::from_secs(1);

/// Intervals vary by this part, up or down, so that several balancers do not probe in step.
const JITTER: f64 = 0.05;

/// The shortest time between the beginnings of two probes, however much is odd: a slow backend,
/// of which every request seems odd, is asked four times a second.
const HASTY_INTERVAL: Duration = Duration::from_millis(250);

/// A deadline that we notice later than this says nothing: we are what is slow.
const OWN_DELAY: Duration = Duration::from_millis(50);

/// A probe that is not answered is replaced after so long, and once after `fall` timeouts: its connection may have died without
/// a word, and a backend that was busy for so long has closed some itself.
const LONGEST_PROBE: Duration = Duration::from_secs(10);

/// What was seen of a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It answered as it should.
    Good,
    /// A probe is late, with what it is doing.
    Late(&'static str),
    /// A probe failed.
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
    /// Since when its present timeout runs, and until when.
    counted: Instant,
    due: Instant,
    /// When it is late, unless that was said already.
    late: Option<Instant>,
    /// When the next one begins.
    next: Instant,
    usual: Usual,
    /// The probe under way, or else the last one, has its verdict; what is left of it is
    /// politeness.
    is_judged: bool,
    /// Any probe has had a verdict.
    is_known: bool,
    /// A request was late: so that a late probe makes the backend suspect.
    is_impatient: bool,
    patience_excuse: Excuse,
    timeout_excuse: Excuse,
    /// Timeouts in a row since the last verdict.
    missed: u32,
}

/// Whether a deadline was given once more because we were late ourselves. Once only: on a
/// machine that is always late, none would ever count.
#[derive(Clone, Copy, Debug, Default)]
struct Excuse {
    is_used: bool,
}

impl Excuse {
    /// Whether we noticed the deadline so late that it says nothing, and this for the first
    /// time.
    fn holds(&mut self, deadline: Instant, now: Instant) -> bool {
        let is_late = now.saturating_duration_since(deadline) > OWN_DELAY;
        is_late && !std::mem::replace(&mut self.is_used, is_late)
    }
}

impl Schedule {
    /// A backend that is due at once.
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
            is_impatient: false,
            patience_excuse: Excuse::default(),
            timeout_excuse: Excuse::default(),
            missed: 0,
        }
    }

    /// Whether any probe has had a verdict.
    pub(super) fn is_known(&self) -> bool {
        self.is_known
    }

    /// Goes on as far as possible; returns what was seen, each thing once.
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
            None => self.see_patience(config, now),
        }
    }

    fn begin(&mut self, config: &HealthConfig, now: Instant) {
        if self.backend.state().admin == AdminState::Disabled {
            self.set_next(now + UNSETTLED_INTERVAL);
            return;
        }
        self.is_judged = false;
        self.late = Some(now + self.usual.patience(config.timeout));
        (self.patience_excuse, self.timeout_excuse) = (Excuse::default(), Excuse::default());
        self.probe_anew(config, now);
    }

    /// Opens a probe, which has the whole timeout. The next one is planned when it has its
    /// verdict.
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
        (self.counted, self.due) = (now, now + config.timeout);
        self.set_next(self.due);
    }

    /// The answer has come, or none ever will.
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

    /// Looks whether the probe is late.
    fn see_patience(&mut self, config: &HealthConfig, now: Instant) -> Option<Seen> {
        let late = self.late.filter(|late| now >= *late)?;
        let patience = self.usual.patience(config.timeout);
        if self.patience_excuse.holds(late, now) {
            self.late = Some(now + patience);
            return None;
        }
        self.late = self.backend.release_idle(now);
        self.backend.watch_rest(self.late.is_none());
        let activity = self.probe.as_ref()?.activity();
        // One that responds to others has much to do, and is not frozen; but connections are
        // taken by its system, however busy it is, until the queue is full.
        let since = now.checked_sub(patience).unwrap_or(self.began);
        let is_busy = activity != CONNECTING && self.backend.heard.has_responded_since(since);
        (self.is_impatient && !is_busy).then_some(Seen::Late(activity))
    }

    /// The time is over. While responses to requests come from it, that makes it no worse than
    /// late.
    fn time_out(&mut self, config: &HealthConfig, now: Instant) -> Option<Seen> {
        let probe = self.probe.as_ref()?;
        let (activity, may_be_answered) = (probe.activity(), probe.may_be_answered());
        let is_excused = self.timeout_excuse.holds(self.due, now);
        let responds = self.backend.heard.has_responded_since(self.counted);
        let is_old = now.saturating_duration_since(self.began) >= LONGEST_PROBE;
        self.missed += u32::from(!is_excused);
        // It may have been lost: a backend that is out for that is asked once more at once.
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

    /// Plans the next probe by what this one has found.
    fn end(&mut self, symptom: Option<&Symptom>, config: &HealthConfig, now: Instant) {
        (self.is_judged, self.is_known, self.is_impatient) = (true, true, false);
        self.missed = 0;
        self.backend.watch_rest(false);
        // As it was before this verdict: who has just become well is looked at once more.
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
        // One that is gone need not be given time: whether it stays so is soon known.
        let is_gone = symptom.and_then(Symptom::evidence) == Some(Evidence::Gone);
        if is_gone && is_up {
            self.hasten_next(now);
        }
    }

    fn set_next(&mut self, next: Instant) {
        self.next = next;
        self.backend.state().next_check = Some(next);
    }

    /// A request met something odd: probes now, or takes the probe under way for an impatient
    /// one, which may be late already.
    fn hasten(&mut self, config: &HealthConfig, now: Instant) {
        self.is_impatient = true;
        if !self.is_waiting() {
            return self.hasten_next(now);
        }
        let late = self.began + self.usual.patience(config.timeout);
        self.late = Some(late.max(now));
    }

    /// Whether a probe waits for its answer.
    fn is_waiting(&self) -> bool {
        self.probe.is_some() && !self.is_judged
    }

    fn hasten_next(&mut self, now: Instant) {
        self.set_next(self.next.min(now.max(self.began + HASTY_INTERVAL)));
    }

    /// When it has something to do in any case.
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
