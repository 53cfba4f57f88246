//! What the client is told when nobody could answer.

use super::attempt::Attempt;
use super::{Exchange, Flow};
use crate::backends::Backend;
use crate::client::Client;
use crate::error::{Blame, Cause, Error, Phase};
use crate::evidence::{self, seconds};
use crate::http::reply::{Content, Reply, Terms};
use crate::net::conn::Conn;
use crate::turn::{Context, Turn};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// An attempt that failed.
#[derive(Clone, Copy, Debug)]
pub struct Failure {
    /// Index of the backend.
    pub backend: usize,
    /// Whether it was on a connection that had served before.
    pub was_reused: bool,
    /// Whether that connection was the client's own.
    pub was_pinned: bool,
    /// What happened.
    pub error: Error,
    /// Whether the backend is to blame is not known before the request was answered elsewhere:
    /// it may fail at any.
    pub is_pending: bool,
}

impl Failure {
    /// The failure of `attempt`.
    #[must_use]
    pub fn of(attempt: &Attempt, error: Error) -> Self {
        Self {
            backend: attempt.backend.index,
            was_reused: attempt.is_reused,
            was_pinned: attempt.is_pinned,
            error,
            is_pending: false,
        }
    }
}

impl Failure {
    /// Whether the backend did not answer the connection in time.
    pub(super) fn is_late_connection(&self) -> bool {
        (self.error.phase, self.error.cause) == (Phase::Connect, Cause::TimedOut)
    }

    /// Counts it towards the ejection of its backend.
    pub(super) fn blame(&self, context: &Context) {
        let backend = &context.backends.all()[self.backend];
        evidence::of_failed_request(context, backend, &self.error);
    }
}

impl Exchange {
    /// Ends the exchange with an error: an answer where one can still be given, else a close.
    pub(super) fn give_up(
        &mut self,
        error: Error,
        client: &mut Client,
        turn: &mut Turn<'_>,
    ) -> Flow {
        let is_committed = self.answer.is_forwarded;
        let status = match is_committed {
            true => self.answer.terms.status,
            false => error.status(),
        };
        log::debug!("{}: {error} ({})", client.address, error.code());
        let backends = turn.context.backends.all();
        let failed = self.failures.iter();
        self.record
            .see_failures(failed.map(|one| (&backends[one.backend].name, &one.error)));
        self.record
            .end(status, self.answer.content(), Some(&error), turn);
        self.release(turn);
        match (is_committed, status) {
            (true, _) | (_, 499) => Flow::Close,
            (false, _) => {
                self.reply(&error, client, turn);
                Flow::Linger
            }
        }
    }

    /// Ends it because there is no memory for what it would have to hold.
    pub fn run_out(&mut self, client: &mut Client, turn: &mut Turn<'_>) -> Flow {
        let phase = match (self.answer.is_awaited(), self.upload.is_received()) {
            (false, _) => Phase::ResponseBody,
            (true, false) => Phase::RequestBody,
            (true, true) => Phase::ResponseHead,
        };
        self.attempt = None;
        self.give_up(Error::proxy(phase, Cause::NoMemory), client, turn)
    }

    /// Answers in the backend's place. What was written of its answer, but not sent, is
    /// replaced.
    fn reply(&self, error: &Error, client: &mut Client, turn: &mut Turn<'_>) {
        if !self.answer.is_awaited() {
            client.outbound.clear();
        }
        let terms = Terms {
            version: self.request.version,
            method: self.request.method,
            keep_alive: false,
            date: turn.dates.at(turn.now()),
        };
        let reply = reply(
            error,
            &self.failures,
            self.request.prefers_json,
            turn.context,
        );
        reply.write(&terms, client.outbound.tail(turn.shelf));
    }
}

/// The answer that ends an exchange with `error`: what was tried, and why it failed. In JSON
/// for those who would rather read that.
#[must_use]
pub fn reply(error: &Error, failures: &[Failure], in_json: bool, context: &Context) -> Reply {
    if error.blame == Blame::Client {
        return Reply::new(error.status(), error.to_string());
    }
    let (title, backends) = match error.cause {
        Cause::NoneLive => ("No backend is up.", outages(context)),
        _ if context.backends.are_most_silent() => (
            "No backend could answer this request; more than half of them are late.",
            attempts(failures, context),
        ),
        _ => (
            "No backend could answer this request.",
            attempts(failures, context),
        ),
    };
    let status = error.status();
    Reply {
        status,
        content: match in_json {
            true => Content::Json(as_json(status, title, &backends)),
            false => Content::Text(as_text(title, &backends)),
        },
        retry_after: match (error.cause, status) {
            (Cause::NoneLive, _) => Some(retry_after(context)),
            (_, 503) => Some(1),
            _ => None,
        },
    }
}

/// What is told of one backend.
struct Told {
    name: String,
    reason: String,
    /// Since when it has been down, and when it is checked next, from now.
    outage: Option<(Duration, Duration)>,
}

fn attempts(failures: &[Failure], context: &Context) -> Vec<Told> {
    let told = |failure: &Failure| Told {
        name: context.backends.all()[failure.backend].name.to_string(),
        reason: failure.error.to_string(),
        outage: None,
    };
    failures.iter().map(told).collect()
}

/// All are down, or not wanted: each with its reason.
fn outages(context: &Context) -> Vec<Told> {
    let told = |backend: &Backend<Conn>| {
        let state = backend.state();
        let reason = match state.health.is_up() {
            true => format!("{:?}", state.wish).to_lowercase(),
            false => state.reason.clone(),
        };
        Told {
            name: backend.name.to_string(),
            reason,
            outage: Some((state.since.elapsed(), until(state.next_check))),
        }
    };
    context
        .backends
        .all()
        .iter()
        .map(|backend| told(backend))
        .collect()
}

fn until(next_check: Option<Instant>) -> Duration {
    next_check.map_or(Duration::ZERO, |next| {
        next.saturating_duration_since(Instant::now())
    })
}

/// When it is worth to ask again: not before the first check that could bring a backend back.
fn retry_after(context: &Context) -> u64 {
    let all = context.backends.all().iter();
    let next = all.map(|backend| until(backend.state().next_check)).min();
    next.unwrap_or_default().as_secs() + 1
}

fn as_text(title: &str, backends: &[Told]) -> String {
    let mut text = String::from(title);
    for told in backends {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n{}: {}", told.name, told.reason);
        if let Some((since, next)) = told.outage {
            let (since, next) = (seconds(since), seconds(next));
            let _ = write!(text, "; down for {since}, next check in {next}");
        }
    }
    text
}

fn as_json(status: u16, title: &str, backends: &[Told]) -> String {
    let told = |told: &Told| -> Value {
        let mut value = json!({ "backend": told.name, "reason": told.reason });
        if let Some((since, next)) = told.outage {
            value["down_for_ms"] = json!(millis(since));
            value["next_check_in_ms"] = json!(millis(next));
        }
        value
    };
    let backends: Vec<Value> = backends.iter().map(told).collect();
    json!({ "status": status, "error": title, "backends": backends }).to_string()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
