//! The attempts of one request as its line has them: in order, each with its backend, what has come
//! of it, and how long it took.

use super::event::AttemptEnd;
use super::numbers::write_millis;
use crate::backends::Name;
use crate::http::write::write_decimal;
use std::time::Duration;

/// Attempts that stand in a line. `--tries` is 3 by default; who allows a hundred learns of the others
/// how many they were, and has a line that fits.
const MOST_LISTED: usize = 10;

/// Attempts, in order.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    listed: Vec<NotedAttempt>,
    others: u64,
    /// What they wrote of their backends, one behind the other.
    names: Vec<u8>,
}

/// One that is over.
#[derive(Debug)]
struct NotedAttempt {
    /// Where its backend ends in the names.
    name_end: usize,
    outcome: Outcome,
    took: Duration,
}

/// What has come of an attempt.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    Status(u16),
    Failed(&'static str),
}

impl Attempts {
    pub(super) fn note(&mut self, end: &AttemptEnd<'_>) {
        if self.listed.len() == MOST_LISTED {
            self.others += 1;
            return;
        }
        write_name(&end.backend.name, &mut self.names);
        self.listed.push(NotedAttempt {
            name_end: self.names.len(),
            outcome: match end.outcome {
                Ok(status) => Outcome::Status(status),
                Err(error) => Outcome::Failed(error.cause.word()),
            },
            took: end.took,
        });
    }

    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        self.listed.len() as u64 + self.others
    }

    /// How many there were beyond those that are listed.
    pub(super) fn others(&self) -> u64 {
        self.others
    }

    /// Whether the last two listed ones were at different backends.
    pub(super) fn has_moved(&self) -> bool {
        let mut names: Vec<_> = self.each().map(|(name, ..)| name).collect();
        names.dedup();
        names.len() > 1
    }

    /// Name, outcome and duration of each that is listed.
    fn each(&self) -> impl Iterator<Item = (&[u8], Outcome, Duration)> {
        let ends = self.listed.iter().map(|attempt| attempt.name_end);
        let starts = std::iter::once(0).chain(ends);
        starts.zip(&self.listed).map(|(start, attempt)| {
            let name = &self.names[start..attempt.name_end];
            (name, attempt.outcome, attempt.took)
        })
    }

    /// Appends `a:80=refused/0.3,b:80=200/1.2`, and behind that `+2` for two more.
    pub(super) fn write_plain(&self, out: &mut Vec<u8>) {
        for (place, (name, outcome, took)) in self.each().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            out.extend_from_slice(name);
            out.push(b'=');
            outcome.write(out);
            out.push(b'/');
            write_millis(took, out);
        }
        if self.others > 0 {
            out.push(b'+');
            write_decimal(self.others, out);
        }
    }

    /// Appends `[{"backend":"a:80","outcome":"refused","ms":0.3}]`. No name and no outcome has
    /// anything in it that JSON would escape.
    pub(super) fn write_json(&self, out: &mut Vec<u8>) {
        out.push(b'[');
        for (place, (name, outcome, took)) in self.each().enumerate() {
            let before: &[u8] = if place > 0 { b"," } else { b"" };
            out.extend_from_slice(before);
            out.extend_from_slice(b"{\"backend\":\"");
            out.extend_from_slice(name);
            out.extend_from_slice(b"\",\"outcome\":\"");
            outcome.write(out);
            out.extend_from_slice(b"\",\"ms\":");
            write_millis(took, out);
            out.push(b'}');
        }
        out.push(b']');
    }
}

impl Outcome {
    fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::Status(status) => write_decimal(u64::from(status), out),
            Self::Failed(word) => out.extend_from_slice(word.as_bytes()),
        }
    }
}

/// Appends the name of a backend as it is written on a command line.
pub(super) fn write_name(name: &Name, out: &mut Vec<u8>) {
    let [before, behind] = name.brackets();
    for part in [before, name.host(), behind, ":"] {
        out.extend_from_slice(part.as_bytes());
    }
    write_decimal(u64::from(name.port), out);
}
