//! What `lb` may write: heads in one canonical form, one framing, nothing that is for another
//! hop. Whatever came in, what goes out has to pass here.

use crate::body::{self, Body, Dialect};
use crate::wire::{self, Framing, Head, Reading, members, show, trim};

/// A request head as a backend may see it.
#[derive(Debug)]
pub struct Request<'b> {
    /// The method.
    pub method: &'b [u8],
    /// The target, in origin form or `*`.
    pub target: &'b [u8],
    /// The one host.
    pub host: &'b [u8],
    /// Where the body ends.
    pub framing: Framing,
    /// Whether it offers to switch protocols.
    pub upgrades: bool,
    /// Bytes that it takes.
    pub length: usize,
}

/// A response head as a client may see it.
#[derive(Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Where the body ends.
    pub framing: Framing,
    /// Whether none may follow.
    pub closes: bool,
    /// Whether it came from a backend; else it is an answer of `lb`'s own.
    pub is_passed_on: bool,
    /// Bytes that it takes.
    pub length: usize,
}

impl Response {
    /// Whether it answers the request; others are only on the way to that.
    pub fn is_final(&self) -> bool {
        self.status >= 200 || self.status == 101
    }
}

/// What a response depends on besides its own bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Question {
    /// It answers a `HEAD`.
    pub is_head: bool,
    /// The client spoke HTTP/1.0.
    pub is_old: bool,
    /// The client offered to switch protocols.
    pub upgrades: bool,
}

/// Fields that no message of ours may have, beside those that are looked at below.
const OTHER_HOPS: [&str; 2] = ["Keep-Alive", "Proxy-Connection"];

/// The request head at the start of `bytes`.
pub fn request(bytes: &[u8]) -> Reading<Request<'_>> {
    let Some(head) = wire::head(bytes)? else {
        return Ok(None);
    };
    canonical(&head)?;
    let (method, target) = request_line(head.start)?;
    let host = head.only("Host")?.ok_or("no Host")?;
    if !is_host(host) {
        return Err(format!("no host: {}", show(host)));
    }
    let framing = one_framing(&head)?.unwrap_or(Framing::Empty);
    let length = head.length;
    let upgrades = request_connection(&head)?;
    Ok(Some(Request {
        method,
        target,
        host,
        framing,
        upgrades,
        length,
    }))
}

/// The head of the response to `question` at the start of `bytes`.
pub fn response(bytes: &[u8], question: Question) -> Reading<Response> {
    let Some(head) = wire::head(bytes)? else {
        return Ok(None);
    };
    canonical(&head)?;
    let status = status_line(head.start)?;
    let told = one_framing(&head)?;
    let framing = response_framing(status, told, question)?;
    let closes = response_connection(&head, status)?;
    if framing == Framing::UntilClose && !closes {
        return Err("a body until the close, and no word of closing".into());
    }
    Ok(Some(Response {
        status,
        framing,
        closes,
        is_passed_on: !head.values("Via").is_empty(),
        length: head.length,
    }))
}

/// The body at the start of `bytes`.
pub fn body(bytes: &[u8], framing: Framing) -> Result<Body, String> {
    let mut body = body::read(bytes, framing, Dialect::Ours);
    match body.fault.take() {
        Some(fault) => Err(fault),
        None => Ok(body),
    }
}

/// Exactly one space before a value, none behind it, and no field for another hop.
fn canonical(head: &Head<'_>) -> Result<(), String> {
    for (name, value) in &head.fields {
        if value.strip_prefix(b" ") != Some(trim(value)) {
            return Err(format!("not canonical: {}: {}", show(name), show(value)));
        }
        if OTHER_HOPS
            .iter()
            .any(|other| name.eq_ignore_ascii_case(other.as_bytes()))
        {
            return Err(format!("{} is for another hop", show(name)));
        }
    }
    Ok(())
}

/// `METHOD TARGET HTTP/1.1`
fn request_line(line: &[u8]) -> Result<(&[u8], &[u8]), String> {
    let parts: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
    let [method, target, b"HTTP/1.1"] = parts[..] else {
        return Err(format!("a bad request line: {}", show(line)));
    };
    let is_target = match target {
        b"*" => method == b"OPTIONS",
        _ => target.starts_with(b"/") && target.iter().all(u8::is_ascii_graphic),
    };
    match wire::is_token(method) && is_target && !target.contains(&b'#') {
        true => Ok((method, target)),
        false => Err(format!("a bad request line: {}", show(line))),
    }
}

/// `HTTP/1.1 NNN reason`
fn status_line(line: &[u8]) -> Result<u16, String> {
    let bad = || format!("a bad status line: {}", show(line));
    let rest = line.strip_prefix(b"HTTP/1.1 ").ok_or_else(bad)?;
    let (digits, reason) = rest.split_at_checked(3).ok_or_else(bad)?;
    let status = u16::try_from(wire::number(digits)?).unwrap_or_default();
    match (100..=999).contains(&status) && reason.starts_with(b" ") {
        true => Ok(status),
        false => Err(bad()),
    }
}

/// A host and perhaps a port: without a path, a user, a list, or a second meaning.
fn is_host(host: &[u8]) -> bool {
    let is_allowed = |byte: &u8| byte.is_ascii_graphic() && !b"@/\\?#\"<>^`{|}".contains(byte);
    !host.is_empty() && !host.starts_with(b":") && host.iter().all(is_allowed)
}

