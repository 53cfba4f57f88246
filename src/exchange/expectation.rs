//! `Expect: 100-continue`: a client that waits to be asked for its body (RFC 9110 §10.1.1).
//!
//! The head goes to the backend with the expectation in it, and the body is held back until the
//! backend asks for it with a 100. A backend that does not know expectations and a client that relies
//! on them would wait for each other, so after [`HOLD`] the balancer asks in the backend's place. If
//! the backend answers without asking, it does not want the body, which is then never read. Must not
//! know how bytes are moved.

use std::time::{Duration, Instant};

/// How long a body is held back for a backend that does not ask for it. As long as curl waits before
/// it sends unasked.
pub const HOLD: Duration = Duration::from_secs(1);

/// How far the expectation of one request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// The client has no expectation.
    None,
    /// The body is held back; until when, once the head is sent.
    Deferred(Option<Instant>),
    /// The body is held back no longer. The client was not asked, because it sends already.
    Unasked,
    /// The client was asked for it.
    Asked,
}

impl Expectation {
    /// The beginning: the body is held back if the client expects to be asked.
    #[must_use]
    pub fn new(expects_continue: bool) -> Self {
        match expects_continue {
            true => Expectation::Deferred(None),
            false => Expectation::None,
        }
    }

    /// Whether the body is held back.
    #[must_use]
    pub fn is_deferred(self) -> bool {
        matches!(self, Expectation::Deferred(_))
    }

    /// Until when the body is held back. The time begins with the first call.
    pub fn due(&mut self, now: Instant) -> Option<Instant> {
        match self {
            Expectation::Deferred(due) => Some(*due.get_or_insert(now + HOLD)),
            _ => None,
        }
    }

    /// The backend asks for the body. Returns whether to pass its 100 on: once; without an expectation,
    /// always, like any other interim response (RFC 9110 §15.2).
    pub fn backend_asks(&mut self) -> bool {
        let is_news = *self != Expectation::Asked;
        if *self != Expectation::None {
            *self = Expectation::Asked;
        }
        is_news
    }

    /// Asks in the place of a backend that does not ask. A client that `is_sending` need not be asked.
    pub fn ask_in_place(&mut self, is_sending: bool, out: &mut Vec<u8>) {
        *self = match is_sending {
            true => Expectation::Unasked,
            false => Expectation::Asked,
        };
        if !is_sending {
            out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
    }

    /// Another backend is tried, with a time of its own.
    pub fn rewind(&mut self) {
        if self.is_deferred() {
            *self = Expectation::Deferred(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_is_asked_once() {
        let mut expectation = Expectation::new(true);
        assert!(expectation.is_deferred());
        assert!(expectation.backend_asks() && !expectation.is_deferred());
        assert!(!expectation.backend_asks());
    }

    #[test]
    fn after_a_while_we_ask_and_the_backends_own_100_comes_too_late() {
        let (mut expectation, now) = (Expectation::new(true), Instant::now());
        assert_eq!(expectation.due(now), Some(now + HOLD));
        assert_eq!(expectation.due(now + HOLD), Some(now + HOLD));
        let mut out = Vec::new();
        expectation.ask_in_place(false, &mut out);
        assert!(out == b"HTTP/1.1 100 Continue\r\n\r\n" && !expectation.is_deferred());
        assert_eq!(expectation.due(now), None);
        assert!(!expectation.backend_asks());
    }

    #[test]
    fn a_client_that_sends_unasked_is_not_asked_by_us() {
        let mut expectation = Expectation::new(true);
        let mut out = Vec::new();
        expectation.ask_in_place(true, &mut out);
        assert!(out.is_empty() && !expectation.is_deferred());
        assert!(expectation.backend_asks() && !expectation.backend_asks());
    }

    #[test]
    fn without_an_expectation_every_100_passes() {
        let mut expectation = Expectation::new(false);
        assert!(!expectation.is_deferred() && expectation.due(Instant::now()).is_none());
        assert!(expectation.backend_asks() && expectation.backend_asks());
    }

    #[test]
    fn each_backend_has_its_own_time() {
        let (mut expectation, now) = (Expectation::new(true), Instant::now());
        expectation.due(now);
        expectation.rewind();
        assert_eq!(expectation.due(now + HOLD), Some(now + HOLD + HOLD));
    }
}
