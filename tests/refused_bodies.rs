//! A request whose body has no single end, or is too large, is refused with the right status, and
//! nothing behind it is read as a request.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::io::Write as _;
use std::time::Duration;
use support::{Lb, Origin};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// Sends each with a well-formed request behind it, at once and byte by byte: one answer, then
/// the end.
fn refuses(cases: &[(&str, u16)]) {
    let origin = Origin::answering(HELLO);
    let lb = Lb::over(&[origin.address]);
    for (bytes, status) in cases {
        let bytes = format!("{bytes}{SMUGGLED}");
        for step in [bytes.len(), 1] {
            let mut client = lb.client();
            for piece in bytes.as_bytes().chunks(step) {
                // Refused in the middle, it may be closed before the end.
                let _ = client.stream.write_all(piece);
            }
            let response = client.response();
            assert_eq!(response.status, *status, "{bytes:?}: {}", response.text());
            assert_eq!(response.field("Connection"), Some("close"), "{bytes:?}");
            assert!(client.is_closed(), "{bytes:?}");
        }
    }
    assert_eq!(origin.count(), 0, "a backend saw one of them");
}

/// The same for fields, below a `POST` with a `Host`.
fn refuses_fields(fields: &[(&str, u16)]) {
    let heads: Vec<_> = fields
        .iter()
        .map(|(field, status)| {
            (
                format!("POST / HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n"),
                *status,
            )
        })
        .collect();
    refuses(&borrowed(&heads));
}

fn borrowed(cases: &[(String, u16)]) -> Vec<(&str, u16)> {
    cases
        .iter()
        .map(|(text, status)| (text.as_str(), *status))
        .collect()
}

#[test]
fn a_length_is_said_in_digits_and_only_once_differently() {
    let bad = [
        "",
        "+5",
        "-5",
        "0x5",
        "5_0",
        "5 5",
        "5,5",
        "5, 5",
        "5, 6",
        "5;",
        "5.0",
        "1e1",
        "\"5\"",
        "five",
        "\x0b5",
        "5\x0c",
        "\u{ff15}",
        "9223372036854775808",
        "18446744073709551616",
        "18446744073709551621",
        "99999999999999999999999999",
    ];
    let fields: Vec<_> = bad
        .iter()
        .map(|length| (format!("Content-Length: {length}"), 400))
        .collect();
    refuses_fields(&borrowed(&fields));
    refuses_fields(&[
        ("Content-Length: 5\r\nContent-Length: 6", 400),
        ("Content-Length: 5\r\ncontent-length:", 400),
        ("Content-Length:\r\nContent-Length: 5", 400),
        ("Content-Length : 5", 400),
        ("Content-Length\0: 5", 400),
    ]);
}

#[test]
fn a_transfer_coding_is_exactly_chunked() {
    let bad = [
        "",
        "xchunked",
        "chunkedx",
        "chunked, chunked",
        "gzip, chunked",
        "chunked, gzip",
        "identity, chunked",
        "chunked, identity",
        "chunked,",
        ",chunked",
        "chunked;q=1",
        "chunked; a",
        "\"chunked\"",
        "'chunked'",
        "chunked chunked",
        "\x0bchunked",
        "chunked\x0b",
        "\x0cchunked",
        "chun\u{212a}ed",
        "chun\u{17f}ked",
        "\u{a0}chunked",
        "chunk\u{65}\u{301}d",
        "x chunked",
    ];
    let fields: Vec<_> = bad
        .iter()
        .map(|coding| (format!("Transfer-Encoding: {coding}\r\n"), 400))
        .collect();
    refuses_fields(&borrowed(&fields));
    refuses_fields(&[
        ("Transfer-Encoding: gzip", 501),
        ("Transfer-Encoding: identity", 501),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            400,
        ),
        (
            "Transfer-Encoding: chunked\r\ntransfer-encoding: identity",
            400,
        ),
        (
            "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
            400,
        ),
        ("Transfer-Encoding: chunked\r\nContent-Length: 4", 400),
        ("Content-Length: 4\r\nTransfer-Encoding: chunked", 400),
        ("Content-Length: 0\r\nTransfer-Encoding: chunked", 400),
        ("Content-Length: 4\r\nTransfer-Encoding: gzip", 400),
        ("Transfer-Encoding : chunked", 400),
        ("Transfer-Encoding:\r\n chunked", 400),
        ("Transfer-Encoding\n: chunked", 400),
        ("X: a\nTransfer-Encoding: chunked", 400),
    ]);
    let old = "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    refuses(&[(old, 400)]);
}

