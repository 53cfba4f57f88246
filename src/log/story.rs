//! The story of an exchange for a person at the terminal: the request, the backend that answered it,
//! and how the answer begins.

use super::event::{AcceptedRequest, AttemptEnd, Ending, Event};
use super::excerpt::{MAX_NAME_BYTES, MAX_VALUE_BYTES, Place, excerpt};
use super::line::{write_millis, write_request_line};
use super::writer::MAX_LINE_BYTES;
use crate::backends::Name;
use crate::http::chunked::{Piece, Scanner};
use crate::http::error::Error;
use crate::http::fields::named;
use crate::http::framing::Framing;
use crate::http::request::RequestHead;
use crate::http::response::ResponseHead;
use std::fmt::Write as _;
use std::net::SocketAddr;

/// Bytes of a body that the story shows.
const PREVIEW_BYTES: usize = 120;

/// Stands for the fields that a story has no room for.
const MORE: &str = "\n  ...";

/// Servers that are named with a request that failed at more.
const MOST_FAILURES: usize = 5;

/// What is known before the end.
#[derive(Debug, Default)]
pub(super) struct Story {
    /// Quoted.
    request_line: String,
    backend: String,
    status_line: String,
    /// Servers that the request has failed at, and why.
    failures: String,
    failure_count: usize,
    last_failure: Option<Error>,
    preview: Preview,
}

#[derive(Debug, Default)]
enum Preview {
    /// The body is no text, or its beginning was seen.
    #[default]
    Done,
    Plain,
    Chunked,
    Text(String),
}

impl Story {
    /// Prints the lines about the request.
    fn begin(&mut self, accepted: &AcceptedRequest<'_>) {
        // An empty line shows where the head ends, as in the message itself.
        log::info!("{}\n", request_story(accepted.head, accepted.client));
        self.request_line = text(|out| write_request_line(accepted.head, Place::Quoted, out));
    }

    /// Notes or prints what has happened.
    pub(super) fn note(&mut self, event: &Event<'_>) {
        match event {
            Event::Accepted(accepted) => self.begin(accepted),
            Event::Connected(backend) => self.backend = backend.name.to_string(),
            Event::AttemptEnded(AttemptEnd {
                backend,
                outcome: Err(error),
                ..
            }) => self.see_failure(&backend.name, error),
            Event::Answered(head) => self.see_response(head),
            Event::Body(bytes) => self.see_body(bytes),
            Event::AnsweredHere(status) => {
                self.backend = "-".into();
                self.status_line = format!("HTTP/1.1 {status} from the balancer itself");
            }
            Event::Ended(ended) => log::info!("{}\n", self.response_story(ended)),
            _ => {}
        }
    }

    fn see_response(&mut self, head: &ResponseHead<'_, '_>) {
        let reason = excerpt(head.reason, MAX_NAME_BYTES);
        self.status_line = format!("HTTP/1.1 {} {reason}", head.status);
        self.preview = match (is_text(head), head.framing) {
            (true, Framing::Length(_) | Framing::UntilClose) => Preview::Plain,
            (true, Framing::Chunked) => Preview::Chunked,
            _ => Preview::Done,
        };
    }

    pub(super) fn wants_body(&self) -> bool {
        matches!(self.preview, Preview::Plain | Preview::Chunked)
    }

    fn see_body(&mut self, bytes: &[u8]) {
        let content = match self.preview {
            Preview::Plain => bytes,
            Preview::Chunked => match Scanner::of_response().next(bytes) {
                Ok(Piece::Data(range)) => &bytes[range],
                _ => return,
            },
            _ => return,
        };
        let content = &content[..content.len().min(PREVIEW_BYTES)];
        let text = String::from_utf8_lossy(content);
        let line = text.lines().next().unwrap_or_default();
        self.preview = Preview::Text(excerpt(line.as_bytes(), MAX_VALUE_BYTES));
    }

    fn see_failure(&mut self, name: &Name, error: &Error) {
        self.last_failure = Some(*error);
        let separator = if self.failure_count == 0 { "" } else { "; " };
        // Writing to a String cannot fail.
        let _ = match self.failure_count {
            0..MOST_FAILURES => write!(self.failures, "{separator}{name}: {error}"),
            MOST_FAILURES => write!(self.failures, "; …"),
            _ => Ok(()),
        };
        self.failure_count += 1;
    }

    fn response_story(&self, ended: &Ending<'_>) -> String {
        let (status, bytes) = (ended.status, ended.bytes);
        let ms = text(|out| write_millis(ended.took, out));
        if let Some(error) = ended.error {
            return format!(
                "Request {} failed{} (answered {status}, {ms} ms)",
                self.request_line,
                self.cause(error)
            );
        }
        let mut story = format!(
            "Response from server {}: {} ({bytes} bytes, {ms} ms)",
            self.backend, self.status_line
        );
        if let Preview::Text(text) = &self.preview {
            let _ = write!(story, "\n  {text}");
        }
        story
    }

    /// Where it failed and why.
    fn cause(&self, error: &Error) -> String {
        match (self.failures.as_str(), self.backend.as_str()) {
            ("", "") => format!(": {error}"),
            ("", backend) => format!(" at {backend}: {error}"),
            (failures, _) if self.last_failure == Some(*error) => format!(" at {failures}"),
            (failures, _) => format!(" at {failures}; {error}"),
        }
    }
}

/// As text what is written in UTF-8.
fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn request_story(head: &RequestHead<'_, '_>, client: SocketAddr) -> String {
    let line = text(|out| write_request_line(head, Place::Plain, out));
    let mut story = format!("Received request from {client}\n  {line}");
    for field in head.fields {
        let name = excerpt(field.name.as_bytes(), MAX_NAME_BYTES);
        let line = format!("\n  {name}: {}", excerpt(field.value, MAX_VALUE_BYTES));
        // The end of the line and an empty one follow.
        if story.len() + line.len() + MORE.len() + 1 >= MAX_LINE_BYTES {
            story.push_str(MORE);
            break;
        }
        story.push_str(&line);
    }
    story
}

fn is_text(head: &ResponseHead<'_, '_>) -> bool {
    let first = |name| named(head.fields, name).next();
    let kind = first("Content-Type").map(<[u8]>::to_ascii_lowercase);
    // A content coding leaves no text to show.
    first("Content-Encoding").is_none()
        && kind
            .is_some_and(|kind| kind.starts_with(b"text/") || kind.starts_with(b"application/json"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::request;

    #[test]
    fn a_story_is_printed_in_whole_lines_however_much_there_is_to_print() {
        let field = |n| format!("x-{n}: {}\r\n", "\u{202e}".repeat(400));
        let fields: String = (0..20).map(field).collect();
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let mut table = request::field_table();
        let head = request::parse(head.as_bytes(), &mut table).expect("valid");
        let story = request_story(&head, SocketAddr::from(([192, 0, 2, 7], 80)));
        assert!(story.len() < MAX_LINE_BYTES && story.ends_with(MORE));
        let line = format!("\n  x-0: {}...\n", "\\u{202e}".repeat(127));
        assert!(story.contains(&line), "{story}");
        assert!(!story.contains('\u{202e}'));
    }
}