/// At most one framing field, with one value.
fn one_framing(head: &Head<'_>) -> Result<Option<Framing>, String> {
    head.only("Content-Length")?;
    if head
        .only("Transfer-Encoding")?
        .is_some_and(|coding| coding != b"chunked")
    {
        return Err("another coding than chunked".into());
    }
    wire::told_framing(head)
}

/// The options of a request: none, an upgrade with its offer, or the wish for trailers.
fn request_connection(head: &Head<'_>) -> Result<bool, String> {
    let (upgrade, te) = (head.only("Upgrade")?, head.only("TE")?);
    match (head.only("Connection")?, upgrade, te) {
        (None, None, None) => Ok(false),
        (Some(b"Upgrade"), Some(offer), None) => offers_no_http2(offer).map(|()| true),
        (Some(b"TE"), None, Some(b"trailers")) => Ok(false),
        // The prober's own requests close.
        (Some(b"close"), None, None) => Ok(false),
        (option, ..) => Err(format!("Connection, Upgrade and TE disagree: {option:?}")),
    }
}

fn offers_no_http2(offer: &[u8]) -> Result<(), String> {
    match members(offer).any(|member| member.to_ascii_lowercase().starts_with(b"h2")) {
        true => Err("h2 is offered behind our back".into()),
        false => Ok(()),
    }
}

/// The options of a response; whether it closes.
fn response_connection(head: &Head<'_>, status: u16) -> Result<bool, String> {
    let upgrade = head.only("Upgrade")?;
    if upgrade.is_some() && !matches!(status, 101 | 426) {
        return Err(format!("Upgrade in a {status}"));
    }
    match (head.only("Connection")?, upgrade.is_some()) {
        (None, false) | (Some(b"keep-alive"), false) | (Some(b"Upgrade"), true) => Ok(false),
        (Some(b"close"), false) | (Some(b"Upgrade, close"), true) => Ok(true),
        (option, _) => Err(format!("Connection and Upgrade disagree: {option:?}")),
    }
}

/// RFC 9112 §6.3, as far as a response of ours may need it.
fn response_framing(
    status: u16,
    told: Option<Framing>,
    question: Question,
) -> Result<Framing, String> {
    match (status, told) {
        (101, _) if !question.upgrades => Err("nobody asked to switch".into()),
        (100..=199, _) if question.is_old => Err("1xx to HTTP/1.0".into()),
        (_, Some(Framing::Chunked)) if question.is_old => Err("chunks to HTTP/1.0".into()),
        (100..=199 | 204, Some(_)) => Err(format!("a length in a {status}")),
        (100..=199 | 204 | 304, _) => Ok(Framing::Empty),
        _ if question.is_head => Ok(Framing::Empty),
        (_, told) => Ok(told.unwrap_or(Framing::UntilClose)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n";
    const OK: &str = "HTTP/1.1 200 OK\r\n";

    fn request_passes(head: &str) -> bool {
        matches!(request(format!("{head}\r\n").as_bytes()), Ok(Some(_)))
    }

    fn response_passes(head: &str) -> bool {
        let question = Question::default();
        matches!(
            response(format!("{head}\r\n").as_bytes(), question),
            Ok(Some(_))
        )
    }

    #[test]
    fn requests_in_canonical_form_pass() {
        for fields in [
            "",
            "A: \r\n",
            "Content-Length: 5\r\n",
            "Transfer-Encoding: chunked\r\n",
            "Connection: Upgrade\r\nUpgrade: websocket\r\n",
            "Connection: TE\r\nTE: trailers\r\n",
        ] {
            assert!(request_passes(&format!("{GET}{fields}")), "{fields}");
        }
    }

    #[test]
    fn requests_with_anything_else_do_not() {
        for fields in [
            "A:b\r\n",
            "A: b \r\n",
            "A : b\r\n",
            "A: b\r\n c\r\n",
            "A: b\nB: c\r\n",
            "A: b\0\r\n",
            "Host: a\r\n",
            "Keep-Alive: 5\r\n",
            "Proxy-Connection: a\r\n",
            "Connection: close, x\r\n",
            "Upgrade: websocket\r\n",
            "Connection: Upgrade\r\nUpgrade: h2c\r\n",
            "TE: trailers\r\n",
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: +5\r\n",
            "Transfer-Encoding: Chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
        ] {
            assert!(!request_passes(&format!("{GET}{fields}")), "{fields:?}");
        }
        for line in [
            "GET  / HTTP/1.1",
            "GET / HTTP/1.0",
            "GET * HTTP/1.1",
            "GET /# HTTP/1.1",
        ] {
            assert!(!request_passes(&format!("{line}\r\nHost: a\r\n")), "{line}");
        }
    }

    #[test]
    fn responses_have_one_framing_and_our_options() {
        for fields in ["Content-Length: 0\r\n", "Connection: close\r\n"] {
            assert!(response_passes(&format!("{OK}{fields}")), "{fields}");
        }
        for fields in [
            "",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: 0\r\nUpgrade: x\r\n",
            "Content-Length: 0\r\nConnection: x\r\n",
        ] {
            assert!(!response_passes(&format!("{OK}{fields}")), "{fields:?}");
        }
        assert!(!response_passes(
            "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n"
        ));
        assert!(!response_passes("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n"));
        assert!(!response_passes("HTTP/1.1 200\r\nContent-Length: 0\r\n"));
    }
}
