//! What is seen of one backend, among all of them: how many may be left out for silence.
//!
//! Silence is weak evidence: a backend that is busy and one that is frozen look the same, and
//! when most are silent, the trouble is ours or everybody's. So silence and ejections together
//! take at most half of the backends away, rounded down. Those that are out by themselves
//! (gone, unwell, or never seen to answer) are not counted: if one of two is being restarted,
//! the other one stays, however late it is.

use super::health::{Observation, Transition};
use super::select::Backends;
use super::{Backend, Finding};
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

/// What an observation changed.
#[derive(Clone, Debug)]
pub struct Change {
    /// What happened to the backend.
    pub transition: Option<Transition>,
    /// How long it was as it was before; `None` for the first observation.
    pub lasted: Option<Duration>,
    /// How many backends are up now.
    pub up: usize,
    /// How many there are.
    pub of: usize,
    /// Backends (by index) that were down by silence and are used again, since too many are
    /// silent; and for how long they were down.
    pub restored: Vec<(usize, Duration)>,
    /// From now on more than half are silent (`true`), or no longer (`false`).
    pub silence: Option<bool>,
}

/// How many are what, of those that could answer.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    /// Not out by themselves.
    able: usize,
    silent: usize,
    ejected: usize,
}

impl Counts {
    fn are_most_silent(self) -> bool {
        self.silent * 2 > self.able
    }
}

impl<C> Backends<C> {
    /// Takes what was seen of `backend` into account. Returns what changed, if anything.
    pub fn observe(
        &self,
        backend: &Backend<C>,
        observation: Observation,
        finding: &Finding,
    ) -> Option<Change> {
        // One at a time, so that no two of them both think that the other is still there.
        let mut are_most_silent = self.observing();
        let others = self.count(|one| one.index != backend.index);
        // With this one, which is up or else loses nothing.
        let may_leave = (others.silent + others.ejected + 1) * 2 <= others.able + 1;
        let changed = backend.observe(observation, finding, may_leave);
        let is_too_many = backend.is_kept_though_silent();
        let restored = match is_too_many {
            true => self.restore(),
            false => Vec::new(),
        };
        let now = self.count(|_| true);
        self.has_ejected.store(now.ejected > 0, Ordering::Relaxed);
        let before = std::mem::replace(&mut *are_most_silent, now.are_most_silent());
        let silence = (before != now.are_most_silent()).then_some(now.are_most_silent());
        if changed.is_none() && restored.is_empty() && silence.is_none() {
            return None;
        }
        Some(Change {
            transition: changed.map(|(transition, _)| transition),
            lasted: changed.and_then(|(_, lasted)| lasted),
            up: self.count_up(),
            of: self.all().len(),
            restored,
            silence,
        })
    }

    /// Whether more than half of the backends are silent: then they are used all the same.
    #[must_use]
    pub fn are_most_silent(&self) -> bool {
        *self.observing()
    }

    /// Takes those back into use that are down by silence.
    fn restore(&self) -> Vec<(usize, Duration)> {
        let restored = |one: &Arc<Backend<C>>| Some((one.index, one.restore()?));
        self.all().iter().filter_map(restored).collect()
    }

    fn count(&self, is_meant: impl Fn(&Backend<C>) -> bool) -> Counts {
        let mut counts = Counts::default();
        for backend in self.all().iter().filter(|one| is_meant(one)) {
            let state = backend.state();
            counts.able += usize::from(!state.health.is_out_by_itself());
            counts.silent += usize::from(state.health.is_silent());
            counts.ejected += usize::from(state.health.is_ejected());
        }
        counts
    }

    fn observing(&self) -> MutexGuard<'_, bool> {
        self.observing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::Name;
    use crate::backends::health::Evidence::{Gone, Silent, Unwell};
    use crate::backends::health::Health;
    use crate::backends::health::Observation::{Bad, Failing, Good, Response, TrialPassed};

    /// So many backends that have answered their first check and go down after one bad one.
    fn group(count: usize) -> Backends<()> {
        let name = Name {
            host: "x".into(),
            port: 1,
        };
        let new = |index| Arc::new(Backend::new(index, name.clone(), Health::new(1, 1)));
        let group = Backends::new((0..count).map(new).collect());
        (0..count).for_each(|index| drop(see(&group, index, Good)));
        group
    }

