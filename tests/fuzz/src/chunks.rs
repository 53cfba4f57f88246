//! The chunked coding, read chunk by chunk from bytes that are all there.

use crate::wire::{self, Body};

/// Who wrote the chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `lb`: a size, nothing behind it.
    Ours,
    /// Anybody: extensions too, if they are such.
    Theirs,
}

/// A chunked body, as far as it can be read, and the rule that it breaks behind that.
#[derive(Debug, Default)]
pub struct Chunked {
    /// What could be read.
    pub body: Body,
    /// Why not more.
    pub fault: Option<String>,
}

/// Reads the body at the start of `bytes`.
pub fn decode(bytes: &[u8], dialect: Dialect) -> Chunked {
    let mut body = Body::default();
    let fault = match read(bytes, dialect, &mut body.content) {
        Ok(end) => {
            body.end = end;
            None
        }
        Err(fault) => Some(fault),
    };
    Chunked { body, fault }
}

/// Reads content; returns where the body ends.
fn read(bytes: &[u8], dialect: Dialect, content: &mut Vec<u8>) -> wire::Reading<usize> {
    let mut at = 0;
    loop {
        let Some(line) = wire::line(&bytes[at..])? else {
            return size_begins_well(&bytes[at..]).map(|()| None);
        };
        at += line.len() + 2;
        let size = size(line, dialect)?;
        if size == 0 {
            return trailers(&bytes[at..]).map(|length| length.map(|length| at + length));
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
        (_, []) => extension.is_empty(),
        (Dialect::Ours, _) => false,
        (Dialect::Theirs, rest) => rest[0] == b';',
    };
    let text = std::str::from_utf8(digits).unwrap_or_default();
    match u64::from_str_radix(text, 16) {
        Ok(size) if may_follow && digits.len() <= 16 => Ok(size),
        _ => Err(format!("a bad size line: {}", wire::show(line))),
    }
}

/// The length of the trailer section, the empty line included.
fn trailers(bytes: &[u8]) -> wire::Reading<usize> {
    // A head is a first line and such a section; so is this one.
    const START: &[u8] = b"trailers\r\n";
    let section = [START, bytes].concat();
    match wire::head(&section)? {
        Some(head) => Ok(Some(head.length - START.len())),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_read_as_far_as_they_go() {
        let whole = decode(b"3\r\nabc\r\n0\r\nA: b\r\n\r\nGET", Dialect::Ours);
        assert_eq!(
            (whole.body.content.as_slice(), whole.body.end),
            (&b"abc"[..], Some(19))
        );
        let cut = decode(b"3\r\nab", Dialect::Ours);
        assert_eq!(
            (cut.body.content.as_slice(), cut.body.end),
            (&b"ab"[..], None)
        );
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
