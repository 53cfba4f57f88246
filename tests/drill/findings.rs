//! What is wrong, and whether it may be blamed on the machine.

use crate::is_full;
use std::time::Duration;

/// After so many attempts, all of them on a machine that stalled, what was found stands.
const ATTEMPTS: usize = 3;

/// When threads that had something to do waited for so long in all, a backend may have been
/// found slow that was not, and everything that has to do with times is in doubt.
const STALLED: Duration = Duration::from_millis(400);

/// What an attempt has found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Wrong on any machine: a request lost or done twice, an answer that is another's.
    pub(crate) wrong: Vec<String>,
    /// Wrong unless the machine is to blame: times, shares, and what follows if a backend that
    /// is well is taken for one that is not.
    pub(crate) untimely: Vec<String>,
    /// By how much the machine was late, in all.
    pub(crate) stalled: Duration,
}

impl Findings {
    /// Notes what is wrong on any machine.
    pub(crate) fn demand(&mut self, is_true: bool, otherwise: impl FnOnce() -> String) {
        if !is_true {
            self.wrong.push(otherwise());
        }
    }

    /// Notes what is wrong unless the machine is to blame.
    pub(crate) fn expect(&mut self, is_true: bool, otherwise: impl FnOnce() -> String) {
        if !is_true {
            self.untimely.push(otherwise());
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.wrong.is_empty() && self.untimely.is_empty()
    }

    /// Adds those of a part.
    pub(crate) fn add(&mut self, part: Self) {
        self.wrong.extend(part.wrong);
        self.untimely.extend(part.untimely);
    }
}

/// Fails if an attempt finds something wrong. Should the machine be to blame, and the attempt
/// be a short one, there is another.
pub(crate) fn judge(mut attempt: impl FnMut() -> Findings) {
    for left in (0..ATTEMPTS).rev() {
        let found = attempt();
        if found.is_empty() {
            return;
        }
        let is_in_doubt = found.wrong.is_empty() && found.stalled >= STALLED && !is_full();
        let text = [found.wrong, found.untimely].concat().join("\n");
        assert!(left > 0 && is_in_doubt, "{text}");
        println!(
            "Again, since threads were late by {:?}: {text}",
            found.stalled
        );
    }
}
