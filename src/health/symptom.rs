//! What is wrong with a backend, what it means, and how it is said. Knows no probe.

use crate::backends::health::Evidence;
use crate::http::error::Cause;
use std::fmt;

/// Why a backend is not healthy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Symptom {
    /// It could not be connected to.
    Connect(Cause),
    /// It did not answer in time.
    TimedOut(&'static str),
    /// It broke or ended the connection before its answer.
    Reset,
    /// Its answer is no HTTP response.
    NotHttp(&'static str),
    /// Its answer has another status than a good one.
    Status(u16),
    /// What has to stand in the body does not.
    NoMatch,
    /// The check has come in at our own listener.
    Itself,
    /// We had no descriptor or port for it.
    Ours,
}

impl Symptom {
    /// What kind of evidence it is; `None` for our own trouble, which says nothing.
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
