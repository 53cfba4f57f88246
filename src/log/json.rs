//! The format `json`: one object a line. Every line has the same keys in the same order, and `null`
//! where there is nothing to say. The reference page explains them.

use super::entry::{LogEntry, Text};
use super::event::Ending;
use super::excerpt::{MAX_NAME_BYTES, MAX_VALUE_BYTES, Place, write_excerpt};
use super::numbers::write_millis;
use super::stamp::Stamp;
use crate::http::error::Error;
use crate::http::forwarded::write_address;
use crate::http::trace_context::TraceContext;
use crate::http::write::write_decimal;
use std::io::Write as _;
use std::time::Duration;

/// The keys, and what they stand for, as the reference page has them.
pub const KEYS: &[(&str, &str)] = &[
    ("time", "when it ended (RFC 3339, UTC)"),
    ("client", "the address of the peer"),
    ("client_port", "its port"),
    (
        "connection",
        "the number of the connection, as in the story",
    ),
    ("request_id", "`X-Request-Id`"),
    ("trace_id", "of `traceparent`"),
    ("span_id", "the step that this request is in the trace"),
    (
        "parent_span_id",
        "the step that called; `null` where the trace begins here",
    ),
    (
        "method",
        "as the client wrote it; `null`, as all that follows from the head, if it could not be read",
    ),
    ("host", "`Host`"),
    ("target", "path and query"),
    ("version", "`1.0` or `1.1`"),
    ("referer", "`Referer`"),
    ("user_agent", "`User-Agent`"),
    (
        "status",
        "what the client got, or would have got; 499 if it left",
    ),
    ("bytes", "of the content of a backend's response"),
    ("bytes_sent", "all that went to the client, heads included"),
    (
        "group",
        "the group of backends; `null` if lb answered itself",
    ),
    (
        "backend",
        "the last one that the request was sent to, or was tried",
    ),
    ("reading_ms", "from the first byte of the head to the last"),
    (
        "waited_ms",
        "from there to the first attempt: in the queue, or for a backend to come up",
    ),
    ("connected_ms", "to the last connection"),
    ("answered_ms", "to the head of the response"),
    ("total_ms", "to the end of the response"),
    ("ending", "two letters: `--` is well"),
    ("error", "what went wrong, in words"),
    (
        "attempts",
        "each attempt in order: `backend`, `outcome` (the status, or a word such as `refused`), `ms`",
    ),
    ("attempts_left_out", "attempts beyond the first ten"),
];

/// Appends the line. `now` is the time of the end.
pub(super) fn write(entry: &LogEntry, ended: &Ending<'_>, now: Stamp, out: &mut Vec<u8>) {
    let mut object = Object {
        out,
        has_any: false,
    };
    object.quoted("time", |out| now.write_rfc3339(out));
    write_client(entry, &mut object);
    write_names(entry, &mut object);
    write_request(entry, &mut object);
    object.number("status", u64::from(ended.status));
    object.number("bytes", ended.bytes);
    object.number("bytes_sent", ended.sent);
    object.text("group", entry.text(Text::Group), MAX_NAME_BYTES);
    object.text("backend", entry.text(Text::Backend), MAX_VALUE_BYTES);
    object.millis("reading_ms", entry.client.map(|_| entry.reading));
    object.millis("waited_ms", entry.begun);
    object.millis("connected_ms", entry.connected);
    object.millis("answered_ms", entry.answered);
    object.millis("total_ms", Some(ended.took));
    let ending = ended.error.map_or("--", Error::code);
    object.text("ending", Some(ending.as_bytes()), MAX_NAME_BYTES);
    let error = ended.error.map(ToString::to_string);
    object.text(
        "error",
        error.as_ref().map(String::as_bytes),
        MAX_VALUE_BYTES,
    );
    entry.attempts.write_json(object.key("attempts"));
    object.number("attempts_left_out", entry.attempts.others());
    out.extend_from_slice(b"}\n");
}

fn write_client(entry: &LogEntry, object: &mut Object<'_>) {
    match entry.client {
        Some(client) => object.quoted("client", |out| write_address(client.ip(), out)),
        None => object.null("client"),
    }
    let port = entry.client.map_or(0, |client| client.port());
    object.number("client_port", u64::from(port));
    object.number("connection", u64::from(entry.connection));
}

fn write_names(entry: &LogEntry, object: &mut Object<'_>) {
    object.text("request_id", entry.text(Text::RequestId), MAX_VALUE_BYTES);
    let trace = entry.trace.as_ref();
    object.of_trace("trace_id", trace, TraceContext::write_trace);
    object.of_trace("span_id", trace, TraceContext::write_span);
    let child = trace.filter(|trace| !trace.is_begun_here());
    object.of_trace("parent_span_id", child, TraceContext::write_parent);
}

fn write_request(entry: &LogEntry, object: &mut Object<'_>) {
    for (key, text, max) in [
        ("method", Text::Method, MAX_NAME_BYTES),
        ("host", Text::Host, MAX_VALUE_BYTES),
        ("target", Text::Target, MAX_VALUE_BYTES),
        ("version", Text::Version, MAX_NAME_BYTES),
        ("referer", Text::Referer, MAX_VALUE_BYTES),
        ("user_agent", Text::UserAgent, MAX_VALUE_BYTES),
    ] {
        object.text(key, entry.text(text), max);
    }
}

/// An object that is being written.
struct Object<'o> {
    out: &'o mut Vec<u8>,
    has_any: bool,
}

impl Object<'_> {
    /// Appends a key; its value follows.
    fn key(&mut self, key: &str) -> &mut Vec<u8> {
        let before = if self.has_any { b',' } else { b'{' };
        self.has_any = true;
        self.out.push(before);
        // Writing to a Vec cannot fail. No key has anything in it that would be escaped.
        let _ = write!(self.out, "\"{key}\":");
        self.out
    }

    fn null(&mut self, key: &str) {
        self.key(key).extend_from_slice(b"null");
    }

    fn number(&mut self, key: &str, number: u64) {
        write_decimal(number, self.key(key));
    }

    fn millis(&mut self, key: &str, time: Option<Duration>) {
        match time {
            Some(time) => write_millis(time, self.key(key)),
            None => self.null(key),
        }
    }

    /// What `write` appends has nothing in it that would be escaped.
    fn quoted(&mut self, key: &str, write: impl FnOnce(&mut Vec<u8>)) {
        let out = self.key(key);
        out.push(b'"');
        write(out);
        out.push(b'"');
    }

    fn of_trace(
        &mut self,
        key: &str,
        trace: Option<&TraceContext>,
        write: fn(&TraceContext, &mut Vec<u8>),
    ) {
        match trace {
            Some(trace) => self.quoted(key, |out| write(trace, out)),
            None => self.null(key),
        }
    }

    fn text(&mut self, key: &str, text: Option<&[u8]>, max: usize) {
        match text {
            Some(text) => self.quoted(key, |out| write_excerpt(text, max, Place::Json, out)),
            None => self.null(key),
        }
    }
}

#[cfg(test)]
mod tests;
