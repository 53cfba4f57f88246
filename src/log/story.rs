//! The story of an exchange for a person at the terminal: the request, the backend that answered it,
//! and how the answer begins.
//!
//! # When a line has a number
//!
//! Requests overlap, and then a line has to say which one it is about: `#7` is the number of the
//! connection, in front of the line.
//!
//! * A line about a retry, a queue or a wait always has it.
//! * The lines about the request and about the response have it while another request is in flight,
//!   and the second has it if the first had. With one request in flight at a time they are as the
//!   exercise has them.
//! * Where a request began alone, and another one has begun since, a line of its own says which
//!   request the number is: `#7 is GET /slow HTTP/1.1 from 127.0.0.1:58728`.

mod in_flight;
mod words;

use super::event::{AcceptedRequest, AttemptEnd, Awaited, Ending, Event};
use super::excerpt::{MAX_NAME_BYTES, MAX_VALUE_BYTES, Place, excerpt, write_excerpt};
use super::numbers::write_millis;
use super::writer::MAX_LINE_BYTES;
use crate::backends::Name;
use crate::http::chunked::{Piece, Scanner};
use crate::http::error::Error;
use crate::http::fields::named;
use crate::http::framing::Framing;
use crate::http::request::RequestHead;
use crate::http::response::ResponseHead;
use in_flight::InFlight;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub use in_flight::Stories;

/// A shorter wait is none that a person would see; after it the balancer itself begins to doubt the
/// backend.
const NOTEWORTHY_WAIT: Duration = Duration::from_millis(250);

/// Bytes of a body that the story shows.
const PREVIEW_BYTES: usize = 120;

/// Stands for the fields that a story has no room for.
const MORE: &str = "\n  ...";

/// Servers that are named with a request that failed at more.
const MOST_FAILURES: usize = 5;

/// What is known before the end.
#[derive(Debug)]
pub(super) struct Story {
    in_flight: InFlight,
    /// The number of the connection.
    number: u32,
    client: Option<SocketAddr>,
    /// Whether the lines so far say which request the number is.
    is_introduced: bool,
    started: Instant,
    /// The lines about the response are printed.
    has_ended: bool,
    /// Since when it waits, and whether a line has said so.
    waits_since: Instant,
    is_wait_noted: bool,
    /// Quoted.
    request_line: String,
    /// The backend of the last attempt, and whether any was connected.
    backend: String,
    is_connected: bool,
    status_line: String,
    /// Servers that the request has failed at, and why.
    failures: String,
    failure_count: usize,
    last_retry: String,
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
    /// A story that begins `now`.
    pub(super) fn new(stories: &Stories, now: Instant) -> Self {
        Self {
            in_flight: stories.begin(),
            number: 0,
            client: None,
            is_introduced: false,
            started: now,
            has_ended: false,
            waits_since: now,
            is_wait_noted: false,
            request_line: String::new(),
            backend: String::new(),
            is_connected: false,
            status_line: String::new(),
            failures: String::new(),
            failure_count: 0,
            last_retry: String::new(),
            last_failure: None,
            preview: Preview::Done,
        }
    }

    /// Prints the lines about the request.
    fn begin(&mut self, accepted: &AcceptedRequest<'_>) {
        self.number = accepted.connection;
        self.client = Some(accepted.client);
        self.is_introduced = self.in_flight.has_company();
        let number = self.prefix();
        // An empty line shows where the head ends, as in the message itself.
        log::info!(
            "{number}{}\n",
            request_story(accepted.head, accepted.client)
        );
        self.request_line = text(|out| write_request_line(accepted.head, Place::Quoted, out));
    }

    /// What the lines about request and response begin with.
    fn prefix(&self) -> String {
        match self.is_introduced {
            true => format!("#{} ", self.number),
            false => String::new(),
        }
    }

    /// Prints a line about a retry, a queue or a wait.
    fn tell(&mut self, what: &str) {
        self.introduce();
        log::info!("#{} {what}", self.number);
    }

