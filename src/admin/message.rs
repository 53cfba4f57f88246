//! A request to the admin listener, read as a whole within its time, and an answer. Heads are read by the
//! same strict rules as those of clients. Must not know what is asked for.

use crate::http::fields::named;
use crate::http::framing::Framing;
use crate::http::reply::reason;
use crate::http::request::{RequestHead, field_table, parse};
use crate::http::scan::{HeadLimits, HeadScan};
use serde::Serialize;
use serde_json::json;
use std::io::{Read, Write};

/// Bounds on a head: a browser's with its cookies is below a fifth of that.
const HEAD_LIMITS: HeadLimits = HeadLimits {
    bytes: 16 * 1024,
    start_line: 4 * 1024,
    fields: 100,
};

/// The longest body: a change is some tens of bytes.
const MAX_BODY: usize = 16 * 1024;

/// A request, with what matters of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AdminRequest {
    pub(super) method: String,
    /// The segments of its path, decoded.
    pub(super) path: Vec<String>,
    /// Names and values of its query, decoded.
    pub(super) query: Vec<(String, String)>,
    pub(super) host: String,
    pub(super) origin: Option<String>,
    pub(super) authorization: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) body: Vec<u8>,
}

impl AdminRequest {
    /// Reads one; `None` if the other end sends nothing, or not all of it in time. The error is what it
    /// is answered with.
    pub(super) fn read(stream: &mut impl Read) -> Result<Option<Self>, AdminAnswer> {
        let (mut bytes, mut scan) = (Vec::new(), HeadScan::default());
        let end = loop {
            let found = scan.find_end(&bytes, &HEAD_LIMITS);
            match found.map_err(|refusal| AdminAnswer::error(refusal.status, refusal.why))? {
                Some(end) => break end,
                None if read_more(stream, &mut bytes) => {}
                None => return Ok(None),
            }
        };
        let rest = bytes.split_off(end);
        let mut table = field_table();
        let head = parse(&bytes, &mut table)
            .map_err(|refusal| AdminAnswer::error(refusal.status, refusal.why))?;
        let length = match head.framing {
            Framing::Empty => 0,
            Framing::Length(length) => usize::try_from(length).unwrap_or(usize::MAX),
            Framing::Chunked | Framing::UntilClose => {
                return Err(AdminAnswer::error(411, "a body needs a Content-Length"));
            }
        };
        if length > MAX_BODY {
            return Err(AdminAnswer::error(413, "the body is longer than 16 KiB"));
        }
        let mut request = Self::of(&head)?;
        request.body = rest;
        while request.body.len() < length {
            if !read_more(stream, &mut request.body) {
                return Ok(None);
            }
        }
        request.body.truncate(length);
        Ok(Some(request))
    }

    fn of(head: &RequestHead<'_, '_>) -> Result<Self, AdminAnswer> {
        let text = |name| {
            let value = named(head.fields, name).next();
            value.map(|value| String::from_utf8_lossy(value).into_owned())
        };
        let (path, query) = match head.target.rest.split_once('?') {
            Some((path, query)) => (path, query),
            None => (head.target.rest, ""),
        };
        let not_utf8 = || AdminAnswer::error(400, "the target is not UTF-8");
        let segments = path.split('/').skip(1);
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decoded(name)?, decoded(value)?))
        };
        Ok(Self {
            method: head.method_name.into(),
            path: segments
                .map(decoded)
                .collect::<Option<_>>()
                .ok_or_else(not_utf8)?,
            query: pairs
                .map(pair)
                .collect::<Option<_>>()
                .ok_or_else(not_utf8)?,
            host: String::from_utf8_lossy(head.host.unwrap_or_default()).into_owned(),
            origin: text("Origin"),
            authorization: text("Authorization"),
            content_type: text("Content-Type"),
            body: Vec::new(),
        })
    }

    /// The value of a parameter of its query.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let mut all = self.query.iter();
        let found = all.find(|(one, _)| one == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Whether it asks for the stream of events.
    pub(super) fn is_for_events(&self) -> bool {
        self.method == "GET" && self.path == ["events"]
    }

    /// Whether it asks for the page, which asks for the token itself.
    pub(super) fn is_for_page(&self) -> bool {
        self.is_reading() && self.path == [""]
    }

    /// Whether it changes nothing.
    pub(super) fn is_reading(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD")
    }
}

/// Reads what there is; returns whether there was any.
fn read_more(stream: &mut impl Read, bytes: &mut Vec<u8>) -> bool {
    let mut piece = [0; 4096];
    match stream.read(&mut piece) {
        Ok(count) => {
            bytes.extend_from_slice(&piece[..count]);
            count > 0
        }
        Err(_) => false,
    }
}

