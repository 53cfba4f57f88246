//! The chunked coding (RFC 9112 §7.1), read byte by byte without holding a chunk.
//!
//! Strict where parsers are known to differ: the size is 1 to 16 hex digits with nothing
//! round them, every line ends in exactly CRLF, an extension holds no control byte. Extensions
//! are dropped; what we write has none. Of a backend, blanks behind a size are taken: servers
//! that reserve room for the size fill it up with them (`5   CRLF`), and there is no other
//! reading.

use super::Refusal;
use super::scan::{HeadLimits, HeadScan};
use std::ops::Range;

/// Extension bytes that one body may hold in all. Only attackers use them, to hide
/// work in them (CVE-2023-39326 of Go's net/http, which allows as many).
pub const MAX_EXTENSION_BYTES: u64 = 16 * 1024;

/// What the size lines round one piece of content take at most.
pub const CHUNK_OVERHEAD: usize = 32;

/// Bounds on a trailer section: a head without a first line.
pub const TRAILER_LIMITS: HeadLimits = HeadLimits {
    bytes: 8 * 1024,
    start_line: 8 * 1024,
    fields: 64,
};

/// A scanner in the middle of a chunked body.
#[derive(Clone, Debug)]
pub struct Scanner {
    state: State,
    extension_bytes: u64,
    padding: Padding,
}

/// Whether a size line may end in blanks. Before an extension they may stand in any case
/// (RFC 9112 §7.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Padding {
    /// In a request: servers that see this differently could read two requests in one.
    Refused,
    /// In a response.
    Taken,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// In a size, after this many digits.
    Size { digits: usize, size: u64 },
    /// In blanks after a size, which take so many bytes together with it.
    BeforeExtension { size: u64, width: usize },
    /// After the `;` of an extension.
    Extension { size: u64 },
    /// After the CR of a size line.
    SizeEnd { size: u64 },
    /// In a chunk, with this many bytes to come.
    Data { left: u64 },
    /// After the data, before its CR.
    DataCr,
    /// After that CR.
    DataLf,
    /// In the trailer section.
    Trailers(HeadScan),
}

/// What [`Scanner::next`] found at the start of its input.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// Nothing for now; the first `consumed` bytes are done with, more are needed.
    More {
        /// Bytes of framing that were read.
        consumed: usize,
    },
    /// The bytes in the range are content; all up to its end is done with.
    Data(Range<usize>),
    /// The body is over; the range is its trailer section, closing empty line included.
    End(Range<usize>),
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            state: State::Size { digits: 0, size: 0 },
            extension_bytes: 0,
            padding: Padding::Refused,
        }
    }
}

impl Scanner {
    /// The scanner for the body of a response; `default()` is that for a request.
    #[must_use]
    pub fn of_response() -> Self {
        Self {
            padding: Padding::Taken,
            ..Self::default()
        }
    }

    /// Scans `input`, which starts where the last piece ended.
    pub fn next(&mut self, input: &[u8]) -> Result<Piece, Refusal> {
        let mut at = 0;
        loop {
            at += self.pass_usual_framing(&input[at..]);
            if let State::Trailers(scan) = &mut self.state {
                return trailers(scan, input, at);
            }
            if let State::Data { left } = &mut self.state {
                let end = at
                    + usize::try_from(*left)
                        .unwrap_or(usize::MAX)
                        .min(input.len() - at);
                *left -= (end - at) as u64;
                if *left == 0 {
                    self.state = State::DataCr;
                }
                if end > at {
                    return Ok(Piece::Data(at..end));
                }
            }
            let Some(&byte) = input.get(at) else {
                return Ok(Piece::More { consumed: at });
            };
            self.state = self.step(byte)?;
            at += 1;
        }
    }

    /// Bytes that the present chunk is still to have.
    #[must_use]
    pub fn left_in_chunk(&self) -> u64 {
        match self.state {
            State::SizeEnd { size } | State::Extension { size } => size,
            State::Data { left } => left,
            _ => 0,
        }
    }

    fn count_extension(&mut self) -> Result<(), Refusal> {
        self.extension_bytes += 1;
        match self.extension_bytes <= MAX_EXTENSION_BYTES {
            true => Ok(()),
            false => Err(Refusal::bad("too many chunk extensions")),
        }
    }

