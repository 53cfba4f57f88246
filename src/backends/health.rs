//! Up, suspect or down, from observations. A pure state machine: it has no clock and no thread. Its
//! state decides where new requests go; it must not know that there are requests under way.
//!
//! | state | gets new requests |
//! |---|---|
//! | up | yes |
//! | suspect | while no other is up and free of suspicion |
//! | silent or failing, and kept since too many are out | while there is no better one |
//! | down, ejected, not seen yet | no |

/// What kind of bad news an observation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// It cannot be connected to, or broke the connection: refused, unreachable, reset.
    Gone,
    /// Its own word: a wrong status, a body that does not match, no HTTP.
    Unwell,
    /// It was late. From outside, a busy backend and a frozen one look the same, so this alone
    /// never takes more than half of the backends away (see [`super::group`]).
    Silent,
}

/// What was seen of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observation {
    /// It answered a check as it should.
    Good,
    /// A check failed, with its whole time; or a request was refused a connection.
    Bad(Evidence),
    /// A check is late, but its time is not over or responses to requests came meanwhile.
    Late,
    /// A response to a request has begun.
    Response,
    /// Requests fail there one after the other, whatever the checks say.
    Failing,
    /// It was ejected, and the request that it was given to try it was answered.
    TrialPassed,
}

/// A change that has consequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// It gets requests from now on.
    Up,
    /// It gets none from now on.
    Down,
    /// It is up as before, but others are preferred.
    Suspected,
    /// It is free of suspicion.
    Cleared,
}

/// What speaks against a backend that is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It was gone or unwell: that is its own doing.
    Itself,
    /// Nothing but silence, and it has answered before.
    Silence,
    /// Nothing but silence, but it has never answered. Perhaps we were started in a busy moment:
    /// its first good check brings it up.
    NeverAnswered,
}

/// Where a backend stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nobody has looked at it yet.
    Unseen,
    /// It gets requests. `bad` checks in a row failed, fewer than `fall`.
    Up {
        /// Bad checks in a row.
        bad: u32,
    },
    /// It is late. With `bad` as high as `fall`, it is silent and would be down if that were
    /// not too many.
    Suspect {
        /// Bad checks in a row.
        bad: u32,
    },
    /// It gets no requests; `good` checks in a row passed, fewer than `rise`.
    Down {
        /// Good checks in a row.
        good: u32,
        /// What speaks against it.
        why: Why,
    },
    /// Its checks may be fine, but requests failed there one after the other.
    Ejected {
        /// Bad checks in a row.
        bad: u32,
        /// It gets requests all the same while there is no better one: too many are out.
        is_kept: bool,
    },
}

/// The health of one backend.
#[derive(Clone, Debug)]
pub struct Health {
    state: State,
    rise: u32,
    fall: u32,
}

impl Health {
    /// A backend that was not checked yet. It goes up after `rise` good checks in a row and down after
    /// `fall` bad ones, each at least 1; the very first check decides at once.
    #[must_use]
    pub fn new(rise: u32, fall: u32) -> Self {
        Self {
            state: State::Unseen,
            rise: rise.max(1),
            fall: fall.max(1),
        }
    }

    /// From now on it goes up after `rise` good checks in a row and down after `fall` bad ones, each at
    /// least 1. What was counted so far counts.
    pub fn set_thresholds(&mut self, rise: u32, fall: u32) {
        (self.rise, self.fall) = (rise.max(1), fall.max(1));
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether it gets requests, as far as its health is concerned.
    #[must_use]
    pub fn is_up(&self) -> bool {
        match self.state {
            State::Up { .. } | State::Suspect { .. } => true,
            State::Ejected { is_kept, .. } => is_kept,
            State::Unseen | State::Down { .. } => false,
        }
    }

    /// Whether others are preferred to it.
    #[must_use]
    pub fn is_suspect(&self) -> bool {
        matches!(self.state, State::Suspect { .. })
    }

    /// Whether anything has been observed yet.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.state != State::Unseen
    }

    /// Whether the next check could change something: anything but up without a bad check.
    #[must_use]
    pub fn is_unsettled(&self) -> bool {
        self.state != State::Up { bad: 0 }
    }

