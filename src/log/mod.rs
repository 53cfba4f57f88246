//! What is printed: the story of each request, or a line for each, and the thread that writes it.
//! Nothing is gathered, and nothing allocated, for what is not printed.
//!
//! | file | what it is |
//! |---|---|
//! | [`event`] | what happens to a request |
//! | `story` | the story, for people who watch |
//! | `entry`, `attempts` | what the lines say of a request, in whatever format |
//! | `access`, [`json`], `haproxy` | the formats of lines |
//! | [`excerpt`] | what others have written, made fit to be printed |
//! | [`dates`], [`stamp`], [`durations`], `numbers` | times as text |
//! | [`writer`] | the thread that writes, so that a full disk or a slow terminal holds up no request |

mod access;
mod attempts;
pub mod dates;
pub mod durations;
mod entry;
pub mod event;
pub mod excerpt;
mod haproxy;
pub mod json;
mod numbers;
pub mod stamp;
mod story;
#[cfg(test)]
mod testing;
pub mod writer;

use crate::http::error::Error;
use crate::http::identity::Identity;
use dates::Dates;
use entry::LogEntry;
use event::{Ending, Event, Retry};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use story::Story;
use writer::LogWriter;

pub use story::Stories;

/// The target of lines about the state of backends: they begin with the time wherever they are
/// printed.
pub const STATE: &str = "state";

/// What is printed of each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogMode {
    /// Each request and response in full, for people who watch (stderr).
    Story,
    /// A line for each request, in the combined format with more fields behind it.
    Access,
    /// A line for each request: an object in JSON.
    Json,
    /// A line for each request, as HAProxy's `option httplog` has it.
    Haproxy,
    /// Neither; only what concerns the whole balancer (stderr).
    Off,
}

impl LogMode {
    /// The values as they are written.
    pub const WORDS: [(&'static str, Self); 5] = [
        ("story", Self::Story),
        ("access", Self::Access),
        ("json", Self::Json),
        ("haproxy", Self::Haproxy),
        ("off", Self::Off),
    ];

    /// Whether a line is written for each request.
    #[must_use]
    pub fn has_lines(self) -> bool {
        matches!(self, Self::Access | Self::Json | Self::Haproxy)
    }

    /// Whether what is printed of a request shows the trace that it belongs to.
    #[must_use]
    pub fn shows_traces(self) -> bool {
        self == Self::Json
    }
}

/// What is printed of one request, as far as it is known.
#[derive(Debug)]
pub struct Record {
    started: Instant,
    mode: LogMode,
    entry: Entry,
}

/// In boxes: an exchange is small when nothing is printed of it.
#[derive(Debug)]
enum Entry {
    Nothing,
    Story(Box<Story>),
    Line(Box<LogEntry>),
}

/// What is needed to print a line.
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
    fn print(&mut self, mode: LogMode, entry: &LogEntry, ended: &Ending<'_>, now: Instant) {
        match mode {
            LogMode::Access => access::write(entry, ended, self.dates.logged(now), self.text),
            LogMode::Json => json::write(entry, ended, self.dates.stamp(now, now), self.text),
            LogMode::Haproxy => {
                let began = now.checked_sub(ended.took + entry.reading).unwrap_or(now);
                haproxy::write(entry, ended, self.dates.stamp(began, now), self.text);
            }
            LogMode::Story | LogMode::Off => return,
        }
        self.writer.access(self.text);
        self.text.clear();
    }
}

impl Record {
    /// The record of a request that has come `now`.
    #[must_use]
    pub fn new(mode: LogMode, stories: &Stories, now: Instant) -> Self {
        let entry = match mode {
            LogMode::Story if log::log_enabled!(log::Level::Info) => {
                Entry::Story(Box::new(Story::new(stories, now)))
            }
            LogMode::Story | LogMode::Off => Entry::Nothing,
            LogMode::Access | LogMode::Json | LogMode::Haproxy => Entry::Line(Box::default()),
        };
        Self {
            started: now,
            mode,
            entry,
        }
    }

    /// Notes what has happened `now`. The time is asked for only where it is printed.
    #[inline]
    pub fn note(&mut self, event: &Event<'_>, now: impl FnOnce() -> Instant) {
        match &mut self.entry {
            Entry::Nothing => note_retry(event),
            Entry::Story(story) => story.note(event, now()),
            Entry::Line(entry) => {
                entry.note(event, now().saturating_duration_since(self.started));
                note_retry(event);
            }
        }
    }

    /// Whether the beginning of the body is printed, so that it must be looked at.
    #[must_use]
    pub fn wants_body(&self) -> bool {
        matches!(&self.entry, Entry::Story(story) if story.wants_body())
    }

    /// Whether the line says what is under way besides.
    #[must_use]
    pub fn wants_load(&self) -> bool {
        self.mode == LogMode::Haproxy
    }

    /// Prints the line of a request that has ended. A story has printed all of its lines by then.
    pub fn print(&mut self, ended: &Ending<'_>, now: Instant, output: &mut Output<'_>) {
        if let Entry::Line(entry) = std::mem::replace(&mut self.entry, Entry::Nothing) {
            output.print(self.mode, &entry, ended, now);
        }
    }
}

/// At `-v`, tells of a retry where no story does.
fn note_retry(event: &Event<'_>) {
    if let Event::Retried(Retry { from, error, .. }) = event {
        log::debug!("{}: {error}; trying another", from.name);
    }
}

/// A request that was refused before it could be read.
#[derive(Clone, Copy, Debug)]
pub struct RefusedRequest<'e> {
    /// The peer of the connection.
    pub client: SocketAddr,
    /// The number of the connection.
    pub connection: u32,
    /// How it is named in our answer.
    pub identity: &'e Identity,
    /// The status of our answer.
    pub status: u16,
    /// What is wrong.
    pub error: &'e Error,
    /// Open connections of clients.
    pub connections: usize,
    /// How many stories there are now.
    pub stories: &'e Stories,
}

impl RefusedRequest<'_> {
    /// Prints its line, or its part of the story.
    pub fn print(&self, mode: LogMode, why: &str, now: Instant, output: &mut Output<'_>) {
        let (client, status) = (self.client, self.status);
        match mode {
            LogMode::Story => {
                let number = self.stories.prefix(self.connection);
                log::info!("{number}Refused request from {client}: {status} ({why})");
            }
            LogMode::Off => log::debug!("refused {client}: {status} ({why})"),
            LogMode::Access | LogMode::Json | LogMode::Haproxy => {
                self.print_line(mode, now, output)
            }
        }
    }

    fn print_line(&self, mode: LogMode, now: Instant, output: &mut Output<'_>) {
        let ended = Ending {
            status: self.status,
            bytes: 0,
            sent: 0,
            error: Some(self.error),
            took: Duration::ZERO,
            load: event::Load {
                connections: self.connections,
                group: 0,
            },
        };
        let entry = LogEntry::unread(self.client, self.connection, self.identity);
        output.print(mode, &entry, &ended, now);
    }
}
