//! Requests with exactly one reading, however odd. Each is passed on as what it is.

use super::Case;
use super::Expected::{Last, Passes};

/// Requests without a body: the bytes, the method and the target as a backend gets them.
#[rustfmt::skip] // One case a line.
const HEADS: [(&str, &str, &str); 27] = [
    ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/"),
    ("GET /a/b?c=d&e HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/a/b?c=d&e"),
    ("HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD", "/x"),
    // RFC 9112 §2.2: one empty line before a request is passed over.
    ("\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/x"),
    ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS", "*"),
    // RFC 9112 §3.2.2: an absolute form, which the backend gets as an origin form.
    ("GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/x"),
    ("GET HTTP://b:80?q HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/?q"),
    ("GET http://b HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/"),
    ("OPTIONS http://b HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS", "*"),
    // RFC 9110 §9.1: any token is a method, and its case counts.
    ("M-SEARCH /x HTTP/1.1\r\nHost: a\r\n\r\n", "M-SEARCH", "/x"),
    ("get /x HTTP/1.1\r\nHost: a\r\n\r\n", "get", "/x"),
    ("!#$%&'*+-.^_`|~ /x HTTP/1.1\r\nHost: a\r\n\r\n", "!#$%&'*+-.^_`|~", "/x"),
    // Targets are not decoded, not normalised.
    ("GET /%00/../x?y={}|' HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/%00/../x?y={}|'"),
    ("GET //x//?http://b HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "//x//?http://b"),
    ("GET /x;jsessionid=1,2%0d%0aX:y HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/x;jsessionid=1,2%0d%0aX:y"),
    // Fields that may be written like this.
    ("GET /x HTTP/1.1\r\nhOsT:a\r\nX-A:\t b\t \r\nX-Empty:\r\n\r\n", "GET", "/x"),
    ("GET /x HTTP/1.1\r\nHost: [::1]:80\r\nX: \u{e4}\u{ff15}\r\n\r\n", "GET", "/x"),
    // Names that only resemble those that frame a body.
    ("GET /x HTTP/1.1\r\nHost: a\r\nContent_Length: 30\r\nTransfer_Encoding: chunked\r\n\r\n", "GET", "/x"),
    ("GET /x HTTP/1.1\r\nHost: a\r\nX-Content-Length: 30\r\nTransfer-Encoding1: chunked\r\n\r\n", "GET", "/x"),
    ("GET /x HTTP/1.1\r\nHost: a\r\nTE: chunked, trailers\r\nTrailer: Content-Length\r\n\r\n", "GET", "/x"),
    // Options for this hop, which cannot take away what the request is made of.
    ("GET /x HTTP/1.1\r\nHost: a\r\nConnection: Host, host, keep-alive\r\nKeep-Alive: 5\r\n\r\n", "GET", "/x"),
    // Members of `Connection` that are no options mean nothing.
    ("GET /x HTTP/1.1\r\nHost: a\r\nConnection: close; Host\r\n\r\n", "GET", "/x"),
    ("GET /x HTTP/1.1\r\nHost: a\r\nConnection: keep-alive; timeout=5, a b\r\n\r\n", "GET", "/x"),
    // A switch to HTTP/2 is not passed on, only the request that it came with.
    ("GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: A\r\n\r\n", "GET", "/x"),
    // An upgrade that the backend declines leaves the connection as it was.
    ("GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "GET", "/x"),
    ("GET /x HTTP/1.1\r\nHost: a\r\nX-HTTP-Method-Override: POST\r\nX-Original-URL: /y\r\n\r\n", "GET", "/x"),
    ("GET /x HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n", "GET", "/x"),
];

/// Bodies of `POST /x`: fields and body as they are sent, and the body as it is meant.
#[rustfmt::skip]
const BODIES: [(&str, &str); 27] = [
    ("Content-Length: 0\r\n\r\n", ""),
    ("Content-Length: 3\r\n\r\nabc", "abc"),
    ("content-LENGTH:\t003 \r\n\r\nabc", "abc"),
    // RFC 9110 §8.6: the same length twice may pass as one.
    ("Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "abc"),
    ("Connection: Content-Length\r\nContent-Length: 3\r\n\r\nabc", "abc"),
    ("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", "a"),
    ("Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 3\r\n\r\nabc", "abc"),
    ("TE: trailers\r\nContent-Length: 2\r\n\r\n\r\n", "\r\n"),
    ("Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ""),
    ("transfer-encoding:\tCHUNKED \r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", "abc"),
    ("Transfer-Encoding: chunked\r\n\r\nB\r\n01234567890\r\n0\r\n\r\n", "01234567890"),
    ("Transfer-Encoding: chunked\r\n\r\n0000b\r\n01234567890\r\n000\r\n\r\n", "01234567890"),
    ("Transfer-Encoding: chunked\r\n\r\n1;a\r\na\r\n1;a=b\r\nb\r\n1;a=\"c;d\"\r\nc\r\n0;z\r\n\r\n", "abc"),
    ("Transfer-Encoding: chunked\r\n\r\n1 \t;a\r\na\r\n1;\r\nb\r\n0 ;\r\n\r\n", "ab"),
    ("Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 1\r\nX-B:\r\n\r\n", "a"),
    ("Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nContent-Length: 99\r\nHost: evil\r\n\r\n", "a"),
    ("Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n", "a"),
    // Content that looks like framing.
    ("Transfer-Encoding: chunked\r\n\r\n5\r\n0\r\n\r\n\r\n2\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n\r\n"),
    ("Content-Length: 5\r\n\r\n0\r\n\r\n", "0\r\n\r\n"),
    // A request where a server that ignores the body would read one: CL.0 and TE.0.
    ("Content-Length: 24\r\n\r\nGET /smuggled HTTP/1.1\r\n", "GET /smuggled HTTP/1.1\r\n"),
    ("Content-Length: 38\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n", "GET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\n\r\n26\r\nGET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n\r\n0\r\n\r\n", "GET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n"),
    // The client that announces a body and does not wait for leave to send it.
    ("Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc", "abc"),
    ("expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", "a"),
    ("Expect: 100-continue\r\nContent-Length: 0\r\n\r\n", ""),
    ("Expect: 100-continue\r\n\r\n", ""),
    ("Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na", "a"),
];

/// Whole requests after which the connection ends: the bytes and the body.
#[rustfmt::skip]
const LAST: [(&str, &str); 7] = [
    ("POST /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc", "abc"),
    ("POST /x HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", "a"),
    ("POST /x HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", ""),
    ("POST /x HTTP/1.0\r\n\r\n", ""),
    ("POST /x HTTP/1.0\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", "abc"),
    ("POST /x HTTP/1.0\r\nConnection: keep-alive, close\r\nContent-Length: 1\r\n\r\na", "a"),
    // HTTP/1.0 has no `Expect` (RFC 9110 §10.1.1).
    ("POST /x HTTP/1.0\r\nExpect: magic\r\nContent-Length: 1\r\n\r\na", "a"),
];

/// Methods that seldom have a body, and are known for servers that overlook one (0.CL, TE.0).
const METHODS: [&str; 5] = ["GET", "HEAD", "DELETE", "OPTIONS", "PROPFIND"];

pub fn cases() -> Vec<Case> {
    let heads = HEADS.map(|(bytes, method, target)| Case {
        bytes: bytes.into(),
        expected: Passes(method, target, ""),
    });
    let bodies = BODIES.map(|(rest, body)| Case {
        bytes: format!("POST /x HTTP/1.1\r\nHost: a\r\n{rest}").into(),
        expected: Passes("POST", "/x", body),
    });
    let last = LAST.map(|(bytes, body)| Case {
        bytes: bytes.into(),
        expected: Last("POST", "/x", body),
    });
    let unusual = METHODS.into_iter().flat_map(unusual_bodies);
    heads
        .into_iter()
        .chain(bodies)
        .chain(last)
        .chain(unusual)
        .collect()
}

/// A request as the body of a request with this method, in each framing.
fn unusual_bodies(method: &'static str) -> [Case; 3] {
    const INNER: &str = "GET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n";
    let size = INNER.len();
    [
        format!("Content-Length: {size}\r\n\r\n{INNER}"),
        format!("Expect: 100-continue\r\nContent-Length: {size}\r\n\r\n{INNER}"),
        format!("Transfer-Encoding: chunked\r\n\r\n{size:x}\r\n{INNER}\r\n0\r\n\r\n"),
    ]
    .map(|rest| Case {
        bytes: format!("{method} /x HTTP/1.1\r\nHost: a\r\n{rest}").into(),
        expected: Passes(method, "/x", INNER),
    })
}
