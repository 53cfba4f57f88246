//! When a connection goes on and when it ends, on both sides; what follows an error; what a
//! client that leaves cancels (RFC 9112 §9).
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use support::{Client, Lb, Origin, eventually};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

#[test]
fn a_clients_connection_persists_by_version_and_whole_options() {
    let origin = Origin::answering(HELLO);
    let lb = Lb::over(&[origin.address]);
    for (version, fields, said) in [
        ("1.1", "", None),
        ("1.1", "Connection: close\r\n", Some("close")),
        ("1.1", "Connection: CLOSE\r\n", Some("close")),
        ("1.1", "Connection: x, close\r\n", Some("close")),
        (
            "1.1",
            "Connection: keep-alive\r\nconnection: close\r\n",
            Some("close"),
        ),
        ("1.1", "Connection: closed\r\n", None),
        ("1.1", "Connection: close-me, notclose\r\n", None),
        ("1.1", "Connection: keep-alive\r\n", None),
        ("1.1", "Proxy-Connection: close\r\n", None),
        ("1.0", "", Some("close")),
        ("1.0", "Connection: keep-alive\r\n", Some("keep-alive")),
        ("1.0", "Connection: Keep-Alive, x\r\n", Some("keep-alive")),
        ("1.0", "Connection: keep-alive, close\r\n", Some("close")),
        ("1.0", "Connection: keep-alive-not\r\n", Some("close")),
        ("1.0", "Keep-Alive: timeout=5\r\n", Some("close")),
        ("1.0", "Proxy-Connection: keep-alive\r\n", Some("close")),
    ] {
        let mut client = lb.client();
        client.send(format!("GET / HTTP/{version}\r\nHost: a\r\n{fields}\r\n"));
        let response = client.response();
        assert_eq!(response.field("Connection"), said, "{version} {fields:?}");
        if said == Some("close") {
            assert!(client.is_closed(), "{version} {fields:?}");
        } else {
            assert_eq!(client.get("/").text(), "hello", "{version} {fields:?}");
        }
    }
}

#[test]
fn a_backends_connection_is_used_again_only_when_it_says_so_and_all_was_read() {
    for (answer, is_kept) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            true,
        ),
        ("HTTP/1.1 204 No Content\r\n\r\n", true),
        (
            "HTTP/1.1 200 OK\r\nConnection: closed\r\nContent-Length: 0\r\n\r\n",
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n",
            false,
        ),
        ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false),
        (
            "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
            true,
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nx", false),
    ] {
        let connections = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&connections);
        let origin = Origin::scripted(move |served| {
            seen.fetch_add(1, Ordering::SeqCst);
            while served.request().is_some() {
                served.client.send(answer);
            }
        });
        let lb = Lb::over(&[origin.address]);
        let mut client = lb.client();
        for _ in 0..3 {
            client.get("/");
        }
        let expected = if is_kept { 1 } else { 3 };
        assert_eq!(connections.load(Ordering::SeqCst), expected, "{answer:?}");
    }
}

#[test]
fn a_backend_that_answers_before_the_whole_request_is_not_asked_again_on_that_connection() {
    let connections = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&connections);
    let origin = Origin::scripted(move |served| {
        let is_first = seen.fetch_add(1, Ordering::SeqCst) == 0;
        if is_first {
            served.client.read_until(b"\r\n\r\n");
            served.client.send(HELLO);
            served.client.read_to_end();
        }
        while served.request().is_some() {
            served.client.send(HELLO);
        }
    });
    let lb = Lb::over(&[origin.address]);
    let mut early = lb.client();
    early.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nGET /");
    let response = early.response();
    assert_eq!(
        (response.field("Connection"), response.text().as_str()),
        (Some("close"), "hello")
    );
    assert_eq!(lb.client().get("/").text(), "hello");
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[test]
fn after_an_error_nothing_of_the_pipeline_is_read() {
    let origin = Origin::answering(HELLO);
    let lb = Lb::over(&[origin.address]);
    let good = "GET /good HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut client = lb.client();
    client.send(format!("{good}{good}GET /bad HTTP/1.1\r\n\r\n{good}"));
    let statuses: Vec<u16> = std::iter::from_fn(|| client.try_response(false))
        .map(|response| response.status)
        .collect();
    assert_eq!(statuses, [200, 200, 400]);
    assert_eq!(origin.count(), 2);

    let lb = Lb::over(&[support::nobody()]);
    let mut client = lb.client();
    client.send(format!("{good}{good}"));
    assert_eq!(client.response().status, 503);
    assert!(client.is_closed());
}

