//! What went wrong with an exchange: whose fault, in which phase, and the cause; with the
//! tables that say what follows from it. Exhaustive, so that a new cause cannot be forgotten.

use crate::http::Refusal;
use std::fmt;
use std::io;

/// Who is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The client that sent the request.
    Client,
    /// The server it was meant for.
    Backend,
    /// The balancer: a limit of this process or machine, or no backend is up.
    Proxy,
}

/// What was under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Looking for a backend.
    Queue,
    /// Reading the request head.
    RequestHead,
    /// Connecting to a backend.
    Connect,
    /// Passing on the request.
    RequestBody,
    /// Waiting for the response head.
    ResponseHead,
    /// Passing on the response.
    ResponseBody,
    /// Passing bytes both ways after a 101.
    Tunnel,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// No program listens there.
    Refused,
    /// No way there.
    Unreachable,
    /// The deadline passed.
    TimedOut,
    /// The connection broke, whatever the kernel calls it: reset, broken pipe, timed out.
    Reset,
    /// Nothing comes from the other side's system any more: it does not answer keep-alive probes,
    /// or acknowledges nothing.
    Vanished,
    /// The client has closed its side while it waited, with `--abort-on-close`.
    Aborted,
    /// The connection ended in the middle.
    Closed,
    /// A message that breaks the rules.
    Message(Refusal),
    /// No descriptor left on our side, or the kernel has no memory for another connection.
    Exhausted,
    /// No memory left for what would have to be held.
    NoMemory,
    /// No source port left to reach this backend from; others have ports of their own.
    NoPort,
    /// No backend is up.
    NoneLive,
    /// Every backend has as many requests as it may, and no more may wait.
    Full,
    /// The retry budget is used up: too much was sent again lately.
    NoBudget,
    /// The name of the backend has no address.
    Unresolved,
    /// The backend went down, and `--on-down close` ends what is under way there.
    WentDown,
    /// The request was sent, and its bytes do not arrive at the backend's host.
    Unacknowledged,
    /// Not a byte has come from the backend for `--rescue-after`, on any connection.
    Mute,
    /// An operator has asked for its end.
    Ended,
}

/// One failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// Who is to blame.
    pub blame: Blame,
    /// What was under way.
    pub phase: Phase,
    /// What happened.
    pub cause: Cause,
}

impl Error {
    /// A client's failure.
    #[must_use]
    pub const fn client(phase: Phase, cause: Cause) -> Self {
        Self {
            blame: Blame::Client,
            phase,
            cause,
        }
    }

    /// A backend's failure.
    #[must_use]
    pub const fn backend(phase: Phase, cause: Cause) -> Self {
        Self {
            blame: Blame::Backend,
            phase,
            cause,
        }
    }

    /// Our own failure.
    #[must_use]
    pub const fn proxy(phase: Phase, cause: Cause) -> Self {
        Self {
            blame: Blame::Proxy,
            phase,
            cause,
        }
    }

    /// The status of the answer, if one can still be given; 499 means that no client is left to
    /// get it (nginx's number for a client that left).
    #[must_use]
    pub fn status(&self) -> u16 {
        match (self.blame, self.cause) {
            (Blame::Client, Cause::Message(refusal)) => refusal.status,
            (Blame::Client, Cause::TimedOut) => 408,
            (Blame::Client, Cause::Closed) => 400,
            (Blame::Client, _) => 499,
            (Blame::Backend, Cause::TimedOut) => 504,
            (Blame::Backend, _) => 502,
            (Blame::Proxy, Cause::NoBudget) => 502,
            (Blame::Proxy, _) => 503,
        }
    }

    /// Whether another backend might do better. Whether the request may be sent again is
    /// another question: `exchange::retry` answers it.
    #[must_use]
    pub fn retry_elsewhere(&self) -> bool {
        match (self.blame, self.phase) {
            // What we have no descriptor or port for was not even begun.
            (Blame::Proxy, Phase::Connect) => self.is_shortage(),
            (Blame::Client | Blame::Proxy, _) => false,
            (Blame::Backend, Phase::Connect) => true,
            (Blame::Backend, Phase::RequestBody | Phase::ResponseHead) => {
                let is_lost = matches!(
                    self.cause,
                    Cause::Unreachable | Cause::Unacknowledged | Cause::Mute
                );
                is_lost || matches!(self.cause, Cause::Reset | Cause::Closed | Cause::WentDown)
            }
            (
                Blame::Backend,
                Phase::Queue | Phase::RequestHead | Phase::ResponseBody | Phase::Tunnel,
            ) => false,
        }
    }

    /// Whether the balancer ran out of something: no other side is to blame, and later it may work.
    #[must_use]
    pub fn is_shortage(&self) -> bool {
        matches!(self.cause, Cause::Exhausted | Cause::NoPort)
    }

