//! From a request head to an exchange: the head is rewritten for the backend, and what the rest of
//! the exchange needs to know of it is kept.

use super::answer::Answer;
use super::client::Client;
use super::expectation::Expectation;
use super::identity::identify;
use super::key::{is_secure, key_of};
use super::listeners::Listeners;
use super::measure::Measure;
use super::shared::Turn;
use super::upload::Upload;
use super::wait_for::ProgressTimer;
use super::{Exchange, ExchangePhase, Request};
use crate::config::routing::RouteMatch;
use crate::config::{Destination, Settings};
use crate::http::accept::prefers_json;
use crate::http::auth;
use crate::http::body::{Body, Encoding};
use crate::http::forward::write_named_request;
use crate::http::forwarded::Hop;
use crate::http::framing::Framing;
use crate::http::identity::Identity;
use crate::http::request::RequestHead;
use crate::log::event::AcceptedRequest;
use crate::net::buffer::Buffer;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

impl Exchange {
    /// An exchange for the request with this head, which is not needed any more afterwards. It took
    /// `reading` to come, and is complete `now`.
    #[must_use]
    // spine 13
    pub fn begin(
        head: &RequestHead<'_, '_>,
        (route, destination): (&RouteMatch<'_>, &Destination),
        client: &Client,
        turn: &mut Turn<'_>,
        (reading, now): (Duration, Instant),
    ) -> Self {
        let group = Arc::clone(&destination.group);
        let settings = &group.settings;
        let encoding = match head.framing {
            Framing::Chunked => Encoding::Chunked,
            _ => Encoding::Plain,
        };
        let body = Body::new(head.framing, encoding, !head.options.nominates_any());
        let peer = client.address.ip();
        let identity = identify(head.fields, peer, settings, &mut turn.local.random);
        let rewritten = rewrite(head, (route, &identity), client, settings, turn);
        let accepted = AcceptedRequest {
            head,
            client: client.address,
            connection: client.number,
            group: Some(&group.name),
            identity: &identity,
            reading,
        };
        client.note_request(head, &group.name, now);
        let listeners = Listeners::begin(&accepted, settings.log, client.written, turn, now);
        Self {
            request: Request {
                method: head.method,
                version: head.version,
                keeps_alive: head.keeps_alive(),
                upgrade: head.upgrade.map(Box::from),
                authenticates_connection: auth::is_used(head.fields),
                prefers_json: prefers_json(head.fields),
                is_secure: is_secure(head, settings.sender(peer)),
                id: identity.id,
            },
            phase: ExchangePhase::Waiting,
            upload: Upload::new(rewritten, body, settings.limits.max_body),
            expectation: Expectation::new(head.expects_continue),
            answer: Answer::default(),
            failures: Vec::new(),
            tries: 0,
            late_connections: 0,
            has_left: false,
            has_arrived: false,
            held: None,
            queued: None,
            key: key_of(head, peer, settings),
            response_headers: destination.response_headers.clone(),
            short: None,
            listeners: listeners.counted_by(Measure::of(&group, destination.route, now)),
            attempt_began: now,
            timer: ProgressTimer::default(),
            group,
        }
    }
}

/// The head as the backend gets it.
fn rewrite(
    head: &RequestHead<'_, '_>,
    (route, identity): (&RouteMatch<'_>, &Identity),
    client: &Client,
    settings: &Settings,
    turn: &mut Turn<'_>,
) -> Buffer {
    let own_authority = match head.host {
        Some(_) => String::new(),
        None => match client.conn.local_addr() {
            Ok(own) => authority_of(own),
            Err(_) => "localhost".into(),
        },
    };
    let peer = client.address.ip();
    let hop = Hop {
        client: peer,
        forwarded: settings.forwarded_from(peer),
        adds_forwarded: settings.add_forwarded,
        fallback_host: &own_authority,
        via: settings.via.as_deref(),
        rules: &route.route.request_headers,
        stripped: route.stripped,
    };
    let mut to_backend = Buffer::default();
    write_named_request(head, &hop, identity, turn.tail(&mut to_backend));
    to_backend
}

/// Our own address as `Host` has it: without a zone, and IPv4 as such.
fn authority_of(own: SocketAddr) -> String {
    SocketAddr::new(own.ip().to_canonical(), own.port()).to_string()
}
