//! An answer with one reading reaches each client in the form that it can read, repaired where it broke
//! a rule.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use lb::config::Switch;
use support::{Lb, Origin};

/// A backend that answers the first request of a connection like this and then closes it.
fn once(answer: impl Into<Vec<u8>>) -> Origin {
    let answer = answer.into();
    Origin::scripted(move |served| {
        if served.request().is_some() {
            served.client.send(&answer);
        }
    })
}

/// What the client gets for it, byte for byte, but for the value of `Date`.
fn passed_on(request: &str, answer: &str) -> String {
    let bytes = passed_on_bytes(request, answer.as_bytes());
    undated(&String::from_utf8(bytes).unwrap())
}

fn passed_on_bytes(request: &str, answer: &[u8]) -> Vec<u8> {
    let origin = once(answer);
    // One failure would be enough.
    let lb = Lb::with(&[origin.address], |config| {
        config.health.eject_after = 1;
        // Ids differ from request to request.
        config.request_id = Switch::Off;
    });
    let mut client = lb.client();
    client.send(request);
    let bytes = client.read_to_end();
    assert!(lb.status().groups[0].backends[0].is_up, "it was blamed");
    bytes
}

fn undated(text: &str) -> String {
    let dated = |line: &str| match line.starts_with("Date: ") && line.ends_with(" GMT") {
        true => "Date: now".into(),
        false => line.to_string(),
    };
    text.split("\r\n")
        .map(dated)
        .collect::<Vec<_>>()
        .join("\r\n")
}

#[test]
fn each_framing_reaches_each_version_in_the_form_that_it_can_read() {
    let new = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let old = "GET / HTTP/1.0\r\n\r\n";
    let head = "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    for (request, answer, expected) in [
        (
            new,
            "HTTP/1.1 200 OK\r\n\r\nabc",
            "HTTP/1.1 200 OK\r\nDate: now\r\nTransfer-Encoding: chunked\r\nConnection: close\r\nVia: 1.1 lb\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        ),
        (
            old,
            "HTTP/1.1 200 OK\r\n\r\nabc",
            "HTTP/1.1 200 OK\r\nDate: now\r\nConnection: close\r\nVia: 1.1 lb\r\n\r\nabc",
        ),
        (
            old,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;e=1\r\nabc\r\n0\r\nT: v\r\n\r\n",
            "HTTP/1.1 200 OK\r\nDate: now\r\nConnection: close\r\nVia: 1.1 lb\r\n\r\nabc",
        ),
        (
            new,
            "HTTP/1.0 200 OK\r\nDate: then\r\nServer: s\r\nContent-Length: 3\r\n\r\nabc",
            "HTTP/1.1 200 OK\r\nDate: then\r\nServer: s\r\nContent-Length: 3\r\nConnection: close\r\nVia: 1.0 lb\r\n\r\nabc",
        ),
        (
            new,
            "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n",
            "HTTP/1.1 204 No Content\r\nDate: now\r\nConnection: close\r\nVia: 1.1 lb\r\n\r\n",
        ),
        (
            new,
            "HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 3\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\nETag: x\r\nDate: now\r\nContent-Length: 3\r\nConnection: close\r\nVia: 1.1 lb\r\n\r\n",
        ),
        (
            head,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nDate: now\r\nConnection: close\r\nVia: 1.1 lb\r\n\r\n",
        ),
        (
            head,
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
            "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 3\r\nConnection: close\r\nVia: 1.1 lb\r\n\r\n",
        ),
        (
            new,
            "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 \r\nDate: now\r\nContent-Length: 0\r\nConnection: close\r\nVia: 1.1 lb\r\n\r\n",
        ),
        (
            old,
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 0\r\nConnection: close\r\nVia: 1.1 lb\r\n\r\n",
        ),
        (
            new,
            "HTTP/1.1 103 Early Hints\r\nLink: l\r\nConnection: x\r\nX: 1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 103 Early Hints\r\nLink: l\r\nVia: 1.1 lb\r\n\r\nHTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 0\r\nConnection: close\r\nVia: 1.1 lb\r\n\r\n",
        ),
    ] {
        assert_eq!(
            passed_on(request, answer),
            expected,
            "{request:?} {answer:?}"
        );
    }
}

