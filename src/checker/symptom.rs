//! What is wrong with a backend, what it means, and how it is said. Knows no probe.

use crate::backends::Plight;
use crate::backends::health::Weight;
use crate::error::Cause;
use std::fmt;

/// The stage of a probe that has no connection yet.
pub(super) const CONNECTING: &str = "connecting";

/// Why a backend is not healthy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Symptom {
    /// It could not be connected to.
    Connect(Cause),
    /// It did not answer in time.
    TimedOut(&'static str),
    /// The same, but meanwhile it answered requests.
    Overdue(&'static str),
    /// It broke or ended the connection before its answer.
    Reset,
    /// Its answer is no HTTP response.
    NotHttp(&'static str),
    /// Its answer has another status than a good one.
    Status(u16),
    /// What has to stand in the body does not.
    NoMatch,
    /// We had no descriptor or port for it.
    Ours,
}

impl Symptom {
    /// Whether it could be the network, or us.
    #[must_use]
    pub(super) fn weight(&self) -> Weight {
        match self {
            Symptom::TimedOut(_) | Symptom::Overdue(_) | Symptom::Ours => Weight::Soft,
            _ => Weight::Hard,
        }
    }

    /// What it means for those who wait for an answer of this backend. Only silence means that
    /// none will come: one that refuses new connections may be finishing what it has, and if
    /// it died, its connections broke by themselves.
    #[must_use]
    pub(super) fn plight(&self) -> Plight {
        match self {
            Symptom::TimedOut(_) | Symptom::Connect(Cause::TimedOut | Cause::Unreachable) => {
                Plight::Gone
            }
            _ => Plight::Unwell,
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
            Symptom::TimedOut(what) | Symptom::Overdue(what) => {
                write!(out, "timed out while {what}")
            }
            Symptom::NotHttp(why) => write!(out, "not HTTP: {why}"),
            Symptom::Status(status) => write!(out, "status code: {status}"),
            Symptom::NoMatch => write!(out, "body did not match"),
            Symptom::Ours => write!(out, "the balancer has no descriptor or port left"),
        }
    }
}
