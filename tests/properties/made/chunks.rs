//! Bodies in chunks.

use super::{LIKE_FRAMING, Line, is_one_of, ordinary};
use crate::strict::Field;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// A body in chunks and what is in it.
#[derive(Clone)]
pub struct MadeChunks {
    pub bytes: Vec<u8>,
    pub content: Vec<u8>,
    /// The trailers that may be passed on.
    pub trailers: Vec<Field>,
}

impl std::fmt::Debug for MadeChunks {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}", self.bytes.escape_ascii())
    }
}

/// Chunks of any size, with extensions and trailers.
pub fn chunks() -> impl Strategy<Value = MadeChunks> {
    let extension = prop_oneof![
        3 => Just(String::new()),
        1 => "[ \t]{0,2};[ -~\t]{0,12}",
        1 => select(&[";a=\"0\"", ";", " ;x;y=z"][..]).prop_map(String::from),
    ];
    let data = prop_oneof![
        4 => vec(any::<u8>(), 1..20),
        2 => Just(b"0\r\n\r\nGET / HTTP/1.1\r\n\r\n".to_vec()),
        1 => vec(any::<u8>(), 250..300),
    ];
    let zeros = select(&["", "0", "0000"][..]);
    let chunk = (data, extension.clone(), zeros, any::<bool>());
    let last = (extension, select(&["0", "000"][..]));
    (vec(chunk, 0..6), last, vec(trailer(), 0..4)).prop_map(|(chunks, last, trailers)| {
        let (mut bytes, mut content) = (Vec::new(), Vec::new());
        for (data, extension, zeros, is_upper) in chunks {
            let size = match is_upper {
                true => format!("{zeros}{:X}{extension}\r\n", data.len()),
                false => format!("{zeros}{:x}{extension}\r\n", data.len()),
            };
            bytes.extend_from_slice(size.as_bytes());
            bytes.extend_from_slice(&data);
            bytes.extend_from_slice(b"\r\n");
            content.extend_from_slice(&data);
        }
        bytes.extend_from_slice(format!("{}{}\r\n", last.1, last.0).as_bytes());
        trailers.iter().for_each(|(line, _)| line.write(&mut bytes));
        bytes.extend_from_slice(b"\r\n");
        let may_pass = trailers.iter().filter(|(_, may_pass)| *may_pass);
        MadeChunks {
            bytes,
            content,
            trailers: may_pass.map(|(line, _)| line.field()).collect(),
        }
    })
}

/// A trailer, and whether it may be passed on.
fn trailer() -> impl Strategy<Value = (Line, bool)> {
    let barred = [
        "Content-Length",
        "transfer-encoding",
        "Host",
        "Connection",
        "TE",
        "X-Forwarded-For",
    ];
    prop_oneof![
        3 => ordinary().prop_map(|line| {
            let may_pass = !is_one_of(&LIKE_FRAMING, &line.name);
            (line, may_pass)
        }),
        1 => select(barred.to_vec()).prop_map(|name| (Line::plain(name, "5"), false)),
    ]
}
