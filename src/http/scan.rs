//! Where a head ends, found line by line as bytes arrive.
//!
//! `httparse` takes a bare LF for a line end and parses from the start at every call, which
//! a client that drips bytes can turn into quadratic work. So the end of a head is looked
//! for here, each byte once; a complete head is parsed once. Must not know what a field means.

use super::Refusal;
use memchr::memchr;

/// Bounds on a head. Over them a request gets 414 or 431, a response counts as malformed.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    /// Bytes of the whole head, its closing empty line included.
    pub bytes: usize,
    /// Bytes of the first line, without its CRLF.
    pub start_line: usize,
    /// Number of field lines, at most [`MAX_FIELDS`].
    pub fields: usize,
}

/// The most field lines that any limit may allow: the parser's table is on the stack.
pub const MAX_FIELDS: usize = 256;

/// How far the search has come. One for each head: `default()` for a request or a trailer
/// section, [`HeadScan::of_response`] for a response.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeadScan {
    line_end: LineEnd,
    /// First byte that was not looked at yet.
    next: usize,
    /// Where the current line starts.
    line: usize,
    /// Complete lines so far, the start line included.
    lines: usize,
}

/// Which bytes end a line. No line may hold another CR.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum LineEnd {
    /// CRLF only. RFC 9112 §2.2 lets a recipient take a bare LF; then two parsers on the way of
    /// a request can disagree, so we do not.
    #[default]
    Crlf,
    /// CRLF or a bare LF. Many small servers write a bare LF. No other program reads their head: what
    /// goes on to the client is written anew, with CRLF.
    CrlfOrLf,
}

impl HeadScan {
    /// The scan of a response head.
    #[must_use]
    pub fn of_response() -> Self {
        Self {
            line_end: LineEnd::CrlfOrLf,
            ..Self::default()
        }
    }

    /// The length of the head at the start of `bytes`, or `None` while it is incomplete.
    ///
    /// Call again with the same bytes and more behind them.
    pub fn find_end(
        &mut self,
        bytes: &[u8],
        limits: &HeadLimits,
    ) -> Result<Option<usize>, Refusal> {
        while let Some(offset) = memchr(b'\n', &bytes[self.next..]) {
            let end = self.next + offset + 1;
            let raw = &bytes[self.line..end];
            self.admit(raw, end, limits)?;
            let line = self.line_end.cut_from(raw)?;
            (self.next, self.line) = (end, end);
            if line.is_empty() {
                return Ok(Some(end));
            }
            self.lines += 1;
        }
        self.next = bytes.len();
        self.bound_partial(bytes, limits).map(|()| None)
    }

    /// Whether the first line is complete.
    #[must_use]
    pub fn has_first_line(&self) -> bool {
        self.lines > 0
    }

    /// Bounds on a complete line, its end included, that ends at `end`.
    fn admit(&self, raw: &[u8], end: usize, limits: &HeadLimits) -> Result<(), Refusal> {
        if self.lines == 0 && raw.len() > limits.start_line + CRLF {
            return Err(START_LINE_TOO_LONG);
        }
        if end > limits.bytes {
            return Err(HEAD_TOO_LARGE);
        }
        // `lines` counts the start line too, and an empty line is no field.
        if self.lines > limits.fields && raw.len() > CRLF {
            return Err(TOO_MANY_FIELDS);
        }
        Ok(())
    }

    /// Bounds on what has no line end yet, so that the wait for one ends.
    fn bound_partial(&self, bytes: &[u8], limits: &HeadLimits) -> Result<(), Refusal> {
        if self.lines == 0 && bytes.len() >= limits.start_line + CRLF {
            return Err(START_LINE_TOO_LONG);
        }
        if bytes.len() >= limits.bytes {
            return Err(HEAD_TOO_LARGE);
        }
        Ok(())
    }
}

/// Bytes of a line end.
const CRLF: usize = 2;

