//! Requests that two servers could read in two ways: the published smuggling shapes and their
//! kin. A balancer that passes one on has to be lucky; each must be refused.

use super::Case;
use super::Expected::Refused;

/// Heads, up to and with the empty line.
#[rustfmt::skip] // One case a line.
const HEADS: [(&str, u16); 31] = [
    // Line ends.
    ("GET / HTTP/1.1\nHost: a\n\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: a\nContent-Length: 30\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: a\rTransfer-Encoding: chunked\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\n\rX: a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\n\n", 400),
    ("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    // Request lines.
    ("GET /\r\n\r\n", 400),
    ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
    ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /x HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /#x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /\u{e4} HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET http://u:p@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", 400),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 501),
    // Hosts.
    ("GET / HTTP/1.1\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    // Fields.
    ("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\n Host: a\r\nHost: b\r\n\r\n", 400),
];

/// Fields of `POST /x` and what a server might take for the body.
#[rustfmt::skip]
const FIELDS: [(&str, u16); 48] = [
    // CL.TE and TE.CL.
    ("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG", 400),
    ("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\nGPOST", 400),
    ("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n", 400),
    ("Content-Length: 5\r\nConnection: Content-Length\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    // TE.TE: a coding that one server recognises and another does not.
    ("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    ("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    ("Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", 400),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n", 400),
    ("Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (" Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("X: X\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("X:\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("Transfer-Encoding\r\n : chunked\r\n\r\n0\r\n\r\n", 400),
    ("Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400),
    ("Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400),
    ("Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n", 400),
    ("Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
    ("Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", 400),
    ("Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 400),
    ("Transfer-Encoding: chunked\0\r\n\r\n0\r\n\r\n", 400),
    ("Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
    ("Transfer-Encoding: chunked\x0c\r\n\r\n0\r\n\r\n", 400),
    ("Transfer-Encoding: \u{a0}chunked\r\n\r\n0\r\n\r\n", 400),
    ("Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n", 400),
    ("Transfer-Encoding:\r\n\r\n0\r\n\r\n", 400),
    ("Transfer\0-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("Transfer-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc", 400),
    ("Transfer-Encoding: identity\r\n\r\n0\r\n\r\n", 501),
    ("Transfer-Encoding: cow\r\n\r\n0\r\n\r\n", 501),
    // CL.CL: a length that two servers take for two lengths.
    ("Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
    ("Content-Length: 3\r\nContent-Length:\r\n\r\nabc", 400),
    ("Content-Length: 3, 3\r\n\r\nabc", 400),
    ("Content-Length: +3\r\n\r\nabc", 400),
    ("Content-Length: -3\r\n\r\nabc", 400),
    ("Content-Length: 0x3\r\n\r\nabc", 400),
    ("Content-Length: 3_0\r\n\r\nabc", 400),
    ("Content-Length: 3 0\r\n\r\nabc", 400),
    ("Content-Length: \x0b3\r\n\r\nabc", 400),
    ("Content-Length: \u{ff13}\r\n\r\nabc", 400),
    ("Content-Length:\r\n 3\r\n\r\nabc", 400),
    ("Content-Length : 3\r\n\r\nabc", 400),
    ("Content-Length: 18446744073709551619\r\n\r\nabc", 400),
    ("Content-Length: 9223372036854775808\r\n\r\nabc", 400),
    // An expectation that only one server takes for leave to wait.
    ("Expect: y 100-continue\r\nContent-Length: 3\r\n\r\nabc", 417),
    ("Expect: 100-continue, magic\r\nContent-Length: 3\r\n\r\nabc", 417),
    ("Expect: 100-continue\r\n\tx\r\nContent-Length: 3\r\n\r\nabc", 400),
    ("Expect: 200-ok\r\n\r\n", 417),
];

/// Bodies in chunks: line ends, sizes and trailers that one server takes and another does not.
#[rustfmt::skip]
const CHUNKS: [&str; 36] = [
    // A line end inside an extension (TERM.EXT, EXT.TERM), bare or not.
    "2;\nxx\r\n4c\r\n0\r\n\r\n",
    "2;\rxx\r\n0\r\n\r\n",
    "2;a\nb\r\nxx\r\n0\r\n\r\n",
    "2;a=\"\n\"\r\nxx\r\n0\r\n\r\n",
    "2;a\0\r\nxx\r\n0\r\n\r\n",
    // A size line that ends early.
    "2\nxx\r\n0\r\n\r\n",
    "2\rxx\r\n0\r\n\r\n",
    "2\r\rxx\r\n0\r\n\r\n",
    "2\r\r\nxx\r\n0\r\n\r\n",
    // More or fewer bytes than a CRLF behind the data (SPILL, ONE.TWO, ZERO.TWO).
    "5\r\nAAAAAXX2\r\n45\r\n0\r\n\r\n",
    "2\r\nxx\n0\r\n\r\n",
    "2\r\nxx\r0\r\n\r\n",
    "2\r\nxx0\r\n\r\n",
    "2\r\nxx\r\r\n0\r\n\r\n",
    "2\r\nxxx\r\n0\r\n\r\n",
    "2\r\nx\r\n0\r\n\r\n",
    "2\r\nxx\r\n\r\n0\r\n\r\n",
    // Sizes.
    "\r\n0\r\n\r\n",
    ";a\r\n0\r\n\r\n",
    "g\r\n0\r\n\r\n",
    "0x2\r\nxx\r\n0\r\n\r\n",
    "+2\r\nxx\r\n0\r\n\r\n",
    "-2\r\nxx\r\n0\r\n\r\n",
    "1_0\r\nxx\r\n0\r\n\r\n",
    " 2\r\nxx\r\n0\r\n\r\n",
    "2 \r\nxx\r\n0\r\n\r\n",
    "2\0\r\nxx\r\n0\r\n\r\n",
    "2,2\r\nxx\r\n0\r\n\r\n",
    "10000000000000002\r\nxx\r\n0\r\n\r\n",
    "fffffffffffffffff\r\nxx\r\n0\r\n\r\n",
    // Trailers.
    "0\n\n",
    "0\r\n\n",
    "0\r\nX: y\n\r\n",
    "0\r\nX: y\rContent-Length: 5\r\n\r\n",
    "0\r\nX : y\r\n\r\n",
    "0\r\nX: y\r\n z\r\n\r\n",
];

pub fn cases() -> Vec<Case> {
    let heads = HEADS.map(|(bytes, status)| (bytes.to_string(), status));
    let fields = FIELDS.map(|(rest, status)| {
        let bytes = format!("POST /x HTTP/1.1\r\nHost: a\r\n{rest}");
        (bytes, status)
    });
    let chunks = CHUNKS.map(|body| {
        let head = "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        (format!("{head}{body}"), 400)
    });
    let refused = |(bytes, status): (String, u16)| Case {
        bytes: bytes.into(),
        expected: Refused(status),
    };
    heads
        .into_iter()
        .chain(fields)
        .chain(chunks)
        .map(refused)
        .collect()
}
