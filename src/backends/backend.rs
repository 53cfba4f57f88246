//! One server that requests are sent to: how it is, and what is known of it.
//!
//! How far it gets new requests changes only under the lock of its group, which then makes its table
//! anew (`membership`). Must not know which other backends there are.

use super::addresses::Addresses;
use super::admin_state::AdminState;
use super::failures::Failures;
use super::health::{Evidence, Health, Observation, Transition};
use super::heard::Heard;
use super::idle::IdleConnections;
use super::key;
use super::name::Name;
use super::slow_start::SlowStart;
use super::standing::{Published, Standing};
use crate::metrics::BackendMetrics;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// After this time without a byte, a backend that serves one connection at a time may be waiting for
/// a request on one of our idle connections. Longer than most answers take, and short enough for the
/// request that waits.
const IN_THE_WAY: Duration = Duration::from_millis(250);

/// The state of a backend, with the reason.
#[derive(Clone, Debug)]
pub struct BackendState {
    /// Up, suspect or down.
    pub health: Health,
    /// What the operator wants.
    pub admin: AdminState,
    /// Since when it has been up or down.
    pub since: Instant,
    /// What was seen last that was bad.
    pub reason: String,
    /// When it is checked next.
    pub next_check: Option<Instant>,
}

/// Whether the table of a group has become stale. What changes how far a backend gets new requests
/// asks for this, and only `membership` has one, under the group's lock: so no change can be made
/// after which the table is not made anew.
#[derive(Debug, Default)]
pub(super) struct Stale(bool);

impl Stale {
    /// The members, their weights or the policy are others.
    pub(super) fn set(&mut self) {
        self.0 = true;
    }

    /// Whether the table has to be made anew; it is taken to be from now on.
    pub(super) fn take(&mut self) -> bool {
        std::mem::take(&mut self.0)
    }
}

/// What was seen of a backend that was bad.
#[derive(Clone, Debug, Default)]
pub struct Finding {
    /// For people.
    pub reason: String,
    /// There is no way to its host.
    pub is_unreachable: bool,
}

/// One server that requests are sent to.
#[derive(Debug)]
pub struct Backend<C> {
    /// What it is called.
    pub name: Name,
    /// What stands for its name in a cookie: see [`key::tag`].
    pub tag: u64,
    /// Connections that rest.
    pub idle: IdleConnections<C>,
    /// Where it can be reached.
    pub addresses: Addresses,
    /// How much of its share it gets.
    pub slow_start: SlowStart,
    /// When it said something last.
    pub heard: Heard,
    /// Requests that failed there, one after the other.
    pub failures: Failures,
    /// What is counted of it, if anything is. A request that is there holds it too.
    pub metrics: Option<Arc<BackendMetrics>>,
    /// The name as it is hashed.
    pub(super) hashed_name: Box<str>,
    /// Requests that are under way there. `in_flight` counts them.
    pub(super) in_flight: AtomicUsize,
    /// Its place in the tables of its group: where to look for it first.
    pub(super) place: AtomicUsize,
    /// What selection reads for every request; `state` is behind a lock.
    standing: Published,
    /// Whether the operator wants it to get new requests.
    is_wanted: AtomicBool,
    state: Mutex<BackendState>,
    /// There is no way to its host, as was seen last.
    is_unreachable: AtomicBool,
    /// The next response is news: it is suspect, or was unreachable.
    is_response_news: AtomicBool,
    /// Something is odd: it should be checked now.
    is_to_be_checked: AtomicBool,
    /// The next connection that comes to rest may be in its way.
    is_rest_watched: AtomicBool,
    /// One has come to rest.
    has_rested: AtomicBool,
}

impl<C> Backend<C> {
    /// A backend that was not checked yet: down until the first observation.
    #[must_use]
    pub fn new(name: Name, health: Health) -> Self {
        let now = Instant::now();
        let state = BackendState {
            health,
            admin: AdminState::default(),
            since: now,
            reason: "not checked yet".into(),
            next_check: None,
        };
        Self {
            tag: key::tag(&name),
            hashed_name: key::lowercase(&name).into(),
            place: AtomicUsize::new(0),
            name,
            idle: IdleConnections::default(),
            addresses: Addresses::default(),
            slow_start: SlowStart::default(),
            heard: Heard::new(now),
            failures: Failures::default(),
            metrics: None,
            in_flight: AtomicUsize::new(0),
            standing: Published::default(),
            is_wanted: AtomicBool::new(true),
            state: Mutex::new(state),
            is_unreachable: AtomicBool::new(false),
            is_response_news: AtomicBool::new(false),
            is_to_be_checked: AtomicBool::new(false),
            is_rest_watched: AtomicBool::new(false),
            has_rested: AtomicBool::new(false),
        }
    }

    /// The same, and what happens there is counted.
    #[must_use]
    pub fn observed(self) -> Self {
        Self {
            metrics: Some(Arc::default()),
            ..self
        }
    }

