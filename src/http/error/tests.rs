//! What each error comes to: a status, a code, and whether to try elsewhere.

use super::*;

#[test]
fn each_failure_has_its_status() {
    let table = [
        (
            Error::client(Phase::RequestHead, Cause::TimedOut),
            408,
            "cR",
        ),
        (
            Error::client(Phase::RequestHead, Cause::Message(Refusal::bad("x"))),
            400,
            "CR",
        ),
        (Error::client(Phase::ResponseHead, Cause::Reset), 499, "CH"),
        (Error::client(Phase::Queue, Cause::Aborted), 499, "CQ"),
        (Error::backend(Phase::Connect, Cause::Refused), 502, "SC"),
        (Error::backend(Phase::Connect, Cause::TimedOut), 504, "sC"),
        (
            Error::backend(Phase::ResponseHead, Cause::TimedOut),
            504,
            "sH",
        ),
        (
            Error::backend(Phase::ResponseHead, Cause::Message(Refusal::bad("x"))),
            502,
            "SH",
        ),
        (Error::proxy(Phase::Queue, Cause::NoneLive), 503, "PQ"),
        (Error::proxy(Phase::Queue, Cause::Full), 503, "PQ"),
        (Error::proxy(Phase::Queue, Cause::TimedOut), 503, "pQ"),
        (
            Error::proxy(Phase::ResponseHead, Cause::NoBudget),
            502,
            "PH",
        ),
        (Error::proxy(Phase::Connect, Cause::Exhausted), 503, "PC"),
        (Error::proxy(Phase::Connect, Cause::NoPort), 503, "PC"),
        (Error::proxy(Phase::ResponseHead, Cause::Ended), 503, "PH"),
    ];
    for (error, status, code) in table {
        assert_eq!((error.status(), error.code()), (status, code), "{error:?}");
    }
}

#[test]
fn only_a_backends_early_failures_are_tried_elsewhere() {
    assert!(Error::backend(Phase::Connect, Cause::TimedOut).retry_elsewhere());
    assert!(Error::backend(Phase::ResponseHead, Cause::Closed).retry_elsewhere());
    assert!(!Error::backend(Phase::ResponseHead, Cause::TimedOut).retry_elsewhere());
    assert!(!Error::backend(Phase::ResponseBody, Cause::Reset).retry_elsewhere());
    assert!(!Error::client(Phase::RequestBody, Cause::Reset).retry_elsewhere());
}

#[test]
fn each_error_of_a_socket_has_its_cause() {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, NotFound, TimedOut};
    for (kind, on_connect, later) in [
        (ConnectionRefused, Cause::Refused, Cause::Reset),
        (TimedOut, Cause::TimedOut, Cause::Vanished),
        (ConnectionReset, Cause::Reset, Cause::Reset),
        (NotFound, Cause::Unresolved, Cause::Reset),
        (HostUnreachable, Cause::Unreachable, Cause::Reset),
    ] {
        let error = io::Error::from(kind);
        assert_eq!(Cause::of_connect(&error), on_connect, "{kind:?}");
        assert_eq!(Cause::of_broken(&error), later, "{kind:?}");
    }
}

#[test]
fn a_shortage_of_ours_is_tried_elsewhere_while_connecting() {
    for cause in [Cause::Exhausted, Cause::NoPort] {
        let error = Error::proxy(Phase::Connect, cause);
        assert!(error.is_shortage() && error.retry_elsewhere(), "{cause:?}");
    }
    let other = Error::proxy(Phase::Connect, Cause::NoMemory);
    assert!(!other.is_shortage() && !other.retry_elsewhere());
}

#[test]
fn a_failure_is_described_with_its_phase() {
    for (error, text) in [
        (
            Error::backend(Phase::Connect, Cause::Refused),
            "connection refused",
        ),
        (
            Error::backend(Phase::Connect, Cause::TimedOut),
            "timed out while connecting",
        ),
        (
            Error::backend(Phase::ResponseHead, Cause::Closed),
            "connection closed while waiting for the response",
        ),
        (
            Error::client(Phase::RequestBody, Cause::Aborted),
            "the client closed while sending the request",
        ),
        (
            Error::backend(Phase::ResponseHead, Cause::Message(Refusal::bad("why"))),
            "why",
        ),
    ] {
        assert_eq!(error.to_string(), text);
    }
}
