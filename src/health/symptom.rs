//! Why a check failed: what it is evidence of, and how it is logged.

use crate::backends::health::Evidence;
use crate::http::error::Cause;
use std::fmt;

/// What a probe is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activity {
    Connecting,
    Sending,
    AwaitingAnswer,
    ReadingAnswer,
}

impl fmt::Display for Activity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Activity::Connecting => "connecting",
            Activity::Sending => "sending",
            Activity::AwaitingAnswer => "waiting for the answer",
            Activity::ReadingAnswer => "reading the answer",
        })
    }
}

/// Why a check failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Symptom {
    /// No connection could be made.
    Connect(Cause),
    /// The backend did not answer in time.
    TimedOut(Activity),
    /// The backend broke or closed the connection before its answer.
    Reset,
    /// The answer is no HTTP response.
    NotHttp(&'static str),
    /// The answer has a status that does not count as good.
    Status(u16),
    /// The body does not contain `--health-match`.
    NoMatch,
    /// The check came in at our own listener.
    Itself,
    /// The balancer had no descriptor or port for the check.
    Ours,
}

impl Symptom {
    /// What it is evidence of; `None` for a shortage of our own, which says nothing of the backend.
    #[must_use]
    pub(super) fn evidence(&self) -> Option<Evidence> {
        match self {
            Symptom::Ours => None,
            Symptom::TimedOut(_) | Symptom::Connect(Cause::TimedOut) => Some(Evidence::Silent),
            Symptom::Connect(_) | Symptom::Reset => Some(Evidence::Gone),
            Symptom::NotHttp(_) | Symptom::Status(_) | Symptom::NoMatch | Symptom::Itself => {
                Some(Evidence::Unwell)
            }
        }
    }
}

impl fmt::Display for Symptom {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Symptom::Connect(Cause::Refused) => write!(out, "connection refused"),
            Symptom::Connect(Cause::Unresolved) => write!(out, "name did not resolve"),
            Symptom::Connect(Cause::Reset) | Symptom::Reset => write!(out, "connection reset"),
            Symptom::Connect(_) => write!(out, "unreachable"),
            Symptom::TimedOut(what) => write!(out, "timed out while {what}"),
            Symptom::NotHttp(why) => write!(out, "not HTTP: {why}"),
            Symptom::Status(status) => write!(out, "status code: {status}"),
            Symptom::NoMatch => write!(out, "body did not match"),
            Symptom::Itself => write!(out, "this is the balancer itself"),
            Symptom::Ours => write!(out, "the balancer has no descriptor or port left"),
        }
    }
}
