//! The answers that we give ourselves: errors, in a few words of plain text.

use super::Version;
use super::request::Method;
use std::io::Write as _;

/// An answer of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// 4xx or 5xx.
    pub status: u16,
    /// What happened, for the person who reads it: one or more lines.
    pub text: String,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
}

/// How a reply is sent.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The client's version, if its head could be read.
    pub version: Version,
    /// The method of the request; an answer to HEAD keeps its body to itself.
    pub method: Method,
    /// Whether the connection stays open afterwards.
    pub keep_alive: bool,
    /// The current time as `Date` has it.
    pub date: &'a str,
}

impl Reply {
    /// A reply of one line.
    #[must_use]
    pub fn new(status: u16, text: impl Into<String>) -> Self {
        Self {
            status,
            text: text.into(),
            retry_after: None,
        }
    }

    /// Appends the whole answer, head and body.
    pub fn write(&self, terms: &Terms<'_>, out: &mut Vec<u8>) {
        let (status, reason) = (self.status, reason(self.status));
        let body = format!("{status} {reason}\n{}\n", self.text);
        // Writing to a Vec cannot fail.
        let _ = write!(
            out,
            "HTTP/1.1 {status} {reason}\r\nDate: {}\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Length: {}\r\n",
            terms.date,
            body.len()
        );
        if let Some(seconds) = self.retry_after {
            let _ = write!(out, "Retry-After: {seconds}\r\n");
        }
        match (terms.keep_alive, terms.version) {
            (false, _) => out.extend_from_slice(b"Connection: close\r\n"),
            (true, Version::Http10) => out.extend_from_slice(b"Connection: keep-alive\r\n"),
            (true, Version::Http11) => {}
        }
        out.extend_from_slice(b"\r\n");
        if terms.method != Method::Head {
            out.extend_from_slice(body.as_bytes());
        }
    }
}

/// The reason phrase of RFC 9110 §15.
#[must_use]
pub fn reason(status: u16) -> &'static str {
    match status {
        101 => "Switching Protocols",
        200 => "OK",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Status",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_a_whole_message() {
        let mut terms = Terms {
            version: Version::Http11,
            method: Method::Get,
            keep_alive: false,
            date: "now",
        };
        let reply = Reply {
            retry_after: Some(1),
            ..Reply::new(503, "none is up")
        };
        let mut out = Vec::new();
        reply.write(&terms, &mut out);
        let head = "HTTP/1.1 503 Service Unavailable\r\nDate: now\r\n\
            Content-Type: text/plain; charset=utf-8\r\nContent-Length: 35\r\nRetry-After: 1\r\n\
            Connection: close\r\n\r\n";
        let expected = format!("{head}503 Service Unavailable\nnone is up\n");
        assert_eq!(String::from_utf8_lossy(&out), expected);
        terms.method = Method::Head;
        out.clear();
        reply.write(&terms, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), head);
    }
}
