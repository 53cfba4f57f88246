//! From a request head to an exchange: the head is rewritten for the backend, and what the rest of
//! the exchange needs to know of it is kept.

use super::answer::Answer;
use super::client::Client;
use super::expectation::Expectation;
use super::shared::Turn;
use super::upload::Upload;
use super::wait_for::ProgressTimer;
use super::{Exchange, ExchangePhase, Request};
use crate::config::Config;
use crate::http::accept::prefers_json;
use crate::http::auth;
use crate::http::body::{Body, Encoding};
use crate::http::field_rules::NO_RULES;
use crate::http::forward::write_request;
use crate::http::forwarded::Hop;
use crate::http::framing::Framing;
use crate::http::request::RequestHead;
use crate::log::Record;
use crate::net::buffer::Buffer;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

impl Exchange {
    /// An exchange for the request with this head, which is not needed any more afterwards.
    #[must_use]
    // spine 13
    pub fn begin(
        head: &RequestHead<'_, '_>,
        client: &Client,
        turn: &mut Turn<'_>,
        now: Instant,
    ) -> Self {
        let snapshot = Arc::clone(&turn.shared.snapshot);
        let config = &snapshot.config;
        let encoding = match head.framing {
            Framing::Chunked => Encoding::Chunked,
            _ => Encoding::Plain,
        };
        let body = Body::new(head.framing, encoding, !head.options.nominates_any());
        let rewritten = rewrite(head, client, config, turn);
        Self {
            request: Request {
                method: head.method,
                version: head.version,
                keeps_alive: head.keeps_alive(),
                upgrade: head.upgrade.map(Box::from),
                authenticates_connection: auth::is_used(head.fields),
                prefers_json: prefers_json(head.fields),
            },
            phase: ExchangePhase::Waiting,
            upload: Upload::new(rewritten, body, config.limits.max_body),
            expectation: Expectation::new(head.expects_continue),
            answer: Answer::default(),
            failures: Vec::new(),
            tries: 0,
            late_connections: 0,
            has_left: false,
            has_arrived: false,
            held: None,
            short: None,
            record: Record::begin(head, client.address, config.log, now),
            timer: ProgressTimer::default(),
            snapshot,
        }
    }
}

/// The head as the backend gets it.
fn rewrite(
    head: &RequestHead<'_, '_>,
    client: &Client,
    config: &Config,
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
        forwarded: config.forwarded_from(peer),
        adds_forwarded: config.add_forwarded,
        fallback_host: &own_authority,
        via: config.via.as_deref(),
        rules: &NO_RULES,
        stripped: None,
    };
    let mut to_backend = Buffer::default();
    write_request(head, &hop, turn.tail(&mut to_backend));
    to_backend
}

/// Our own address as `Host` has it: without a zone, and IPv4 as such.
fn authority_of(own: SocketAddr) -> String {
    SocketAddr::new(own.ip().to_canonical(), own.port()).to_string()
}
