//! Which fields are for us and which are for the other end.
//!
//! Field names are recognised once, by [`Field::of`]; a `Connection` field is read once, by
//! [`ConnectionOptions::read`]. RFC 9110 §7.6.1 says what an intermediary must remove.

use super::Refusal;
use super::scan::is_token;
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
    /// `TE`
    Te,
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
            Field::Te => "TE",
            Field::TransferEncoding => "Transfer-Encoding",
            Field::Upgrade => "Upgrade",
            Field::XForwardedFor => "X-Forwarded-For",
            Field::XForwardedHost => "X-Forwarded-Host",
            Field::XForwardedProto => "X-Forwarded-Proto",
            Field::Hop | Field::EndToEnd => "",
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

/// The most options that the `Connection` fields of one message may hold in all, a few times
/// what anybody has use for: each is compared with the name of every field.
pub const MAX_CONNECTION_OPTIONS: usize = 100;

/// What all the `Connection` fields of a message say (RFC 9110 §7.6.1).
#[derive(Clone, Copy, Debug, Default)]
pub struct ConnectionOptions<'h, 'b> {
    /// `close` is among the options.
    pub close: bool,
    /// `keep-alive` is among the options.
    pub keep_alive: bool,
    /// `upgrade` is among the options.
    pub upgrade: bool,
    /// How many others there are. They are looked up in the fields again: that is seldom.
    nominated: usize,
    fields: &'h [Header<'b>],
}

impl<'h, 'b> ConnectionOptions<'h, 'b> {
    /// Reads every `Connection` field of a head.
    pub fn read(fields: &'h [Header<'b>]) -> Result<Self, Refusal> {
        let mut options = Self {
            fields,
            ..Self::default()
        };
        values(fields, Field::Connection)
            .flat_map(list_members)
            .try_for_each(|option| options.add(option))?;
        Ok(options)
    }

    fn add(&mut self, option: &[u8]) -> Result<(), Refusal> {
        if !is_token(option) {
            return Err(Refusal::bad("a Connection option is not a token"));
        }
        if option.eq_ignore_ascii_case(b"close") {
            self.close = true;
        } else if option.eq_ignore_ascii_case(b"keep-alive") {
            self.keep_alive = true;
        } else if option.eq_ignore_ascii_case(b"upgrade") {
            self.upgrade = true;
        } else if !option.eq_ignore_ascii_case(b"te") {
            // `TE` has to be named (RFC 9110 §10.1.4), and ends here in any case.
            self.nominated += 1;
        }
        match self.nominated <= MAX_CONNECTION_OPTIONS {
            true => Ok(()),
            false => Err(Refusal::with_status(431, "too many Connection options")),
        }
    }

    /// Whether any field is named, beyond the options that have a meaning of their own.
    #[must_use]
    pub fn nominates_any(&self) -> bool {
        self.nominated > 0
    }

    /// Whether the field `name` is named by a `Connection` option and so ends at this hop.
    #[must_use]
    pub fn nominates(&self, name: &str) -> bool {
        self.nominates_any()
            && values(self.fields, Field::Connection)
                .flat_map(list_members)
                .any(|option| option.eq_ignore_ascii_case(name.as_bytes()))
    }
}

/// The members of a comma-separated list, without the white space round them; empty members
/// are skipped (RFC 9110 §5.6.1).
pub fn list_members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|&byte| byte == b',')
        .map(trim)
        .filter(|member| !member.is_empty())
}

/// `bytes` without the spaces and tabs at both ends (`OWS`). Other white space is not space.
#[must_use]
pub fn trim(bytes: &[u8]) -> &[u8] {
    let is_ows = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = bytes
        .iter()
        .position(|byte| !is_ows(byte))
        .unwrap_or(bytes.len());
    let end = bytes
        .iter()
        .rposition(|byte| !is_ows(byte))
        .map_or(start, |last| last + 1);
    &bytes[start..end]
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

    fn header<'b>(name: &'b str, value: &'b str) -> Header<'b> {
        Header {
            name,
            value: value.as_bytes(),
        }
    }

    #[test]
    fn names_are_recognised_in_any_case_and_never_by_resemblance() {
        assert_eq!(Field::of("tRANSFER-eNCODING"), Field::TransferEncoding);
        assert_eq!(Field::of("te"), Field::Te);
        assert_eq!(Field::of("PROXY-connection"), Field::Hop);
        assert_eq!(Field::of("max-forwards"), Field::MaxForwards);
        for other in [
            "Transfer_Encoding",
            "Content_Length",
            "Transfer-Encoding1",
            "",
            "Hosts",
        ] {
            assert_eq!(Field::of(other), Field::EndToEnd, "{other}");
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

    #[test]
    fn connection_options_are_whole_tokens() {
        let fields = [
            header("Connection", "closed , Keep-Alive"),
            header("connection", ",X-a,"),
        ];
        let options = ConnectionOptions::read(&fields).expect("valid");
        assert!(!options.close && options.keep_alive && !options.upgrade);
        assert!(options.nominates("x-A") && options.nominates("Closed"));
        assert!(!options.nominates("X") && !options.nominates("X-ab"));
    }

    #[test]
    fn what_is_no_option_is_refused() {
        for value in ["a b", "a=b", "\"close\"", "a;b"] {
            assert!(
                ConnectionOptions::read(&[header("Connection", value)]).is_err(),
                "{value}"
            );
        }
        let many = (0..=MAX_CONNECTION_OPTIONS)
            .map(|n| format!("x{n}"))
            .collect::<Vec<_>>()
            .join(",");
        assert!(ConnectionOptions::read(&[header("Connection", &many)]).is_err());
    }

    #[test]
    fn only_space_and_tab_are_trimmed() {
        assert_eq!(trim(b" \ta b\t "), b"a b");
        assert_eq!(trim(b"\x0ba"), b"\x0ba");
        assert_eq!(trim(b"  "), b"");
    }
}