    /// Two letters for the log, as HAProxy has them: who ended it (`C`lient, `S`erver,
    /// `P`roxy; small for a timeout), and in which phase (`R`equest, `Q`ueue, `C`onnect,
    /// `H`ead of the response, `D`ata).
    #[must_use]
    pub fn code(&self) -> &'static str {
        let timed_out = self.cause == Cause::TimedOut;
        match (self.blame, self.phase, timed_out) {
            (Blame::Client, Phase::RequestHead, false) => "CR",
            (Blame::Client, Phase::RequestHead, true) => "cR",
            (Blame::Client, Phase::Queue, _) => "CQ",
            (Blame::Client, Phase::Connect, _) => "CC",
            (Blame::Client, Phase::ResponseHead, _) => "CH",
            (Blame::Client, Phase::RequestBody | Phase::ResponseBody | Phase::Tunnel, false) => {
                "CD"
            }
            (Blame::Client, Phase::RequestBody | Phase::ResponseBody | Phase::Tunnel, true) => "cD",
            (Blame::Backend, Phase::Connect, false) => "SC",
            (Blame::Backend, Phase::Connect, true) => "sC",
            (Blame::Backend, Phase::ResponseHead | Phase::RequestHead, false) => "SH",
            (Blame::Backend, Phase::ResponseHead | Phase::RequestHead, true) => "sH",
            (Blame::Backend, Phase::RequestBody | Phase::ResponseBody | Phase::Tunnel, false) => {
                "SD"
            }
            (Blame::Backend, Phase::RequestBody | Phase::ResponseBody | Phase::Tunnel, true) => {
                "sD"
            }
            (Blame::Backend, Phase::Queue, _) => "SQ",
            (Blame::Proxy, Phase::Queue, false) => "PQ",
            (Blame::Proxy, Phase::Queue, true) => "pQ",
            (Blame::Proxy, Phase::Connect, _) => "PC",
            (Blame::Proxy, Phase::RequestHead, _) => "PR",
            (Blame::Proxy, Phase::ResponseHead, _) => "PH",
            (Blame::Proxy, Phase::RequestBody | Phase::ResponseBody | Phase::Tunnel, _) => "PD",
        }
    }
}

impl Cause {
    /// One word for logs that programs read. These words stay as they are.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Cause::Refused => "refused",
            Cause::Unreachable => "unreachable",
            Cause::TimedOut => "timed_out",
            Cause::Reset => "reset",
            Cause::Vanished => "vanished",
            Cause::Aborted => "aborted",
            Cause::Closed => "closed",
            Cause::Message(_) => "bad_message",
            Cause::Exhausted => "no_descriptor",
            Cause::NoMemory => "no_memory",
            Cause::NoPort => "no_port",
            Cause::NoneLive => "none_up",
            Cause::Full => "full",
            Cause::NoBudget => "no_budget",
            Cause::Unresolved => "unresolved",
            Cause::WentDown => "went_down",
            Cause::Unacknowledged => "unacknowledged",
            Cause::Mute => "silent",
            Cause::Ended => "ended_by_operator",
        }
    }

    /// What an I/O error while connecting means.
    #[must_use]
    pub fn of_connect(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Cause::Refused,
            io::ErrorKind::TimedOut => Cause::TimedOut,
            io::ErrorKind::ConnectionReset => Cause::Reset,
            io::ErrorKind::NotFound => Cause::Unresolved,
            _ => Cause::Unreachable,
        }
    }

    /// What an error on a connection means that was made.
    #[must_use]
    pub fn of_broken(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut => Cause::Vanished,
            _ => Cause::Reset,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match self.phase {
            Phase::Queue => "waiting for a backend",
            Phase::RequestHead => "reading the request head",
            Phase::Connect => "connecting",
            Phase::RequestBody => "sending the request",
            Phase::ResponseHead => "waiting for the response",
            Phase::ResponseBody => "relaying the response",
            Phase::Tunnel => "passing bytes both ways",
        };
        match self.cause {
            Cause::Refused => write!(out, "connection refused"),
            Cause::Unreachable => write!(out, "unreachable"),
            Cause::TimedOut => write!(out, "timed out while {phase}"),
            Cause::Reset => write!(out, "connection reset while {phase}"),
            Cause::Aborted => write!(out, "the client closed while {phase}"),
            Cause::Vanished => write!(out, "its host vanished while {phase}"),
            Cause::Closed => write!(out, "connection closed while {phase}"),
            Cause::Message(refusal) => write!(out, "{}", refusal.why),
            Cause::Exhausted => write!(out, "the balancer has no descriptor left"),
            Cause::NoPort => write!(out, "the balancer has no source port left to reach it"),
            Cause::NoMemory => write!(out, "the balancer has no memory left for this"),
            Cause::NoneLive => write!(out, "no backend is up"),
            Cause::Full => write!(out, "every backend is at its limit, and so is the queue"),
            Cause::NoBudget => write!(out, "the retry budget is used up"),
            Cause::Unresolved => write!(out, "the name has no address"),
            Cause::WentDown => write!(out, "it went down while {phase}"),
            Cause::Unacknowledged => write!(out, "the request did not arrive"),
            Cause::Mute => write!(out, "silent for too long while {phase}"),
            Cause::Ended => write!(out, "ended by an operator while {phase}"),
        }
    }
}

#[cfg(test)]
mod tests;
