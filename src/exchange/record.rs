//! What is told of an exchange: the story that a learner follows, or a line for the log.
//! Nothing is gathered, and nothing allocated, when nothing is told.

use crate::config::LogMode;
use crate::error::Error;
use crate::http::chunked::{Piece, Scanner};
use crate::http::framing::Framing;
use crate::http::request::RequestHead;
use crate::http::response::ResponseHead;
use crate::journal::MAX_LINE_BYTES;
use crate::turn::Turn;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Bytes of a field's value, or of a request line, that are told.
const MAX_VALUE_BYTES: usize = 1024;

/// Bytes of a body that the story shows.
const PREVIEW_BYTES: usize = 120;

/// One exchange, as far as it will be told.
#[derive(Debug)]
pub struct Record {
    started: Instant,
    told: Option<Box<Told>>,
}

#[derive(Debug, Default)]
struct Told {
    client: String,
    request_line: String,
    referer: String,
    agent: String,
    backend: String,
    status_line: String,
    preview: Preview,
    connected: Option<Duration>,
    answered: Option<Duration>,
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

impl Record {
    /// A record that begins now, and in the story the lines about the request.
    #[must_use]
    pub fn begin(
        head: &RequestHead<'_, '_>,
        client: SocketAddr,
        mode: LogMode,
        now: Instant,
    ) -> Self {
        let is_told = match mode {
            LogMode::Story => log::log_enabled!(log::Level::Info),
            LogMode::Access => true,
            LogMode::Off => false,
        };
        let told = is_told.then(|| {
            let mut told = Box::new(Told::new(head, client));
            if mode == LogMode::Story {
                log::info!("{}", request_story(head, client));
                told.client = String::new();
            }
            told
        });
        Self { started: now, told }
    }

    /// When the exchange began.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.started
    }

    /// The request goes to this backend.
    pub fn see_backend(&mut self, name: &impl std::fmt::Display) {
        if let Some(told) = &mut self.told {
            told.backend = name.to_string();
            told.connected = Some(self.started.elapsed());
        }
    }

    /// The final head has come.
    pub fn see_response(&mut self, head: &ResponseHead<'_, '_>) {
        let Some(told) = &mut self.told else { return };
        told.answered = Some(self.started.elapsed());
        told.status_line = format!("HTTP/1.1 {} {}", head.status, head.reason);
        told.preview = match (is_text(head), head.framing) {
            (true, Framing::Length(_) | Framing::UntilClose) => Preview::Plain,
            (true, Framing::Chunked) => Preview::Chunked,
            _ => Preview::Done,
        };
    }

    /// The first bytes of the body, framed as they came.
    pub fn see_body(&mut self, bytes: &[u8]) {
        let Some(told) = &mut self.told else { return };
        let content = match told.preview {
            Preview::Plain => bytes,
            Preview::Chunked => match Scanner::default().next(bytes) {
                Ok(Piece::Data(range)) => &bytes[range],
                _ => return,
            },
            _ => return,
        };
        let content = &content[..content.len().min(PREVIEW_BYTES)];
        let text = String::from_utf8_lossy(content);
        told.preview = Preview::Text(escape(text.lines().next().unwrap_or_default()));
    }

    /// We have answered in the backend's place, because the request may go no further.
    pub fn end_here(mut self, status: u16, turn: &mut Turn<'_>) {
        if let Some(told) = &mut self.told {
            told.backend = "-".into();
            told.status_line = format!("HTTP/1.1 {status} from the balancer itself");
        }
        self.end(status, 0, None, turn);
    }

    /// Tells what is left to tell. `bytes` counts the content that the client got.
    pub fn end(&mut self, status: u16, bytes: u64, error: Option<&Error>, turn: &mut Turn<'_>) {
        let Some(told) = self.told.take() else { return };
        let total = self.started.elapsed();
        if turn.context.config.log == LogMode::Access {
            let line = told.access_line(status, bytes, total, error, turn.dates.now());
            turn.context.journal.access(line.as_bytes());
        } else {
            log::info!("{}", told.response_story(status, bytes, total, error));
        }
    }
}

impl Told {
    fn new(head: &RequestHead<'_, '_>, client: SocketAddr) -> Self {
        let named = |name: &str| {
            let field = head
                .fields
                .iter()
                .find(|field| field.name.eq_ignore_ascii_case(name));
            field.map_or("-".into(), |field| {
                quote(&String::from_utf8_lossy(cut(field.value)))
            })
        };
        Self {
            client: client.ip().to_string(),
            request_line: quote(&request_line(head)),
            referer: named("Referer"),
            agent: named("User-Agent"),
            ..Self::default()
        }
    }

