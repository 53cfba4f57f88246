//! A response head as a value. A backend is trusted no more than a client: what has more than one
//! reading is refused, and the client gets 502. What is not well-formed but has only one reading
//! is read: a missing space behind the status, a line end without CR, a status beyond 599. The
//! client gets it well-formed.

use super::connection::ConnectionOptions;
use super::fields::{Field, values};
use super::framing::{self, Framing};
use super::list::{self, NameSet};
use super::method::Method;
use super::request::FieldTable;
use super::scan::{HeadLimits, HeadScan};
use super::{Refusal, Version};
use httparse::Header;
use memchr::memchr;

/// A well-formed response head. Borrows the bytes it was parsed from.
#[derive(Debug)]
pub struct ResponseHead<'h, 'b> {
    /// 100 to 999, as the backend said.
    pub status: u16,
    /// The reason phrase; may be empty, and need not be ASCII.
    pub reason: &'b [u8],
    /// The backend's version.
    pub version: Version,
    /// Every field, in order.
    pub fields: &'h [Header<'b>],
    /// What the `Connection` fields say.
    pub options: ConnectionOptions,
    /// Where the body ends.
    pub framing: Framing,
}

impl ResponseHead<'_, '_> {
    /// Whether more responses come before the answer: 1xx, but not 101 (RFC 9110 §15.2).
    #[must_use]
    pub fn is_interim(&self) -> bool {
        matches!(self.status, 100 | 102..=199)
    }

    /// Whether it names exactly the protocols that it switches to, all of them among those that
    /// the client offered (RFC 9110 §7.8). Without an offer it names none of them.
    #[must_use]
    pub fn switches_to_one_of(&self, offered: Option<&[u8]>) -> bool {
        let mut named = values(self.fields, Field::Upgrade);
        let (Some(offered), Some(named), None) = (offered, named.next(), named.next()) else {
            return false;
        };
        let Ok(offered) = NameSet::read(std::iter::once(offered), usize::MAX) else {
            return false;
        };
        let (mut names_any, mut are_offered) = (false, true);
        let read = list::read(std::iter::once(named), |protocol| {
            names_any = true;
            are_offered &= offered.contains(protocol);
            Ok(())
        });
        read.is_ok() && names_any && are_offered
    }

    /// Whether it announces content that its status cannot have: with 1xx and 204 not even the
    /// length of what is left out may be given (RFC 9110 §8.6), as it may with 304 and to `HEAD`.
    /// A backend that announces it may also send it, and then it would be taken for the next answer.
    #[must_use]
    pub fn announces_what_it_cannot_have(&self) -> bool {
        matches!(self.status, 100..=199 | 204) && framing::announces_content(self.fields)
    }

    /// Whether the backend leaves the connection open for another request.
    #[must_use]
    pub fn keeps_alive(&self) -> bool {
        self.framing != Framing::UntilClose
            && match self.version {
                Version::Http11 => !self.options.close,
                Version::Http10 => self.options.keep_alive && !self.options.close,
            }
    }
}

/// Whether `bytes` can be the beginning of a response. Another protocol is known by its first
/// byte, without waiting for a whole head that never comes.
pub fn check_beginning(bytes: &[u8]) -> Result<(), Refusal> {
    const BEGINNING: &[u8] = b"HTTP/1.";
    let length = bytes.len().min(BEGINNING.len());
    match bytes[..length] == BEGINNING[..length] {
        true => Ok(()),
        false => Err(Refusal::bad("this is no HTTP response")),
    }
}

/// The length of the head at the start of `bytes`, as [`HeadScan::find_end`]. What is no response
/// is known by its first bytes, or at the end of its first line.
pub fn find_end(
    scan: &mut HeadScan,
    bytes: &[u8],
    limits: &HeadLimits,
) -> Result<Option<usize>, Refusal> {
    check_beginning(bytes)?;
    let found = scan.find_end(bytes, limits)?;
    if found.is_none() && scan.has_first_line() {
        status_line(bytes)?;
    }
    Ok(found)
}

/// Parses `head`, which is complete as [`super::scan::HeadScan`] found it, as the response to
/// a request with `method`.
pub fn parse<'h, 'b>(
    head: &'b [u8],
    method: Method,
    table: &'h mut FieldTable<'b>,
) -> Result<ResponseHead<'h, 'b>, Refusal> {
    let (version, status, reason) = status_line(head)?;
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        head,
        table,
    );
    match parsed {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        _ => return Err(Refusal::bad("the response head is malformed")),
    }
    let fields: &'h [Header<'b>] = response.headers;
    Ok(ResponseHead {
        status,
        reason,
        version,
        fields,
        options: ConnectionOptions::read(fields)?,
        framing: framing::of_response(method, status, version, fields)?,
    })
}