/// `%41` is `A`; `None` for what is no UTF-8 then. A `%` without two digits stands for itself.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        let digits = behind.get(..2).filter(|_| byte == b'%');
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let value = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match value.and_then(|value| u8::from_str_radix(value, 16).ok()) {
            Some(value) => {
                bytes.push(value);
                rest = &behind[2..];
            }
            None => {
                bytes.push(byte);
                rest = behind;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

/// An answer. The connection is closed after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AdminAnswer {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    /// Further fields.
    pub(super) fields: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

/// Of every answer: a browser takes it for what it is, keeps nothing, and runs nothing.
const ALWAYS: &str = "X-Content-Type-Options: nosniff\r\n\
                      Cache-Control: no-store\r\n\
                      Referrer-Policy: no-referrer\r\n\
                      Cross-Origin-Resource-Policy: same-origin\r\n\
                      Connection: close\r\n";

/// Nothing may be loaded, run or embedded; an answer that is a page says what it needs.
const NO_CONTENT_ALLOWED: &str = "default-src 'none'; frame-ancestors 'none'";

impl AdminAnswer {
    /// A text of this kind.
    pub(super) fn new(status: u16, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            content_type,
            fields: Vec::new(),
            body: body.into(),
        }
    }

    /// A line of text.
    pub(super) fn text(status: u16, text: &str) -> Self {
        Self::new(status, "text/plain; charset=utf-8", format!("{text}\n"))
    }

    /// A value.
    pub(super) fn json(status: u16, value: &impl Serialize) -> Self {
        // It fails for maps whose keys are no texts, and there are none.
        let text = serde_json::to_string(value).unwrap_or_default();
        Self::new(status, "application/json", text + "\n")
    }

    /// What was wrong.
    pub(super) fn error(status: u16, text: &str) -> Self {
        Self::json(status, &json!({ "error": text }))
    }

    /// The same with another field.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// Sends it; to a `HEAD` without its body.
    pub(super) fn write(&self, stream: &mut impl Write, is_head: bool) -> std::io::Result<()> {
        let (status, reason) = (self.status, reason(self.status));
        let mut message = format!(
            "HTTP/1.1 {status} {reason}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{ALWAYS}",
            self.content_type,
            self.body.len()
        );
        let has_policy = |(name, _): &(&str, String)| *name == "Content-Security-Policy";
        if !self.fields.iter().any(has_policy) {
            message.push_str(&format!(
                "Content-Security-Policy: {NO_CONTENT_ALLOWED}\r\n"
            ));
        }
        for (name, value) in &self.fields {
            message.push_str(&format!("{name}: {value}\r\n"));
        }
        message.push_str("\r\n");
        let mut message = message.into_bytes();
        if !is_head {
            message.extend_from_slice(&self.body);
        }
        stream.write_all(&message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<AdminRequest>, AdminAnswer> {
        AdminRequest::read(&mut text.as_bytes())
    }

    #[test]
    fn a_request_is_read_with_its_path_query_and_body() {
        let request = read(
            "POST /groups/a%20b/backends/%5B::1%5D:80/state?wait=1s&x HTTP/1.1\r\nHost: h:1\r\n\
             Content-Length: 2\r\n\r\n{}behind",
        );
        let request = request.expect("well-formed").expect("whole");
        let path = ["groups", "a b", "backends", "[::1]:80", "state"];
        assert_eq!(request.path, path);
        assert_eq!(request.parameter("wait"), Some("1s"));
        assert_eq!(request.parameter("x"), Some(""));
        assert_eq!((request.host.as_str(), &*request.body), ("h:1", &b"{}"[..]));
        assert!(!request.is_reading() && !request.is_for_events());
    }

    #[test]
    fn what_is_no_request_is_answered_and_half_of_one_is_not() {
        for (text, status) in [
            ("GET / HTTP/1.1\r\n\r\n", 400),
            ("GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                411,
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n",
                413,
            ),
        ] {
            assert_eq!(read(text).expect_err(text).status, status);
        }
        let long = format!(
            "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
            "x".repeat(20_000)
        );
        assert_eq!(read(&long).expect_err("too long").status, 431);
        for half in [
            "",
            "GET / HT",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{",
        ] {
            assert_eq!(read(half), Ok(None), "{half}");
        }
    }

    #[test]
    fn a_percent_sign_without_digits_stands_for_itself() {
        let all = ["%41%", "%4", "%zz", "%%41", "%C3%A4"].map(decoded);
        let expected = ["A%", "%4", "%zz", "%A", "ä"].map(|text| Some(text.to_string()));
        assert_eq!(all, expected);
    }
}
