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
use dates::Dates;
use event::{Ending, Event, Retry};
use line::Line;
use std::net::IpAddr;
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
    fn print(&mut self, line: &Line, ended: &Ending<'_>, now: Instant) {
        let date = self.dates.logged(now);
        line.write(ended, date, self.text);
        self.writer.access(self.text);
        self.text.clear();
    }
}

impl Record {
    /// The record of a request that has come `now`.
    #[must_use]
    pub fn new(mode: LogMode, now: Instant) -> Self {
        let entry = match mode {
            LogMode::Story if log::log_enabled!(log::Level::Info) => Entry::Story(Box::default()),
            LogMode::Access => Entry::Line(Box::default()),
            LogMode::Story | LogMode::Off => Entry::Nothing,
        };
        Self {
            started: now,
            entry,
        }
    }

    /// Notes what has happened `now`.
    pub fn note(&mut self, event: &Event<'_>, now: Instant) {
        match &mut self.entry {
            Entry::Nothing => note_retry(event),
            Entry::Story(story) => story.note(event),
            Entry::Line(line) => {
                line.note(event, now - self.started);
                note_retry(event);
            }
        }
    }

    /// Whether the beginning of the body is printed, so that it must be looked at.
    #[must_use]
    pub fn wants_body(&self) -> bool {
        matches!(&self.entry, Entry::Story(story) if story.wants_body())
    }

    /// Prints the line of a request that has ended. A story has printed all of its lines by then.
    pub fn print(&mut self, ended: &Ending<'_>, now: Instant, output: &mut Output<'_>) {
        if let Entry::Line(line) = std::mem::replace(&mut self.entry, Entry::Nothing) {
            output.print(&line, ended, now);
        }
    }
}

/// At `-v`, tells of a retry where no story does.
fn note_retry(event: &Event<'_>) {
    if let Event::Retried(Retry { from, error, .. }) = event {
        log::debug!("{}: {error}; trying another", from.name);
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
        took: Duration::ZERO,
    };
    output.print(&Line::unread(client), &ended, now);
}