    fn see(group: &Backends<()>, index: usize, observation: Observation) -> Option<Change> {
        group.observe(&group.all()[index], observation, &Finding::default())
    }

    /// The state of each: up, suspect, silent and used all the same, down, ejected.
    fn states(group: &Backends<()>) -> String {
        let state = |backend: &Arc<Backend<()>>| {
            let state = backend.state();
            match (state.health.is_up(), state.health.is_silent()) {
                (true, true) => 'S',
                (true, false) if state.health.is_suspect() => 's',
                (true, false) => 'u',
                (false, _) if state.health.is_ejected() => 'e',
                (false, _) => 'd',
            }
        };
        group.all().iter().map(state).collect()
    }

    #[test]
    fn silence_takes_at_most_half_and_beyond_that_nobody() {
        for (count, expected) in [
            (1, vec!["S"]),
            (2, vec!["du", "SS"]),
            (3, vec!["duu", "SSu", "SSS"]),
            (4, vec!["duuu", "dduu", "SSSu", "SSSS"]),
            (5, vec!["duuuu", "dduuu", "SSSuu", "SSSSu", "SSSSS"]),
        ] {
            let group = group(count);
            for (index, expected) in expected.into_iter().enumerate() {
                see(&group, index, Bad(Silent));
                assert_eq!(states(&group), expected, "{count}");
            }
        }
    }

    #[test]
    fn a_silent_majority_is_told_once_and_ends_when_checks_are_well() {
        let group = group(3);
        assert_eq!(see(&group, 0, Bad(Silent)).and_then(|c| c.silence), None);
        let change = see(&group, 1, Bad(Silent)).expect("a change");
        assert_eq!(change.silence, Some(true));
        assert_eq!(change.restored.len(), 1);
        assert_eq!((change.up, change.of), (3, 3));
        for index in [0, 1, 2] {
            assert_eq!(
                see(&group, index, Bad(Silent)).and_then(|c| c.silence),
                None
            );
        }
        assert!(group.are_most_silent());
        assert_eq!(see(&group, 0, Good).and_then(|c| c.silence), None);
        assert_eq!(
            see(&group, 1, Response).and_then(|c| c.silence),
            Some(false)
        );
        assert_eq!(states(&group), "uuS");
        see(&group, 2, Bad(Silent));
        assert_eq!(states(&group), "uud", "now it is its own trouble");
    }

    #[test]
    fn what_a_backend_says_of_itself_counts_however_many_say_it() {
        for evidence in [Gone, Unwell] {
            let group = group(3);
            (0..3).for_each(|index| drop(see(&group, index, Bad(evidence))));
            assert_eq!(states(&group), "ddd");
        }
        let group = group(2);
        see(&group, 0, Bad(Silent));
        see(&group, 1, Bad(Silent));
        see(&group, 0, Bad(Gone));
        assert_eq!(states(&group), "dS");
    }

    #[test]
    fn those_that_are_out_by_themselves_are_not_counted() {
        let group = group(2);
        see(&group, 0, Bad(Gone));
        see(&group, 1, Bad(Silent));
        assert_eq!(
            states(&group),
            "dS",
            "a busy one stays while the other restarts"
        );
        see(&group, 0, Bad(Silent));
        assert_eq!(
            states(&group),
            "dS",
            "who was gone and is silent now is not restored"
        );
    }

    #[test]
    fn ejections_and_silence_together_take_at_most_half() {
        let group = group(4);
        see(&group, 0, Failing);
        see(&group, 1, Bad(Silent));
        assert_eq!(states(&group), "eduu");
        see(&group, 2, Failing);
        assert_eq!(states(&group), "eduu");
        see(&group, 2, Bad(Silent));
        assert_eq!(states(&group), "eSSu");
        see(&group, 0, TrialPassed);
        assert_eq!(states(&group), "uSSu");
        assert!(group.claim_trial(true, std::time::Instant::now()).is_none());
    }

    #[test]
    fn the_last_one_is_never_ejected() {
        let group = group(1);
        assert!(see(&group, 0, Failing).is_none());
        assert_eq!(states(&group), "u");
    }
}