    /// Says which request the number is, if there is another one, and no line has said it.
    fn introduce(&mut self) {
        if self.is_introduced || !self.in_flight.has_company() {
            return;
        }
        self.is_introduced = true;
        if let Some(client) = self.client {
            log::info!("#{} is {} from {client}", self.number, self.request_line);
        }
    }

    /// Notes or prints what has happened.
    pub(super) fn note(&mut self, event: &Event<'_>, now: Instant) {
        match event {
            Event::Accepted(accepted) => self.begin(accepted),
            Event::Held => self.tell("no backend is up, waiting for one"),
            Event::Queued { behind } => self.tell(&words::queued(*behind)),
            Event::LeftQueue { waited, error } => {
                if *waited >= NOTEWORTHY_WAIT {
                    self.tell(&words::left_queue(*waited, *error));
                }
            }
            Event::Retried(retry) => self.see_retry(words::retry(retry)),
            Event::Parked(awaited) => self.see_wait(*awaited, now),
            Event::AttemptBegun { backend, .. } => {
                self.expect(backend.name.to_string(), now);
            }
            Event::Connected(backend) => {
                self.is_connected = true;
                self.expect(backend.name.to_string(), now);
            }
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
            Event::LastBytes { status, bytes } => self.end_well(*status, *bytes, now),
            Event::Ended(ended) => self.end(ended),
            Event::AttemptEnded(_) => {}
        }
    }

    /// A request that waits for a port, or for a backend to come up, fails again and again for the same
    /// reason, which is printed once.
    fn see_retry(&mut self, line: String) {
        if line != self.last_retry {
            self.tell(&line);
            self.last_retry = line;
        }
    }

    /// Another wait begins.
    fn expect(&mut self, backend: String, now: Instant) {
        self.backend = backend;
        (self.waits_since, self.is_wait_noted) = (now, false);
    }

    fn see_wait(&mut self, awaited: Awaited, now: Instant) {
        let waited = now.saturating_duration_since(self.waits_since);
        if self.is_wait_noted || waited < NOTEWORTHY_WAIT {
            return;
        }
        if let Some(line) = words::wait(awaited, &self.backend, waited) {
            self.is_wait_noted = true;
            self.tell(&line);
        }
    }

    /// Prints the lines about a response before the client has all of it: a client that then sends its
    /// next request has one in flight at a time, and reads one story behind the other.
    fn end_well(&mut self, status: u16, bytes: u64, now: Instant) {
        let took = now.saturating_duration_since(self.started);
        self.print_response(status, bytes, None, took);
    }

    /// Prints the lines about the response, unless they are printed and nothing has gone wrong since.
    fn end(&mut self, ended: &Ending<'_>) {
        let Ending { status, bytes, .. } = *ended;
        if !self.has_ended || ended.error.is_some() {
            self.has_ended = false;
            self.print_response(status, bytes, ended.error, ended.took);
        }
    }

    fn print_response(&mut self, status: u16, bytes: u64, error: Option<&Error>, took: Duration) {
        if std::mem::replace(&mut self.has_ended, true) {
            return;
        }
        self.introduce();
        let story = self.response_story(status, bytes, error, took);
        log::info!("{}{story}\n", self.prefix());
        self.in_flight.end();
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

    fn response_story(
        &self,
        status: u16,
        bytes: u64,
        error: Option<&Error>,
        took: Duration,
    ) -> String {
        let ms = text(|out| write_millis(took, out));
        if let Some(error) = error {
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
            ("", backend) if self.is_connected => format!(" at {backend}: {error}"),
            ("", _) => format!(": {error}"),
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

/// Appends the request line, with an excerpt of method and target.
fn write_request_line(head: &RequestHead<'_, '_>, place: Place, out: &mut Vec<u8>) {
    write_excerpt(head.method_name.as_bytes(), MAX_NAME_BYTES, place, out);
    let slash: &[u8] = if head.target.lacks_slash { b" /" } else { b" " };
    out.extend_from_slice(slash);
    write_excerpt(head.target.rest.as_bytes(), MAX_VALUE_BYTES, place, out);
    out.extend_from_slice(b" HTTP/");
    out.extend_from_slice(head.version.number().as_bytes());
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
