//! A request head as a value: strict, complete, with its framing decided once.

use super::connection::ConnectionOptions;
use super::fields::{Field, find, values};
use super::framing::{self, Framing};
use super::method::Method;
use super::request_line::RequestLine;
use super::scan::{MAX_FIELDS, is_token};
use super::target::{Sender, Target};
use super::{Refusal, Version, host, list};
use httparse::Header;
use memchr::memchr;
use std::mem::MaybeUninit;

/// Room for the fields of one head, on the caller's stack.
pub type FieldTable<'b> = [MaybeUninit<Header<'b>>; MAX_FIELDS];

/// An empty table for [`parse`].
#[must_use]
pub fn field_table<'b>() -> FieldTable<'b> {
    [const { MaybeUninit::uninit() }; MAX_FIELDS]
}

/// A well-formed request head. Borrows the bytes it was parsed from.
#[derive(Debug)]
pub struct RequestHead<'h, 'b> {
    /// The method as far as it matters here.
    pub method: Method,
    /// The method as it was spelled.
    pub method_name: &'b str,
    /// What is asked for, in the form that a backend gets.
    pub target: Target<'b>,
    /// The client's version.
    pub version: Version,
    /// Every field, in order.
    pub fields: &'h [Header<'b>],
    /// What the `Connection` fields say.
    pub options: ConnectionOptions,
    /// Where the body ends.
    pub framing: Framing,
    /// `Host` as the backend gets it; `None` only in HTTP/1.0.
    pub host: Option<&'b [u8]>,
    /// The protocols of a valid upgrade request.
    pub upgrade: Option<&'b [u8]>,
    /// `Expect: 100-continue`, and a body to follow.
    pub expects_continue: bool,
    /// The client takes trailers: `TE` names them.
    pub accepts_trailers: bool,
    /// How many more proxies it may pass; only of an `OPTIONS` or `TRACE`.
    pub max_forwards: Option<u64>,
}

impl RequestHead<'_, '_> {
    /// Whether it may go no further, so that we answer in the server's place (RFC 9110 §7.6.2).
    #[must_use]
    pub fn ends_here(&self) -> bool {
        self.max_forwards == Some(0)
    }

    /// Whether the client wants to go on after the answer (RFC 9112 §9.3).
    #[must_use]
    pub fn keeps_alive(&self) -> bool {
        match self.version {
            Version::Http11 => !self.options.close,
            Version::Http10 => self.options.keep_alive && !self.options.close,
        }
    }
}

/// Refuses what its first line alone shows to be no request that we take, so that no client waits
/// for the rest of its head. `head` has a complete line.
pub fn check_first_line(head: &[u8], sender: Sender) -> Result<(), Refusal> {
    let line = RequestLine::parse(head)?;
    Target::of(line.target, Method::of(line.method), sender).map(drop)
}

/// Parses `head`, which is complete as [`super::scan::HeadScan`] found it, and comes from anyone.
///
/// The refusal says what the client gets: 400 and its kin (417, 431, 501, 505).
pub fn parse<'h, 'b>(
    head: &'b [u8],
    table: &'h mut FieldTable<'b>,
) -> Result<RequestHead<'h, 'b>, Refusal> {
    parse_from(Sender::Anyone, head, table)
}

/// The same for a head that this sender has sent.
pub fn parse_from<'h, 'b>(
    sender: Sender,
    head: &'b [u8],
    table: &'h mut FieldTable<'b>,
) -> Result<RequestHead<'h, 'b>, Refusal> {
    let line = RequestLine::parse(head)?;
    let method = Method::of(line.method);
    let target = Target::of(line.target, method, sender)?;
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(head, table) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Ok(_) => return Err(Refusal::bad("the head does not end where it should")),
        Err(error) => return Err(Refusal::bad(reason(error))),
    }
    let fields: &'h [Header<'b>] = request.headers;
    let options = ConnectionOptions::read(fields)?;
    let framing = framing::of_request(line.version, fields)?;
    Ok(RequestHead {
        method,
        method_name: line.method,
        target,
        version: line.version,
        fields,
        options,
        framing,
        host: effective_host(line.version, target, fields)?,
        upgrade: upgrade(line.version, &options, fields)?,
        expects_continue: expectation(line.version, fields)?
            && framing != Framing::Empty
            && !options.nominates_kind(Field::Expect, fields),
        accepts_trailers: accepts_trailers(line.version, fields)?,
        max_forwards: max_forwards(method, fields)?,
    })
}

