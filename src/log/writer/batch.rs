//! Lines on their way to be printed together, in the order in which they came. Must not know
//! a thread.

use super::Outlet;
use super::sink::Sink;
use std::io::Write;

/// The longest line that is kept, in bytes; the rest of a longer one is cut off.
// A line about a request has room for all its fields at their longest, and for ten attempts.
pub const MAX_LINE_BYTES: usize = 8 * 1024;

/// Storage that is kept for the next batch; more was needed only because printing was slow.
pub(super) const KEPT_BYTES: usize = 64 * 1024;

/// Lines, one behind the other.
#[derive(Debug, Default)]
pub(super) struct Batch {
    text: Vec<u8>,
    lines: Vec<Line>,
}

#[derive(Clone, Copy, Debug)]
struct Line {
    outlet: Outlet,
    /// Where its text ends.
    end: usize,
}

impl Batch {
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Appends a line, unless the batch would have more than `room` bytes, or there is no memory
    /// for it; returns whether it is in.
    pub(super) fn add(&mut self, outlet: Outlet, line: &[u8], room: usize) -> bool {
        let line = cut(line);
        if self.text.len() + line.len() + 1 > room
            || self.text.try_reserve(line.len() + 1).is_err()
            || self.lines.try_reserve(1).is_err()
        {
            return false;
        }
        self.text.extend_from_slice(line);
        if !line.ends_with(b"\n") {
            self.text.push(b'\n');
        }
        let end = self.text.len();
        self.lines.push(Line { outlet, end });
        true
    }

    /// Prints all of it, what goes the same way in a row with one system call; returns how many
    /// lines could not be printed, or not all of them.
    pub(super) fn print(
        &self,
        stderr: &mut Sink<impl Write>,
        requests: &mut Sink<impl Write>,
    ) -> u64 {
        let (mut start, mut lost) = (0, 0);
        for run in self.lines.chunk_by(|one, next| one.outlet == next.outlet) {
            let end = run.last().map_or(start, |line| line.end);
            let text = &self.text[start..end];
            let printed = match run[0].outlet {
                Outlet::Stderr => stderr.print(text),
                Outlet::Requests => requests.print(text),
            };
            let whole = run.partition_point(|line| line.end <= start + printed);
            lost += (run.len() - whole) as u64;
            start = end;
        }
        lost
    }

    /// Forgets the lines, and gives back what only a long queue of them needs.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.text.shrink_to(KEPT_BYTES);
        self.lines.clear();
        self.lines.shrink_to(KEPT_BYTES / size_of::<Line>());
    }

    #[cfg(test)]
    pub(super) fn storage_bytes(&self) -> usize {
        self.text.capacity()
    }
}

/// As much of a line as is kept, in whole characters.
fn cut(line: &[u8]) -> &[u8] {
    if line.len() <= MAX_LINE_BYTES {
        return line;
    }
    let is_inside = |&end: &usize| line[end] & 0b1100_0000 == 0b1000_0000;
    let end = (0..=MAX_LINE_BYTES).rev().find(|end| !is_inside(end));
    &line[..end.unwrap_or(MAX_LINE_BYTES)]
}
