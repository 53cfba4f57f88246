//! Who exists, who is alive, who is next, and the connections that are kept for them.
//!
//! Names no HTTP and no socket: a kept connection is any `C`.
//!
//! | file | duty |
//! |---|---|
//! | [`select`] | whose turn it is, and who is the last one left |
//! | [`health`] | up or down, from observations: a pure state machine |
//! | [`ramp`] | how large a share one gets that has returned |
//! | [`kept`] | connections that rest between requests |
//! | [`addresses`] | where it can be reached |
//! | [`name`] | what it is called |

pub mod addresses;
pub mod health;
pub mod kept;
pub mod name;
pub mod ramp;
pub mod select;

pub use name::Name;

use addresses::Addresses;
use health::{Health, Observation, Transition};
use kept::Kept;
use ramp::Ramp;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What the operator wants of a backend, whatever its health.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// It is used while it is up.
    #[default]
    Enabled,
    /// It gets no new requests and finishes those that it has.
    Draining,
    /// It gets none, and no connections are kept for it.
    Disabled,
}

/// Why a backend is down, as far as those are concerned who wait for its answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plight {
    /// It answers, but not as it should: what it has been asked may yet be answered.
    Unwell,
    /// It cannot be reached, or says nothing: nobody need wait for it.
    Gone,
}

/// How a backend is and why: what is told of it.
#[derive(Clone, Debug)]
pub struct State {
    /// Up or down.
    pub health: Health,
    /// What the operator wants.
    pub wish: Wish,
    /// Since when it has been up or down.
    pub since: Instant,
    /// What was seen last that was bad.
    pub reason: String,
    /// What that means for those who wait.
    pub plight: Plight,
    /// When it is checked next.
    pub next_check: Option<Instant>,
}

/// One server that requests are sent to.
#[derive(Debug)]
pub struct Backend<C> {
    /// Its place in the command line, from 0; reserves come last.
    pub index: usize,
    /// What it is called.
    pub name: Name,
    /// Whether it is used only when no other is up.
    pub is_backup: bool,
    /// Connections that rest.
    pub kept: Kept<C>,
    /// Where it can be reached.
    pub addresses: Addresses,
    /// How much of its share it gets.
    pub ramp: Ramp,
    /// What selection reads for every request; `state` is behind a lock.
    is_live: AtomicBool,
    state: Mutex<State>,
    /// Requests that failed there, one after the other.
    failures_in_row: AtomicU32,
    /// Something is odd: it should be checked now.
    is_suspect: AtomicBool,
    /// It has answered a request since this was asked last.
    has_answered: AtomicBool,
}

impl<C> Backend<C> {
    /// A backend that nobody has looked at yet: down until the first observation.
    #[must_use]
    pub fn new(index: usize, name: Name, health: Health) -> Self {
        let state = State {
            health,
            wish: Wish::default(),
            since: Instant::now(),
            reason: "not checked yet".into(),
            plight: Plight::Gone,
            next_check: None,
        };
        Self {
            index,
            name,
            is_backup: false,
            kept: Kept::default(),
            addresses: Addresses::default(),
            ramp: Ramp::default(),
            is_live: AtomicBool::new(false),
            state: Mutex::new(state),
            failures_in_row: AtomicU32::new(0),
            is_suspect: AtomicBool::new(false),
            has_answered: AtomicBool::new(false),
        }
    }

    /// The same as a reserve, used only when no other is up.
    #[must_use]
    pub fn as_backup(mut self) -> Self {
        self.is_backup = true;
        self
    }