    fn response_story(
        &self,
        status: u16,
        bytes: u64,
        total: Duration,
        error: Option<&Error>,
    ) -> String {
        let ms = millis(total);
        if let Some(error) = error {
            let backend = if self.backend.is_empty() {
                "no server"
            } else {
                &self.backend
            };
            return format!(
                "Request {} failed at {backend}: {error} (answered {status}, {ms} ms)",
                self.request_line
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

    /// The combined format, then backend, milliseconds until connected / answered / done, and
    /// the two letters of [`Error::code`].
    fn access_line(
        &self,
        status: u16,
        bytes: u64,
        total: Duration,
        error: Option<&Error>,
        date: &str,
    ) -> String {
        let part = |time: Option<Duration>| time.map_or("-".into(), millis);
        format!(
            "{} - - [{}] \"{}\" {status} {bytes} \"{}\" \"{}\" {} {}/{}/{} {}",
            self.client,
            log_date(date),
            self.request_line,
            self.referer,
            self.agent,
            if self.backend.is_empty() {
                "-"
            } else {
                &self.backend
            },
            part(self.connected),
            part(self.answered),
            millis(total),
            error.map_or("--", Error::code),
        )
    }
}

/// The access line of a request that was refused before it could be read.
#[must_use]
pub fn refused_line(client: SocketAddr, status: u16, error: &Error, turn: &mut Turn<'_>) -> String {
    let unread = || "-".to_string();
    let told = Told {
        client: client.ip().to_string(),
        request_line: unread(),
        referer: unread(),
        agent: unread(),
        ..Told::default()
    };
    told.access_line(status, 0, Duration::ZERO, Some(error), turn.dates.now())
}

fn request_line(head: &RequestHead<'_, '_>) -> String {
    let slash = if head.target.lacks_slash { "/" } else { "" };
    let version = head.version.number();
    // Both are ASCII, so any byte is a place to cut.
    let method = head
        .method_name
        .get(..MAX_VALUE_BYTES)
        .unwrap_or(head.method_name);
    let target = head
        .target
        .rest
        .get(..MAX_VALUE_BYTES)
        .unwrap_or(head.target.rest);
    format!("{method} {slash}{target} HTTP/{version}")
}

fn request_story(head: &RequestHead<'_, '_>, client: SocketAddr) -> String {
    let mut story = format!("Received request from {client}\n  {}", request_line(head));
    for field in head.fields {
        if story.len() > MAX_LINE_BYTES {
            break;
        }
        let value = String::from_utf8_lossy(cut(field.value));
        let _ = write!(story, "\n  {}: {}", field.name, escape(&value));
    }
    story
}

/// As much of a value as a log has use for; it may be as long as a head.
fn cut(value: &[u8]) -> &[u8] {
    &value[..value.len().min(MAX_VALUE_BYTES)]
}

fn is_text(head: &ResponseHead<'_, '_>) -> bool {
    let value_of = |name: &str| {
        head.fields
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value.to_ascii_lowercase())
    };
    // A content coding leaves no text to show.
    value_of("Content-Encoding").is_none()
        && value_of("Content-Type")
            .is_some_and(|kind| kind.starts_with(b"text/") || kind.starts_with(b"application/json"))
}

fn millis(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1000.0)
}

/// `06/Nov/1994:08:49:37 +0000` out of `Sun, 06 Nov 1994 08:49:37 GMT`.
fn log_date(date: &str) -> String {
    let mut parts = date.split(' ').skip(1);
    let mut next = || parts.next().unwrap_or("-");
    format!("{}/{}/{}:{} +0000", next(), next(), next(), next())
}

/// Text that does nothing to a terminal: control characters, those of C1 too, are spelt out.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// The same between double quotes.
fn quote(text: &str) -> String {
    escape(text).replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_written_as_logs_have_them() {
        assert_eq!(
            log_date("Sun, 06 Nov 1994 08:49:37 GMT"),
            "06/Nov/1994:08:49:37 +0000"
        );
        assert_eq!(millis(Duration::from_micros(830)), "0.8");
    }

    #[test]
    fn nothing_in_a_log_reaches_the_terminal_as_a_command() {
        assert_eq!(
            escape("a\x1b[2Jb\u{9b}c\u{e9}"),
            "a\\u{1b}[2Jb\\u{9b}c\u{e9}"
        );
        assert_eq!(quote("a\"b\\"), "a\\\"b\\\\");
    }
}