/// The one host of a request: an absolute target's authority, else `Host` (RFC 9112 §3.2.2).
/// Beside an authority `Host` may be empty.
fn effective_host<'b>(
    version: Version,
    target: Target<'b>,
    fields: &[Header<'b>],
) -> Result<Option<&'b [u8]>, Refusal> {
    let mut hosts = values(fields, Field::Host);
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Refusal::bad("two Host fields"));
    }
    if host.is_none() && version == Version::Http11 {
        return Err(Refusal::bad("no Host field"));
    }
    let is_needed = |value: &[u8]| !value.is_empty() || target.authority.is_none();
    if host.is_some_and(|value| is_needed(value) && !host::is_valid(value)) {
        return Err(Refusal::bad("Host is not a host"));
    }
    Ok(target.authority.map(str::as_bytes).or(host))
}

/// The longest list of protocols that is an offer: tens of them, where one or two are usual. It is
/// remembered until the answer comes, beside the head.
const MAX_OFFER_BYTES: usize = 512;

/// The protocols that the client offers to switch to, if the offer counts: HTTP/1.1, named by
/// `Connection`, and of reasonable length (a server may ignore any offer, RFC 9110 §7.8). The request may have a body, after which the switch takes place (RFC 9110 §7.8).
/// `h2c` is never passed on: behind us it would be a tunnel for unchecked requests.
fn upgrade<'b>(
    version: Version,
    options: &ConnectionOptions,
    fields: &[Header<'b>],
) -> Result<Option<&'b [u8]>, Refusal> {
    if version == Version::Http10 || !options.upgrade {
        return Ok(None);
    }
    let Some(offered) = find(fields, Field::Upgrade) else {
        return Ok(None);
    };
    let is_http2 = |member: &[u8]| {
        let start = member.get(..2);
        start.is_some_and(|start| start.eq_ignore_ascii_case(b"h2"))
    };
    let (mut is_offer, mut is_whole) = (false, true);
    list::read(std::iter::once(offered), |member| {
        is_offer = true;
        is_whole &= is_protocol(member) && !is_http2(member);
        Ok(())
    })?;
    let is_short = offered.len() <= MAX_OFFER_BYTES;
    Ok((is_offer && is_whole && is_short).then_some(offered))
}

/// A name, and perhaps a version behind a slash.
fn is_protocol(member: &[u8]) -> bool {
    match memchr(b'/', member) {
        Some(slash) => is_token(&member[..slash]) && is_token(&member[slash + 1..]),
        None => is_token(member),
    }
}

/// Whether `TE` names `trailers`, the one member that we can keep: we do pass trailers on.
fn accepts_trailers(version: Version, fields: &[Header<'_>]) -> Result<bool, Refusal> {
    let mut accepts = false;
    if version == Version::Http11 {
        list::read(values(fields, Field::Te), |member| {
            accepts |= member.eq_ignore_ascii_case(b"trailers");
            Ok(())
        })?;
    }
    Ok(accepts)
}

const UNKNOWN_EXPECTATION: Refusal =
    Refusal::with_status(417, "an expectation other than 100-continue");

/// `Expect` is a list and knows one member; another is 417 (RFC 9110 §10.1.1). HTTP/1.0 has no
/// `Expect`.
fn expectation(version: Version, fields: &[Header<'_>]) -> Result<bool, Refusal> {
    if version == Version::Http10 {
        return Ok(false);
    }
    let mut expects = false;
    list::read(values(fields, Field::Expect), |member| {
        expects = true;
        match member.eq_ignore_ascii_case(b"100-continue") {
            true => Ok(()),
            false => Err(UNKNOWN_EXPECTATION),
        }
    })?;
    Ok(expects)
}

/// `Max-Forwards` has a meaning for `OPTIONS` and `TRACE` only; elsewhere it is an ordinary
/// field (RFC 9110 §7.6.2). What is beyond our counter counts as the largest number we know.
fn max_forwards(method: Method, fields: &[Header<'_>]) -> Result<Option<u64>, Refusal> {
    if !matches!(method, Method::Options | Method::Trace) {
        return Ok(None);
    }
    let mut limits = values(fields, Field::MaxForwards);
    match (limits.next(), limits.next()) {
        (None, _) => Ok(None),
        (Some(limit), None) if is_number(limit) => {
            Ok(Some(framing::decimal(limit).unwrap_or(framing::MAX_LENGTH)))
        }
        _ => Err(Refusal::bad("Max-Forwards is not a number")),
    }
}

/// At least one digit, and nothing else; without a branch for each byte.
fn is_number(text: &[u8]) -> bool {
    let digits = text.iter();
    !text.is_empty() && digits.fold(true, |is_all, byte| is_all & byte.is_ascii_digit())
}

/// What `httparse` found wrong, in our words.
fn reason(error: httparse::Error) -> &'static str {
    match error {
        httparse::Error::HeaderName => "a field name is not a token",
        httparse::Error::HeaderValue => "a field value has a byte that no value may have",
        httparse::Error::TooManyHeaders => "too many fields",
        _ => "the head is malformed",
    }
}

#[cfg(test)]
mod tests;
