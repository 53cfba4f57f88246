//! What an observation of one backend means for the whole group: how many may be out for silence.
//!
//! Silence is weak evidence: a busy backend and a frozen one look the same, and when most backends are
//! silent, the trouble is on our side or common to all. So silence and ejections together take at most
//! half of the backends out, rounded down. When more are silent, the backends that are down for
//! silence are used again. A backend that is out by itself (gone, unwell, or never seen to answer) is
//! not counted: while one of two is being restarted, the other one stays, however late it is. A backend
//! that is silent or failing and may not leave is the last resort: it gets requests while there is no
//! better one.

use super::admin_state::AdminState;
use super::backend::{Backend, BackendState, Finding, Stale};
use super::health::{Observation, Transition};
use super::member::Member;
use super::shared::{Backends, Configured};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A backend that has been down for silence for this time counts as out by itself: no backend is busy
/// for a minute without a single answer, and its host may have been switched off.
const DEAD: Duration = Duration::from_secs(60);

/// What an observation changed.
#[derive(Debug)]
pub struct Change<C> {
    /// What happened to the backend.
    pub transition: Option<Transition>,
    /// How long it was as it was before; `None` for the first observation.
    pub lasted: Option<Duration>,
    /// How many backends are up now.
    pub up: usize,
    /// How many there are.
    pub of: usize,
    /// Other backends that are used again because too many are out, and for how long they were
    /// down.
    pub restored: Vec<(Arc<Backend<C>>, Duration)>,
    /// From now on more than half are silent (`true`), or no longer (`false`).
    pub silence: Option<bool>,
}

/// Backends by state; a backend that is out by itself is not counted.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    /// Not out by themselves.
    able: usize,
    /// Silent, whether they are out for it or idle.
    silent: usize,
    /// Out because requests failed there.
    ejected: usize,
}

impl Counts {
    fn are_most_silent(self) -> bool {
        self.silent * 2 > self.able
    }

    fn are_too_many_out(self) -> bool {
        (self.silent + self.ejected) * 2 > self.able
    }
}

impl<C> Backends<C> {
    /// Takes what was seen of `backend` at `now` into account. Returns what changed, if anything; nothing
    /// does when it is no member any more.
    pub fn observe(
        &self,
        backend: &Backend<C>,
        observation: Observation,
        finding: &Finding,
        now: Instant,
    ) -> Option<Change<C>> {
        // One at a time, so that no two of them both think that the other is still there.
        self.change(|configured, stale| {
            let members = Arc::clone(&configured.members);
            let is_member = members.iter().any(|one| is_same(one, backend));
            // One that is about to become a member is checked before, and not disabled.
            if !is_member && backend.is_disabled() {
                return None;
            }
            let mut with_this = count(&members, now, |one| !is_same(one, backend));
            (with_this.able, with_this.silent) = (with_this.able + 1, with_this.silent + 1);
            let may_leave = !configured.silence.is_on() && !with_this.are_too_many_out();
            let changed = backend.apply((observation, finding), may_leave, now, stale);
            let restored = restore(&members, now, stale);
            let are_most_silent = count(&members, now, |_| true).are_most_silent();
            let silence = configured.silence.note(are_most_silent, now);
            if changed.is_none() && restored.is_empty() && silence.is_none() {
                return None;
            }
            Some(Change {
                transition: changed.map(|(transition, _)| transition),
                lasted: changed.and_then(|(_, lasted)| lasted),
                up: members.iter().filter(|one| one.backend.is_up()).count(),
                of: members.len(),
                restored,
                silence,
            })
        })
    }

    /// Whether more than half of the backends are silent: then they are used all the same.
    #[must_use]
    pub fn are_most_silent(&self) -> bool {
        let configured: &Configured<C> = &self.lock();
        configured.silence.is_on()
    }
}

/// If too many are out, uses the backends again that are down for silence. If no other is up, uses the
/// ejected ones again.
fn restore<C>(
    members: &[Member<C>],
    now: Instant,
    stale: &mut Stale,
) -> Vec<(Arc<Backend<C>>, Duration)> {
    let mut restored = Vec::new();
    let mut note = |one: &Arc<Backend<C>>, lasted: Option<Duration>| {
        restored.extend(lasted.map(|lasted| (Arc::clone(one), lasted)));
    };
    let all = || members.iter().map(|one| &one.backend);
    if count(members, now, |_| true).are_too_many_out() {
        let able = all().filter(|one| !is_dead(&one.state(), now));
        able.for_each(|one| note(one, one.restore(|health| health.restore_silent(), stale)));
    }
    if !all().any(|one| one.is_up()) {
        all().for_each(|one| note(one, one.restore(|health| health.restore_ejected(), stale)));
    }
    restored
}

fn is_same<C>(member: &Member<C>, backend: &Backend<C>) -> bool {
    std::ptr::eq(&*member.backend, backend)
}

fn count<C>(members: &[Member<C>], now: Instant, is_meant: impl Fn(&Member<C>) -> bool) -> Counts {
    let mut counts = Counts::default();
    for member in members.iter().filter(|one| is_meant(one)) {
        let state = member.backend.state();
        let is_wanted = state.admin == AdminState::Enabled && member.weight > 0;
        if !is_wanted || state.health.is_out_by_itself() || is_dead(&state, now) {
            continue;
        }
        counts.able += 1;
        counts.silent += usize::from(state.health.is_silent());
        let is_out = state.health.is_ejected() && !state.health.is_up();
        counts.ejected += usize::from(is_out);
    }
    counts
}

/// Whether it has been down for silence for so long that its host may have been switched off.
fn is_dead(state: &BackendState, now: Instant) -> bool {
    let is_down = state.health.is_silent() && !state.health.is_up();
    is_down && now.saturating_duration_since(state.since) >= DEAD
}

#[cfg(test)]
mod tests;
