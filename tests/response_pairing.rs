//! An answer belongs to the request that it was sent for: what a backend says besides is never taken
//! for another one.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::time::Duration;
use support::{Lb, Origin};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// Asks twice on a kept client connection; the second answer must be the second request's own.
fn second_answer(first: &'static str, also: &'static str) -> String {
    let origin = Origin::scripted(move |served| {
        while let Some(request) = served.request() {
            match request.contains("/first") {
                true => served.client.send(first),
                false => served.client.send(HELLO),
            };
            if request.contains("/first") && !also.is_empty() {
                // The first answer has gone out: this comes unasked.
                std::thread::sleep(Duration::from_millis(30));
                served.client.send(also);
                served.tell("sent");
            }
        }
    });
    let lb = Lb::over(&[origin.address]);
    let mut client = lb.client();
    client.get("/first");
    origin.request();
    if !also.is_empty() {
        assert_eq!(origin.request(), "sent");
    }
    client.get("/second").text()
}

#[test]
fn bytes_behind_a_complete_answer_are_never_taken_for_the_next_one() {
    const EVIL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    for (first, also) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
            "",
        ),
        (
            "HTTP/1.1 204 No\r\nContent-Length: 45\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
            "",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
            "",
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", EVIL),
        ("HTTP/1.1 304 No\r\n\r\n", EVIL),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "\r\n"),
    ] {
        assert_eq!(second_answer(first, also), "hello", "{first:?} {also:?}");
    }
}

/// On how many backend connections two requests come, the first of which gets this answer.
fn connections_of_two(first: &'static str) -> usize {
    let origin = Origin::scripted(move |served| {
        served.tell("connected");
        while let Some(request) = served.request() {
            match request.contains("/first") {
                true => served.client.send(first),
                false => served.client.send(HELLO),
            };
        }
    });
    let lb = Lb::over(&[origin.address]);
    let mut client = lb.client();
    client.send("GET /first HTTP/1.1\r\nHost: test\r\n\r\n");
    while client.response().status < 200 {}
    assert_eq!(client.get("/second").text(), "hello", "{first:?}");
    let told: Vec<_> = origin.requests.try_iter().collect();
    told.iter().filter(|told| *told == b"connected").count()
}

#[test]
fn a_connection_on_which_content_may_follow_that_no_answer_has_serves_nobody_else() {
    for (first, connections) in [
        ("HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", 2),
        ("HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n", 2),
        (
            "HTTP/1.1 103 E\r\nContent-Length: 5\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
            2,
        ),
        (
            "HTTP/1.1 102 P\r\nTransfer-Encoding: chunked\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
            2,
        ),
        ("HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n", 1),
        ("HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n", 1),
        ("HTTP/1.1 103 E\r\n\r\nHTTP/1.1 204 No\r\n\r\n", 1),
    ] {
        assert_eq!(connections_of_two(first), connections, "{first:?}");
    }
}
