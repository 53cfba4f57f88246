//! Response heads.

use super::{Fields, Line, Told, fields};
use crate::strict::{Ends, Field};
use lb::http::Version;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Fields that a proxy treats in some way of its own.
const SPECIAL: [(&str, &str); 9] = [
    ("Date", "then"),
    ("Keep-Alive", "timeout=5"),
    ("Proxy-Connection", "keep-alive"),
    ("TE", "trailers"),
    ("Trailer", "X-Sum"),
    ("Upgrade", "websocket"),
    ("Via", "1.0 other"),
    ("Set-Cookie", "a=b; Path=/"),
    ("Set-Cookie", "c=d"),
];

/// A response head and what is in it.
#[derive(Clone)]
pub struct MadeResponse {
    pub bytes: Vec<u8>,
    pub status: u16,
    /// The reason phrase as it is to be passed on.
    pub reason: Vec<u8>,
    /// The method of the request.
    pub method: &'static str,
    pub fields: Fields,
    told: Told,
}

impl std::fmt::Debug for MadeResponse {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}", self.bytes.escape_ascii())
    }
}

impl MadeResponse {
    /// Where the body ends for a client of this version.
    pub fn ends_for(&self, version: Version) -> Ends {
        let is_bodyless = matches!(self.status, 100..=199 | 204 | 304) || self.method == "HEAD";
        match (&self.told, version) {
            _ if is_bodyless => Ends::AtOnce,
            (Told::Length(0), _) => Ends::AtOnce,
            (Told::Length(length), _) => Ends::After(*length),
            (_, Version::Http11) => Ends::Chunked,
            (_, Version::Http10) => Ends::AtClose,
        }
    }

    /// The fields that a client gets as they came.
    pub fn passing(&self) -> Vec<Field> {
        self.fields.end_to_end(|_| false, |_| false)
    }
}

/// A response head with a body of any announced length.
pub fn response() -> BoxedStrategy<MadeResponse> {
    prop_oneof![
        Just(Told::Nothing),
        prop_oneof![0..3u64, 0..=i64::MAX as u64].prop_map(Told::Length),
        Just(Told::Chunked)
    ]
    .prop_flat_map(response_telling)
    .boxed()
}

/// A response head that tells of this body.
pub fn response_telling(told: Told) -> BoxedStrategy<MadeResponse> {
    let statuses = [
        100, 103, 200, 200, 201, 204, 205, 206, 304, 404, 426, 500, 599, 600, 999,
    ];
    let byte = prop_oneof![8 => b' '..=b'~', 1 => 0x80u8..=0xff, 1 => Just(b'\t')];
    let reason = prop_oneof![Just(None), vec(byte, 0..12).prop_map(Some)];
    let line = (
        select(statuses.to_vec()),
        reason,
        any::<bool>(),
        any::<u16>(),
    );
    (line, told.lines(), select(&["GET", "HEAD", "POST"][..]))
        .prop_flat_map(move |((status, reason, is_1_1, bare), framing, method)| {
            let is_1_1 = is_1_1 || told == Told::Chunked;
            let told = told.clone();
            fields(&SPECIAL, framing).prop_map(move |fields| {
                let line = status_line(status, reason.as_deref(), is_1_1);
                MadeResponse {
                    bytes: with_bare_line_ends(&write(line, &fields.lines), bare),
                    status,
                    reason: reason.clone().unwrap_or_default(),
                    method,
                    fields,
                    told: told.clone(),
                }
            })
        })
        .boxed()
}

/// Many servers leave out the space too when there is no reason.
fn status_line(status: u16, reason: Option<&[u8]>, is_1_1: bool) -> Vec<u8> {
    let line = format!("HTTP/1.{} {status}", u8::from(is_1_1));
    match reason {
        Some(reason) => [line.as_bytes(), b" ", reason, b"\r\n"].concat(),
        None => [line.as_bytes(), b"\r\n"].concat(),
    }
}

/// Some servers end lines with a bare LF: here those whose bit is set in `bare`.
fn with_bare_line_ends(head: &[u8], bare: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, line) in head.split_inclusive(|&byte| byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r\n").unwrap_or(line);
        bytes.extend_from_slice(line);
        let is_bare = bare >> (number % 16) & 1 == 1;
        bytes.extend_from_slice(if is_bare { b"\n" } else { b"\r\n" });
    }
    bytes
}

fn write(mut bytes: Vec<u8>, lines: &[Line]) -> Vec<u8> {
    lines.iter().for_each(|line| line.write(&mut bytes));
    bytes.extend_from_slice(b"\r\n");
    bytes
}