/// `HTTP/1.x SP 3DIGIT SP reason`, or without the last space where there is no reason: the space
/// is required (RFC 9112 §4), but many servers leave it out, and it has only one reading. A
/// status beyond 599 is not defined (RFC 9110 §15), but applications use some: it passes.
///
/// Whether the reason holds only bytes that it may is for `httparse`, which sees all lines.
fn status_line(head: &[u8]) -> Result<(Version, u16, &[u8]), Refusal> {
    const BAD: Refusal = Refusal::bad("the status line is malformed");
    let line = &head[..memchr(b'\n', head).unwrap_or(head.len())];
    let head = line.strip_suffix(b"\r").unwrap_or(line);
    let version = match head.get(..9) {
        Some(b"HTTP/1.1 ") => Version::Http11,
        Some(b"HTTP/1.0 ") => Version::Http10,
        _ => return Err(BAD),
    };
    let (Some(digits), None | Some(b' ')) = (head.get(9..12), head.get(12)) else {
        return Err(BAD);
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(BAD);
    }
    let status = digits
        .iter()
        .fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    match status {
        100.. => Ok((version, status, head.get(13..).unwrap_or_default())),
        _ => Err(BAD),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::request::field_table;

    fn accepts(head: &str) -> bool {
        parse(head.as_bytes(), Method::Get, &mut field_table()).is_ok()
    }

    #[test]
    fn status_lines() {
        for line in [
            "HTTP/1.1 200 OK",
            "HTTP/1.0 404 ",
            "HTTP/1.1 599",
            "HTTP/1.1 600 x",
            "HTTP/1.1 999 x",
            "HTTP/1.1 200 \u{e4}",
        ] {
            assert!(accepts(&format!("{line}\r\n\r\n")), "{line}");
        }
        for line in [
            "HTTP/1.1 99 x",
            "HTTP/1.1 2000 x",
            "HTTP/1.1 200x",
            "HTTP/2.0 200 OK",
            "HTTP/1.1  200 OK",
            "http/1.1 200 OK",
            "HTTP/1.1 +20 OK",
            "HTTP/1.1 099 x",
            "200 OK",
            "HTTP/1.1 200 a\0",
        ] {
            assert!(!accepts(&format!("{line}\r\n\r\n")), "{line}");
        }
    }

    #[test]
    fn a_reason_is_kept_byte_by_byte_whatever_ends_its_line() {
        let reason = |head: &[u8]| {
            let mut table = field_table();
            let parsed = parse(head, Method::Get, &mut table);
            parsed.expect("valid").reason.to_vec()
        };
        assert_eq!(
            reason(b"HTTP/1.1 200 Tr\xe8s bien\r\n\r\n"),
            b"Tr\xe8s bien"
        );
        assert_eq!(reason(b"HTTP/1.1 200 OK \xff\n\n"), b"OK \xff");
        assert_eq!(reason(b"HTTP/1.1 200 \nA: b\n\n"), b"");
        assert_eq!(reason(b"HTTP/1.1 200\nA: b\n\n"), b"");
    }

    #[test]
    fn fields_are_as_strict_as_those_of_a_request() {
        for field in [
            "A : b",
            "A: b\r\n c",
            "A: b\0c",
            "Content-Length: 1\r\nContent-Length: 2",
        ] {
            assert!(
                !accepts(&format!("HTTP/1.1 200 OK\r\n{field}\r\n\r\n")),
                "{field:?}"
            );
        }
        assert!(accepts(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n"
        ));
    }

    #[test]
    fn persistence_follows_version_options_and_framing() {
        let keeps = |head: &str| {
            let mut table = field_table();
            parse(head.as_bytes(), Method::Get, &mut table)
                .expect("valid")
                .keeps_alive()
        };
        assert!(keeps("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"));
        assert!(!keeps("HTTP/1.1 200 OK\r\n\r\n"));
        assert!(!keeps("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n"));
        assert!(keeps(
            "HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\n"
        ));
        assert!(!keeps(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: Close\r\n\r\n"
        ));
    }

    /// A response with this status and these fields.
    fn with_response<T>(
        status: u16,
        fields: &str,
        ask: impl FnOnce(&ResponseHead<'_, '_>) -> T,
    ) -> T {
        let head = format!("HTTP/1.1 {status} x\r\n{fields}\r\n");
        let mut table = field_table();
        ask(&parse(head.as_bytes(), Method::Get, &mut table).expect("valid"))
    }

    #[test]
    fn only_protocols_that_were_offered_can_be_switched_to() {
        for (named, offered, is_one) in [
            ("Upgrade: websocket\r\n", Some("websocket"), true),
            ("Upgrade: WebSocket\r\n", Some("a, websocket"), true),
            ("Upgrade: a, b\r\n", Some("b, a, c"), true),
            ("Upgrade: a, b\r\n", Some("a"), false),
            ("Upgrade: b, a\r\n", Some("a"), false),
            ("Upgrade: websocket\r\n", None, false),
            ("Upgrade: a\r\nUpgrade: a\r\n", Some("a"), false),
            ("Upgrade: \r\n", Some("a"), false),
            ("", Some("a"), false),
        ] {
            let offered = offered.map(str::as_bytes);
            let is_found = with_response(101, named, |head| head.switches_to_one_of(offered));
            assert_eq!(is_found, is_one, "{named}");
        }
    }

    #[test]
    fn content_is_announced_by_a_length_or_a_coding_and_some_statuses_cannot_have_it() {
        for (status, fields, is_wrong) in [
            (204, "Content-Length: 1\r\n", true),
            (204, "Transfer-Encoding: chunked\r\n", true),
            (103, "Content-Length: 1\r\n", true),
            (204, "Content-Length: 0\r\n", false),
            (204, "", false),
            (200, "Content-Length: 1\r\n", false),
            (304, "Content-Length: 1\r\n", false),
        ] {
            let is_found =
                with_response(status, fields, |head| head.announces_what_it_cannot_have());
            assert_eq!(is_found, is_wrong, "{status} {fields}");
        }
    }

    #[test]
    fn nothing_stands_behind_the_empty_line_of_a_head() {
        assert!(accepts("HTTP/1.1 200 OK\r\n\r\n"));
        assert!(!accepts("HTTP/1.1 200 OK\r\n\r\nmore"));
        assert!(!accepts("HTTP/1.1 200 OK\r\n"));
    }
}
