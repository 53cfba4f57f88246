//! The end of an exchange that no backend could answer, and the answer to its client.

use super::failure::Failure;
use super::shared::Turn;
use super::{Exchange, ExchangePhase, Flow};
use crate::backends::{Backend, Backends};
use crate::exchange::client::Client;
use crate::http::delivery::Delivery;
use crate::http::error::{Blame, Cause, Error, Phase};
use crate::http::reply::{Content, Reply};
use crate::log::durations::seconds;
use crate::net::conn::Conn;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

impl Exchange {
    /// Ends the exchange with an error: with an answer if one can still be given, otherwise with a close.
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
        let is_answered = !is_committed && status != 499;
        if is_answered {
            self.reply(&error, client, turn);
        }
        self.report_end(status, Some(&error), client, turn);
        self.release(turn);
        match is_answered {
            true => Flow::Linger,
            false => Flow::Close,
        }
    }

    /// Ends it because there is no memory for what it would have to hold.
    pub fn run_out(&mut self, client: &mut Client, turn: &mut Turn<'_>) -> Flow {
        self.end_with(Cause::NoMemory, client, turn)
    }

    /// Ends it because an operator has asked for that.
    pub fn end_as_asked(&mut self, client: &mut Client, turn: &mut Turn<'_>) -> Flow {
        self.end_with(Cause::Ended, client, turn)
    }

    /// Ends it where it stands, because of us.
    fn end_with(&mut self, cause: Cause, client: &mut Client, turn: &mut Turn<'_>) -> Flow {
        let phase = match (self.answer.is_awaited(), self.upload.is_received()) {
            (false, _) => Phase::ResponseBody,
            (true, false) => Phase::RequestBody,
            (true, true) => Phase::ResponseHead,
        };
        let error = Error::proxy(phase, cause);
        self.end_queueing(Some(&error), turn);
        let phase = std::mem::replace(&mut self.phase, ExchangePhase::Waiting);
        if let Some(backend) = phase.backend() {
            self.report_attempt_end(backend, Err(&error), turn);
        }
        drop(phase);
        self.give_up(error, client, turn)
    }

    /// Answers in the backend's place. What is outbound of the backend's answer is replaced.
    fn reply(&self, error: &Error, client: &mut Client, turn: &mut Turn<'_>) {
        if !self.answer.is_awaited() {
            client.outbound.clear();
        }
        let date = turn.local.dates.at(turn.now());
        let delivery = Delivery {
            version: self.request.version,
            method: self.request.method,
            keep_alive: false,
            date: date.as_str(),
        };
        let reply = reply(
            error,
            &self.failures,
            self.request.prefers_json,
            &self.group.backends,
        );
        reply.write(
            &delivery,
            self.request.id.as_ref(),
            turn.tail(&mut client.outbound),
        );
    }
}

/// The answer that ends an exchange with `error`: what was tried, and why it failed. In JSON if
/// `in_json`.
fn reply(error: &Error, failures: &[Failure], in_json: bool, backends: &Backends<Conn>) -> Reply {
    if error.blame == Blame::Client {
        return Reply::new(error.status(), error.to_string());
    }
    let (title, listed) = match error.cause {
        Cause::NoneLive => ("No backend is up.", outages(backends)),
        Cause::Full => (
            "Every backend is at its limit, and so is the queue.",
            attempts(failures),
        ),
        Cause::TimedOut if error.phase == Phase::Queue => (
            "Every backend is at its limit, and none had room in time.",
            attempts(failures),
        ),
        Cause::Ended => ("An operator has ended this request.", Vec::new()),
        Cause::NoBudget => (
            "No backend could answer this request, and the retry budget is used up.",
            attempts(failures),
        ),
        _ if backends.are_most_silent() => (
            "No backend could answer this request; more than half of them are late.",
            attempts(failures),
        ),
        _ => ("No backend could answer this request.", attempts(failures)),
    };
    let status = error.status();
    Reply {
        status,
        content: match in_json {
            true => Content::Json(as_json(status, title, &listed)),
            false => Content::Text(as_text(title, &listed)),
        },
        retry_after: match (error.cause, status) {
            (Cause::NoneLive, _) => Some(retry_after(backends)),
            (_, 503) => Some(1),
            _ => None,
        },
    }
}

/// What the answer says about one backend.
struct Entry {
    name: String,
    reason: String,
    /// Since when it has been down, and when it is checked next, from now.
    outage: Option<(Duration, Duration)>,
}

fn attempts(failures: &[Failure]) -> Vec<Entry> {
    let entry = |failure: &Failure| Entry {
        name: failure.backend.name.to_string(),
        reason: failure.error.to_string(),
        outage: None,
    };
    failures.iter().map(entry).collect()
}

/// All backends with the reason why they get no requests.
fn outages(backends: &Backends<Conn>) -> Vec<Entry> {
    let entry = |backend: &Backend<Conn>| {
        let state = backend.state();
        let reason = match state.health.is_up() {
            true => state.admin.word().into(),
            false => state.reason.clone(),
        };
        Entry {
            name: backend.name.to_string(),
            reason,
            outage: Some((state.since.elapsed(), until(state.next_check))),
        }
    };
    backends
        .all()
        .iter()
        .map(|backend| entry(backend))
        .collect()
}

fn until(next_check: Option<Instant>) -> Duration {
    next_check.map_or(Duration::ZERO, |next| {
        next.saturating_duration_since(Instant::now())
    })
}

/// Seconds until another request makes sense: until the next check that could bring a backend back.
fn retry_after(backends: &Backends<Conn>) -> u64 {
    let all = backends.all();
    let next = all
        .iter()
        .map(|backend| until(backend.state().next_check))
        .min();
    next.unwrap_or_default().as_secs() + 1
}

fn as_text(title: &str, backends: &[Entry]) -> String {
    let mut text = String::from(title);
    for entry in backends {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n{}: {}", entry.name, entry.reason);
        if let Some((since, next)) = entry.outage {
            let (since, next) = (seconds(since), seconds(next));
            let _ = write!(text, "; down for {since}, next check in {next}");
        }
    }
    text
}

fn as_json(status: u16, title: &str, backends: &[Entry]) -> String {
    let entry = |entry: &Entry| -> Value {
        let mut value = json!({ "backend": entry.name, "reason": entry.reason });
        if let Some((since, next)) = entry.outage {
            value["down_for_ms"] = json!(millis(since));
            value["next_check_in_ms"] = json!(millis(next));
        }
        value
    };
    let backends: Vec<Value> = backends.iter().map(entry).collect();
    json!({ "status": status, "error": title, "backends": backends }).to_string()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
