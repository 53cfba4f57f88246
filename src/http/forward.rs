//! The head as we send it on: hop-by-hop fields gone, ours added after that.
//!
//! Everything is written from parsed values in one canonical form (`Name: value CRLF`), so
//! that what leaves is strictly well-formed and has one reading (RFC 9110 §7.6, RFC 9112).

use super::body::Encoding;
use super::cookies::StickyCookie;
use super::delivery::Delivery;
use super::field_rules::{FieldRules, NO_RULES};
use super::fields::Field;
use super::forwarded::{ForwardedFields, Hop, write_forwarded};
use super::framing::{Framing, content_length};
use super::identity::{Identity, NO_IDENTITY};
use super::request::RequestHead;
use super::request_id::RequestId;
use super::response::ResponseHead;
use super::stripped_prefix::write_target;
use super::write::{write_decimal, write_field};
use super::{Version, fields};

/// The name that we give ourselves in `Via` by default (RFC 9110 §7.6.3 allows a pseudonym).
pub const VIA_NAME: &str = "lb";

fn write_length(length: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(b"Content-Length: ");
    write_decimal(length, out);
    out.extend_from_slice(b"\r\n");
}

/// Adds that the message passed us, in the version that it came in (RFC 9110 §7.6.3). Without
/// a name it does not.
fn write_via(version: Version, name: Option<&str>, out: &mut Vec<u8>) {
    if let Some(name) = name {
        for part in ["Via: ", version.number(), " ", name, "\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
    }
}

/// Appends the head of `request` as a backend gets it: HTTP/1.1, origin form.
pub fn write_request(request: &RequestHead<'_, '_>, hop: &Hop<'_>, out: &mut Vec<u8>) {
    write_named_request(request, hop, &NO_IDENTITY, out);
}

/// The same of a request that has a name.
pub fn write_named_request(
    request: &RequestHead<'_, '_>,
    hop: &Hop<'_>,
    identity: &Identity,
    out: &mut Vec<u8>,
) {
    write_request_line(request, hop, out);
    let host = hop.rules.host().or(request.host);
    write_field("Host", host.unwrap_or(hop.fallback_host.as_bytes()), out);
    for (place, field) in request.fields.iter().enumerate() {
        let passes = request_field_passes(request, place, hop.forwarded, identity);
        if passes && !hop.rules.touches(field.name) {
            write_field(field.name, field.value, out);
        }
    }
    hop.rules.write(out);
    if let Some(limit) = request.max_forwards {
        out.extend_from_slice(b"Max-Forwards: ");
        write_decimal(limit.saturating_sub(1), out);
        out.extend_from_slice(b"\r\n");
    }
    write_body_framing(request, out);
    write_request_connection(request, out);
    write_via(request.version, hop.via, out);
    write_forwarded(request, hop, out);
    identity.write(|name| hop.rules.touches(name), out);
    out.extend_from_slice(b"\r\n");
}

fn write_request_line(request: &RequestHead<'_, '_>, hop: &Hop<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(request.method_name.as_bytes());
    out.push(b' ');
    write_target(&request.target, hop.stripped, out);
    out.extend_from_slice(b" HTTP/1.1\r\n");
}

/// Whether the field in this place is for the backend and not rewritten by us. A field that
/// `Connection` names ends here, unless routing, framing or the client's identity depend on it
/// (CVE-2022-31813).
fn request_field_passes(
    request: &RequestHead<'_, '_>,
    place: usize,
    forwarded: ForwardedFields,
    identity: &Identity,
) -> bool {
    let is_nominated = || request.options.nominates(place);
    match Field::of(request.fields[place].name) {
        field @ (Field::RequestId | Field::TraceParent | Field::TraceState) => {
            !identity.replaces(field) && !is_nominated()
        }
        Field::EndToEnd | Field::Accept | Field::Date => !is_nominated(),
        Field::Expect => request.expects_continue,
        Field::MaxForwards => request.max_forwards.is_none() && !is_nominated(),
        Field::Forwarded => match forwarded {
            ForwardedFields::Append => true,
            ForwardedFields::Replace => false,
            ForwardedFields::Off => !is_nominated(),
        },
        Field::XForwardedFor
        | Field::XForwardedHost
        | Field::XForwardedProto
        | Field::LikeForwarded => forwarded == ForwardedFields::Off && !is_nominated(),
        _ => false,
    }
}

/// A request with a body gets exactly one framing field. One without needs none, but keeps a
/// `Content-Length: 0`, which servers expect of a POST (RFC 9110 §8.6).
fn write_body_framing(request: &RequestHead<'_, '_>, out: &mut Vec<u8>) {
    match request.framing {
        Framing::Length(length) => write_length(length, out),
        Framing::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        Framing::Empty if fields::find(request.fields, Field::ContentLength).is_some() => {
            write_length(0, out);
        }
        Framing::Empty | Framing::UntilClose => {}
    }
}

/// Our own `Connection` field, where this hop needs one.
fn write_request_connection(request: &RequestHead<'_, '_>, out: &mut Vec<u8>) {
    if let Some(protocols) = request.upgrade {
        out.extend_from_slice(b"Connection: Upgrade\r\n");
        write_field("Upgrade", protocols, out);
    } else if request.accepts_trailers {
        out.extend_from_slice(b"Connection: TE\r\nTE: trailers\r\n");
    }
}

/// How a body of this framing is written to a client of this version, and whether its end is
/// then visible without closing.
#[must_use]
pub fn client_encoding(framing: Framing, version: Version) -> (Encoding, bool) {
    match (framing, version) {
        (Framing::Empty | Framing::Length(_), _) => (Encoding::Plain, true),
        (Framing::Chunked | Framing::UntilClose, Version::Http11) => (Encoding::Chunked, true),
        (Framing::Chunked | Framing::UntilClose, Version::Http10) => (Encoding::Plain, false),
    }
}

/// What a response gets besides its own fields.
#[derive(Clone, Copy, Debug)]
pub struct ResponseEdits<'e> {
    /// The fields that the route sets or removes.
    pub rules: &'e FieldRules,
    /// The cookie that the client is to have.
    pub cookie: Option<StickyCookie<'e>>,
    /// The id of the request, which takes the place of any that the backend says.
    pub request_id: Option<&'e RequestId>,
}

