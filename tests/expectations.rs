//! `Expect: 100-continue`: the body is held back until the backend asks for it, the client is
//! asked once, and a body that nobody asked for is never read as a request (RFC 9110 §10.1.1).
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::time::{Duration, Instant};
use support::{Lb, Origin, Served, eventually};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
const HEAD: &str =
    "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// Whether the backend gets a byte within this time.
fn hears_within(served: &Served, time: Duration) -> bool {
    let stream = &served.client.stream;
    stream.set_read_timeout(Some(time)).unwrap();
    let hears = stream.peek(&mut [0]).is_ok();
    stream.set_read_timeout(Some(support::PATIENCE)).unwrap();
    hears
}

#[test]
fn the_body_is_held_back_until_the_backend_asks_for_it_also_when_it_came_at_once() {
    let origin = Origin::scripted(|served| {
        let head = served.client.read_until(b"\r\n\r\n");
        assert!(String::from_utf8_lossy(&head).contains("\r\nExpect: 100-continue\r\n"));
        let early = hears_within(served, Duration::from_millis(300));
        served.client.send(CONTINUE);
        let body = served.client.read_exactly(4);
        let answer = if early || body != b"body" {
            "early"
        } else {
            "asked"
        };
        served.client.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n{answer}"
        ));
    });
    let lb = Lb::over(&[origin.address]);
    for waits in [true, false] {
        let mut client = lb.client();
        client.send(HEAD);
        if !waits {
            client.send("body");
        }
        let asked = client.response();
        assert_eq!(asked.status, 100);
        if waits {
            client.send("body");
        }
        assert_eq!(client.response().text(), "asked", "waits: {waits}");
    }
}

#[test]
fn a_backend_that_never_asks_is_sent_the_body_after_a_second_and_the_client_is_asked_once() {
    let origin = Origin::scripted(|served| {
        while served.request().is_some() {
            served.client.send(format!("{CONTINUE}{HELLO}"));
        }
    });
    let lb = Lb::over(&[origin.address]);
    let mut client = lb.client();
    let began = Instant::now();
    client.send(HEAD);
    assert_eq!(client.response().status, 100);
    assert!(began.elapsed() >= Duration::from_millis(990));
    client.send("body");
    // The backend's own 100 comes too late and is not passed on.
    assert_eq!(client.response().text(), "hello");
    assert!(origin.request().ends_with("\r\n\r\nbody"));
}

#[test]
fn a_client_that_sends_unasked_is_not_asked_by_us() {
    let origin = Origin::answering(HELLO);
    let lb = Lb::over(&[origin.address]);
    let mut client = lb.client();
    client.send(format!("{HEAD}body"));
    assert_eq!(client.response().status, 200);
    assert!(origin.request().ends_with("\r\n\r\nbody"));
}

#[test]
fn a_final_answer_without_100_ends_the_connection_and_the_body_is_no_request() {
    let origin = Origin::scripted(|served| {
        served.client.read_until(b"\r\n\r\n");
        served
            .client
            .send("HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno");
        let behind = served.client.read_to_end();
        served.tell(behind);
    });
    let lb = Lb::over(&[origin.address]);
    for body in ["", SMUGGLED] {
        let length = SMUGGLED.len();
        let mut client = lb.client();
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n{body}"
        ));
        let response = client.response();
        assert_eq!((response.status, response.text().as_str()), (413, "no"));
        assert_eq!(response.field("Connection"), Some("close"));
        client.send(SMUGGLED);
        assert!(client.is_closed());
        assert_eq!(origin.request(), "", "not a byte of the body");
    }
}

#[test]
fn without_a_body_or_in_http_1_0_nothing_is_expected() {
    let origin = Origin::answering(format!("{CONTINUE}{HELLO}"));
    let lb = Lb::over(&[origin.address]);
    for head in [
        "GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n",
        "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
        "POST / HTTP/1.0\r\nExpect: nonsense\r\nContent-Length: 1\r\n\r\nx",
    ] {
        let mut client = lb.client();
        client.send(head);
        assert_eq!(client.response().status, 200, "{head:?}");
        assert!(!origin.request().contains("Expect"), "{head:?}");
    }
    let mut client = lb.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n");
    // An interim response that nobody expects is passed on all the same.
    assert_eq!(client.response().status, 100);
    assert_eq!(client.response().status, 200);
    assert!(!origin.request().contains("Expect"));
}

#[test]
fn the_next_backend_gets_the_expectation_too() {
    let bad = Origin::scripted(|served| {
        served.client.read_until(b"\r\n\r\n");
        served.reset();
    });
    let good = Origin::scripted(|served| {
        served.client.read_until(b"\r\n\r\n");
        served.client.send(CONTINUE);
        let body = served.client.read_exactly(4);
        served.tell(body);
        served.client.send(HELLO);
    });
    let lb = Lb::over(&[bad.address, good.address]);
    let mut client = lb.client();
    client.send(HEAD.replace("POST", "PUT"));
    assert_eq!(client.response().status, 100);
    client.send("body");
    assert_eq!(client.response().text(), "hello");
    assert_eq!(good.request(), "body");
}

#[test]
fn a_client_that_leaves_while_it_is_not_asked_takes_its_backend_connection_along() {
    let origin = Origin::scripted(|served| {
        served.client.read_until(b"\r\n\r\n");
        served.client.send("HTTP/1.1 102 Processing\r\n\r\n");
        let rest = served.client.read_to_end();
        served.tell(rest);
    });
    let lb = Lb::over(&[origin.address]);
    let mut client = lb.client();
    client.send(HEAD);
    assert_eq!(client.response().status, 102);
    rustix::net::sockopt::set_socket_linger(&client.stream, Some(Duration::ZERO)).unwrap();
    drop(client);
    eventually("the session ends", || lb.status().connections.used == 0);
    assert_eq!(origin.request(), "", "the backend's connection is closed");
}
