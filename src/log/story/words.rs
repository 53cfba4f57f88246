//! Retries, queues and waits in words: `#7 localhost:5002 refused, trying localhost:5001`.

use crate::backends::Name;
use crate::http::error::{Cause, Error, Phase};
use crate::log::durations::seconds;
use crate::log::event::{Awaited, Retry};
use std::time::Duration;

/// What has come of an attempt, and what follows.
pub(super) fn retry(retry: &Retry<'_>) -> String {
    let from = &retry.from.name;
    let next = match retry.to {
        None => "waiting for a backend".into(),
        Some(to) if to.name == *from => "trying it once more".into(),
        Some(to) => format!("trying {}", to.name),
    };
    format!("{}, {next}", failure(from, retry.error))
}

fn failure(name: &Name, error: &Error) -> String {
    let what = match (error.cause, error.phase) {
        (Cause::Refused, _) => "refused",
        (Cause::Unreachable, _) => "is unreachable",
        (Cause::TimedOut, Phase::Connect) => "did not accept the connection in time",
        (Cause::TimedOut, _) => "did not answer in time",
        (Cause::Reset, _) => "broke the connection",
        (Cause::Closed, _) => "closed the connection",
        (Cause::Vanished, _) => "has vanished",
        (Cause::Unresolved, _) => "has no address",
        (Cause::WentDown, _) => "went down",
        (Cause::Unacknowledged, _) => "does not get the request",
        (Cause::Mute, _) => "is silent",
        (
            Cause::Message(_)
            | Cause::Aborted
            | Cause::Exhausted
            | Cause::NoMemory
            | Cause::NoPort
            | Cause::NoneLive
            | Cause::Full
            | Cause::NoBudget
            | Cause::Ended,
            _,
        ) => return format!("{name}: {error}"),
    };
    format!("{name} {what}")
}

/// It enters the queue.
pub(super) fn queued(behind: usize) -> String {
    let place = match behind {
        0 => String::new(),
        count => format!(" behind {count} more"),
    };
    format!("every backend is at its limit, waiting in the queue{place}")
}

/// It has left the queue, with room at a backend or without.
pub(super) fn left_queue(waited: Duration, error: Option<&Error>) -> String {
    let waited = seconds(waited);
    match error {
        None => format!("left the queue after {waited}"),
        Some(error) => format!("left the queue after {waited} without a backend: {error}"),
    }
}

/// It waits, and has done so for a while; `None` where that is ordinary.
pub(super) fn wait(awaited: Awaited, backend: &str, waited: Duration) -> Option<String> {
    let what = match awaited {
        Awaited::Connection => format!("waiting for {backend} to accept the connection"),
        Awaited::Response => format!("waiting for {backend} to answer"),
        Awaited::Resources => "waiting for a descriptor or port to be free".into(),
        // They have lines of their own; or the client takes its time.
        Awaited::Backend | Awaited::Room | Awaited::Request | Awaited::Body => return None,
    };
    Some(format!("{what}, {} so far", seconds(waited)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::Backend;
    use crate::backends::health::Health;
    use crate::http::Refusal;

    fn line(cause: Cause, phase: Phase, to: Option<u16>) -> String {
        let backend = |port| {
            let host = "a".into();
            Backend::new(Name { host, port }, Health::new(1, 1))
        };
        let (from, to) = (backend(1), to.map(backend));
        retry(&Retry {
            from: &from,
            error: &Error::backend(phase, cause),
            to: to.as_ref(),
            was_sent: false,
        })
    }

    #[test]
    fn a_retry_says_what_happened_where_and_what_follows() {
        for (cause, phase, to, text) in [
            (
                Cause::Refused,
                Phase::Connect,
                Some(2),
                "a:1 refused, trying a:2",
            ),
            (
                Cause::Closed,
                Phase::ResponseHead,
                Some(1),
                "a:1 closed the connection, trying it once more",
            ),
            (
                Cause::TimedOut,
                Phase::Connect,
                None,
                "a:1 did not accept the connection in time, waiting for a backend",
            ),
            (
                Cause::Message(Refusal::bad("it spoke")),
                Phase::Connect,
                Some(2),
                "a:1: it spoke, trying a:2",
            ),
        ] {
            assert_eq!(line(cause, phase, to), text);
        }
    }

    #[test]
    fn queues_and_waits_say_how_long() {
        let second = Duration::from_millis(1200);
        assert_eq!(
            queued(0),
            "every backend is at its limit, waiting in the queue"
        );
        assert!(queued(7).ends_with("waiting in the queue behind 7 more"));
        assert_eq!(left_queue(second, None), "left the queue after 1.2 s");
        let error = Error::proxy(Phase::Queue, Cause::TimedOut);
        assert!(left_queue(second, Some(&error)).contains("without a backend: timed out"));
        let waits = |awaited| wait(awaited, "a:1", second);
        assert_eq!(
            waits(Awaited::Response).as_deref(),
            Some("waiting for a:1 to answer, 1.2 s so far")
        );
        assert_eq!(waits(Awaited::Request), None);
    }
}