#[test]
fn a_chunk_that_goes_on_behind_its_size_is_refused_at_the_wrong_byte() {
    let origin = Origin::scripted(|served| drop(served.client.read_to_end()));
    let lb = Lb::over(&[origin.address]);
    for wrong in ["3\r\nabcX", "3\r\nabc\rX", "3\r\nabc\n", "0\r\n\rX"] {
        let began = std::time::Instant::now();
        let mut client = lb.client();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        // Neither more nor an end: only the byte tells.
        client.send(wrong);
        assert_eq!(client.response().status, 400, "{wrong:?}");
        // `--body-timeout` is half a minute.
        assert!(
            began.elapsed() < std::time::Duration::from_secs(10),
            "{wrong:?}"
        );
    }
}

#[test]
fn a_bad_chunk_ends_the_request_without_a_final_chunk() {
    let origin = Origin::scripted(|served| {
        let seen = served.client.read_to_end();
        served.tell(seen);
    });
    let lb = Lb::over(&[origin.address]);
    for chunk in [
        "5\r\nhelloX\r\n",
        "5\r\nhello\n",
        "5\r\nhello\r",
        "5 \r\nhello\r\n",
        " 5\r\nhello\r\n",
        "5\nhello\r\n",
        "5\rhello\r\n",
        "5\r\rhello\r\n",
        "g\r\n",
        "0x5\r\nhello\r\n",
        "+5\r\nhello\r\n",
        "-5\r\nhello\r\n",
        "5_\r\nhello\r\n",
        "00000000000000005\r\nhello\r\n",
        "10000000000000005\r\nhello\r\n",
        "5;a\rb\r\nhello\r\n",
        "5;a\nb\r\nhello\r\n",
        "5;\n\r\nhello\r\n",
        "5;a\0\r\nhello\r\n",
        "5;\"\r\n0\r\n\r\n\"\r\nhello\r\n",
        ";\r\n",
        "\r\n",
        "0\n",
        "0\r\n\n",
        "0\r\nA b: c\r\n\r\n",
        "0\r\nA : c\r\n\r\n",
        "0\r\nA: b\r\n c\r\n\r\n",
        "0\r\nA: b\0\r\n\r\n",
        "0\r\nA: b\n\r\n",
        "0\r\n: c\r\n\r\n",
        "0\r\nA\r\n\r\n",
    ] {
        let mut client = lb.client();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
        client.send(format!("{chunk}0\r\n\r\n{SMUGGLED}"));
        assert_eq!(client.response().status, 400, "{chunk:?}");
        assert!(client.is_closed(), "{chunk:?}");
        let seen = origin.request();
        assert!(
            !seen.contains("\r\n0\r\n") && !seen.contains("GET"),
            "{chunk:?}: {seen:?}"
        );
    }
}

#[test]
fn what_is_too_large_has_a_status_of_its_own() {
    let origin = Origin::answering(HELLO);
    let lb = Lb::with(&[origin.address], |config| {
        config.limits.max_body = Some(10)
    });
    let long = "x".repeat(9000);
    let many = "X: y\r\n".repeat(101);
    let fat = format!("A: {long}\r\nB: {long}\r\nC: {long}\r\nD: {long}\r\n");
    for (bytes, status) in [
        (format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), 414),
        (format!("GET /{long}"), 414),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{fat}\r\n"), 431),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n01234567890".into(), 413),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n".into(), 413),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n".into(), 413),
    ] {
        let mut client = lb.client();
        client.send(&bytes);
        assert_eq!(client.response().status, status, "{}", &bytes[..30]);
    }
    assert_eq!(lb.client().get("/").status, 200);
}

#[test]
fn a_refusal_reaches_a_client_that_goes_on_sending() {
    let lb = Lb::with(&[support::nobody()], |config| {
        config.timeouts.head = Duration::from_secs(5);
    });
    for _ in 0..10 {
        let mut client = lb.client();
        client.send("NONSENSE\r\n\r\n");
        for _ in 0..10 {
            client.send(vec![b'x'; 100_000]);
        }
        assert_eq!(client.response().status, 400);
    }
}
