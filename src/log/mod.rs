//! What is printed: the story of each exchange, or a line for the access log, and the thread that
//! writes it. Nothing is gathered, and nothing allocated, for what is not printed.
//!
//! | file | what it is |
//! |---|---|
//! | [`event`] | what happens to an exchange |
//! | `story` | the story, for people who watch |
//! | `line` | a line of the access log |
//! | [`excerpt`] | what others have written, made fit to be printed |
//! | [`dates`] | the time of day as text |
//! | [`writer`] | the thread that writes, so that a full disk or a slow terminal holds up no request |

pub mod dates;
pub mod durations;
pub mod event;
pub mod excerpt;
mod line;
mod story;
pub mod writer;

use crate::http::error::Error;
use crate::http::request::RequestHead;
use dates::Dates;
use event::{Ending, Event};
use line::Line;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use story::Story;
use writer::LogWriter;

/// What is printed of each exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogMode {
    /// Each request and response in full, for people who watch (stderr).
    Story,
    /// A line for each request (stdout).
    Access,
    /// Neither; only what concerns the whole balancer (stderr).
    Off,
}

impl LogMode {
    /// The values as they are written.
    pub const WORDS: [(&'static str, Self); 3] = [
        ("story", Self::Story),
        ("access", Self::Access),
        ("off", Self::Off),
    ];
}

/// What is printed of one exchange, as far as it is known.
#[derive(Debug)]
pub struct Record {
    started: Instant,
    entry: Entry,
}

/// In boxes: an exchange is small when nothing is printed of it.
#[derive(Debug)]
enum Entry {
    Nothing,
    Story(Box<Story>),
    Line(Box<Line>),
}

/// What is needed to print a line of the access log.
#[derive(Debug)]
pub struct Output<'o> {
    /// The clock of the log.
    pub dates: &'o mut Dates,
    /// Where the line is gathered; empty before and after.
    pub text: &'o mut Vec<u8>,
    /// Where it goes.
    pub writer: &'o LogWriter,
}

impl Output<'_> {
    fn print(&mut self, line: &Line, ended: &Ending<'_>, total: Duration, now: Instant) {
        let date = self.dates.logged(now);
        line.write(ended, total, date, self.text);
        self.writer.access(self.text);
        self.text.clear();
    }
}

impl Record {
    /// Begins a record. In the story, prints the lines about the request.
    #[must_use]
    pub fn begin(
        head: &RequestHead<'_, '_>,
        client: SocketAddr,
        mode: LogMode,
        now: Instant,
    ) -> Self {
        let entry = match mode {
            LogMode::Story if log::log_enabled!(log::Level::Info) => {
                Entry::Story(Box::new(Story::begin(head, client)))
            }
            LogMode::Access => Entry::Line(Box::new(Line::of(head, client.ip()))),
            LogMode::Story | LogMode::Off => Entry::Nothing,
        };
        Self {
            started: now,
            entry,
        }
    }

    /// When the exchange began.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Notes what has happened `now`.
    pub fn note(&mut self, event: &Event<'_>, now: Instant) {
        match &mut self.entry {
            Entry::Nothing => {}
            Entry::Story(story) => story.note(event),
            Entry::Line(line) => line.note(event, now - self.started),
        }
    }

    /// Whether the beginning of the body is printed, so that it must be looked at.
    #[must_use]
    pub fn wants_body(&self) -> bool {
        matches!(&self.entry, Entry::Story(story) if story.wants_body())
    }

    /// Prints what is left to print.
    pub fn end(&mut self, ended: &Ending<'_>, now: Instant, output: &mut Output<'_>) {
        let total = now - self.started;
        match std::mem::replace(&mut self.entry, Entry::Nothing) {
            Entry::Nothing => {}
            Entry::Story(story) => story.end(ended, total),
            Entry::Line(line) => output.print(&line, ended, total, now),
        }
    }
}

/// Prints the access line of a request that was refused before it could be read.
pub fn print_refused(
    client: IpAddr,
    status: u16,
    error: &Error,
    now: Instant,
    output: &mut Output<'_>,
) {
    let ended = Ending {
        status,
        bytes: 0,
        error: Some(error),
    };
    output.print(&Line::unread(client), &ended, Duration::ZERO, now);
}