const START_LINE_TOO_LONG: Refusal = Refusal::with_status(414, "the first line is too long");
const HEAD_TOO_LARGE: Refusal = Refusal::with_status(431, "the head is too large");
const TOO_MANY_FIELDS: Refusal = Refusal::with_status(431, "too many fields");

impl LineEnd {
    /// The line without its end; `raw` ends in LF.
    fn cut_from(self, raw: &[u8]) -> Result<&[u8], Refusal> {
        let line = match (raw.strip_suffix(b"\r\n"), self) {
            (Some(line), _) => line,
            (None, Self::CrlfOrLf) => raw.strip_suffix(b"\n").unwrap_or(raw),
            (None, Self::Crlf) => return Err(Refusal::bad("a line ends in a bare LF")),
        };
        match memchr(b'\r', line) {
            Some(_) => Err(Refusal::bad("a bare CR inside a line")),
            None => Ok(line),
        }
    }
}

/// Whether `byte` may stand in a token (RFC 9110 §5.6.2): method, field name, option.
#[must_use]
pub fn is_token_byte(byte: u8) -> bool {
    TOKEN_BYTES[usize::from(byte)]
}

const TOKEN_BYTES: [bool; 256] = letters_digits_and(b"!#$%&'*+-.^_`|~");

/// For each byte whether it is a letter, a digit or one of `marks`: the fastest way to tell, and a
/// head may be one long name.
pub(super) const fn letters_digits_and(marks: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut mark = 0;
    while mark < marks.len() {
        table[marks[mark] as usize] = true;
        mark += 1;
    }
    table
}

/// Whether `bytes` is a token: at least one byte, all of them token bytes.
#[must_use]
pub fn is_token(bytes: &[u8]) -> bool {
    let (parts, rest) = bytes.as_chunks();
    !bytes.is_empty()
        && parts.iter().all(are_token_bytes)
        && rest.iter().all(|&byte| is_token_byte(byte))
}

