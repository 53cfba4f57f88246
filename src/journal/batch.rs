//! Lines on their way to be printed together, in the order in which they came. Must not know
//! a thread.

use super::Outlet;
use std::io::Write;

/// The longest line that is kept, in bytes; the rest of a longer one is cut off.
pub const MAX_LINE_BYTES: usize = 4 * 1024;

/// Storage that is kept for the next batch; more was needed only because printing was slow.
pub(super) const KEPT_BYTES: usize = 64 * 1024;

/// Lines, one behind the other.
#[derive(Debug, Default)]
pub(super) struct Batch {
    text: Vec<u8>,
    runs: Vec<Run>,
}

/// Lines in a row that go the same way, and so with one system call.
#[derive(Debug)]
struct Run {
    outlet: Outlet,
    /// Where its text ends.
    end: usize,
    lines: u64,
}

impl Batch {
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Appends a line, unless the batch would have more than `room` bytes; returns whether it
    /// is in.
    pub(super) fn add(&mut self, outlet: Outlet, line: &[u8], room: usize) -> bool {
        let line = &line[..line.len().min(MAX_LINE_BYTES)];
        if self.text.len() + line.len() + 1 > room {
            return false;
        }
        self.text.extend_from_slice(line);
        if !line.ends_with(b"\n") {
            self.text.push(b'\n');
        }
        let end = self.text.len();
        match self.runs.last_mut() {
            Some(run) if run.outlet == outlet => (run.end, run.lines) = (end, run.lines + 1),
            _ => self.runs.push(Run {
                outlet,
                end,
                lines: 1,
            }),
        }
        true
    }

    /// Prints all of it; returns how many lines could not be printed, or not all of them.
    pub(super) fn print(&self, stderr: &mut impl Write, stdout: &mut impl Write) -> u64 {
        let (mut start, mut lost) = (0, 0);
        for run in &self.runs {
            let text = &self.text[start..run.end];
            let printed = match run.outlet {
                Outlet::Stderr => stderr.write_all(text),
                Outlet::Stdout => stdout.write_all(text).and_then(|()| stdout.flush()),
            };
            if printed.is_err() {
                lost += run.lines;
            }
            start = run.end;
        }
        lost
    }

    /// Forgets the lines, and gives back what only a long queue of them needs.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.text.shrink_to(KEPT_BYTES);
        self.runs.clear();
        self.runs.shrink_to(KEPT_BYTES / size_of::<Run>());
    }

    #[cfg(test)]
    pub(super) fn storage_bytes(&self) -> usize {
        self.text.capacity()
    }
}
