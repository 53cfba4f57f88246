//! What may be asked of the admin listener, and what is answered. Reading changes nothing.

use super::Subject;
use super::guard::Guard;
use super::message::{AdminAnswer, AdminRequest};
use super::page::{self, Shown};
use super::steering::{self, Place};
use crate::config::quantities::duration_or_none;
use crate::net::waker::Waker;
use serde_json::json;
use std::time::Duration;

/// All that a listener answers.
#[derive(Debug)]
pub(super) struct Endpoints {
    subject: Subject,
    /// `None`: probes only.
    guard: Option<Guard>,
}

const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

impl Endpoints {
    /// All of them, for those whom the guard admits.
    pub(super) fn all(subject: &Subject, guard: Guard) -> Self {
        Self {
            subject: subject.clone(),
            guard: Some(guard),
        }
    }

    /// Probes and metrics, for all.
    pub(super) fn probes(subject: &Subject) -> Self {
        Self {
            subject: subject.clone(),
            guard: None,
        }
    }

    /// What is shown.
    pub(super) fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Whether there is a stream of events.
    pub(super) fn has_events(&self) -> bool {
        self.guard.is_some()
    }

    /// Whether a request may be looked at; else its answer.
    pub(super) fn admit(&self, request: &AdminRequest) -> Result<(), AdminAnswer> {
        self.guard
            .as_ref()
            .map_or(Ok(()), |guard| guard.admit(request))
    }

    /// The answer to a request that was admitted. `peer` is who asks.
    pub(super) fn answer(&self, request: &AdminRequest, peer: &str, ending: &Waker) -> AdminAnswer {
        let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
        let reads = |read: &dyn Fn() -> AdminAnswer| match request.is_reading() {
            true => read(),
            false => not_allowed("GET, HEAD"),
        };
        let is_open = self.guard.is_some();
        let sees = self
            .guard
            .as_ref()
            .is_some_and(|guard| guard.knows(request));
        match path.as_slice() {
            ["livez"] => reads(&|| AdminAnswer::text(200, "live")),
            ["readyz"] => reads(&|| self.readyz()),
            ["metrics"] => reads(&|| self.metrics()),
            [""] if is_open => reads(&|| self.page(sees)),
            ["status"] if is_open => reads(&|| self.status()),
            ["requests"] if is_open => reads(&|| self.requests(request)),
            ["requests", id, "close"] if is_open => changes(request, || self.close(id, peer)),
            ["groups", group, "backends", rest @ ..] if is_open => {
                let place = Place { group, rest, peer };
                changes(request, || {
                    steering::answer(&self.subject.steering, &place, request, ending)
                })
            }
            _ => AdminAnswer::error(404, "there is no such page"),
        }
    }

    /// The page; `sees` says whether it shows anything yet.
    fn page(&self, sees: bool) -> AdminAnswer {
        let status = &self.subject.status;
        let shown = sees.then(|| Shown {
            status: status.status(),
            requests: status.requests(Duration::ZERO),
        });
        let page = page::answer(shown.as_ref());
        page.unwrap_or_else(|error| AdminAnswer::error(500, &error.to_string()))
    }

    fn readyz(&self) -> AdminAnswer {
        let reasons = self.subject.status.not_ready();
        match reasons.is_empty() {
            true => AdminAnswer::text(200, "ready"),
            false => AdminAnswer::text(503, &reasons.join("\n")),
        }
    }

    fn metrics(&self) -> AdminAnswer {
        AdminAnswer::new(200, PROMETHEUS, self.subject.status.metrics_text())
    }

    fn status(&self) -> AdminAnswer {
        AdminAnswer::json(200, &self.subject.status.status())
    }

    /// Those that are older than `older`, which is nothing unless it is given.
    fn requests(&self, request: &AdminRequest) -> AdminAnswer {
        let older = request.parameter("older").map(duration_or_none);
        match older.unwrap_or(Ok(Duration::ZERO)) {
            Ok(older) => {
                let requests = self.subject.status.requests(older);
                AdminAnswer::json(200, &json!({ "requests": requests }))
            }
            Err(reason) => AdminAnswer::error(400, &format!("older: {reason}")),
        }
    }

    fn close(&self, id: &str, peer: &str) -> AdminAnswer {
        let id = id.parse().ok();
        match id.is_some_and(|id| self.subject.status.close_request(id)) {
            true => {
                log::warn!(
                    "Changed by {peer}: request {} is closed.",
                    id.unwrap_or_default()
                );
                AdminAnswer::json(200, &json!({ "closed": true }))
            }
            false => AdminAnswer::error(404, "no such request is under way"),
        }
    }
}

fn changes(request: &AdminRequest, change: impl FnOnce() -> AdminAnswer) -> AdminAnswer {
    match request.method.as_str() {
        "POST" => change(),
        _ => not_allowed("POST"),
    }
}

fn not_allowed(methods: &str) -> AdminAnswer {
    AdminAnswer::error(405, &format!("this takes {methods}")).with("Allow", methods)
}
