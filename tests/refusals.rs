//! What is no request is refused with the right status, reaches no backend, and nothing behind
//! it on the connection is read as a request.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::time::Duration;
use support::{Lb, Origin};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// Sends each with a well-formed request behind it: one answer, then the end.
fn refuses(cases: &[(&str, u16)]) {
    let origin = Origin::answering(HELLO);
    let lb = Lb::over(&[origin.address]);
    for (bytes, status) in cases {
        let mut client = lb.client();
        client.send(format!("{bytes}{SMUGGLED}"));
        let response = client.response();
        assert_eq!(response.status, *status, "{bytes:?}: {}", response.text());
        assert_eq!(response.field("Connection"), Some("close"), "{bytes:?}");
        assert!(client.is_closed(), "{bytes:?}");
    }
    assert_eq!(origin.count(), 0, "a backend saw one of them");
}

#[test]
fn heads_with_more_than_one_reading_are_refused() {
    refuses(&[
        ("GET / HTTP/1.1\nHost: a\n\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX : a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\n X: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /#x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
        ("\x16\x03\x01", 400),
        ("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 501),
        ("GET / HTTP/1.1\r\nHost: a\r\nExpect: magic\r\n\r\n", 417),
    ]);
}

#[test]
fn bodies_with_more_than_one_length_are_refused() {
    refuses(&[
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nabcde",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nabcde",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
            501,
        ),
        (
            "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
    ]);
}

#[test]
fn a_bad_chunk_ends_the_request_without_a_final_chunk() {
    let origin = Origin::scripted(|served| {
        let mut seen = served.client.read_until(b"\r\n\r\n");
        seen.extend(served.client.read_to_end());
        assert!(
            !String::from_utf8_lossy(&seen).contains("0\r\n\r\n"),
            "{seen:?}"
        );
    });
    let lb = Lb::over(&[origin.address]);
    for chunk in [
        "5\r\nhelloX\r\n",
        "5 \r\nhello\r\n",
        "5\nhello\r\n",
        "g\r\n",
        "5;a\rb\r\nhello\r\n",
        "\r\n",
    ] {
        let mut client = lb.client();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
        client.send(format!("{chunk}0\r\n\r\n{SMUGGLED}"));
        assert_eq!(client.response().status, 400, "{chunk:?}");
        assert!(client.is_closed(), "{chunk:?}");
    }
}

#[test]
fn what_is_too_large_is_told_apart() {
    let origin = Origin::answering(HELLO);
    let lb = Lb::with(&[origin.address], |config| config.max_body = Some(10));
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
    ] {
        let mut client = lb.client();
        client.send(&bytes);
        assert_eq!(client.response().status, status, "{}", &bytes[..30]);
    }
    assert_eq!(lb.client().get("/").status, 200);
}

#[test]
fn a_backend_is_trusted_no_more_than_a_client() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 1\n\na",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\0\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
    ] {
        let origin = Origin::answering(answer);
        let lb = Lb::over(&[origin.address]);
        let response = lb.client().get("/");
        assert_eq!(response.status, 502, "{answer:?}");
    }
}

#[test]
fn a_cut_or_broken_body_never_looks_whole() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcXX0\r\n\r\n",
    ] {
        let origin = Origin::scripted(move |served| {
            if served.request().is_some() {
                served.client.send(answer);
            }
        });
        let lb = Lb::over(&[origin.address]);
        let mut client = lb.client();
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        // Nothing, a part, or an error in its place.
        let response = client.try_response(false);
        assert!(
            response.is_none_or(|response| !response.is_whole || response.status == 502),
            "{answer:?}"
        );
    }
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
