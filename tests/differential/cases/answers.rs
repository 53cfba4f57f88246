//! Answers of a backend, and what a client is to get of them.

/// What a client gets.
#[derive(Clone, Copy, Debug)]
pub enum Delivered {
    /// This status, body and trailers, and the connection stays open.
    Whole(u16, &'static str, &'static [&'static str]),
    /// Something that does not look whole, or a 502 in its place.
    Cut,
    /// A 502.
    Refused,
}

use Delivered::{Cut, Refused, Whole};

/// An answer to the request with this method; the backend closes behind it where `closes`.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    pub method: &'static str,
    pub bytes: &'static str,
    pub closes: bool,
    pub delivered: Delivered,
}

/// Answers with a visible end.
#[rustfmt::skip] // One case a line.
const KEPT: [(&str, &str, Delivered); 41] = [
    ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Whole(200, "hello", &[])),
    ("GET", "HTTP/1.1 200 OK\r\ncontent-length:005\t\r\n\r\nhello", Whole(200, "hello", &[])),
    ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", Whole(200, "hello", &[])),
    ("GET", "HTTP/1.1 200 OK\r\nConnection: Content-Length\r\nContent-Length: 5\r\n\r\nhello", Whole(200, "hello", &[])),
    ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Whole(200, "", &[])),
    ("GET", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello", Whole(200, "hello", &[])),
    ("GET", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", Whole(200, "ok", &[])),
    ("GET", "HTTP/1.1 404 \r\nContent-Length: 2\r\n\r\nno", Whole(404, "no", &[])),
    ("GET", "HTTP/1.1 599 \u{e4}\u{f6}\r\nContent-Length: 2\r\n\r\nno", Whole(599, "no", &[])),
    ("GET", "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n", Whole(205, "", &[])),
    ("GET", "HTTP/1.1 426 Upgrade Required\r\nUpgrade: x\r\nConnection: Upgrade\r\nContent-Length: 1\r\n\r\na", Whole(426, "a", &[])),
    // Against the rules, with one reading.
    ("GET", "HTTP/1.1 600 Odd\r\nContent-Length: 2\r\n\r\nno", Whole(600, "no", &[])),
    ("GET", "HTTP/1.1 999 No\r\nContent-Length: 2\r\n\r\nno", Whole(999, "no", &[])),
    ("GET", "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", Whole(200, "hello", &[])),
    ("GET", "HTTP/1.1 200\r\nContent-Length: 5\n\r\nhello", Whole(200, "hello", &[])),
    ("GET", "HTTP/1.1 200 OK\r\nConnection: keep-alive; timeout=5\r\nContent-Length: 5\r\n\r\nhello", Whole(200, "hello", &[])),
    ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5   \r\nhello\r\n0  \r\n\r\n", Whole(200, "hello", &[])),
    ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\t;a\r\nhello\r\n0\t\r\n\r\n", Whole(200, "hello", &[])),
    ("GET", "HTTP/1.1 102 x\n\nHTTP/1.1 200 OK\n\rX: a\r\n\r\n", Refused),
    // Chunks.
    ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Whole(200, "", &[])),
    ("GET", "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", Whole(200, "hello", &[])),
    ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ne\r\n3\r\nllo\r\n0\r\n\r\n", Whole(200, "hello", &[])),
    ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n005;a=\"b\"\r\nhello\r\n000;z\r\n\r\n", Whole(200, "hello", &[])),
    ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nC\r\nhello\r\n0\r\n\r\n\r\n0\r\n\r\n", Whole(200, "hello\r\n0\r\n\r\n", &[])),
    ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n1\r\na\r\n0\r\nX-Sum:1 \r\n\r\n", Whole(200, "a", &["x-sum: 1"])),
    ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nA: 1\r\nContent-Length: 9\r\nB: 2\r\n\r\n", Whole(200, "a", &["a: 1", "b: 2"])),
    ("GET", "HTTP/1.1 200 OK\r\nConnection: A\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nA: 1\r\n\r\n", Whole(200, "a", &[])),
    // No body, whatever the fields say.
    ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Whole(200, "", &[])),
    ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Whole(200, "", &[])),
    ("HEAD", "HTTP/1.1 200 OK\r\n\r\n", Whole(200, "", &[])),
    ("GET", "HTTP/1.1 204 No Content\r\n\r\n", Whole(204, "", &[])),
    ("GET", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", Whole(204, "", &[])),
    ("GET", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", Whole(204, "", &[])),
    ("GET", "HTTP/1.1 304 Not Modified\r\n\r\n", Whole(304, "", &[])),
    ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", Whole(304, "", &[])),
    ("GET", "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", Whole(304, "", &[])),
    // Interim answers first.
    ("GET", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Whole(200, "hello", &[])),
    ("GET", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", Whole(200, "a", &[])),
    ("HEAD", "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", Whole(200, "", &[])),
    ("GET", "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", Whole(204, "", &[])),
    // A second answer that nobody asked for belongs to nobody.
    ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", Whole(200, "a", &[])),
];

/// Answers behind which the backend closes.
#[rustfmt::skip]
const CLOSED: [(&str, &str, Delivered); 19] = [
    ("GET", "HTTP/1.1 200 OK\r\n\r\nhello", Whole(200, "hello", &[])),
    ("GET", "HTTP/1.0 200 OK\r\n\r\nhello", Whole(200, "hello", &[])),
    ("GET", "HTTP/1.1 200 OK\r\n\r\n", Whole(200, "", &[])),
    ("GET", "HTTP/1.1 200 OK\r\n\r\n0\r\n\r\n", Whole(200, "0\r\n\r\n", &[])),
    ("GET", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nhello", Whole(200, "hello", &[])),
    ("GET", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", Whole(200, "hello", &[])),
    ("GET", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", Whole(200, "hello", &[])),
    ("HEAD", "HTTP/1.0 200 OK\r\n\r\n", Whole(200, "", &[])),
    // Cut short.
    ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello", Cut),
    ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", Cut),
    ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", Cut),
    ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", Cut),
    ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n", Cut),
    ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Cut),
    // Chunks that two clients could read in two ways.
    ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX0\r\n\r\n", Cut),
    ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", Cut),
    ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX : y\r\n\r\n", Cut),
    ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;\nhello\r\n0\r\n\r\n", Cut),
    ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\n", Cut),
];

/// Heads that are no answer.
#[rustfmt::skip]
const BAD: [&str; 13] = [
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\na",
    "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\na",
    "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\na",
    "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 1\r\n\r\na",
    "HTTP/1.1 200 OK\r\nX: a\0\r\nContent-Length: 1\r\n\r\na",
    "HTTP/1.1 2000 OK\r\nContent-Length: 1\r\n\r\na",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    "hello",
];

pub fn answers() -> Vec<Answer> {
    let with_end = |closes| {
        move |(method, bytes, delivered)| Answer {
            method,
            bytes,
            closes,
            delivered,
        }
    };
    let bad = BAD.map(|bytes| ("GET", bytes, Refused));
    KEPT.into_iter()
        .map(with_end(false))
        .chain(CLOSED.into_iter().chain(bad).map(with_end(true)))
        .collect()
}
