//! Chunks as we write them (RFC 9112 §7.1): a size, CRLF, so much data, CRLF; and the end of a body,
//! with its trailers. Must not know where the data comes from.

use super::Refusal;
use super::chunked::TRAILER_LIMITS;
use super::fields::is_barred_from_trailers;
use super::write::write_field;
use httparse::Header;

/// Appends a chunk of `data`, which must not be empty: an empty chunk would end the body.
pub fn write_chunk(data: &[u8], out: &mut Vec<u8>) {
    debug_assert!(!data.is_empty());
    let chunk = OpenChunk::begin(data.len(), out);
    out.extend_from_slice(data);
    chunk.end(out);
}

/// A chunk that is being written: its data is appended behind the room for its size line.
#[derive(Debug)]
#[must_use = "its size line is not there before its end"]
pub struct OpenChunk {
    /// Where its size line begins.
    line: usize,
    /// Where its data begins.
    data: usize,
}

impl OpenChunk {
    /// Leaves room for the size line of a chunk of at most so many bytes. [`Self::end`] writes it.
    pub fn begin(most: usize, out: &mut Vec<u8>) -> Self {
        let line = out.len();
        out.resize(line + size_digits(most) + 2, b'\n');
        let data = out.len();
        Self { line, data }
    }

    /// Completes it with what was appended since; without any there is no chunk.
    pub fn end(self, out: &mut Vec<u8>) {
        let size = out.len() - self.data;
        if size == 0 {
            return out.truncate(self.line);
        }
        let digits = size_digits(size);
        let data = self.line + digits + 2;
        if data < self.data {
            out.copy_within(self.data.., data);
            out.truncate(data + size);
        }
        let mut rest = size;
        for digit in out[self.line..self.line + digits].iter_mut().rev() {
            *digit = HEX_DIGITS[rest % 16];
            rest /= 16;
        }
        out[data - 2..data].copy_from_slice(b"\r\n");
        out.extend_from_slice(b"\r\n");
    }
}

/// Digits of a size.
fn size_digits(size: usize) -> usize {
    (size.max(1).ilog2() / 4 + 1) as usize
}

/// Digits, each at the place of its value.
const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Appends the end of a body, with the fields of `trailers` (a section as [`super::chunked::Piece::End`] gives it, or
/// nothing) that a trailer section may have.
pub fn write_end(trailers: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
    let mut table = [httparse::EMPTY_HEADER; TRAILER_LIMITS.fields];
    let fields: &[Header<'_>] = match httparse::parse_headers(trailers, &mut table) {
        Ok(httparse::Status::Complete((_, fields))) => fields,
        Ok(httparse::Status::Partial) if trailers.is_empty() => &[],
        _ => return Err(Refusal::bad("the trailer section is malformed")),
    };
    out.extend_from_slice(b"0\r\n");
    for field in fields {
        if !is_barred_from_trailers(field.name) {
            write_field(field.name, field.value, out);
        }
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_has_the_size_of_what_was_written_and_without_any_there_is_none() {
        for (most, size) in [(1, 1), (16, 15), (300, 16), (4096, 255), (65536, 4096)] {
            let (mut out, data) = (b"before".to_vec(), vec![b'x'; size]);
            let chunk = OpenChunk::begin(most, &mut out);
            out.extend_from_slice(&data);
            chunk.end(&mut out);
            let line = format!("before{size:x}\r\n");
            assert_eq!(out, [line.as_bytes(), &data, b"\r\n"].concat());
        }
        let mut out = b"before".to_vec();
        OpenChunk::begin(5, &mut out).end(&mut out);
        assert_eq!(out, b"before");
    }
}
