//! The first line of a request: method, target, version, and single spaces between them.
//!
//! `httparse` is lenient about it, so it is read here first. Must not know fields.

use super::scan::is_token;
use super::{Refusal, Version};
use memchr::memchr;

/// The three parts of a request line, separated by single spaces and nothing else.
#[derive(Clone, Copy, Debug)]
pub struct RequestLine<'b> {
    /// A token, case kept.
    pub method: &'b str,
    /// Visible ASCII without `#`, form not yet known.
    pub target: &'b str,
    /// The client's version.
    pub version: Version,
}

impl<'b> RequestLine<'b> {
    /// Reads the line at the start of `head`, which has one.
    pub fn parse(head: &'b [u8]) -> Result<Self, Refusal> {
        const BAD: Refusal = Refusal::bad("the request line is not METHOD TARGET HTTP/1.1");
        let end = memchr(b'\r', head).ok_or(BAD)?;
        let mut parts = head[..end].splitn(3, |&byte| byte == b' ');
        let (Some(method), Some(target), Some(version)) =
            (parts.next(), parts.next(), parts.next())
        else {
            return Err(BAD);
        };
        if !is_token(method) {
            return Err(Refusal::bad("the method is not a token"));
        }
        if target.is_empty()
            || !target
                .iter()
                .all(|byte| byte.is_ascii_graphic() && *byte != b'#')
        {
            return Err(Refusal::bad(
                "the target has a byte that no target may have",
            ));
        }
        let version = version_of(version)?;
        match (std::str::from_utf8(method), std::str::from_utf8(target)) {
            (Ok(method), Ok(target)) => Ok(Self {
                method,
                target,
                version,
            }),
            _ => Err(BAD),
        }
    }
}

/// `HTTP/1.0` or `HTTP/1.1`; another major version is 505, anything else no HTTP.
fn version_of(text: &[u8]) -> Result<Version, Refusal> {
    match text {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() && *major != b'1' =>
        {
            Err(Refusal::with_status(
                505,
                "only HTTP/1.0 and HTTP/1.1 are spoken here",
            ))
        }
        _ => Err(Refusal::bad("the version is not HTTP/1.0 or HTTP/1.1")),
    }
}

#[cfg(test)]
mod tests {
    use crate::http::request::{field_table, parse};

    /// The status that a request with this line gets; 200 if it is well-formed.
    fn with_line(line: &str) -> u16 {
        let head = format!("{line}\r\nHost: a\r\n\r\n");
        parse(head.as_bytes(), &mut field_table()).map_or_else(|refusal| refusal.status, |_| 200)
    }

    #[test]
    fn request_lines() {
        for line in [
            "GET / HTTP/1.1",
            "get /%00/../x?y=|{} HTTP/1.0",
            "M-SEARCH * HTTP/1.1",
        ] {
            let expected = if line.contains('*') { 400 } else { 200 };
            assert_eq!(with_line(line), expected, "{line}");
        }
        for line in [
            "GET  / HTTP/1.1",
            "GET / HTTP/1.1 ",
            " GET / HTTP/1.1",
            "GET /",
            "GET\t/\tHTTP/1.1",
            "GET /a b HTTP/1.1",
            "GET /# HTTP/1.1",
            "GET /\u{e9} HTTP/1.1",
            "GET x HTTP/1.1",
            "GET / HTTP/1.2",
            "GET / http/1.1",
            "GET / HTTP/1.10",
            "GET / HTTP/11",
            "G@T / HTTP/1.1",
            "GET https://a/ HTTP/1.1",
            "GET http:///x HTTP/1.1",
            "GET http://u@a/ HTTP/1.1",
            "GET /\x7f HTTP/1.1",
            "GET * HTTP/1.1",
        ] {
            assert_eq!(with_line(line), 400, "{line:?}");
        }
        assert_eq!(with_line("GET / HTTP/2.0"), 505);
        assert_eq!(with_line("CONNECT a:1 HTTP/1.1"), 501);
        assert_eq!(with_line("PRI * HTTP/2.0"), 505);
    }

    #[test]
    fn another_major_version_is_505_and_what_is_no_version_400() {
        for (version, status) in [
            ("HTTP/3.0", 505),
            ("HTTP/0.9", 505),
            ("HTTP/x.1", 400),
            ("HTTP/2.x", 400),
            ("HTTP/2", 400),
            ("HTTP/1.2", 400),
        ] {
            assert_eq!(with_line(&format!("GET / {version}")), status, "{version}");
        }
    }
}
