//! What the client is told when nobody could answer.

use super::attempt::Attempt;
use crate::error::{Blame, Cause, Error};
use crate::http::reply::Reply;
use crate::turn::Context;
use std::fmt::Write as _;

/// An attempt that failed.
#[derive(Clone, Copy, Debug)]
pub struct Failure {
    /// Index of the backend.
    pub backend: usize,
    /// Whether it was on a connection that had served before.
    pub was_reused: bool,
    /// What happened.
    pub error: Error,
}

impl Failure {
    /// The failure of `attempt`.
    #[must_use]
    pub fn of(attempt: &Attempt, error: Error) -> Self {
        Self {
            backend: attempt.backend.index,
            was_reused: attempt.is_reused,
            error,
        }
    }
}

/// The answer that ends an exchange with `error`: what was tried, and why it failed.
#[must_use]
pub fn reply(error: &Error, failures: &[Failure], context: &Context) -> Reply {
    if error.blame == Blame::Client {
        return Reply::new(error.status(), error.to_string());
    }
    if error.cause == Cause::NoneLive {
        return none_live(context);
    }
    let mut text = String::from("No backend could answer this request.");
    for failure in failures {
        let name = &context.backends.all()[failure.backend].name;
        // Writing to a String cannot fail.
        let _ = write!(text, "\n{name}: {}", failure.error);
    }
    let mut reply = Reply::new(error.status(), text);
    reply.retry_after = (reply.status == 503).then_some(1);
    reply
}

/// All are down: names them, and says when to come back.
fn none_live(context: &Context) -> Reply {
    let mut text = String::from("No backend is up.");
    for backend in context.backends.all() {
        let _ = write!(text, "\n{}: down", backend.name);
    }
    let seconds = context.config.health.interval.as_secs().max(1);
    Reply {
        retry_after: Some(seconds),
        ..Reply::new(503, text)
    }
}
