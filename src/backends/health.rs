//! Up or down, from observations. A pure state machine: no clock, no thread, no thresholds
//! but those it was made with.

/// What somebody saw of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observation {
    /// It answered as it should.
    Good,
    /// It did not.
    Bad,
}

/// A change that is worth telling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// It gets requests from now on.
    Up,
    /// It gets none from now on.
    Down,
}

/// The health of one backend, in a single counter, consecutive by construction: below `rise`
/// it is down and counts good observations, from `rise` on it is up, and bad ones take it
/// down from the top.
///
/// ```text
///   0 ··· rise-1 │ rise ··· rise+fall-1
///        down    │         up
/// ```
#[derive(Clone, Debug)]
pub struct Health {
    counter: u32,
    rise: u32,
    fall: u32,
    is_known: bool,
}

impl Health {
    /// A backend nobody has seen. It goes up after `rise` good observations in a row and down
    /// after `fall` bad ones, each at least 1; the very first observation decides at once.
    #[must_use]
    pub fn new(rise: u32, fall: u32) -> Self {
        Self {
            counter: 0,
            rise: rise.max(1),
            fall: fall.max(1),
            is_known: false,
        }
    }

    /// Whether it gets requests.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.counter >= self.rise
    }

    /// Whether the next observation could begin or end an outage: it is down, or was seen
    /// failing.
    #[must_use]
    pub fn is_unsettled(&self) -> bool {
        self.counter != self.top()
    }

    fn top(&self) -> u32 {
        self.rise + self.fall - 1
    }

    /// Takes an observation into account. The first one always gives a transition.
    pub fn observe(&mut self, observation: Observation) -> Option<Transition> {
        let (was_known, was_up) = (std::mem::replace(&mut self.is_known, true), self.is_up());
        self.counter = match observation {
            Observation::Good if self.is_up() || !was_known => self.top(),
            Observation::Good if self.counter + 1 == self.rise => self.top(),
            Observation::Good => self.counter + 1,
            Observation::Bad if !self.is_up() || !was_known => 0,
            Observation::Bad if self.counter == self.rise => 0,
            Observation::Bad => self.counter - 1,
        };
        let changed = !was_known || was_up != self.is_up();
        changed.then_some(if self.is_up() {
            Transition::Up
        } else {
            Transition::Down
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Observation::{Bad, Good};
    use super::Transition::{Down, Up};
    use super::*;

    fn run(rise: u32, fall: u32, seen: &[Observation]) -> Vec<Option<Transition>> {
        let mut health = Health::new(rise, fall);
        seen.iter()
            .map(|&observation| health.observe(observation))
            .collect()
    }

    #[test]
    fn the_first_observation_decides() {
        assert_eq!(run(3, 3, &[Good, Good]), [Some(Up), None]);
        assert_eq!(run(3, 3, &[Bad, Bad]), [Some(Down), None]);
    }

    #[test]
    fn it_takes_so_many_in_a_row() {
        let seen = [Good, Bad, Good, Bad, Bad, Good, Bad, Good, Good, Good];
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
            run(1, 1, &[Good, Bad, Good]),
            [Some(Up), Some(Down), Some(Up)]
        );
    }

    #[test]
    fn it_is_unsettled_until_all_is_well() {
        let mut health = Health::new(2, 2);
        let unsettled = [Good, Bad, Good, Bad, Bad, Good, Good].map(|observation| {
            health.observe(observation);
            health.is_unsettled()
        });
        assert_eq!(unsettled, [false, true, false, true, true, true, false]);
    }
}
