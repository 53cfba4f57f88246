//! Response heads.

use super::{Fields, Line, Told, fields};
use crate::strict::{Ends, Field};
use lb::http::Version;
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
    pub reason: String,
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
        100, 103, 200, 200, 201, 204, 205, 206, 304, 404, 426, 500, 599,
    ];
    let reason = prop_oneof![Just(None), "[ -~\t]{0,12}".prop_map(Some)];
    let line = (select(statuses.to_vec()), reason, any::<bool>());
    (line, told.lines(), select(&["GET", "HEAD", "POST"][..]))
        .prop_flat_map(move |((status, reason, is_1_1), framing, method)| {
            let is_1_1 = is_1_1 || told == Told::Chunked;
            let told = told.clone();
            fields(&SPECIAL, framing).prop_map(move |fields| {
                let line = status_line(status, reason.as_deref(), is_1_1);
                MadeResponse {
                    bytes: write(line, &fields.lines),
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
fn status_line(status: u16, reason: Option<&str>, is_1_1: bool) -> String {
    let minor = u8::from(is_1_1);
    match reason {
        Some(reason) => format!("HTTP/1.{minor} {status} {reason}\r\n"),
        None => format!("HTTP/1.{minor} {status}\r\n"),
    }
}

fn write(line: String, lines: &[Line]) -> Vec<u8> {
    let mut bytes = line.into_bytes();
    lines.iter().for_each(|line| line.write(&mut bytes));
    bytes.extend_from_slice(b"\r\n");
    bytes
}