    /// Whether it gets requests: it is up, and the operator wants it.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.is_live.load(Ordering::Relaxed)
    }

    /// Whether its health is good, whatever the operator wants.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.state().health.is_up()
    }

    /// How it is and why.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets what the operator wants of it.
    pub fn set_wish(&self, wish: Wish) {
        let mut state = self.state();
        state.wish = wish;
        self.publish(&state);
        drop(state);
        if wish == Wish::Disabled {
            self.kept.clear();
        }
    }

    fn publish(&self, state: &State) {
        let is_live = state.health.is_up() && state.wish == Wish::Enabled;
        self.is_live.store(is_live, Ordering::Relaxed);
    }

    /// Takes an observation into account; returns what changed, if anything, and how long it
    /// was as it was before. `finding` says what was seen.
    fn observe(
        &self,
        observation: Observation,
        finding: &Finding,
        is_last: bool,
    ) -> Option<(Transition, Option<Duration>)> {
        let mut state = self.state();
        if observation == Observation::Ejected && !state.health.is_up() {
            // It is out already, and the reason for that stays.
            return None;
        }
        let was_known = state.health.is_known();
        if observation != Observation::Good {
            state.reason.clone_from(&finding.reason);
            state.plight = finding.plight;
        }
        let transition = state.health.observe(observation, is_last)?;
        let lasted = was_known.then(|| state.since.elapsed());
        state.since = Instant::now();
        self.publish(&state);
        drop(state);
        // A backend that was ejected is on probation: one more failure, and it is out again.
        let row = if observation == Observation::Ejected {
            u32::MAX
        } else {
            0
        };
        match transition {
            Transition::Down => self.failures_in_row.store(row, Ordering::Relaxed),
            Transition::Up => self.is_suspect.store(false, Ordering::Relaxed),
        }
        // Connections of before an outage are not to be trusted after it.
        self.kept.clear();
        Some((transition, lasted))
    }

    /// A request failed there; returns how many have, one after the other.
    pub fn count_failure(&self) -> u32 {
        let before = self.failures_in_row.load(Ordering::Relaxed);
        let now = before.saturating_add(1);
        self.failures_in_row.store(now, Ordering::Relaxed);
        now
    }

    /// A request was answered.
    pub fn count_success(&self) {
        // Nearly always so already: only looking leaves the cache line with all workers.
        if !self.has_answered.load(Ordering::Relaxed) {
            self.has_answered.store(true, Ordering::Relaxed);
        }
        if self.failures_in_row.load(Ordering::Relaxed) > 0 {
            self.failures_in_row.store(0, Ordering::Relaxed);
        }
    }

    /// Whether it has answered a request since this was asked last.
    #[must_use]
    pub fn take_answered(&self) -> bool {
        self.has_answered.swap(false, Ordering::Relaxed)
    }

    /// Something is odd about it; returns whether that is news.
    #[must_use]
    pub fn suspect(&self) -> bool {
        !self.is_suspect.swap(true, Ordering::SeqCst)
    }

    /// Whether something was odd since this was asked last.
    #[must_use]
    pub fn take_suspicion(&self) -> bool {
        self.is_suspect.swap(false, Ordering::SeqCst)
    }
}

/// What was seen of a backend, in words and in what it means.
#[derive(Clone, Debug)]
pub struct Finding {
    /// For people.
    pub reason: String,
    /// For those who wait.
    pub plight: Plight,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backend() -> Backend<()> {
        let name = Name {
            host: "a".into(),
            port: 1,
        };
        Backend::new(0, name, Health::new(1, 1))
    }

    fn finding() -> Finding {
        Finding {
            reason: "odd".into(),
            plight: Plight::Gone,
        }
    }

    #[test]
    fn health_and_the_operators_wish_are_kept_apart() {
        let backend = backend();
        backend.observe(Observation::Good, &finding(), false);
        assert!(backend.is_live());
        for (wish, is_live) in [
            (Wish::Draining, false),
            (Wish::Disabled, false),
            (Wish::Enabled, true),
        ] {
            backend.set_wish(wish);
            assert!(backend.is_live() == is_live && backend.is_up(), "{wish:?}");
        }
        backend.set_wish(Wish::Draining);
        let bad = Observation::Bad(health::Weight::Hard);
        assert!(backend.observe(bad, &finding(), false).is_some());
        backend.observe(Observation::Good, &finding(), false);
        assert!(backend.is_up() && !backend.is_live());
    }

    #[test]
    fn failures_count_in_a_row_and_an_ejected_one_is_on_probation() {
        let backend = backend();
        backend.observe(Observation::Good, &finding(), false);
        assert_eq!((backend.count_failure(), backend.count_failure()), (1, 2));
        backend.count_success();
        assert_eq!(backend.count_failure(), 1);
        backend.observe(Observation::Ejected, &finding(), false);
        assert!(!backend.is_live());
        assert_eq!(backend.count_failure(), u32::MAX);
        backend.count_success();
        assert_eq!(backend.count_failure(), 1);
    }

    #[test]
    fn a_suspicion_is_news_once() {
        let backend = backend();
        assert!(backend.suspect() && !backend.suspect());
        assert!(backend.take_suspicion() && !backend.take_suspicion());
    }
}
