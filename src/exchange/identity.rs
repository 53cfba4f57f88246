//! How a request is named: with the id that it brings or one of ours, and with its step of a trace.
//!
//! Ids tell requests apart, and are no secrets: none gives access to anything. So the random numbers of
//! `fastrand` are enough, each worker's from a state that the system's randomness has begun. With 128
//! bits no two requests get the same id, and who sees some cannot guess at random which others there
//! are.

use crate::config::Settings;
use crate::http::identity::Identity;
use crate::http::request_id::RequestId;
use crate::http::trace_context::TraceContext;
use fastrand::Rng;
use httparse::Header;
use std::net::IpAddr;

/// The name of a request with these fields, which `peer` has sent. A request that could not be read
/// has none.
pub fn identify(
    fields: &[Header<'_>],
    peer: IpAddr,
    settings: &Settings,
    random: &mut Rng,
) -> Identity {
    let id = settings.names_requests().then(|| {
        let taken = settings.is_trusted(peer).then(|| RequestId::taken(fields));
        let taken = taken.flatten();
        taken.unwrap_or_else(|| RequestId::made(random.u128(..)))
    });
    let trace = settings.traces_requests().then(|| {
        let span = random.u64(..);
        let continued = TraceContext::continued(fields, span);
        continued.unwrap_or_else(|| TraceContext::begun(random.u128(..), span))
    });
    Identity { id, trace }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Switch;
    use crate::log::LogMode;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const FIELDS: &[Header<'static>] = &[
        Header {
            name: "X-Request-Id",
            value: b"theirs",
        },
        Header {
            name: "traceparent",
            value: b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        },
    ];

    fn identity(change: impl FnOnce(&mut Settings)) -> Identity {
        let mut settings = Settings::default();
        change(&mut settings);
        identify(FIELDS, PEER, &settings, &mut Rng::new())
    }

    #[test]
    fn an_id_is_taken_from_trusted_proxies_only() {
        let theirs = RequestId::taken(FIELDS);
        let trusted = identity(|of| of.trusted_proxies = vec![PEER.into()]);
        assert_eq!(trusted.id, theirs);
        let (one, other) = (identity(|_| ()).id, identity(|_| ()).id);
        assert!(matches!(one, Some(RequestId::Made(_))) && one != other);
        assert_eq!(identity(|of| of.request_id = Switch::Off).id, None);
    }

    #[test]
    fn a_trace_is_continued_where_the_log_shows_it_or_the_user_says_so() {
        let with =
            |log, traceparent| identity(|of| (of.log, of.traceparent) = (log, traceparent)).trace;
        let traced = with(LogMode::Json, None);
        assert!(traced.is_some_and(|trace| !trace.is_begun_here()));
        assert_eq!(with(LogMode::Json, Some(Switch::Off)), None);
        for mode in [LogMode::Story, LogMode::Access, LogMode::Off] {
            assert_eq!(with(mode, None), None);
            assert!(with(mode, Some(Switch::On)).is_some());
        }
    }
}
