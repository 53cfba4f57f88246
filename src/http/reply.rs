//! The answers that the balancer gives itself: errors, in a few words, and answers to a request that
//! may go no further than here.

use super::Version;
use super::delivery::Delivery;
use super::method::Method;
use super::request::RequestHead;
use super::request_id::RequestId;
use super::write::write_field;
use std::io::Write as _;

/// An answer of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// 200, 4xx or 5xx.
    pub status: u16,
    /// What it says.
    pub content: Content,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
}

/// What an answer of ours says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nothing.
    Empty,
    /// What happened, for the person who reads it: one or more lines. The status stands above.
    Text(String),
    /// The same for programs.
    Json(String),
    /// The request as it came here: the answer to `TRACE` (RFC 9110 §9.3.8).
    Message(Vec<u8>),
}

impl Reply {
    /// A reply of one line.
    #[must_use]
    pub fn new(status: u16, text: impl Into<String>) -> Self {
        Self {
            status,
            content: Content::Text(text.into()),
            retry_after: None,
        }
    }

    /// The answer of the last recipient, to an `OPTIONS` or `TRACE` whose `Max-Forwards` is
    /// used up (RFC 9110 §7.6.2).
    #[must_use]
    pub fn of_last_recipient(request: &RequestHead<'_, '_>) -> Self {
        let content = match request.method {
            Method::Trace => Content::Message(trace(request)),
            _ => Content::Empty,
        };
        Self {
            status: 200,
            content,
            retry_after: None,
        }
    }

    /// The body, and the value of `Content-Type` if there is one.
    fn body(&self) -> (Vec<u8>, Option<&'static str>) {
        match &self.content {
            Content::Empty => (Vec::new(), None),
            Content::Text(text) => {
                let body = format!("{} {}\n{text}\n", self.status, reason(self.status));
                (body.into_bytes(), Some("text/plain; charset=utf-8"))
            }
            Content::Json(text) => (format!("{text}\n").into_bytes(), Some("application/json")),
            Content::Message(message) => (message.clone(), Some("message/http")),
        }
    }

    /// Appends the whole answer, head and body, to a request with this id.
    pub fn write(&self, delivery: &Delivery<'_>, id: Option<&RequestId>, out: &mut Vec<u8>) {
        let (status, reason) = (self.status, reason(self.status));
        let (body, content_type) = self.body();
        // Writing to a Vec cannot fail, here and below.
        let _ = write!(
            out,
            "HTTP/1.1 {status} {reason}\r\nDate: {}\r\n",
            delivery.date
        );
        if let Some(content_type) = content_type {
            write_field("Content-Type", content_type.as_bytes(), out);
        }
        let _ = write!(out, "Content-Length: {}\r\n", body.len());
        if let Some(seconds) = self.retry_after {
            let _ = write!(out, "Retry-After: {seconds}\r\n");
        }
        if let Some(id) = id {
            id.write_field(out);
        }
        match (delivery.keep_alive, delivery.version) {
            (false, _) => out.extend_from_slice(b"Connection: close\r\n"),
            (true, Version::Http10) => out.extend_from_slice(b"Connection: keep-alive\r\n"),
            (true, Version::Http11) => {}
        }
        out.extend_from_slice(b"\r\n");
        if delivery.method != Method::Head {
            out.extend_from_slice(&body);
        }
    }
}

/// The request as it came, without fields that would leak secrets to readers of the answer:
/// credentials and cookies (RFC 9110 §9.3.8).
fn trace(request: &RequestHead<'_, '_>) -> Vec<u8> {
    const SECRET: [&str; 3] = ["Authorization", "Cookie", "Proxy-Authorization"];
    let mut message = Vec::new();
    let slash = if request.target.lacks_slash { "/" } else { "" };
    let _ = write!(
        message,
        "{} {slash}{} HTTP/{}\r\n",
        request.method_name,
        request.target.rest,
        request.version.number()
    );
    let is_secret = |name: &str| {
        SECRET
            .iter()
            .any(|secret| secret.eq_ignore_ascii_case(name))
    };
    for field in request.fields.iter().filter(|field| !is_secret(field.name)) {
        write_field(field.name, field.value, &mut message);
    }
    message.extend_from_slice(b"\r\n");
    message
}

/// The reason phrase of RFC 9110 §15.
#[must_use]
pub fn reason(status: u16) -> &'static str {
    match status {
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        508 => "Loop Detected",
        _ => "Status",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_a_whole_message() {
        let mut delivery = Delivery {
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
        reply.write(&delivery, None, &mut out);
        let head = "HTTP/1.1 503 Service Unavailable\r\nDate: now\r\n\
            Content-Type: text/plain; charset=utf-8\r\nContent-Length: 35\r\nRetry-After: 1\r\n\
            Connection: close\r\n\r\n";
        let expected = format!("{head}503 Service Unavailable\nnone is up\n");
        assert_eq!(String::from_utf8_lossy(&out), expected);
        delivery.method = Method::Head;
        out.clear();
        reply.write(&delivery, None, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), head);
    }

    #[test]
    fn a_trace_that_ends_here_shows_the_request_without_its_secrets() {
        let head = "TRACE /x HTTP/1.1\r\nHost: a\r\ncookie: c\r\nAuthorization: d\r\nX: 1\r\n\
            Max-Forwards: 0\r\n\r\n";
        let mut table = crate::http::request::field_table();
        let request = crate::http::request::parse(head.as_bytes(), &mut table).expect("valid");
        let (body, content_type) = Reply::of_last_recipient(&request).body();
        assert_eq!(content_type, Some("message/http"));
        assert_eq!(
            String::from_utf8_lossy(&body),
            "TRACE /x HTTP/1.1\r\nHost: a\r\nX: 1\r\nMax-Forwards: 0\r\n\r\n"
        );
    }

    #[test]
    fn each_status_of_ours_has_the_registered_reason() {
        let registered = "101 Switching Protocols, 200 OK, 204 No Content, 304 Not Modified, \
            400 Bad Request, 404 Not Found, 405 Method Not Allowed, 408 Request Timeout, \
            413 Content Too Large, 414 URI Too Long, 417 Expectation Failed, \
            426 Upgrade Required, 429 Too Many Requests, 431 Request Header Fields Too Large, \
            500 Internal Server Error, 501 Not Implemented, 502 Bad Gateway, \
            503 Service Unavailable, 504 Gateway Timeout, 505 HTTP Version Not Supported, \
            508 Loop Detected";
        for entry in registered.split(", ") {
            let (status, phrase) = entry.split_once(' ').expect("two parts");
            assert_eq!(reason(status.parse().expect("a number")), phrase);
        }
        assert_eq!(reason(299), "Status");
    }
}
