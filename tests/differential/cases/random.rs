//! Valid requests by the hundred, each put together by the throw of dice.

use fastrand::Rng;
use std::iter::repeat_with;
use std::ops::Range;

/// A request, and what it is.
#[derive(Debug)]
pub struct Planned {
    pub bytes: Vec<u8>,
    pub method: &'static str,
    pub target: String,
    pub body: Vec<u8>,
}

/// A request whose target begins with `place`.
pub fn request(place: &str, dice: &mut Rng) -> Planned {
    const METHODS: [&str; 8] = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "X-Y",
    ];
    let method = METHODS[dice.usize(..METHODS.len())];
    let target = format!("{place}?{}", word(dice, 0..40));
    let authority = if dice.bool() { "http://b" } else { "" };
    let mut head = format!("{method} {authority}{target} HTTP/1.1\r\nHost: a\r\n");
    for _ in 0..dice.usize(..6) {
        let (name, value) = (word(dice, 1..10), word(dice, 0..60));
        head.push_str(&format!("X-{name}:{}{value}\r\n", space(dice)));
    }
    if dice.bool() {
        head.push_str("X-Reply: chunked\r\n");
    }
    let body = body(dice);
    let mut bytes = Vec::new();
    if !body.is_empty() && dice.u8(..8) == 0 {
        head.push_str("Expect: 100-continue\r\n");
    }
    if dice.bool() {
        head.push_str("Transfer-Encoding: chunked\r\n\r\n");
        write_chunks(&body, dice, &mut bytes);
    } else if body.is_empty() {
        head.push_str("\r\n");
    } else {
        head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        bytes.extend_from_slice(&body);
    }
    Planned {
        bytes: [head.into_bytes(), bytes].concat(),
        method,
        target,
        body,
    }
}

/// Most bodies are small, a few fill every buffer on the way.
fn body(dice: &mut Rng) -> Vec<u8> {
    let most = [0, 0, 20, 20, 2_000, 2_000, 40_000, 300_000][dice.usize(..8)];
    let length = dice.usize(..=most);
    repeat_with(|| dice.u8(..)).take(length).collect()
}

fn write_chunks(body: &[u8], dice: &mut Rng, out: &mut Vec<u8>) {
    let mut rest = body;
    let most = [1, 10, 1_000, 100_000][dice.usize(..4)].max(body.len() / 500);
    while !rest.is_empty() {
        let (chunk, behind) = rest.split_at(dice.usize(1..=most).min(rest.len()));
        let extension = match dice.u8(..4) {
            0 => format!(";{}", word(dice, 0..10)),
            _ => String::new(),
        };
        out.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
        rest = behind;
    }
    out.extend_from_slice(b"0\r\n");
    for _ in 0..dice.usize(..3) {
        let (name, value) = (word(dice, 1..10), word(dice, 0..60));
        out.extend_from_slice(format!("X-{name}:{}{value}\r\n", space(dice)).as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

fn word(dice: &mut Rng, length: Range<usize>) -> String {
    let length = dice.usize(length);
    repeat_with(|| dice.alphanumeric()).take(length).collect()
}

fn space(dice: &mut Rng) -> &'static str {
    ["", " ", "\t "][dice.usize(..3)]
}

/// Pieces of `bytes` as they are to be sent, most of them large, some of a byte or two.
pub fn pieces<'b>(mut bytes: &'b [u8], dice: &mut Rng) -> Vec<&'b [u8]> {
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        let most = [2, 200, 20_000, 200_000][dice.usize(..4)];
        let (piece, rest) = bytes.split_at(dice.usize(1..=most).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}