    /// How many requests are under way there.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// How far its health lets it have requests.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standing.get()
    }

    /// The same, if it gets any and the operator wants it.
    #[must_use]
    pub fn live_standing(&self) -> Option<Standing> {
        let standing = self.standing();
        let is_live = standing.is_up() && self.is_wanted.load(Ordering::Relaxed);
        is_live.then_some(standing)
    }

    /// Whether it gets requests: it is up, and the operator wants it.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.live_standing().is_some()
    }

    /// Whether its health is good, whatever the operator wants.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.standing().is_up()
    }

    /// Whether there is no way to its host, as was seen last.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        self.is_unreachable.load(Ordering::Relaxed)
    }

    /// Whether it is ejected, and may be given a request to see how it is.
    pub(super) fn is_to_be_tried(&self) -> bool {
        self.is_wanted.load(Ordering::Relaxed) && self.state().health.is_ejected()
    }

    /// Whether it goes on with a client that it has: its health is good, and it is not disabled.
    #[must_use]
    pub fn keeps_clients(&self) -> bool {
        self.is_up() && !self.is_disabled()
    }

    /// Whether it gets nothing at all, not even from clients that depend on it.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.lock().admin == AdminState::Disabled
    }

    /// How it is and why, to be read: only its group changes it.
    pub fn state(&self) -> impl Deref<Target = BackendState> + '_ {
        self.lock()
    }

    /// When it is checked next.
    pub fn set_next_check(&self, next: Instant) {
        self.lock().next_check = Some(next);
    }

    /// It is as it is now since then.
    #[cfg(test)]
    pub fn set_since(&self, since: Instant) {
        self.lock().since = since;
    }

    fn lock(&self) -> MutexGuard<'_, BackendState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets what the operator wants of it.
    pub(super) fn set_admin(&self, admin: AdminState, stale: &mut Stale) {
        let before = std::mem::replace(&mut self.lock().admin, admin);
        self.is_wanted
            .store(admin == AdminState::Enabled, Ordering::Relaxed);
        stale.0 |= before != admin;
        if admin == AdminState::Disabled {
            self.idle.clear();
        }
    }

    /// From now on it goes up and down after so many checks.
    pub(super) fn set_thresholds(&self, rise: u32, fall: u32, stale: &mut Stale) {
        let mut state = self.lock();
        state.health.set_thresholds(rise, fall);
        self.publish(&state, stale);
    }

    fn publish(&self, state: &BackendState, stale: &mut Stale) {
        let standing = Standing::of(&state.health);
        let is_news = !matches!(standing, Standing::Clear | Standing::Down);
        let is_news = is_news || self.is_unreachable();
        stale.0 |= self.standing.replace(standing) != standing;
        self.is_response_news.store(is_news, Ordering::Relaxed);
    }

    /// Takes an observation into account; returns what changed, if anything, and how long it
    /// was up or down before. `finding` says what was seen.
    pub(super) fn apply(
        &self,
        (observation, finding): (Observation, &Finding),
        may_leave: bool,
        now: Instant,
        stale: &mut Stale,
    ) -> Option<(Transition, Option<Duration>)> {
        let mut state = self.lock();
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
        self.publish(&state, stale);
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
    pub(super) fn restore(
        &self,
        restores: impl FnOnce(&mut Health) -> bool,
        stale: &mut Stale,
    ) -> Option<Duration> {
        let mut state = self.lock();
        let lasted = state.since.elapsed();
        if !restores(&mut state.health) {
            return None;
        }
        state.since = Instant::now();
        self.publish(&state, stale);
        Some(lasted)
    }

    /// A response to a request has begun, the first one on its connection or not. Returns
    /// whether that has to be observed.
    #[must_use]
    pub fn hear_response(&self, is_first_there: bool, now: Instant) -> bool {
        self.heard.response(now);
        self.idle.see_answer(is_first_there, now);
        self.is_response_news.load(Ordering::Relaxed)
    }

    /// Something waits for it on a connection that never had an answer. If it says nothing at
    /// all, the idle connections that we hold may be in its way: closes them. Returns when to
    /// look again, if it has said something a moment ago.
    pub fn release_idle(&self, now: Instant) -> Option<Instant> {
        let silence = self.heard.silence(now);
        if silence < IN_THE_WAY {
            return (!self.idle.is_empty()).then_some(now + (IN_THE_WAY - silence));
        }
        self.idle.release(now);
        None
    }

    /// Notes whether a check of it is open that is late: the next connection that comes to rest
    /// may be in its way.
    pub fn watch_rest(&self, is_watched: bool) {
        self.is_rest_watched.store(is_watched, Ordering::Relaxed);
    }

    /// A connection has come to rest. Returns whether that has to be looked into, which is
    /// said once for each [`Self::watch_rest`].
    #[must_use]
    pub fn see_rest(&self) -> bool {
        let is_watched = self.is_rest_watched.load(Ordering::Relaxed)
            && self.is_rest_watched.swap(false, Ordering::Relaxed);
        if is_watched {
            self.has_rested.store(true, Ordering::SeqCst);
        }
        is_watched
    }

    /// Whether a connection has come to rest that has to be looked into.
    #[must_use]
    pub fn take_rest(&self) -> bool {
        self.has_rested.swap(false, Ordering::SeqCst)
    }

    /// Something is odd about it, so that it is to be checked now; returns whether that is news.
    #[must_use]
    pub fn ask_for_check(&self) -> bool {
        !self.is_to_be_checked.swap(true, Ordering::SeqCst)
    }

    /// Whether a check was asked for since this was asked last.
    #[must_use]
    pub fn take_check(&self) -> bool {
        self.is_to_be_checked.swap(false, Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests;