#[test]
fn an_answer_that_breaks_the_rules_and_has_one_reading_leaves_repaired() {
    let new = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let with_length = |line: &str, length: usize, content: &str| {
        format!(
            "HTTP/1.1 {line}\r\nDate: now\r\nContent-Length: {length}\r\nConnection: close\r\nVia: 1.1 lb\r\n\r\n{content}"
        )
    };
    let chunked = |chunks: &str| {
        format!(
            "HTTP/1.1 200 OK\r\nDate: now\r\nTransfer-Encoding: chunked\r\nConnection: close\r\nVia: 1.1 lb\r\n\r\n{chunks}"
        )
    };
    for (answer, expected) in [
        // A status that no specification has.
        (
            "HTTP/1.1 600 Odd\r\nContent-Length: 1\r\n\r\na",
            with_length("600 Odd", 1, "a"),
        ),
        (
            "HTTP/1.1 999 No\r\nContent-Length: 1\r\n\r\na",
            with_length("999 No", 1, "a"),
        ),
        // A bare LF at the end of one line or all of them.
        (
            "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
            with_length("200 OK", 2, "ok"),
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\n\r\nok",
            with_length("200 OK", 2, "ok"),
        ),
        (
            "HTTP/1.1 200\nContent-Length: 2\r\n\nok",
            with_length("200 ", 2, "ok"),
        ),
        (
            "HTTP/1.1 102 Wait\n\nHTTP/1.1 200 OK\nContent-Length: 0\n\n",
            format!(
                "HTTP/1.1 102 Wait\r\nVia: 1.1 lb\r\n\r\n{}",
                with_length("200 OK", 0, "")
            ),
        ),
        // A size that is filled up with blanks.
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5   \r\nhello\r\n0 \t\r\n\r\n",
            chunked("5\r\nhello\r\n0\r\n\r\n"),
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5 \t;a=b\r\nhello\r\n0\r\n\r\n",
            chunked("5\r\nhello\r\n0\r\n\r\n"),
        ),
        // A member of `Connection` that is no option.
        (
            "HTTP/1.1 200 OK\r\nConnection: keep-alive; timeout=5\r\nContent-Length: 1\r\n\r\na",
            with_length("200 OK", 1, "a"),
        ),
        (
            "HTTP/1.1 200 OK\r\nConnection: a b, X\r\nX: 1\r\nContent-Length: 1\r\n\r\na",
            with_length("200 OK", 1, "a"),
        ),
    ] {
        assert_eq!(passed_on(new, answer), expected, "{answer:?}");
    }
}

#[test]
fn a_reason_beyond_ascii_passes_byte_for_byte() {
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    for reason in [
        &b"Tr\xe8s bien"[..],
        b"\xff",
        "gr\u{fc}n".as_bytes(),
        b"a\tb ",
    ] {
        let line = [b"HTTP/1.1 200 ".as_slice(), reason, b"\r\n"].concat();
        let answer = [&line[..], b"Content-Length: 0\r\n\r\n"].concat();
        assert!(
            passed_on_bytes(request, &answer).starts_with(&line),
            "{reason:?}"
        );
    }
}

#[test]
fn an_answer_may_come_byte_by_byte() {
    let origin = Origin::scripted(|served| {
        served.request();
        let answer = "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
            5;x=\"y\"\r\nhello\r\n0\r\nT: v\r\n\r\n";
        for byte in answer.as_bytes() {
            served.client.send([*byte]);
        }
    });
    let lb = Lb::over(&[origin.address]);
    let mut client = lb.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response().status, 103);
    let response = client.response();
    assert!(response.is_whole);
    assert_eq!(response.text(), "hello");
}
