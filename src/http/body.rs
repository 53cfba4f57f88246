//! One body on its way through: read by the framing it came with, written in the framing that
//! the other side gets. Never held: what comes in leaves as soon as there is room.

use super::Refusal;
use super::chunk_writer::{OpenChunk, write_chunk, write_end};
use super::chunked::{Piece, Scanner};
use super::framing::Framing;
use std::ops::Range;

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As it is; its end is known by length or by close.
    Plain,
    /// In chunks.
    Chunked,
}

/// A body in transit.
#[derive(Debug)]
pub struct Body {
    source: Source,
    encoding: Encoding,
    passes_trailers: bool,
    /// Content bytes so far.
    pub content: u64,
}

#[derive(Debug)]
enum Source {
    Complete,
    Length(u64),
    Chunked(Scanner),
    UntilClose,
}

impl Body {
    /// The body of a request, framed as `framing` where it comes from and written as `encoding`. A proxy may
    /// pass trailers on or discard them (RFC 9110 §6.5.1). It must discard them if `Connection` names
    /// fields for this hop, because such fields may be among the trailers.
    #[must_use]
    pub fn new(framing: Framing, encoding: Encoding, passes_trailers: bool) -> Self {
        let source = match framing {
            Framing::Empty => Source::Complete,
            Framing::Length(length) => Source::Length(length),
            Framing::Chunked => Source::Chunked(Scanner::default()),
            Framing::UntilClose => Source::UntilClose,
        };
        Self {
            source,
            encoding,
            passes_trailers,
            content: 0,
        }
    }

    /// The same for a response: from a backend some things are taken that have one reading only.
    #[must_use]
    pub fn of_response(framing: Framing, encoding: Encoding, passes_trailers: bool) -> Self {
        let mut body = Self::new(framing, encoding, passes_trailers);
        if let Source::Chunked(scanner) = &mut body.source {
            *scanner = Scanner::of_response();
        }
        body
    }

