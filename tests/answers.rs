//! What a backend may say: one reading, or none at all. A malformed answer is 502 while nothing
//! of it was passed on, a visible cut afterwards; what is passed on is always well-formed.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::io::Write as _;
use std::time::Duration;
use support::{Lb, Origin};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const OK: &str = "HTTP/1.1 200 OK\r\n";

/// A backend that answers the first request of a connection like this and then closes it.
fn once(answer: impl Into<Vec<u8>>) -> Origin {
    let answer = answer.into();
    Origin::scripted(move |served| {
        if served.request().is_some() {
            served.client.send(&answer);
        }
    })
}

#[test]
fn an_answer_with_more_than_one_reading_is_502() {
    for (answer, why) in [
        (
            "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            "two lengths",
        ),
        ("Content-Length: 1, 1\r\n\r\na", "a list"),
        ("Content-Length: +1\r\n\r\na", "a sign"),
        ("Content-Length:\r\n\r\n", "no digit"),
        (
            "Content-Length: 1\r\nContent-Length:\r\n\r\na",
            "an empty twin",
        ),
        (
            "Content-Length: 18446744073709551617\r\n\r\na",
            "it would wrap",
        ),
        (
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
            "both",
        ),
        ("Transfer-Encoding: gzip\r\n\r\n", "not chunked"),
        (
            "Transfer-Encoding: chunked, gzip\r\n\r\n",
            "not chunked last",
        ),
        (
            "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "two codings",
        ),
        (
            "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
            "a look-alike",
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "twice",
        ),
        (
            "X : a\r\nContent-Length: 0\r\n\r\n",
            "space before the colon",
        ),
        ("X: a\r\n b\r\nContent-Length: 0\r\n\r\n", "a folded line"),
        ("X: a\0\r\nContent-Length: 0\r\n\r\n", "NUL"),
        (
            "X: a\x0b\r\nContent-Length: 0\r\n\r\n",
            "a control character",
        ),
        ("X: a\rb\r\nContent-Length: 0\r\n\r\n", "a bare CR"),
        ("X\r\nContent-Length: 0\r\n\r\n", "no colon"),
        (": a\r\nContent-Length: 0\r\n\r\n", "no name"),
        ("X: a\r\r\nContent-Length: 0\r\n\r\n", "CR CR LF"),
        (
            "Transfer-Encoding: chunked\r\n\r\nx\r\n",
            "a bad first chunk",
        ),
    ] {
        let origin = once(format!("{OK}{answer}"));
        let response = Lb::over(&[origin.address]).client().get("/");
        assert_eq!(response.status, 502, "{why}");
    }
}

#[test]
fn a_first_line_that_is_none_is_502_without_waiting_for_more() {
    let origin = Origin::scripted(|served| {
        let target = served.request().unwrap();
        let number: usize = target.split(['/', ' ']).nth(2).unwrap().parse().unwrap();
        let line = [
            "HTTP/1.1 20 OK",
            "HTTP/1.2 200 OK",
            "HTTP/1.1 2000 OK",
            "HTTP/1.1",
        ][number];
        served.client.send(format!("{line}\r\nContent-"));
        // Until we are left.
        served.client.read_to_end();
    });
    let lb = Lb::over(&[origin.address]);
    for number in 0..4 {
        assert_eq!(
            lb.client().get(&format!("/{number}")).status,
            502,
            "{number}"
        );
    }
}

#[test]
fn a_list_that_ends_here_has_no_more_members_than_mistakes_explain() {
    for option in ["", "close", "x"] {
        for (count, status) in [(100, 200), (101, 502)] {
            let list = vec![option; count].join(",");
            let origin = once(format!(
                "{OK}Connection: {list}\r\nContent-Length: 0\r\n\r\n"
            ));
            let response = Lb::over(&[origin.address]).client().get("/");
            assert_eq!(response.status, status, "{count} of {option:?}");
        }
    }
    for (count, status) in [(100, 101), (101, 502)] {
        let list = vec!["Y"; count].join(",");
        let origin = once(format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {list}\r\n\r\n"
        ));
        let lb = Lb::over(&[origin.address]);
        let mut client = lb.client();
        client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x, y\r\n\r\n");
        assert_eq!(client.response().status, status, "{count}");
    }
}

