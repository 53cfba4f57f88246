//! The retry law: whether a request that failed at one backend may be sent to another.

use crate::error::Error;

/// What an attempt did before it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempted {
    /// Bytes of the request were handed to the kernel, so the backend may have seen them.
    pub was_sent: bool,
    /// Bytes of a response have come.
    pub was_answered: bool,
    /// Doing it twice is the same as doing it once (RFC 9110 §9.2.2).
    pub is_idempotent: bool,
    /// All that was sent can be sent again.
    pub can_be_repeated: bool,
    /// Earlier attempts at this request that were sent too.
    pub sent_before: u32,
}

/// * Nothing sent: any method moves on, its body is intact.
/// * Sent, and not a byte came back: once more, if the method is idempotent and the body can
///   be sent again. A POST that may have been processed is never sent twice.
/// * Answered, if only in part: never.
#[must_use]
pub fn allows(error: &Error, attempted: Attempted) -> bool {
    if !error.retry_elsewhere() || attempted.was_answered || !attempted.can_be_repeated {
        return false;
    }
    !attempted.was_sent || (attempted.is_idempotent && attempted.sent_before == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Cause, Phase};

    const FRESH: Attempted = Attempted {
        was_sent: false,
        was_answered: false,
        is_idempotent: false,
        can_be_repeated: true,
        sent_before: 0,
    };
    const REFUSED: Error = Error::backend(Phase::Connect, Cause::Refused);
    const RESET: Error = Error::backend(Phase::ResponseHead, Cause::Reset);

    #[test]
    fn what_was_not_sent_moves_on_whatever_it_is() {
        assert!(allows(&REFUSED, FRESH));
        assert!(allows(&RESET, FRESH));
        assert!(allows(
            &REFUSED,
            Attempted {
                sent_before: 1,
                ..FRESH
            }
        ));
        assert!(!allows(
            &REFUSED,
            Attempted {
                can_be_repeated: false,
                ..FRESH
            }
        ));
    }

    #[test]
    fn what_was_sent_is_repeated_once_and_only_if_idempotent() {
        let sent = Attempted {
            was_sent: true,
            ..FRESH
        };
        assert!(!allows(&RESET, sent));
        assert!(allows(
            &RESET,
            Attempted {
                is_idempotent: true,
                ..sent
            }
        ));
        assert!(!allows(
            &RESET,
            Attempted {
                is_idempotent: true,
                sent_before: 1,
                ..sent
            }
        ));
        let long = Attempted {
            is_idempotent: true,
            can_be_repeated: false,
            ..sent
        };
        assert!(!allows(&RESET, long));
    }

    #[test]
    fn what_was_answered_is_never_repeated() {
        assert!(!allows(
            &RESET,
            Attempted {
                was_answered: true,
                ..FRESH
            }
        ));
        let late = Error::backend(Phase::ResponseHead, Cause::TimedOut);
        assert!(!allows(
            &late,
            Attempted {
                was_sent: true,
                is_idempotent: true,
                ..FRESH
            }
        ));
    }
}