    /// Whether its last byte has been passed to `out`.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        matches!(self.source, Source::Complete)
    }

    /// Content bytes so far, and those that are known to follow.
    #[must_use]
    pub fn announced(&self) -> u64 {
        let following = match &self.source {
            Source::Length(left) => *left,
            Source::Chunked(scanner) => scanner.left_in_chunk(),
            Source::Complete | Source::UntilClose => 0,
        };
        self.content.saturating_add(following)
    }

    /// How many bytes are known to be content that goes out unchanged.
    #[must_use]
    pub fn unchanged(&self) -> u64 {
        match &self.source {
            _ if self.encoding == Encoding::Chunked => 0,
            Source::Length(left) => *left,
            Source::UntilClose => u64::MAX,
            Source::Complete | Source::Chunked(_) => 0,
        }
    }

    /// Whether all of the next `available` bytes are content that goes out unchanged. If so
    /// they count as relayed, and the caller moves them itself, without a copy.
    pub fn relay_whole(&mut self, available: usize) -> bool {
        let available = available as u64;
        match &mut self.source {
            _ if self.encoding == Encoding::Chunked => return false,
            Source::Length(left) if *left > available => *left -= available,
            Source::Length(left) if *left == available => self.source = Source::Complete,
            Source::UntilClose => {}
            _ => return false,
        }
        self.content += available;
        true
    }

    /// Moves what it can from `input` to `out`; returns how many bytes of `input` are done
    /// with. Bytes behind the body are left alone.
    pub fn relay(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, Refusal> {
        match &mut self.source {
            Source::Complete => Ok(0),
            Source::UntilClose => {
                self.emit(input, out);
                Ok(input.len())
            }
            Source::Length(left) => {
                let length = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(input.len());
                *left -= length as u64;
                let is_last = *left == 0;
                self.emit(&input[..length], out);
                if is_last {
                    self.end(&[], out)?;
                }
                Ok(length)
            }
            Source::Chunked(_) => self.relay_chunks(input, out),
        }
    }

    /// The content of all chunks in `input` goes out as one chunk: where one ended means nothing
    /// (RFC 9112 §7.1), and many small ones cost the next reader as much as they cost us.
    fn relay_chunks(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, Refusal> {
        let Source::Chunked(scanner) = &mut self.source else {
            return Ok(0);
        };
        let is_in_chunks = self.encoding == Encoding::Chunked;
        let chunk = is_in_chunks.then(|| OpenChunk::begin(input.len(), out));
        let start = out.len();
        let gathered = gather(scanner, input, out);
        self.content += (out.len() - start) as u64;
        if let Some(chunk) = chunk {
            chunk.end(out);
        }
        let (done, trailers) = gathered?;
        if let Some(trailers) = trailers {
            self.end(&input[trailers], out)?;
        }
        Ok(done)
    }

    /// The sender closed: the end of a body framed by that, a truncation of any other.
    pub fn close(&mut self, out: &mut Vec<u8>) -> Result<(), Refusal> {
        match self.source {
            Source::Complete => Ok(()),
            Source::UntilClose => self.end(&[], out),
            _ => Err(Refusal::bad("the body was cut short")),
        }
    }

    fn emit(&mut self, content: &[u8], out: &mut Vec<u8>) {
        self.content += content.len() as u64;
        match self.encoding {
            Encoding::Plain => out.extend_from_slice(content),
            Encoding::Chunked if content.is_empty() => {}
            Encoding::Chunked => write_chunk(content, out),
        }
    }

    fn end(&mut self, trailers: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
        if self.encoding == Encoding::Chunked && self.passes_trailers {
            write_end(trailers, out)?;
        } else {
            if !trailers.is_empty() {
                // Nowhere to put them, but malformed ones make the body malformed all the same.
                write_end(trailers, &mut Vec::new())?;
            }
            if self.encoding == Encoding::Chunked {
                write_end(&[], out)?;
            }
        }
        self.source = Source::Complete;
        Ok(())
    }
}

/// Appends the content in `input` to `out`. Returns how many bytes of `input` are done with and,
/// when the body is over, where its trailer section is.
fn gather(
    scanner: &mut Scanner,
    input: &[u8],
    out: &mut Vec<u8>,
) -> Result<(usize, Option<Range<usize>>), Refusal> {
    let mut done = 0;
    loop {
        let rest = &input[done..];
        match scanner.next(rest)? {
            Piece::More { consumed } => return Ok((done + consumed, None)),
            Piece::Data(range) => {
                out.extend_from_slice(&rest[range.clone()]);
                done += range.end;
            }
            Piece::End(range) => {
                let trailers = done + range.start..done + range.end;
                return Ok((trailers.end, Some(trailers)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relay(
        framing: Framing,
        encoding: Encoding,
        input: &[u8],
        step: usize,
    ) -> (Vec<u8>, usize, bool) {
        let mut body = Body::new(framing, encoding, true);
        let (mut out, mut start) = (Vec::new(), 0);
        for end in (step..input.len() + step).step_by(step) {
            let end = end.min(input.len());
            start += body.relay(&input[start..end], &mut out).expect("valid");
        }
        (out, input.len() - start, body.is_complete())
    }

    #[test]
    fn each_framing_becomes_the_one_that_is_wanted() {
        let chunks = b"3\r\nabc\r\n0\r\n\r\nrest";
        for step in 1..=chunks.len() {
            assert_eq!(
                relay(Framing::Chunked, Encoding::Plain, chunks, step),
                (b"abc".to_vec(), 4, true)
            );
            assert_eq!(
                relay(Framing::Length(3), Encoding::Plain, b"abcrest", step),
                (b"abc".to_vec(), 4, true)
            );
        }
        assert_eq!(
            relay(Framing::Chunked, Encoding::Chunked, chunks, 99),
            (b"3\r\nabc\r\n0\r\n\r\n".to_vec(), 4, true)
        );
        assert_eq!(
            relay(Framing::UntilClose, Encoding::Chunked, b"abc", 99),
            (b"3\r\nabc\r\n".to_vec(), 0, false)
        );
    }

    #[test]
    fn small_chunks_that_came_together_go_out_as_one() {
        let chunks = [b"1\r\na\r\n".repeat(300), b"0\r\nX-Sum: 1\r\n\r\n".to_vec()].concat();
        let together = [
            b"12c\r\n".as_slice(),
            &[b'a'; 300],
            b"\r\n0\r\nX-Sum: 1\r\n\r\n",
        ]
        .concat();
        assert_eq!(
            relay(Framing::Chunked, Encoding::Chunked, &chunks, 9999),
            (together, 0, true)
        );
    }

    #[test]
    fn what_came_before_a_malformed_chunk_goes_out_well_formed_and_without_an_end() {
        let (mut body, mut out) = (
            Body::new(Framing::Chunked, Encoding::Chunked, true),
            Vec::new(),
        );
        let relayed = body.relay(b"1\r\na\r\n1\r\nb\r\nx", &mut out);
        assert!(relayed.is_err() && !body.is_complete());
        assert_eq!(out, b"2\r\nab\r\n");
    }

    #[test]
    fn a_cut_body_never_gets_an_end() {
        for framing in [Framing::Length(5), Framing::Chunked] {
            let (mut body, mut out) = (Body::new(framing, Encoding::Chunked, true), Vec::new());
            body.relay(b"3\r\n", &mut out).expect("valid");
            assert!(body.close(&mut out).is_err());
            assert!(!out.ends_with(b"0\r\n\r\n"));
        }
        let (mut body, mut out) = (
            Body::new(Framing::UntilClose, Encoding::Chunked, true),
            Vec::new(),
        );
        body.close(&mut out).expect("that is how it ends");
        assert_eq!(out, b"0\r\n\r\n");
    }

    #[test]
    fn whole_buffers_pass_without_a_copy_only_when_all_of_it_is_body() {
        let mut body = Body::new(Framing::Length(5), Encoding::Plain, true);
        assert!(!body.relay_whole(6));
        assert!(body.relay_whole(4) && !body.is_complete());
        assert!(body.relay_whole(1) && body.is_complete());
        assert!(!body.relay_whole(1));
        assert_eq!((body.announced(), body.close(&mut Vec::new())), (5, Ok(())));
        assert_eq!(
            body.close(&mut Vec::new()),
            Ok(()),
            "it has its end already"
        );
        assert!(Body::new(Framing::UntilClose, Encoding::Plain, true).relay_whole(6));
        assert!(!Body::new(Framing::Chunked, Encoding::Plain, true).relay_whole(1));
        assert!(!Body::new(Framing::Length(5), Encoding::Chunked, true).relay_whole(1));
    }

    #[test]
    fn what_is_announced_is_what_came_and_what_is_known_to_follow() {
        let mut body = Body::new(Framing::Length(5), Encoding::Plain, true);
        assert_eq!(body.announced(), 5);
        body.relay(b"ab", &mut Vec::new()).expect("well-formed");
        assert_eq!(body.announced(), 5);
        let mut body = Body::new(Framing::Chunked, Encoding::Plain, true);
        body.relay(b"3\r\nabc\r\n4\r\nd", &mut Vec::new())
            .expect("well-formed");
        assert_eq!(body.announced(), 7);
        assert_eq!(
            Body::new(Framing::UntilClose, Encoding::Plain, true).announced(),
            0
        );
    }

    #[test]
    fn only_what_goes_out_as_it_comes_in_counts_as_unchanged() {
        let unchanged = |framing, encoding| Body::new(framing, encoding, true).unchanged();
        let (plain, chunked) = (Encoding::Plain, Encoding::Chunked);
        assert_eq!(unchanged(Framing::Length(5), plain), 5);
        assert_eq!(unchanged(Framing::UntilClose, plain), u64::MAX);
        assert_eq!(unchanged(Framing::Empty, plain), 0);
        assert_eq!(unchanged(Framing::Chunked, plain), 0);
        assert_eq!(unchanged(Framing::Length(5), chunked), 0);
        assert_eq!(unchanged(Framing::UntilClose, chunked), 0);
    }
}