#[test]
fn what_does_not_begin_like_an_answer_is_502() {
    for line in [
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 099 OK",
        "HTTP/1.1 000 OK",
        "HTTP/1.1 1000 OK",
        "HTTP/1.1 2x0 OK",
        "HTTP/1.1  200 OK",
        "HTTP/1.1\t200 OK",
        "HTTP/1.1 200\tOK",
        "HTTP/2.0 200 OK",
        "HTTP/1.2 200 OK",
        "HTTP/0.9 200 OK",
        "http/1.1 200 OK",
        "ICY 200 OK",
        "200 OK",
        "SSH-2.0-OpenSSH_9.2",
        " HTTP/1.1 200 OK",
        "\r\nHTTP/1.1 200 OK",
        "HTTP/1.1 200 O\0K",
        "HTTP/1.1 200 O\rK",
        "<html>",
        "GET / HTTP/1.1",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x",
    ] {
        let origin = once(format!("{line}\r\nContent-Length: 0\r\n\r\n"));
        let response = Lb::over(&[origin.address]).client().get("/");
        assert_eq!(response.status, 502, "{line:?}");
    }
}

#[test]
fn a_head_answer_304_or_204_that_is_framed_twice_is_502_too() {
    let both = "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (method, status) in [("HEAD", 200), ("GET", 304), ("GET", 204)] {
        let origin = once(format!("HTTP/1.1 {status} X\r\n{both}"));
        let lb = Lb::over(&[origin.address]);
        let mut client = lb.client();
        client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(client.head_response().status, 502, "{method} {status}");
    }
}

#[test]
fn a_cut_or_broken_body_never_looks_whole() {
    for body in [
        "Content-Length: 10\r\n\r\nabc",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nab",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabcXX0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA b: c\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n3;\n\r\nabc\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    ] {
        let origin = once(format!("{OK}{body}"));
        let lb = Lb::over(&[origin.address]);
        let mut client = lb.client();
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        // Nothing, a part, or an error in its place.
        let response = client.try_response(false);
        assert!(
            response.is_none_or(|response| !response.is_whole || response.status == 502),
            "{body:?}"
        );
    }
}

#[test]
fn a_client_of_http_1_0_sees_a_reset_where_a_chunked_body_is_cut() {
    let origin = once(format!(
        "{OK}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
    ));
    let lb = Lb::over(&[origin.address]);
    let mut client = lb.client();
    client.send("GET / HTTP/1.0\r\n\r\n");
    // A plain end would be the end of the body.
    let error = loop {
        match std::io::Read::read(&mut client.stream, &mut [0; 100]) {
            Ok(0) => panic!("it looks whole"),
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn a_chunk_that_goes_on_behind_its_size_ends_the_answer_at_the_wrong_byte() {
    for wrong in ["3\r\nabcX", "3\r\nabc\rX", "3\r\nabc\n", "0\r\n\rX"] {
        let origin = Origin::scripted(move |served| {
            served.request();
            served
                .client
                .send(format!("{OK}Transfer-Encoding: chunked\r\n\r\n{wrong}"));
            // Neither more nor an end: only the byte tells.
            served.client.read_to_end();
        });
        let lb = Lb::over(&[origin.address]);
        let began = std::time::Instant::now();
        let mut client = lb.client();
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let response = client.response();
        assert!(!response.is_whole || response.status == 502, "{wrong:?}");
        // `--body-timeout` is half a minute.
        assert!(began.elapsed() < Duration::from_secs(10), "{wrong:?}");
    }
}

#[test]
fn many_interim_answers_pass_and_an_endless_row_is_502() {
    // The rate lets a hundred pass at once, and a few more while they are read.
    for (count, status) in [(100, 200), (10_000, 502)] {
        let interim = "HTTP/1.1 102 Processing\r\n\r\n".repeat(count);
        let origin = once(format!("{interim}{HELLO}"));
        let lb = Lb::over(&[origin.address]);
        let mut client = lb.client();
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let last = std::iter::repeat_with(|| client.response())
            .find(|response| response.status != 102)
            .unwrap();
        assert_eq!(last.status, status, "{count}");
    }
}

#[test]
fn a_backend_that_says_it_is_still_at_work_gets_more_time_and_no_other_word_gives_it() {
    // As often as it takes for three times the timeout; and without end.
    for (word, count, status) in [("102 Processing", 6, 200), ("103 Early Hints", 1000, 504)] {
        let origin = Origin::scripted(move |served| {
            served.request();
            for _ in 0..count {
                let said = format!("HTTP/1.1 {word}\r\n\r\n");
                if served.client.stream.write_all(said.as_bytes()).is_err() {
                    return;
                }
                // Half of the response timeout: without more time the third word would come too late.
                std::thread::sleep(Duration::from_millis(500));
            }
            served.client.send(HELLO);
        });
        let lb = Lb::with(&[origin.address], |config| {
            config.timeouts.response = Duration::from_secs(1);
        });
        let mut client = lb.client();
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let last = std::iter::repeat_with(|| client.response())
            .find(|response| response.status >= 200)
            .unwrap();
        assert_eq!(last.status, status, "{word}");
    }
}
