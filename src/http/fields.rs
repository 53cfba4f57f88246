//! Which fields are for us and which are for the other end.
//!
//! Field names are recognised by [`Field::of`] and nowhere else. RFC 9110 §7.6.1 says what an
//! intermediary must remove; what a `Connection` field names besides is
//! [`super::connection`]'s business.

use httparse::Header;

/// The fields that a proxy has to treat in some way of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// `Accept`: what the client would rather read
    Accept,
    /// `Connection`: options for this hop, and names of fields that are for this hop.
    Connection,
    /// `Content-Length`
    ContentLength,
    /// `Date`
    Date,
    /// `Expect`
    Expect,
    /// `Forwarded` (RFC 7239)
    Forwarded,
    /// `Host`
    Host,
    /// `Keep-Alive`, `Proxy-Connection` and `HTTP2-Settings`: never forwarded, and without
    /// meaning for us.
    Hop,
    /// `Max-Forwards`: how many more proxies a `TRACE` or `OPTIONS` may pass.
    MaxForwards,
    /// `X-Request-Id`
    RequestId,
    /// `TE`
    Te,
    /// `traceparent`
    TraceParent,
    /// `tracestate`
    TraceState,
    /// `Transfer-Encoding`
    TransferEncoding,
    /// `Upgrade`
    Upgrade,
    /// `X-Forwarded-For`
    XForwardedFor,
    /// `X-Forwarded-Host`
    XForwardedHost,
    /// `X-Forwarded-Proto`
    XForwardedProto,
    /// A name that CGI, WSGI and the like cannot tell from `Content-Length` or
    /// `Transfer-Encoding`: they turn `-` into `_`.
    LikeFraming,
    /// The same with one of the `X-Forwarded-*` above.
    LikeForwarded,
    /// Everything that concerns only the two ends.
    EndToEnd,
}

impl Field {
    /// Recognises a field name, in any case of its letters.
    #[must_use]
    pub fn of(name: &str) -> Self {
        // By length first: most names match none of these and cost one comparison.
        let field = match (name.len(), name.as_bytes().first()) {
            (2, _) => Field::Te,
            (4, Some(b'H' | b'h')) => Field::Host,
            (4, Some(b'D' | b'd')) => Field::Date,
            (6, Some(b'A' | b'a')) => Field::Accept,
            (6, _) => Field::Expect,
            (7, _) => Field::Upgrade,
            (9, _) => Field::Forwarded,
            (10, Some(b'C' | b'c')) => Field::Connection,
            (10, Some(b'T' | b't')) => Field::TraceState,
            (11, Some(b'T' | b't')) => Field::TraceParent,
            (12, Some(b'X' | b'x')) => Field::RequestId,
            (12, _) => Field::MaxForwards,
            (14, Some(b'C' | b'c')) => Field::ContentLength,
            (15, _) => Field::XForwardedFor,
            (16, Some(b'X' | b'x')) => Field::XForwardedHost,
            (17, Some(b'T' | b't')) => Field::TransferEncoding,
            (17, Some(b'X' | b'x')) => Field::XForwardedProto,
            (10 | 14 | 16, _) if is_one_of(HOP_NAMES, name) => return Field::Hop,
            _ => return Field::EndToEnd,
        };
        match name.eq_ignore_ascii_case(field.name()) {
            true => field,
            false => field.of_lookalike(name),
        }
    }

    /// What `name` is, which is as long as that of this kind and another.
    fn of_lookalike(self, name: &str) -> Self {
        let kind = match self {
            Field::ContentLength | Field::TransferEncoding => Field::LikeFraming,
            Field::XForwardedFor | Field::XForwardedHost | Field::XForwardedProto => {
                Field::LikeForwarded
            }
            _ => return Field::EndToEnd,
        };
        let is_like = |(byte, ours): (u8, u8)| match byte {
            b'_' => ours == b'-',
            _ => byte.eq_ignore_ascii_case(&ours),
        };
        match name.bytes().zip(self.name().bytes()).all(is_like) {
            true => kind,
            false => Field::EndToEnd,
        }
    }

