//! What the balancer answers itself: requests that end here, and what it refuses.

use super::linger::Linger;
use super::{Stage, Step};
use crate::config::Settings;
use crate::exchange::client::Client;
use crate::exchange::identity::identify;
use crate::exchange::listeners::{Listeners, RequestOutcome};
use crate::exchange::shared::{Shared, Turn, log_output};
use crate::health::loop_detection;
use crate::http::delivery::Delivery;
use crate::http::error::{Cause, Error, Phase};
use crate::http::framing::Framing;
use crate::http::method::Method;
use crate::http::reply::Reply;
use crate::http::request::RequestHead;
use crate::http::{Refusal, Version};
use crate::log::RefusedRequest;
use crate::log::event::{AcceptedRequest, Event};
use crate::net::buffer::Buffer;
use httparse::Header;
use std::net::SocketAddr;
use std::time::Duration;

pub(super) const TOO_SLOW: Refusal = Refusal::with_status(408, "the request head took too long");

/// The answer to a check of ours that has come back.
const LOOP: &str =
    "This check was sent by this balancer itself: one of its backends leads back here.";

/// The answer to a request that no route takes.
pub(super) const NO_ROUTE: Refusal =
    Refusal::with_status(404, "no route takes this host and this path");

/// An answer of our own to a request that is well-formed.
pub(super) struct OwnReply {
    reply: Reply,
    /// What the log says of it, if it is an error.
    error: Option<Error>,
    /// What becomes of the connection, if the client would go on.
    then: Then,
}

/// What becomes of a connection after an answer of our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    GoOn,
    Close,
}

impl OwnReply {
    /// The answer that says so. The connection stays open.
    pub(super) fn error(refusal: Refusal) -> Self {
        Self {
            reply: Reply::new(refusal.status, refusal.why),
            error: Some(Error::client(Phase::RequestHead, Cause::Message(refusal))),
            then: Then::GoOn,
        }
    }

    /// The same, with the time after which another request makes sense.
    pub(super) fn retry_after(self, time: Duration) -> Self {
        let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
        let retry_after = Some(seconds.max(1));
        let reply = Reply {
            retry_after,
            ..self.reply
        };
        Self { reply, ..self }
    }

    /// The same, after which the connection is closed.
    pub(super) fn closing(self) -> Self {
        let then = Then::Close;
        Self { then, ..self }
    }
}

impl From<Reply> for OwnReply {
    fn from(reply: Reply) -> Self {
        Self {
            reply,
            error: None,
            then: Then::GoOn,
        }
    }
}

/// The answer to a request that ends here: it may go no further, is a check of ours that came back, or
/// asks for `--ready-path`.
pub(super) fn to(
    head: &RequestHead<'_, '_>,
    settings: &Settings,
    shared: &Shared,
) -> Option<OwnReply> {
    let reply = if head.ends_here() {
        Reply::of_last_recipient(head)
    } else if has_come_back(head, shared) {
        Reply::new(508, LOOP)
    } else if settings.ready_path_asked(head).is_some() {
        readiness(shared)
    } else {
        return None;
    };
    Some(reply.into())
}

/// Whether it is a check of ours, sent to a backend that leads back to this balancer.
fn has_come_back(head: &RequestHead<'_, '_>, shared: &Shared) -> bool {
    let checks = &shared.health.open_checks;
    let is_token = |field: &&Header<'_>| field.name.eq_ignore_ascii_case(loop_detection::FIELD);
    let mut tokens = head.fields.iter().filter(is_token);
    checks.is_any_open() && tokens.any(|field| checks.take_back(field.value))
}

fn readiness(shared: &Shared) -> Reply {
    match shared.is_ready() {
        true => Reply::new(200, "ready"),
        false => Reply::new(503, "not ready"),
    }
}

/// What is known of the sender of a request.
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    /// The number of its connection.
    pub(super) number: u32,
    /// How long the head took to come.
    pub(super) reading: Duration,
}

/// Answers a request that ends here; returns whether the connection stays open.
pub(super) fn send(
    head: &RequestHead<'_, '_>,
    OwnReply { reply, error, then }: &OwnReply,
    peer: &Peer,
    outbound: &mut Buffer,
    turn: &mut Turn<'_>,
) -> bool {
    let may_go_on = *then == Then::GoOn && turn.shared.keeps_alive();
    let goes_on = may_go_on && head.keeps_alive() && head.framing == Framing::Empty;
    let now = turn.now();
    let snapshot = turn.shared.snapshot();
    let (address, random) = (peer.address.ip(), &mut turn.local.random);
    let identity = identify(head.fields, address, &snapshot.settings, random);
    let accepted = AcceptedRequest {
        head,
        client: peer.address,
        connection: peer.number,
        group: None,
        identity: &identity,
        reading: peer.reading,
    };
    count(reply.status, turn);
    let mut listeners = Listeners::begin(&accepted, snapshot.settings.log, 0, turn, now);
    listeners.report(&Event::AnsweredHere(reply.status), turn);
    let date = turn.local.dates.at(now);
    let delivery = Delivery {
        version: head.version,
        method: head.method,
        keep_alive: goes_on,
        date: date.as_str(),
    };
    let before = outbound.len();
    reply.write(&delivery, identity.id.as_ref(), turn.tail(outbound));
    let outcome = RequestOutcome {
        status: reply.status,
        bytes: 0,
        written: (outbound.len() - before) as u64,
        error: error.as_ref(),
    };
    listeners.end(&outcome, None, turn);
    goes_on
}

/// Answers a request that is refused, and closes the connection.
pub(super) fn refuse(refusal: Refusal, client: &mut Client, turn: &mut Turn<'_>) -> Step {
    let Refusal { status, why } = refusal;
    count(status, turn);
    let error = match status {
        503 => Error::proxy(Phase::RequestHead, Cause::NoMemory),
        _ => Error::client(Phase::RequestHead, cause(refusal)),
    };
    let snapshot = turn.shared.snapshot();
    let settings = &snapshot.settings;
    // What its head says of it was not understood.
    let identity = identify(&[], client.address.ip(), settings, &mut turn.local.random);
    let refused = RefusedRequest {
        client: client.address,
        connection: client.number,
        identity: &identity,
        status,
        error: &error,
        connections: turn.shared.connections.open(),
        stories: &turn.shared.stories,
    };
    let now = turn.now();
    refused.print(settings.log, why, now, &mut log_output(turn));
    // An answer to HEAD has no content, whatever is wrong with the request.
    let method = match client.inbound.bytes().starts_with(b"HEAD ") {
        true => Method::Head,
        false => Method::Other,
    };
    let date = turn.local.dates.at(turn.now());
    let delivery = Delivery {
        version: Version::Http11,
        method,
        keep_alive: false,
        date: date.as_str(),
    };
    let (reply, id) = (Reply::new(status, why), identity.id.as_ref());
    reply.write(&delivery, id, turn.tail(&mut client.outbound));
    client.inbound.clear();
    Step::Next(Stage::Linger(Linger::default()))
}

/// Counts an answer of our own to a request without a route.
fn count(status: u16, turn: &Turn<'_>) {
    if let Some(observed) = &turn.shared.observed {
        observed.unrouted.count(status);
    }
}

fn cause(refusal: Refusal) -> Cause {
    if refusal == TOO_SLOW {
        Cause::TimedOut
    } else {
        Cause::Message(refusal)
    }
}
