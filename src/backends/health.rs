//! Up or down, from observations. A pure state machine: no clock, no thread, no thresholds
//! but those it was made with.

/// How much a bad observation weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Something took too long. The network, or we, may be the cause: the last backend that is
    /// up stays up, since a slow answer is better than none.
    Soft,
    /// It refused, broke the connection or gave a wrong answer.
    Hard,
}

/// What somebody saw of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observation {
    /// It answered a check as it should.
    Good,
    /// It did not, or a request could not be brought to it.
    Bad(Weight),
    /// Its checks may be fine, but requests fail there one after the other.
    Ejected,
}

/// A change that is worth telling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// It gets requests from now on.
    Up,
    /// It gets none from now on.
    Down,
}

/// Good checks that an ejected backend has to pass beside `rise`. They are a second apart, so
/// that it is tried again after about ten seconds, as with nginx (`fail_timeout=10s`).
pub const EJECTED_CHECKS: u32 = 10;

/// The health of one backend, in a single counter, consecutive by construction: below `rise`
/// it is down and counts good observations, from `rise` on it is up, and bad ones take it
/// down from the top. Ejection takes it below nought; a bad check, which explains why requests
/// failed, lifts it from there.
///
/// ```text
///   -EJECTED_CHECKS ··· 0 ··· rise-1 │ rise ··· rise+fall-1
///                    down            │         up
/// ```
#[derive(Clone, Debug)]
pub struct Health {
    counter: i64,
    rise: i64,
    fall: i64,
    is_known: bool,
}

impl Health {
    /// A backend nobody has seen. It goes up after `rise` good observations in a row and down
    /// after `fall` bad ones, each at least 1; the very first observation decides at once.
    #[must_use]
    pub fn new(rise: u32, fall: u32) -> Self {
        Self {
            counter: 0,
            rise: rise.max(1).into(),
            fall: fall.max(1).into(),
            is_known: false,
        }
    }

    /// Whether it gets requests, as far as its health is concerned.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.counter >= self.rise
    }

    /// Whether anything has been observed yet.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.is_known
    }

    /// Whether the next observation could begin or end an outage: it is down, or was seen
    /// failing.
    #[must_use]
    pub fn is_unsettled(&self) -> bool {
        self.counter != self.top()
    }

    fn top(&self) -> i64 {
        self.rise + self.fall - 1
    }

    /// Takes an observation into account. The first one always gives a transition. The last
    /// backend that is up (`is_last`) goes down on hard evidence only.
    pub fn observe(&mut self, observation: Observation, is_last: bool) -> Option<Transition> {
        let (was_known, was_up) = (std::mem::replace(&mut self.is_known, true), self.is_up());
        self.counter = match (observation, was_up) {
            (Observation::Good, _) if was_up || !was_known => self.top(),
            (Observation::Good, _) if self.counter + 1 == self.rise => self.top(),
            (Observation::Good, _) => self.counter + 1,
            (Observation::Bad(_), false) => 0,
            (Observation::Ejected, true) if is_last => self.counter,
            (Observation::Bad(_), true) if self.counter > self.rise => self.counter - 1,
            (Observation::Bad(Weight::Soft), true) if is_last => self.counter,
            (Observation::Bad(_), true) => 0,
            (Observation::Ejected, true) => -i64::from(EJECTED_CHECKS),
            (Observation::Ejected, false) => self.counter,
        };
        let changed = !was_known || was_up != self.is_up();
        changed.then_some(match self.is_up() {
            true => Transition::Up,
            false => Transition::Down,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Observation::{Bad, Ejected, Good};
    use super::Transition::{Down, Up};
    use super::Weight::{Hard, Soft};
    use super::*;

    fn run(rise: u32, fall: u32, seen: &[Observation]) -> Vec<Option<Transition>> {
        let mut health = Health::new(rise, fall);
        seen.iter()
            .map(|&observation| health.observe(observation, false))
            .collect()
    }

    #[test]
    fn the_first_observation_decides() {
        assert_eq!(run(3, 3, &[Good, Good]), [Some(Up), None]);
        assert_eq!(run(3, 3, &[Bad(Hard), Bad(Soft)]), [Some(Down), None]);
        assert_eq!(run(3, 3, &[Bad(Soft), Good]), [Some(Down), None]);
    }

    #[test]
    fn it_takes_so_many_in_a_row() {
        let bad = Bad(Hard);
        let seen = [Good, bad, Good, bad, bad, Good, bad, Good, Good, Good];
        let expected = [
            Some(Up),
            None,
            None,
            None,
            Some(Down),
            None,
            None,
            None,
            None,
            Some(Up),
        ];
        assert_eq!(run(3, 2, &seen), expected);
        assert_eq!(
            run(1, 1, &[Good, bad, Good]),
            [Some(Up), Some(Down), Some(Up)]
        );
    }

    #[test]
    fn it_is_unsettled_until_all_is_well() {
        let mut health = Health::new(2, 2);
        let bad = Bad(Soft);
        let unsettled = [Good, bad, Good, bad, bad, Good, Good].map(|observation| {
            health.observe(observation, false);
            health.is_unsettled()
        });
        assert_eq!(unsettled, [false, true, false, true, true, true, false]);
    }

    #[test]
    fn every_state_takes_every_observation_where_it_belongs() {
        // With rise 2 and fall 2: 0 and 1 are down, 2 and 3 up.
        let table = [
            (-10, [-9, 0, 0, -10]),
            (-1, [0, 0, 0, -1]),
            (0, [1, 0, 0, 0]),
            (1, [3, 0, 0, 1]),
            (2, [3, 0, 0, -10]),
            (3, [3, 2, 2, -10]),
        ];
        for (before, after) in table {
            for (observation, after) in [Good, Bad(Soft), Bad(Hard), Ejected].into_iter().zip(after)
            {
                let mut health = Health::new(2, 2);
                (health.counter, health.is_known) = (before, true);
                let transition = health.observe(observation, false);
                assert_eq!(health.counter, after, "{observation:?} at {before}");
                let expected = match (before >= 2, after >= 2) {
                    (true, false) => Some(Down),
                    (false, true) => Some(Up),
                    _ => None,
                };
                assert_eq!(transition, expected, "{observation:?} at {before}");
            }
        }
    }

    #[test]
    fn the_last_one_up_goes_down_on_hard_evidence_only() {
        let mut health = Health::new(2, 2);
        health.observe(Good, true);
        for soft in [Bad(Soft), Bad(Soft), Ejected, Bad(Soft)] {
            assert_eq!(health.observe(soft, true), None, "{soft:?}");
        }
        assert_eq!(health.observe(Bad(Hard), true), Some(Down));
    }

    #[test]
    fn an_ejected_one_has_more_checks_to_pass_unless_one_explains_the_trouble() {
        let mut health = Health::new(2, 2);
        health.observe(Good, false);
        assert_eq!(health.observe(Ejected, false), Some(Down));
        for _ in 1..EJECTED_CHECKS + 2 {
            assert_eq!(health.observe(Good, false), None);
        }
        assert_eq!(health.observe(Good, false), Some(Up));
        health.observe(Ejected, false);
        let seen = [Bad(Hard), Good, Good].map(|seen| health.observe(seen, false));
        assert_eq!(seen, [None, None, Some(Up)]);
    }
}
