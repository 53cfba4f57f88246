//! What of a request decides which backend it goes to, and the cookie of sticky sessions.

use super::Request;
use crate::backends::key::hash;
use crate::backends::{Algorithm, Key};
use crate::config::{Choice, HashBy, Settings};
use crate::http::cookies::{self, StickyCookie};
use crate::http::fields::{Field, find, named};
use crate::http::request::RequestHead;
use crate::http::target::{Scheme, Sender};
use std::net::IpAddr;

/// What of the request decides. A request that lacks it goes to a backend by turn.
pub(super) fn key_of(head: &RequestHead<'_, '_>, peer: IpAddr, settings: &Settings) -> Key {
    let choice = &settings.choice;
    match choice.algorithm {
        Algorithm::Hash => {
            let by = choice.hash_by.as_ref().unwrap_or(&HashBy::Client);
            hash_of(head, peer, by, settings).map_or(Key::Absent, Key::Hash)
        }
        Algorithm::Sticky => {
            let cookie = cookies::value(head.fields, choice.cookie());
            cookie
                .and_then(cookies::tag_in)
                .map_or(Key::Absent, Key::Tag)
        }
        _ => Key::Absent,
    }
}

fn hash_of(
    head: &RequestHead<'_, '_>,
    peer: IpAddr,
    by: &HashBy,
    settings: &Settings,
) -> Option<u64> {
    match by {
        HashBy::Client => Some(hash_of_address(settings.client_of(peer, head.fields))),
        HashBy::Path => head
            .target
            .rest
            .split('?')
            .next()
            .map(|path| hash(path.as_bytes())),
        HashBy::Header(name) => named(head.fields, name).next().map(hash),
        HashBy::Cookie(name) => cookies::value(head.fields, name).map(hash),
    }
}

fn hash_of_address(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(address) => hash(&address.octets()),
        IpAddr::V6(address) => hash(&address.octets()),
    }
}

/// Whether the client has sent the request over TLS, as a trusted proxy says.
pub(super) fn is_secure(head: &RequestHead<'_, '_>, sender: Sender) -> bool {
    let is_https = |proto: &[u8]| proto.eq_ignore_ascii_case(b"https");
    let is_said = || find(head.fields, Field::XForwardedProto).is_some_and(is_https);
    head.target.scheme == Scheme::Https || (sender == Sender::TrustedProxy && is_said())
}

/// The cookie that the client is to send from now on, with the tag of the backend that it is at:
/// unless it has sent that one already.
pub(super) fn new_cookie<'x>(
    choice: &'x Choice,
    key: Key,
    tag: u64,
    request: &Request,
) -> Option<StickyCookie<'x>> {
    let is_new = choice.algorithm == Algorithm::Sticky && key != Key::Tag(tag);
    is_new.then(|| StickyCookie {
        name: choice.cookie(),
        tag,
        is_secure: request.is_secure,
    })
}