    /// Whether it was silent for `fall` checks, and is down or would be.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        match self.state {
            State::Suspect { bad } => bad >= self.fall,
            State::Down { why, .. } => why == Why::Silence,
            State::Unseen | State::Up { .. } | State::Ejected { .. } => false,
        }
    }

    /// Whether requests failed there, whatever its checks say: it is out, or would be.
    #[must_use]
    pub fn is_ejected(&self) -> bool {
        matches!(self.state, State::Ejected { .. })
    }

    /// Whether it is up only because too many are out: used while there is no better one.
    #[must_use]
    pub fn is_last_resort(&self) -> bool {
        self.is_up() && (self.is_silent() || self.is_ejected())
    }

    /// Whether it is out by its own doing: gone, unwell, or never seen to answer.
    #[must_use]
    pub fn is_out_by_itself(&self) -> bool {
        match self.state {
            State::Unseen => true,
            State::Down { why, .. } => why != Why::Silence,
            State::Up { .. } | State::Suspect { .. } | State::Ejected { .. } => false,
        }
    }

    /// Takes an observation into account. The first one always gives a transition. Silence and
    /// failing requests take it away only if it `may_leave`.
    pub fn step(&mut self, observation: Observation, may_leave: bool) -> Option<Transition> {
        let before = self.clone();
        self.state = self.after(observation, may_leave);
        let is_first = !before.is_known() && self.is_known();
        match (before.is_up(), self.is_up()) {
            (false, true) => Some(Transition::Up),
            (true, false) => Some(Transition::Down),
            (false, false) if is_first => Some(Transition::Down),
            (true, true) if before.is_clear() && !self.is_clear() => Some(Transition::Suspected),
            (true, true) if !before.is_clear() && self.is_clear() => Some(Transition::Cleared),
            _ => None,
        }
    }

    fn is_clear(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }

    fn after(&self, observation: Observation, may_leave: bool) -> State {
        match self.state {
            State::Unseen => first(observation),
            State::Up { bad } => match observation {
                Observation::Late => State::Suspect { bad },
                _ => self.after_in_use(observation, bad, may_leave),
            },
            State::Suspect { bad } => match observation {
                // Only silence brings a suspect down, and it is not silent: one more bad check is needed.
                Observation::Response | Observation::TrialPassed => State::Up {
                    bad: bad.min(self.fall - 1),
                },
                _ => self.after_in_use(observation, bad, may_leave),
            },
            State::Down { good, why } => self.after_down(observation, good, why),
            State::Ejected { bad, is_kept } => {
                self.after_ejected(observation, bad, is_kept, may_leave)
            }
        }
    }

    /// Up or suspect, and what both have in common.
    fn after_in_use(&self, observation: Observation, bad: u32, may_leave: bool) -> State {
        let evidence = match observation {
            Observation::Bad(evidence) => evidence,
            Observation::Failing => {
                let is_kept = !may_leave;
                return State::Ejected { bad: 0, is_kept };
            }
            Observation::Good => return State::Up { bad: 0 },
            Observation::Late | Observation::Response | Observation::TrialPassed => {
                return self.state;
            }
        };
        let (bad, is_silence) = (bad + 1, evidence == Evidence::Silent);
        match (bad >= self.fall, is_silence) {
            (true, true) if !may_leave => State::Suspect { bad: self.fall },
            (true, _) => down_for(evidence),
            (false, false) if !self.is_suspect() => State::Up { bad },
            (false, _) => State::Suspect { bad },
        }
    }

    fn after_down(&self, observation: Observation, good: u32, why: Why) -> State {
        match observation {
            Observation::Good if why == Why::NeverAnswered => State::Up { bad: 0 },
            Observation::Good if good + 1 >= self.rise => State::Up { bad: 0 },
            Observation::Good => State::Down {
                good: good + 1,
                why,
            },
            Observation::Bad(Evidence::Silent) => State::Down { good: 0, why },
            Observation::Bad(evidence) => down_for(evidence),
            // It is not silent; how well it is a check has to say.
            Observation::Response if why == Why::Silence => State::Suspect { bad: 0 },
            _ => self.state,
        }
    }

    /// Bad checks in a row explain why requests failed: then it is down, and good checks bring
    /// it back.
    fn after_ejected(
        &self,
        observation: Observation,
        bad: u32,
        is_kept: bool,
        may_leave: bool,
    ) -> State {
        match observation {
            Observation::TrialPassed => State::Up { bad: 0 },
            Observation::Response if is_kept => State::Up { bad: 0 },
            Observation::Failing if may_leave => State::Ejected {
                bad,
                is_kept: false,
            },
            Observation::Good => State::Ejected { bad: 0, is_kept },
            // Silent as well, and one that may not leave.
            Observation::Bad(Evidence::Silent) if is_kept && !may_leave => self.state,
            Observation::Bad(evidence) if bad + 1 >= self.fall => down_for(evidence),
            Observation::Bad(_) => State::Ejected {
                bad: bad + 1,
                is_kept,
            },
            _ => self.state,
        }
    }

    /// Takes it back into use although it was silent: so many are that it is hardly its own
    /// fault. Returns whether that changed anything.
    pub fn restore_silent(&mut self) -> bool {
        let is_silent = self.is_silent() && !self.is_up();
        if is_silent {
            self.state = State::Suspect { bad: self.fall };
        }
        is_silent
    }

    /// Takes it back into use although requests failed there: no other is up. Returns whether
    /// that changed anything.
    pub fn restore_ejected(&mut self) -> bool {
        match &mut self.state {
            State::Ejected { is_kept, .. } => !std::mem::replace(is_kept, true),
            _ => false,
        }
    }
}

/// The first observation decides at once. A backend that was never seen to answer is out by
/// itself, whatever kept it from answering.
fn first(observation: Observation) -> State {
    match observation {
        Observation::Good => State::Up { bad: 0 },
        Observation::Bad(Evidence::Silent) => State::Down {
            good: 0,
            why: Why::NeverAnswered,
        },
        Observation::Bad(evidence) => down_for(evidence),
        _ => State::Unseen,
    }
}

/// Down from now on, for what was seen last.
fn down_for(evidence: Evidence) -> State {
    let why = match evidence {
        Evidence::Gone | Evidence::Unwell => Why::Itself,
        Evidence::Silent => Why::Silence,
    };
    State::Down { good: 0, why }
}

#[cfg(test)]
mod tests;
