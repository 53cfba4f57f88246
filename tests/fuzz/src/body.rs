//! Bodies: counted, chunked, or up to the close; read from bytes that are all there.

use crate::wire::{self, Framing};

/// Who wrote the chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `lb`: a size, nothing behind it.
    Ours,
    /// A client: extensions too, if they are such.
    Theirs,
    /// A backend: the same, and blanks behind a size.
    Backends,
}

/// A body, as far as it can be read.
#[derive(Debug, Default)]
pub struct Body {
    /// Its content.
    pub content: Vec<u8>,
    /// Where it ended, if it did.
    pub end: Option<usize>,
    /// The rule that it breaks behind its content.
    pub fault: Option<String>,
}

/// Reads the body at the start of `bytes`.
pub fn read(bytes: &[u8], framing: Framing, dialect: Dialect) -> Body {
    match framing {
        Framing::Empty => counted(bytes, 0),
        Framing::Length(length) => counted(bytes, usize::try_from(length).unwrap_or(usize::MAX)),
        Framing::UntilClose => counted(bytes, bytes.len()),
        Framing::Chunked => chunked(bytes, dialect),
    }
}

fn counted(bytes: &[u8], length: usize) -> Body {
    Body {
        content: bytes[..length.min(bytes.len())].to_vec(),
        end: (length <= bytes.len()).then_some(length),
        fault: None,
    }
}

fn chunked(bytes: &[u8], dialect: Dialect) -> Body {
    let mut body = Body::default();
    match decode(bytes, dialect, &mut body.content) {
        Ok(end) => body.end = end,
        Err(fault) => body.fault = Some(fault),
    }
    body
}

/// Reads content; returns where the body ends.
fn decode(bytes: &[u8], dialect: Dialect, content: &mut Vec<u8>) -> wire::Reading<usize> {
    let mut at = 0;
    loop {
        let Some(line) = wire::line(&bytes[at..])? else {
            return size_begins_well(&bytes[at..]).map(|()| None);
        };
        at += line.len() + 2;
        let size = size(line, dialect)?;
        if size == 0 {
            let length = trailers(&bytes[at..], dialect)?;
            return Ok(length.map(|length| at + length));
        }
        let there = (bytes.len() - at).min(usize::try_from(size).unwrap_or(usize::MAX));
        content.extend_from_slice(&bytes[at..at + there]);
        at += there;
        match &bytes[at..] {
            [b'\r', b'\n', ..] if there as u64 == size => at += 2,
            [] | [b'\r'] => return Ok(None),
            _ => return Err("a chunk is longer than its size".into()),
        }
    }
}

/// What is there of a size line that is cut off.
fn size_begins_well(cut: &[u8]) -> Result<(), String> {
    match cut.first().is_none_or(u8::is_ascii_hexdigit) {
        true => Ok(()),
        false => Err(format!("no size: {}", wire::show(cut))),
    }
}

/// The size that a line tells.
fn size(line: &[u8], dialect: Dialect) -> Result<u64, String> {
    let digits = line
        .iter()
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count();
    let (digits, extension) = line.split_at(digits);
    let may_follow = match (dialect, wire::trim(extension)) {
        (Dialect::Backends, []) => true,
        (_, []) => extension.is_empty(),
        (Dialect::Ours, _) => false,
        (Dialect::Theirs | Dialect::Backends, rest) => rest[0] == b';',
    };
    let text = std::str::from_utf8(digits).unwrap_or_default();
    match u64::from_str_radix(text, 16) {
        Ok(size) if may_follow && digits.len() <= 16 => Ok(size),
        _ => Err(format!("a bad size line: {}", wire::show(line))),
    }
}

/// The length of the trailer section, the empty line included.
fn trailers(bytes: &[u8], dialect: Dialect) -> wire::Reading<usize> {
    // A head is a first line and such a section; so is this one.
    const START: &[u8] = b"trailers\r\n";
    let section = [START, bytes].concat();
    let Some(head) = wire::head(&section)? else {
        return Ok(None);
    };
    let misplaced = BARRED.iter().find(|name| !head.values(name).is_empty());
    match (dialect, misplaced) {
        (Dialect::Ours, Some(name)) => Err(format!("{name} among the trailers")),
        _ => Ok(Some(head.length - START.len())),
    }
}

/// Framing, routing, and what is for one hop: not for trailers (RFC 9110 §6.5.1), though
/// anybody may try.
const BARRED: [&str; 9] = [
    "Connection",
    "Content-Length",
    "Expect",
    "Host",
    "Keep-Alive",
    "Proxy-Connection",
    "TE",
    "Transfer-Encoding",
    "Upgrade",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8], dialect: Dialect) -> Body {
        read(bytes, Framing::Chunked, dialect)
    }

    #[test]
    fn chunks_are_read_as_far_as_they_go() {
        let whole = decode(b"3\r\nabc\r\n0\r\nA: b\r\n\r\nGET", Dialect::Ours);
        assert_eq!(
            (whole.content.as_slice(), whole.end),
            (&b"abc"[..], Some(19))
        );
        let cut = decode(b"3\r\nab", Dialect::Ours);
        assert_eq!((cut.content.as_slice(), cut.end), (&b"ab"[..], None));
        assert!(cut.fault.is_none());
    }

    #[test]
    fn an_extension_is_theirs() {
        for line in ["1;a", "1 ;a=\"b\"", "1\t;"] {
            let body = format!("{line}\r\nx\r\n0\r\n\r\n");
            assert!(
                decode(body.as_bytes(), Dialect::Theirs).fault.is_none(),
                "{line}"
            );
            assert!(
                decode(body.as_bytes(), Dialect::Ours).fault.is_some(),
                "{line}"
            );
        }
    }

    #[test]
    fn blanks_behind_a_size_are_a_backends() {
        let body = b"1 \t\r\nx\r\n0 \r\n\r\n";
        assert!(decode(body, Dialect::Backends).end.is_some());
        for dialect in [Dialect::Ours, Dialect::Theirs] {
            assert!(decode(body, dialect).fault.is_some());
        }
    }

    #[test]
    fn a_framing_field_is_no_trailer_of_ours() {
        let body = b"0\r\ncontent-length: 5\r\n\r\n";
        assert!(decode(body, Dialect::Theirs).fault.is_none());
        assert!(decode(body, Dialect::Ours).fault.is_some());
    }

    #[test]
    fn what_is_no_chunk_is_a_fault() {
        for body in [
            "1 \r\n",
            "1\n",
            ";\r\n",
            "-1\r\n",
            "1\r\nxx",
            "0\r\nA b\r\n\r\n",
            "g",
        ] {
            assert!(
                decode(body.as_bytes(), Dialect::Theirs).fault.is_some(),
                "{body:?}"
            );
        }
    }
}
