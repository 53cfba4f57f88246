//! The retry law: whether a request that failed at one backend may be sent to another. A request that
//! waits, and has not failed, may move too: see `rescue`.

use crate::http::error::Error;

/// What an attempt did before it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempted {
    /// Bytes of the request were handed to the kernel, so the backend may have got them.
    pub was_sent: bool,
    /// Bytes of a response have come.
    pub was_answered: bool,
    /// Doing it twice is the same as doing it once (RFC 9110 §9.2.2).
    pub is_idempotent: bool,
    /// All that was sent can be sent again.
    pub can_be_repeated: bool,
    /// Attempts that were sent, this one included. An attempt on an idle connection that was dead does
    /// not count: that is the connection's fault, not the backend's.
    pub tries: u32,
}

/// Whether a request may be sent again after `error`. [`Error::retry_elsewhere`] says after which errors
/// another backend might do better; then it depends on the request:
///
/// * Nothing was sent: yes, with any method, since its body is intact.
/// * It was sent, and no byte came back: yes if the method is idempotent, the body can be sent again,
///   and it was sent to fewer than `limit` backends. A `POST` that may have been processed is never
///   sent twice.
/// * A byte of an answer came: never.
#[must_use]
// spine 39
pub fn allows(error: &Error, attempted: Attempted, limit: u32) -> bool {
    if !error.retry_elsewhere() || attempted.was_answered || !attempted.can_be_repeated {
        return false;
    }
    !attempted.was_sent || (attempted.is_idempotent && attempted.tries < limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::error::{Cause, Phase};

    const FRESH: Attempted = Attempted {
        was_sent: false,
        was_answered: false,
        is_idempotent: false,
        can_be_repeated: true,
        tries: 0,
    };
    const SENT: Attempted = Attempted {
        was_sent: true,
        is_idempotent: true,
        tries: 1,
        ..FRESH
    };
    const REFUSED: Error = Error::backend(Phase::Connect, Cause::Refused);
    const RESET: Error = Error::backend(Phase::ResponseHead, Cause::Reset);

    #[test]
    fn what_was_not_sent_moves_on_whatever_it_is() {
        assert!(allows(&REFUSED, FRESH, 3));
        assert!(allows(&RESET, FRESH, 3));
        let late = Attempted { tries: 3, ..FRESH };
        assert!(
            allows(&REFUSED, late, 3),
            "however often it was sent before"
        );
        let spent = Attempted {
            can_be_repeated: false,
            ..FRESH
        };
        assert!(!allows(&REFUSED, spent, 3));
    }

    #[test]
    fn what_was_sent_is_tried_at_so_many_backends_and_only_if_idempotent() {
        for (tries, limit, expected) in [(1, 3, true), (2, 3, true), (3, 3, false), (1, 1, false)] {
            assert_eq!(allows(&RESET, Attempted { tries, ..SENT }, limit), expected);
        }
        let post = Attempted {
            is_idempotent: false,
            ..SENT
        };
        assert!(!allows(&RESET, post, 3));
        let long = Attempted {
            can_be_repeated: false,
            ..SENT
        };
        assert!(!allows(&RESET, long, 3));
    }

    #[test]
    fn what_was_answered_is_never_repeated() {
        let answered = Attempted {
            was_answered: true,
            ..FRESH
        };
        assert!(!allows(&RESET, answered, 3));
        let late = Error::backend(Phase::ResponseHead, Cause::TimedOut);
        assert!(!allows(&late, SENT, 3));
    }
}
