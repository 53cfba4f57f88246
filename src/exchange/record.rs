//! What is told of an exchange: the story that a learner follows, or a line for the log.
//! Nothing is gathered, and nothing allocated, when nothing is told.
//!
//! | file | duty |
//! |---|---|
//! | `line` | a line for the access log |
//! | `story` | the story |
//! | [`quote`] | what others have written, made fit to be printed |

mod line;
pub mod quote;
mod story;

use crate::backends::Name;
use crate::config::LogMode;
use crate::error::Error;
use crate::http::request::RequestHead;
use crate::http::response::ResponseHead;
use crate::net::buffer::Buffer;
use crate::turn::Turn;
use line::{Line, Outcome};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use story::Story;

/// One exchange, as far as it will be told.
#[derive(Debug)]
pub struct Record {
    started: Instant,
    told: Told,
}

/// In boxes: connections that rest have room for an exchange too, and as a rule for nothing told.
#[derive(Debug)]
enum Told {
    Nothing,
    Story(Box<Story>),
    Line(Box<Line>),
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
        let told = match mode {
            LogMode::Story if log::log_enabled!(log::Level::Info) => {
                Told::Story(Box::new(Story::begin(head, client)))
            }
            LogMode::Access => Told::Line(Box::new(Line::of(head, client.ip()))),
            LogMode::Story | LogMode::Off => Told::Nothing,
        };
        Self { started: now, told }
    }

    /// When the exchange began.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.started
    }

    /// The request goes to this backend.
    pub fn see_backend(&mut self, name: &Name, turn: &Turn<'_>) {
        match &mut self.told {
            Told::Nothing => {}
            Told::Story(story) => story.backend = name.to_string(),
            Told::Line(line) => line.see_backend(name, turn.now() - self.started),
        }
    }

    /// The final head has come.
    pub fn see_response(&mut self, head: &ResponseHead<'_, '_>, turn: &Turn<'_>) {
        match &mut self.told {
            Told::Nothing => {}
            Told::Story(story) => story.see_response(head),
            Told::Line(line) => line.answered = Some(turn.now() - self.started),
        }
    }

    /// The first bytes of the body, framed as they came.
    pub fn see_body(&mut self, bytes: &[u8]) {
        if let Told::Story(story) = &mut self.told {
            story.see_body(bytes);
        }
    }

    /// Whether it has use for the first bytes of the body.
    #[must_use]
    pub fn wants_body(&self) -> bool {
        matches!(&self.told, Told::Story(story) if story.wants_body())
    }

    /// It will go nowhere else than where it has failed.
    pub fn see_failures<'f>(&mut self, failures: impl Iterator<Item = (&'f Name, &'f Error)>) {
        match &mut self.told {
            Told::Nothing => {}
            Told::Story(story) => story.see_failures(failures),
            Told::Line(line) => failures.for_each(|(name, _)| line.see_failed(name)),
        }
    }

    /// We have answered in the backend's place, because the request may go no further.
    pub fn end_here(mut self, status: u16, turn: &mut Turn<'_>) {
        if let Told::Story(story) = &mut self.told {
            story.backend = "-".into();
            story.status_line = format!("HTTP/1.1 {status} from the balancer itself");
        }
        self.end(status, 0, None, turn);
    }

    /// Tells what is left to tell. `bytes` counts the content that the client got.
    pub fn end(&mut self, status: u16, bytes: u64, error: Option<&Error>, turn: &mut Turn<'_>) {
        let told = std::mem::replace(&mut self.told, Told::Nothing);
        let outcome = Outcome {
            status,
            bytes,
            total: turn.now() - self.started,
            error,
        };
        match told {
            Told::Nothing => {}
            Told::Story(story) => story.end(&outcome),
            Told::Line(line) => print(&line, &outcome, turn),
        }
    }
}

/// Tells, where there is a log, of a request that was refused before it could be read.
pub fn refuse(client: SocketAddr, status: u16, error: &Error, turn: &mut Turn<'_>) {
    let outcome = Outcome {
        status,
        bytes: 0,
        total: Duration::ZERO,
        error: Some(error),
    };
    print(&Line::unread(client.ip()), &outcome, turn);
}

fn print(line: &Line, outcome: &Outcome<'_>, turn: &mut Turn<'_>) {
    let mut text = Buffer::default();
    let date = turn.dates.logged(turn.now());
    line.write(outcome, date, text.tail(turn.shelf));
    turn.context.journal.access(text.bytes());
    text.clear();
    text.release(turn.shelf);
}