/// The same as [`is_token_byte`] for sixteen bytes at once: comparisons, unlike a table, are done for
/// all of them in a few instructions.
fn are_token_bytes(part: &[u8; 16]) -> bool {
    part.iter().fold(true, |are_all, &byte| {
        let is_from = |first: u8, count: u8| byte.wrapping_sub(first) < count;
        let is_letter = (byte | 0x20).wrapping_sub(b'a') < 26;
        let is_mark = is_from(b'#', 5) | is_from(b'*', 2) | is_from(b'-', 2) | is_from(b'^', 3);
        let is_other = (byte == b'!') | (byte == b'|') | (byte == b'~');
        are_all & (is_letter | is_from(b'0', 10) | is_mark | is_other)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeadLimits = HeadLimits {
        bytes: 128,
        start_line: 32,
        fields: 3,
    };

    #[test]
    fn a_byte_is_of_a_token_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            assert_eq!(are_token_bytes(&[byte; 16]), is_token_byte(byte), "{byte}");
            for place in 0..16 {
                let mut part = [b'x'; 16];
                part[place] = byte;
                assert_eq!(are_token_bytes(&part), is_token_byte(byte), "{byte}");
            }
        }
    }

    fn scan(bytes: &[u8]) -> Result<Option<usize>, u16> {
        scan_with(HeadScan::default(), bytes)
    }

    fn scan_with(scan: HeadScan, bytes: &[u8]) -> Result<Option<usize>, u16> {
        let whole = { scan }
            .find_end(bytes, &LIMITS)
            .map_err(|refusal| refusal.status);
        assert_eq!(scan_split(scan, bytes), whole, "split of {bytes:?}");
        whole
    }

    /// The same, byte by byte.
    fn scan_split(mut scan: HeadScan, bytes: &[u8]) -> Result<Option<usize>, u16> {
        for len in 1..=bytes.len() {
            match scan.find_end(&bytes[..len], &LIMITS) {
                Ok(None) => {}
                Ok(end) => return Ok(end),
                Err(refusal) => return Err(refusal.status),
            }
        }
        Ok(None)
    }

    #[test]
    fn a_head_ends_at_its_first_empty_line() {
        assert_eq!(scan(b"GET / HTTP/1.1\r\nA: b\r\n\r\nbody"), Ok(Some(24)));
        assert_eq!(scan(b"GET / HTTP/1.1\r\nA: b\r\n"), Ok(None));
        assert_eq!(scan(b"GET / HTTP/1.1\r\nA: b\r\n\r"), Ok(None));
    }

    #[test]
    fn a_bare_lf_or_cr_is_refused() {
        for bytes in [
            &b"GET / HTTP/1.1\n\n"[..],
            b"GET / HTTP/1.1\r\nA: b\n\r\n",
            b"GET / HTTP/1.1\r\nA: b\rc\r\n\r\n",
            b"GET / HTTP/1.1\r\nA: b\r\r\n\r\n",
            b"GET / HTTP/1.1\r\n\n",
        ] {
            assert_eq!(scan(bytes), Err(400), "{bytes:?}");
        }
    }

    #[test]
    fn a_bare_lf_ends_a_line_of_a_response_and_a_bare_cr_none() {
        let scan = |bytes: &[u8]| scan_with(HeadScan::of_response(), bytes);
        assert_eq!(scan(b"HTTP/1.1 200 OK\nA: b\n\nbody"), Ok(Some(22)));
        assert_eq!(scan(b"HTTP/1.1 200 OK\r\nA: b\n\r\nbody"), Ok(Some(24)));
        assert_eq!(scan(b"HTTP/1.1 200 OK\nA: b\r\n\nbody"), Ok(Some(23)));
        assert_eq!(scan(b"HTTP/1.1 200 OK\nA: b\n"), Ok(None));
        for bytes in [
            &b"HTTP/1.1 200 OK\rA: b\n\n"[..],
            b"HTTP/1.1 200 OK\n\r\r\n",
        ] {
            assert_eq!(scan(bytes), Err(400), "{bytes:?}");
        }
    }

    #[test]
    fn too_long_is_414_for_the_first_line_and_431_for_the_rest() {
        assert_eq!(scan(&[b'a'; 40]), Err(414));
        assert_eq!(
            scan(b"GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1\r\n\r\n"),
            Err(414)
        );
        assert_eq!(scan(&[[b'a'; 40].as_slice(), b"\n"].concat()), Err(414));
        assert_eq!(
            scan(&[[b'a'; 32].as_slice(), b"\r\n\r\n"].concat()),
            Ok(Some(36))
        );
        assert_eq!(
            scan(&[[b'a'; 33].as_slice(), b"\r\n\r\n"].concat()),
            Err(414)
        );
        assert_eq!(scan(b"G\r\nA:\r\nB:\r\nC:\r\n\r\n"), Ok(Some(17)));
        assert_eq!(scan(b"G\r\nA:\r\nB:\r\nC:\r\nD:\r\n\r\n"), Err(431));
        let long = [b"G\r\nA: ".as_slice(), &[b'x'; 130]].concat();
        assert_eq!(scan(&long), Err(431));
    }

    #[test]
    fn a_head_may_be_as_long_as_the_limit_and_no_longer() {
        let head = |length: usize| {
            let field = "x".repeat(length - "G\r\nA: \r\n\r\n".len());
            format!("G\r\nA: {field}\r\n\r\n")
        };
        let longest = LIMITS.bytes;
        assert_eq!(scan(head(longest).as_bytes()), Ok(Some(longest)));
        for length in [longest + 1, longest + 5] {
            assert_eq!(scan(head(length).as_bytes()), Err(431), "{length}");
        }
    }

    #[test]
    fn the_first_line_is_known_to_be_complete_when_its_end_has_come() {
        let mut scan = HeadScan::default();
        for (bytes, is_complete) in [("GET /", false), ("GET / HTTP/1.1\r\n", true)] {
            assert_eq!(scan.find_end(bytes.as_bytes(), &LIMITS), Ok(None));
            assert_eq!(scan.has_first_line(), is_complete);
        }
    }
}