    /// The name of a field that is the only one of its kind; of the others none.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Field::Accept => "Accept",
            Field::Connection => "Connection",
            Field::ContentLength => "Content-Length",
            Field::Date => "Date",
            Field::Expect => "Expect",
            Field::Forwarded => "Forwarded",
            Field::Host => "Host",
            Field::MaxForwards => "Max-Forwards",
            Field::RequestId => "X-Request-Id",
            Field::Te => "TE",
            Field::TraceParent => "traceparent",
            Field::TraceState => "tracestate",
            Field::TransferEncoding => "Transfer-Encoding",
            Field::Upgrade => "Upgrade",
            Field::XForwardedFor => "X-Forwarded-For",
            Field::XForwardedHost => "X-Forwarded-Host",
            Field::XForwardedProto => "X-Forwarded-Proto",
            Field::Hop | Field::LikeFraming | Field::LikeForwarded | Field::EndToEnd => "",
        }
    }
}

/// The names of [`Field::Hop`].
const HOP_NAMES: &[&str] = &["Keep-Alive", "Proxy-Connection", "HTTP2-Settings"];

fn is_one_of(names: &[&str], name: &str) -> bool {
    names.iter().any(|one| one.eq_ignore_ascii_case(name))
}

/// End-to-end fields that a trailer section may not carry beside those that [`Field`] knows:
/// they direct how a message is handled, who sent it, or how its content is read
/// (RFC 9110 §6.5.1). A server that merges trailers into the head would believe them.
const BARRED_FROM_TRAILERS: &[&str] = &[
    "Age",
    "Authorization",
    "Cache-Control",
    "Content-Encoding",
    "Content-Range",
    "Content-Type",
    "Cookie",
    "Expires",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "If-Unmodified-Since",
    "Location",
    "Pragma",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Range",
    "Retry-After",
    "Set-Cookie",
    "Trailer",
    "Vary",
    "Via",
    "WWW-Authenticate",
];

/// Whether the field `name` may not stand in a trailer section: framing, routing, hop-by-hop,
/// authentication and the like (RFC 9110 §6.5.1).
#[must_use]
pub fn is_barred_from_trailers(name: &str) -> bool {
    !matches!(Field::of(name), Field::EndToEnd | Field::Accept)
        || is_one_of(BARRED_FROM_TRAILERS, name)
}

/// The values of all fields of this kind, in order. Only for kinds that are one field.
pub fn values<'b>(fields: &[Header<'b>], wanted: Field) -> impl Iterator<Item = &'b [u8]> {
    named(fields, wanted.name())
}

/// The values of all fields of this name, in order; for names that [`Field`] does not know.
pub fn named<'b>(fields: &[Header<'b>], name: &str) -> impl Iterator<Item = &'b [u8]> {
    fields
        .iter()
        .filter(move |field| field.name.eq_ignore_ascii_case(name))
        .map(|field| field.value)
}

/// The value of the first field of this kind, if any.
#[must_use]
pub fn find<'b>(fields: &[Header<'b>], wanted: Field) -> Option<&'b [u8]> {
    values(fields, wanted).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_recognised_in_any_case_and_never_by_resemblance() {
        assert_eq!(Field::of("tRANSFER-eNCODING"), Field::TransferEncoding);
        assert_eq!(Field::of("te"), Field::Te);
        assert_eq!(Field::of("PROXY-connection"), Field::Hop);
        assert_eq!(Field::of("max-forwards"), Field::MaxForwards);
        for other in [
            "Transfer-Encoding1",
            "Transfer.Encoding",
            "Max_Forwards",
            "X-Forwarded_Fur",
            "X_Real_IP",
            "",
            "Hosts",
        ] {
            assert_eq!(Field::of(other), Field::EndToEnd, "{other}");
        }
    }

    #[test]
    fn a_name_with_underscores_is_known_where_a_server_would_take_it_for_ours() {
        for name in ["Transfer_Encoding", "content_LENGTH"] {
            assert_eq!(Field::of(name), Field::LikeFraming, "{name}");
        }
        for name in [
            "X_Forwarded_For",
            "x_forwarded-for",
            "X-Forwarded_Proto",
            "X_FORWARDED_HOST",
        ] {
            assert_eq!(Field::of(name), Field::LikeForwarded, "{name}");
        }
    }

    #[test]
    fn a_kind_is_recognised_by_its_name() {
        for name in [
            "Accept",
            "Connection",
            "Content-Length",
            "Date",
            "Expect",
            "Forwarded",
            "Host",
            "Max-Forwards",
            "TE",
            "Transfer-Encoding",
            "Upgrade",
            "X-Forwarded-For",
            "X-Forwarded-Host",
            "X-Forwarded-Proto",
        ] {
            assert_eq!(Field::of(name).name(), name);
        }
    }
}