    /// Counts a blank behind `width` bytes of a size line. In a response, blanks do not count while they
    /// and the digits together are no longer than the longest size, because a long body has such blanks
    /// in every chunk. All other blanks count as bytes of an extension.
    fn count_blank(&mut self, width: usize) -> Result<(), Refusal> {
        match self.padding == Padding::Taken && width < MAX_SIZE_DIGITS {
            true => Ok(()),
            false => self.count_extension(),
        }
    }

    /// Passes over framing of the usual form that is there as a whole: a chunk's CRLF, and a
    /// size line without an extension. Returns its length. Whatever else is there, or not there
    /// yet, is left to [`Self::step`].
    fn pass_usual_framing(&mut self, input: &[u8]) -> usize {
        let mut at = 0;
        if let State::DataCr = self.state
            && input.starts_with(b"\r\n")
        {
            self.state = State::Size { digits: 0, size: 0 };
            at = 2;
        }
        if let State::Size { digits: 0, .. } = self.state
            && let Some((size, length)) = usual_size_line(&input[at..])
        {
            self.state = State::after_size_line(size);
            at += length;
        }
        at
    }

    /// The state after one byte of framing.
    fn step(&mut self, byte: u8) -> Result<State, Refusal> {
        Ok(match (self.state, byte) {
            (State::Size { digits, size }, _)
                if byte.is_ascii_hexdigit() && digits < MAX_SIZE_DIGITS =>
            {
                let digit = (byte as char).to_digit(16).unwrap_or_default();
                State::Size {
                    digits: digits + 1,
                    size: size << 4 | u64::from(digit),
                }
            }
            (State::Size { digits: 1.., size }, b'\r') | (State::Extension { size }, b'\r') => {
                State::SizeEnd { size }
            }
            (State::BeforeExtension { size, .. }, b'\r') if self.padding == Padding::Taken => {
                State::SizeEnd { size }
            }
            (State::Size { digits: 1.., size } | State::BeforeExtension { size, .. }, b';') => {
                State::Extension { size }
            }
            (
                State::Size {
                    digits: width @ 1..,
                    size,
                }
                | State::BeforeExtension { size, width },
                b' ' | b'\t',
            ) => {
                self.count_blank(width)?;
                State::BeforeExtension {
                    size,
                    width: width + 1,
                }
            }
            (State::Extension { size }, b'\t' | b' '..=b'~' | 0x80..) => {
                self.count_extension()?;
                State::Extension { size }
            }
            (State::SizeEnd { size }, b'\n') => State::after_size_line(size),
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size { digits: 0, size: 0 },
            (State::DataCr | State::DataLf, _) => {
                return Err(Refusal::bad("a chunk is longer than its size"));
            }
            _ => return Err(Refusal::bad("a chunk size line is malformed")),
        })
    }
}

impl State {
    fn after_size_line(size: u64) -> Self {
        match size {
            0 => State::Trailers(HeadScan::default()),
            left => State::Data { left },
        }
    }
}

/// The size in a size line without an extension, and the length of the line with its CRLF;
/// `None` if `input` does not begin with a whole one.
fn usual_size_line(input: &[u8]) -> Option<(u64, usize)> {
    let mut size = 0;
    for (digits, &byte) in input.iter().enumerate().take(MAX_SIZE_DIGITS + 1) {
        match (byte as char).to_digit(16) {
            Some(digit) => size = size << 4 | u64::from(digit),
            None if digits > 0 && input[digits..].starts_with(b"\r\n") => {
                return Some((size, digits + 2));
            }
            None => return None,
        }
    }
    None
}

/// Digits of a chunk's size: as many as 64 bits have.
const MAX_SIZE_DIGITS: usize = 16;

/// The trailer section starts at `at`; it is looked at only as a whole.
fn trailers(scan: &mut HeadScan, input: &[u8], at: usize) -> Result<Piece, Refusal> {
    // Known at once, although the section has no end yet.
    if matches!(input[at..], [b'\r', behind, ..] if behind != b'\n') {
        return Err(Refusal::bad("the last chunk does not end with CRLF"));
    }
    match scan.find_end(&input[at..], &TRAILER_LIMITS) {
        Ok(Some(length)) => Ok(Piece::End(at..at + length)),
        Ok(None) => Ok(Piece::More { consumed: at }),
        Err(_) => Err(Refusal::bad(
            "the trailer section is malformed or too large",
        )),
    }
}

#[cfg(test)]
mod tests;
