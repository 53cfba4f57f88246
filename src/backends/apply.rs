//! What an observation changes in one backend. Must not know its group: whether it may leave is decided
//! there.

use super::health::{Evidence, Health, Observation, Transition};
use super::{Backend, BackendState, Finding, Standing};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

impl<C> Backend<C> {
    fn publish(&self, state: &BackendState) {
        let standing = Standing::of(&state.health);
        let is_news = !matches!(standing, Standing::Clear | Standing::Down);
        let is_news = is_news || self.is_unreachable();
        self.standing.set(standing);
        self.is_response_news.store(is_news, Ordering::Relaxed);
    }

    /// Takes an observation into account; returns what changed, if anything, and how long it
    /// was up or down before. `finding` says what was seen.
    pub(super) fn apply(
        &self,
        observation: Observation,
        finding: &Finding,
        may_leave: bool,
        now: Instant,
    ) -> Option<(Transition, Option<Duration>)> {
        let mut state = self.state();
        let is_minor = matches!(observation, Observation::Failing | Observation::Late);
        if is_minor && !state.health.is_up() {
            // It is out already, and the reason for that stays.
            return None;
        }
        let was_known = state.health.is_known();
        let was_ejected = state.health.is_ejected();
        match observation {
            Observation::Failing | Observation::Late | Observation::Bad(Evidence::Silent) => {
                state.reason.clone_from(&finding.reason);
            }
            // A refusal or a wrong answer has found a way to it.
            Observation::Bad(Evidence::Gone | Evidence::Unwell) => {
                state.reason.clone_from(&finding.reason);
                self.is_unreachable
                    .store(finding.is_unreachable, Ordering::Relaxed);
            }
            Observation::Good | Observation::Response | Observation::TrialPassed => {
                self.is_unreachable.store(false, Ordering::Relaxed);
            }
        }
        let transition = state.health.step(observation, may_leave);
        let (is_ejected, lasted) = (
            state.health.is_ejected(),
            was_known.then(|| now.saturating_duration_since(state.since)),
        );
        if matches!(transition, Some(Transition::Up | Transition::Down)) {
            state.since = now;
        }
        self.publish(&state);
        drop(state);
        if was_ejected && !is_ejected {
            self.failures
                .end_ejection(observation == Observation::TrialPassed);
        }
        let transition = transition?;
        self.follow(transition, is_ejected, now);
        Some((transition, lasted))
    }

    /// What follows from a transition for the rest of it.
    fn follow(&self, transition: Transition, is_ejected: bool, now: Instant) {
        match transition {
            Transition::Suspected | Transition::Down if is_ejected => self.failures.eject(now),
            Transition::Down => self.failures.end_ejection(false),
            Transition::Suspected | Transition::Cleared | Transition::Up => {}
        }
        if matches!(transition, Transition::Suspected | Transition::Cleared) {
            return;
        }
        // A backend that goes down is to be checked; for one that comes back, an older reason is over.
        let is_down = transition == Transition::Down;
        self.is_to_be_checked.store(is_down, Ordering::SeqCst);
        // Connections of before an outage are not to be trusted after it.
        self.idle.clear();
    }

    /// Takes it back into use, if `restores` finds that it can; returns for how long it was down.
    pub(super) fn restore(&self, restores: impl FnOnce(&mut Health) -> bool) -> Option<Duration> {
        let mut state = self.state();
        let lasted = state.since.elapsed();
        if !restores(&mut state.health) {
            return None;
        }
        state.since = Instant::now();
        self.publish(&state);
        Some(lasted)
    }
}
