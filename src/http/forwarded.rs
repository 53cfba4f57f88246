//! What a backend learns about the client: `X-Forwarded-*`, and `Forwarded` (RFC 7239) on
//! request. A client can write such fields itself, so what came in is kept only where the
//! configuration trusts the peer that sent it.

use super::field_rules::FieldRules;
use super::fields::{Field, values};
use super::list::trim;
use super::request::RequestHead;
use super::scan::is_token;
use super::stripped_prefix::StrippedPrefix;
use super::target::Scheme;
use super::write::{write_decimal, write_field};
use std::io::Write as _;
use std::net::IpAddr;

/// What to do with the fields about the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardedFields {
    /// Add the client to what came in: for a balancer behind other trusted ones.
    Append,
    /// Drop what came in, a client may write anything there, and say what we saw.
    Replace,
    /// Leave them as they came and add none.
    Off,
}

impl ForwardedFields {
    /// The values as they are written.
    pub const WORDS: [(&'static str, Self); 3] = [
        ("append", Self::Append),
        ("replace", Self::Replace),
        ("off", Self::Off),
    ];
}

/// What a request's new head says besides the request itself.
#[derive(Clone, Copy, Debug)]
pub struct Hop<'a> {
    /// The client's address.
    pub client: IpAddr,
    /// How the client is reported to the backend.
    pub forwarded: ForwardedFields,
    /// Whether a `Forwarded` field says the same once more.
    pub adds_forwarded: bool,
    /// `Host` for a request of HTTP/1.0 that has none; 1.1 requires one.
    pub fallback_host: &'a str,
    /// Our name in `Via`, if we add one.
    pub via: Option<&'a str>,
    /// The fields that the route sets or removes.
    pub rules: &'a FieldRules,
    /// What the route takes off the target.
    pub stripped: Option<StrippedPrefix>,
}

/// Appends the fields that report the client of `request`.
pub fn write_forwarded(request: &RequestHead<'_, '_>, hop: &Hop<'_>, out: &mut Vec<u8>) {
    if hop.forwarded == ForwardedFields::Off {
        return;
    }
    let appends = hop.forwarded == ForwardedFields::Append;
    // An empty value would make an empty member of a list.
    let earlier = |wanted: Field| {
        values(request.fields, wanted).filter(move |value| appends && !trim(value).is_empty())
    };
    out.extend_from_slice(b"X-Forwarded-For: ");
    for value in earlier(Field::XForwardedFor) {
        out.extend_from_slice(value);
        out.extend_from_slice(b", ");
    }
    write_address(hop.client, out);
    out.extend_from_slice(b"\r\n");
    let scheme = request.target.scheme;
    let proto = earlier(Field::XForwardedProto).next();
    let proto = proto.unwrap_or(scheme.name().as_bytes());
    write_field("X-Forwarded-Proto", proto, out);
    if let Some(host) = earlier(Field::XForwardedHost).next().or(request.host) {
        write_field("X-Forwarded-Host", host, out);
    }
    if hop.adds_forwarded {
        write_element(hop.client, request.host, scheme, out);
    }
}

/// Appends an address as it is usually written, without brackets.
pub fn write_address(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(address) => {
            for (place, octet) in address.octets().into_iter().enumerate() {
                if place > 0 {
                    out.push(b'.');
                }
                write_decimal(u64::from(octet), out);
            }
        }
        // Writing to a Vec cannot fail.
        IpAddr::V6(address) => drop(write!(out, "{address}")),
    }
}

/// A `Forwarded` field with one element; those of earlier proxies stand before it as they came
/// (RFC 7239 §4).
fn write_element(client: IpAddr, host: Option<&[u8]>, scheme: Scheme, out: &mut Vec<u8>) {
    let _ = match client {
        IpAddr::V4(client) => write!(out, "Forwarded: for={client}"),
        // An IPv6 address stands in brackets and quotes (RFC 7239 §6).
        IpAddr::V6(client) => write!(out, "Forwarded: for=\"[{client}]\""),
    };
    if let Some(host) = host {
        // No host has a quote or a backslash in it, so none needs escaping.
        let quote: &[u8] = if is_token(host) { b"" } else { b"\"" };
        for part in [b";host=", quote, host, quote] {
            out.extend_from_slice(part);
        }
    }
    for part in [";proto=", scheme.name(), "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::field_rules::NO_RULES;
    use crate::http::request;

    fn written(fields: &str, client: IpAddr, forwarded: ForwardedFields) -> String {
        let head = format!("GET / HTTP/1.1\r\nHost: a:80\r\n{fields}\r\n");
        let mut table = request::field_table();
        let request = request::parse(head.as_bytes(), &mut table).expect("valid");
        let hop = Hop {
            client,
            forwarded,
            adds_forwarded: true,
            fallback_host: "",
            via: None,
            rules: &NO_RULES,
            stripped: None,
        };
        let mut out = Vec::new();
        write_forwarded(&request, &hop, &mut out);
        String::from_utf8(out).expect("ASCII")
    }

    const EARLIER: &str = "X-Forwarded-For: 1\r\nX-Forwarded-For: \r\nx-forwarded-for: 2\r\n\
        X-Forwarded-Proto: https\r\nX-Forwarded-Host: b\r\n";

    #[test]
    fn what_came_in_is_replaced_unless_it_is_trusted() {
        let client = IpAddr::from([192, 0, 2, 7]);
        assert_eq!(
            written(EARLIER, client, ForwardedFields::Replace),
            "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a:80\r\n\
             Forwarded: for=192.0.2.7;host=\"a:80\";proto=http\r\n"
        );
        assert_eq!(
            written(EARLIER, client, ForwardedFields::Append),
            "X-Forwarded-For: 1, 2, 192.0.2.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b\r\n\
             Forwarded: for=192.0.2.7;host=\"a:80\";proto=http\r\n"
        );
        assert_eq!(written(EARLIER, client, ForwardedFields::Off), "");
    }

    #[test]
    fn an_address_of_version_6_is_quoted_in_forwarded_only() {
        let client = IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]);
        let text = written("", client, ForwardedFields::Replace);
        assert!(
            text.starts_with("X-Forwarded-For: 2001:db8::1\r\n"),
            "{text}"
        );
        assert!(
            text.contains("\r\nForwarded: for=\"[2001:db8::1]\";host="),
            "{text}"
        );
    }
}