/// Leaves a response as it is.
pub static NO_EDITS: ResponseEdits<'static> = ResponseEdits {
    rules: &NO_RULES,
    cookie: None,
    request_id: None,
};

impl ResponseEdits<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        self.rules.write(out);
        if let Some(cookie) = &self.cookie {
            cookie.write(out);
        }
        if let Some(id) = self.own_request_id() {
            id.write_field(out);
        }
    }

    /// The id that is written, unless the route rules that field.
    fn own_request_id(&self) -> Option<&RequestId> {
        let is_ruled = |_: &&RequestId| self.rules.touches(Field::RequestId.name());
        self.request_id.filter(|id| !is_ruled(id))
    }
}

/// Appends the head of `response` as the client gets it. The status line says HTTP/1.1, our
/// own version, also to a 1.0 client (RFC 9110 §6.2). Rules set nothing in an interim response: the
/// client would take it for the fields of the final one, which come later.
pub fn write_response(
    response: &ResponseHead<'_, '_>,
    delivery: &Delivery<'_>,
    via: Option<&str>,
    edits: &ResponseEdits<'_>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"HTTP/1.1 ");
    write_decimal(u64::from(response.status), out);
    out.push(b' ');
    out.extend_from_slice(response.reason);
    out.extend_from_slice(b"\r\n");
    let mut has_date = false;
    for (place, field) in response.fields.iter().enumerate() {
        let kind = Field::of(field.name);
        let passes = response_field_passes(kind, edits);
        if passes && !response.options.nominates(place) && !edits.rules.touches(field.name) {
            has_date |= kind == Field::Date;
            write_field(field.name, field.value, out);
        }
    }
    if response.status >= 200 || response.status == 101 {
        edits.write(out);
    }
    if !has_date && response.status >= 200 {
        write_field("Date", delivery.date.as_bytes(), out);
    }
    write_response_framing(response, delivery, out);
    write_response_connection(response, delivery, out);
    write_via(response.version, via, out);
    out.extend_from_slice(b"\r\n");
}

/// Whether a field of this kind is for the client and not rewritten by us.
fn response_field_passes(kind: Field, edits: &ResponseEdits<'_>) -> bool {
    match kind {
        Field::Connection
        | Field::Hop
        | Field::Te
        | Field::TransferEncoding
        | Field::Upgrade
        | Field::ContentLength => false,
        Field::RequestId => edits.request_id.is_none(),
        _ => true,
    }
}

/// Exactly the framing field that the body is then written in.
fn write_response_framing(
    response: &ResponseHead<'_, '_>,
    delivery: &Delivery<'_>,
    out: &mut Vec<u8>,
) {
    let length = match response.framing {
        Framing::Length(length) => Some(length),
        // 1xx and 204 have no length at all. HEAD and 304 may give that of the body they leave out;
        // any other response without a body has said that its length is 0.
        Framing::Empty if matches!(response.status, 100..=199 | 204) => None,
        Framing::Empty => content_length(response.fields).ok().flatten(),
        Framing::Chunked | Framing::UntilClose => {
            if client_encoding(response.framing, delivery.version).0 == Encoding::Chunked {
                out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
            }
            None
        }
    };
    if let Some(length) = length {
        write_length(length, out);
    }
}

fn write_response_connection(
    response: &ResponseHead<'_, '_>,
    delivery: &Delivery<'_>,
    out: &mut Vec<u8>,
) {
    let upgrade = match response.status {
        // 426 names what the client should offer (RFC 9110 §15.5.22).
        101 | 426 => fields::find(response.fields, Field::Upgrade),
        _ => None,
    };
    if let Some(protocols) = upgrade {
        write_field("Upgrade", protocols, out);
    }
    let is_final = response.status >= 200;
    let ends = is_final && !delivery.keep_alive;
    let stays = is_final && delivery.keep_alive && delivery.version == Version::Http10;
    let options: &[u8] = match (upgrade.is_some(), ends, stays) {
        (true, true, _) => b"Connection: Upgrade, close\r\n",
        (true, false, _) => b"Connection: Upgrade\r\n",
        (false, true, _) => b"Connection: close\r\n",
        (false, false, true) => b"Connection: keep-alive\r\n",
        (false, false, false) => b"",
    };
    out.extend_from_slice(options);
}

#[cfg(test)]
mod tests;