#[test]
fn a_client_that_has_finished_sending_gets_all_its_answers() {
    let origin = Origin::scripted(|served| {
        while served.request().is_some() {
            // The client has finished sending before the answer.
            std::thread::sleep(Duration::from_millis(50));
            served.client.send(HELLO);
        }
    });
    let lb = Lb::over(&[origin.address]);
    let mut client = lb.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab".repeat(3));
    client.stream.shutdown(Shutdown::Write).unwrap();
    for _ in 0..3 {
        assert_eq!(client.response().text(), "hello");
    }
    assert!(client.is_closed());
}

/// Resets the connection.
fn leave(client: Client) {
    rustix::net::sockopt::set_socket_linger(&client.stream, Some(Duration::ZERO)).unwrap();
    drop(client);
}

#[test]
fn a_client_that_resets_ends_the_attempt_and_nothing_is_repeated() {
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
    ] {
        let origin = Origin::scripted(|served| {
            served.client.read_until(b"\r\n\r\n");
            served.tell("begun");
            served.client.read_to_end();
            served.tell("ended");
        });
        let other = Origin::scripted(|served| served.tell("asked"));
        let lb = Lb::over(&[origin.address, other.address]);
        let mut client = lb.client();
        client.send(request);
        assert_eq!(origin.request(), "begun");
        leave(client);
        assert_eq!(origin.request(), "ended", "its connection is closed");
        eventually("the session ends", || lb.status().connections.used == 0);
        assert_eq!((origin.count(), other.count()), (0, 0));
    }
}

#[test]
fn a_413_reaches_a_client_that_uploads_also_when_the_backend_resets_at_once() {
    let origin = Origin::scripted(|served| {
        served.client.read_until(b"\r\n\r\n");
        served
            .client
            .send("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig");
        served.reset();
    });
    let lb = Lb::over(&[origin.address]);
    for framing in ["Content-Length: 30000000", "Transfer-Encoding: chunked"] {
        let chunk = format!("{:x}\r\n{}\r\n", 100_000, "x".repeat(100_000));
        for _ in 0..5 {
            let mut client = lb.client();
            client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n"));
            for _ in 0..20 {
                client.send(&chunk);
            }
            let response = client.response();
            assert_eq!(
                (response.status, response.text().as_str()),
                (413, "big"),
                "{framing}"
            );
        }
    }
}

/// How long the balancer keeps a connection that it has ended and the client has not.
fn lingers(lb: &Lb, requests: &str) -> Duration {
    let mut client = lb.client();
    client.send(requests);
    for _ in requests.matches("HTTP/1.") {
        assert!(client.response().is_whole);
    }
    assert!(client.is_closed());
    let start = Instant::now();
    eventually("it is let go", || lb.status().connections.used == 0);
    start.elapsed()
}

#[test]
fn who_asked_for_the_close_is_let_go_at_once_unless_a_late_byte_could_cost_the_answer() {
    let large = "x".repeat(100_000);
    let large = format!("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{large}");
    let [small, large] = [HELLO, &large].map(Origin::answering);
    let [small, large] = [&small, &large].map(|origin| Lb::over(&[origin.address]));
    let get = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let post = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx";
    // Two seconds if it lingers; a machine that stalls gets more than one try.
    assert!((0..3).any(|_| lingers(&small, get) < Duration::from_secs(1)));
    assert!((0..3).any(|_| lingers(&small, "GET / HTTP/1.0\r\n\r\n") < Duration::from_secs(1)));
    assert!(lingers(&small, post) > Duration::from_millis(500));
    assert!(lingers(&large, get) > Duration::from_millis(500));
    // The close comes behind small answers only, but so many that some may be unsent.
    let many = "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(200) + get;
    assert!(lingers(&small, &many) > Duration::from_millis(500));
    // What came in time is not answered, nor does it cost the answer.
    for _ in 0..50 {
        let mut client = small.client();
        client.send(format!("{get}{get}"));
        assert!(client.response().is_whole && client.is_closed());
    }
}
