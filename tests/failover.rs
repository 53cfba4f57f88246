//! When a backend fails an attempt: what moves on, what is never sent twice, and what the
//! client is told.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use support::{Lb, Origin, Response, eventually};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// A balancer whose health checks come too seldom to interfere after the first.
fn unwatched(backends: &[SocketAddr]) -> Lb {
    Lb::with(backends, |config| {
        config.health.interval = Duration::from_secs(3600)
    })
}

fn send(lb: &Lb, method: &str, body: &str) -> Response {
    let mut client = lb.client();
    client.send(format!(
        "{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    client.response()
}

/// A backend that reads each request and then resets the connection.
fn resetting() -> Origin {
    Origin::scripted(|served| {
        if served.request().is_some() {
            served.reset();
        }
    })
}

#[test]
fn what_was_sent_and_died_unanswered_is_repeated_once_if_idempotent() {
    for (method, status, repeated) in [
        ("GET", 200, 1),
        ("PUT", 200, 1),
        ("DELETE", 200, 1),
        ("POST", 502, 0),
        ("PATCH", 502, 0),
        ("get", 502, 0),
    ] {
        let (bad, good) = (resetting(), Origin::answering(HELLO));
        let lb = unwatched(&[bad.address, good.address]);
        let response = send(&lb, method, "body");
        assert_eq!(response.status, status, "{method}");
        assert_eq!((bad.count(), good.count()), (1, repeated), "{method}");
        if status == 502 {
            let named = format!("{}: connection", bad.address);
            assert!(response.text().contains(&named), "{}", response.text());
        }
    }
}

#[test]
fn what_moves_on_arrives_byte_for_byte_as_it_was_first_sent() {
    let body = "GET / HTTP/1.1\r\nX: 0\r\n".repeat(300);
    let chunked = format!("{:x};e=1\r\n{body}\r\n0\r\nX-T: 1\r\n\r\n", body.len());
    for (framing, bytes) in [
        (format!("Content-Length: {}", body.len()), &body),
        ("Transfer-Encoding: chunked".into(), &chunked),
    ] {
        let (bad, good) = (resetting(), Origin::answering(HELLO));
        let lb = unwatched(&[bad.address, good.address]);
        let mut client = lb.client();
        client.send(format!(
            "PUT /%2F HTTP/1.1\r\nHost: a\r\nX: 1\r\n{framing}\r\n\r\n{bytes}"
        ));
        assert_eq!(client.response().status, 200);
        let (first, second) = (bad.request(), good.request());
        assert_eq!(first, second);
        assert_eq!((bad.count(), good.count()), (0, 0));
    }
}

#[test]
fn a_post_on_a_kept_connection_that_dies_unanswered_is_not_sent_again() {
    // Answers the first request of a connection, takes the second and dies.
    let origin = Origin::scripted(|served| {
        if served.request().is_some() {
            served.client.send(HELLO);
            served.request();
            served.reset();
        }
    });
    let lb = unwatched(&[origin.address]);
    for (method, status, requests) in [("GET", 200, 3), ("POST", 502, 2)] {
        // On a connection of its own, whatever the last round left behind.
        lb.backend(0).idle.clear();
        let mut client = lb.client();
        assert_eq!(client.get("/").status, 200);
        client.send(format!(
            "{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"
        ));
        assert_eq!(client.response().status, status, "{method}");
        assert_eq!(origin.count(), requests, "{method}");
    }
}

#[test]
fn a_repetition_goes_on_a_new_connection_for_the_next_kept_one_may_be_dead_too() {
    // Answers the first request of a connection, takes the second and dies.
    let dying = || {
        Origin::scripted(|served| {
            if served.request().is_some() {
                served.client.send(HELLO);
                served.request();
                served.reset();
            }
        })
    };
    let origins = [dying(), dying()];
    let lb = unwatched(&[origins[0].address, origins[1].address]);
    let mut client = lb.client();
    for _ in 0..3 {
        assert_eq!(client.get("/").status, 200);
    }
}

#[test]
fn a_request_visits_each_backend_at_most_once_and_is_sent_to_as_many_as_tries_says() {
    for tries in 1..=4 {
        let bad = [(); 4].map(|()| resetting());
        let lb = Lb::with(&bad.each_ref().map(|one| one.address), |config| {
            config.health.interval = Duration::from_secs(3600);
            config.tries = tries;
        });
        assert_eq!(send(&lb, "GET", "").status, 502);
        let counts = bad.each_ref().map(Origin::count);
        assert_eq!(counts.iter().sum::<usize>(), tries as usize, "{counts:?}");
        assert!(counts.iter().all(|count| *count <= 1), "{counts:?}");
    }
}

/// Answers the first request of its first connection, takes the second and dies; later
/// connections break at once.
fn dying() -> Origin {
    let connections = AtomicUsize::new(0);
    Origin::scripted(move |served| {
        let is_first = connections.fetch_add(1, Ordering::SeqCst) == 0;
        if is_first && served.request().is_some() {
            served.client.send(HELLO);
        }
        served.request();
        served.reset();
    })
}

#[test]
fn a_kept_connection_that_turns_out_dead_is_no_try_and_its_backend_may_be_asked_once_more() {
    let origins = [dying(), dying()];
    let lb = unwatched(&[origins[0].address, origins[1].address]);
    let mut client = lb.client();
    for origin in &origins {
        assert_eq!(client.get("/").status, 200);
        origin.request();
    }
    // Both on their kept connections, and once more on new ones.
    assert_eq!(client.get("/").status, 502);
    assert_eq!(origins.each_ref().map(Origin::count), [2, 2]);
}

#[test]
fn with_two_of_three_killed_at_the_same_instant_no_get_fails() {
    let mut programs = [(); 3].map(|()| support::Program::backend(0));
    let lb = unwatched(&programs.each_ref().map(|program| program.address));
    std::thread::scope(|scope| {
        let gets: Vec<_> = (0..30)
            .map(|_| scope.spawn(|| lb.client().get("/?delay=500ms").status))
            .collect();
        eventually("all are under way", || {
            lb.status().connections.used == gets.len()
        });
        let [one, two, _] = &mut programs;
        for program in [one, two] {
            // Both before either is waited for.
            program.child.kill().unwrap();
        }
        for get in gets {
            assert_eq!(get.join().unwrap(), 200);
        }
    });
}

#[test]
fn a_kept_connection_that_was_closed_costs_nobody_a_request() {
    // Answers once on each connection and closes it without a word.
    let origin = Origin::scripted(|served| {
        if served.request().is_some() {
            served.client.send(HELLO);
        }
    });
    let lb = unwatched(&[origin.address]);
    let mut client = lb.client();
    for number in 0..50 {
        let method = if number % 2 == 0 { "GET" } else { "POST" };
        client.send(format!(
            "{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"
        ));
        assert_eq!(client.response().status, 200);
        // The closing is on its way; once it is there, the look before reuse must see it.
        let backend = lb.backend(0);
        let kept = &backend.idle;
        eventually("the kept connection is closed", || {
            let Some((conn, since)) = kept.take() else {
                return false;
            };
            let is_closed = !conn.is_quiet();
            kept.put(conn, kept.generation(), since);
            is_closed
        });
    }
    assert_eq!(origin.count(), 50);
}

#[test]
fn a_kept_connection_that_dies_under_a_get_is_replaced_even_without_another_backend() {
    let connections = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&connections);
    // The first connection answers once, takes a second request and dies.
    let origin = Origin::scripted(move |served| {
        let is_first = seen.fetch_add(1, Ordering::SeqCst) == 0;
        while served.request().is_some() {
            served.client.send(HELLO);
            if is_first {
                served.request();
                return served.reset();
            }
        }
    });
    let lb = unwatched(&[origin.address]);
    let mut client = lb.client();
    assert_eq!(client.get("/").status, 200);
    assert_eq!(client.get("/").status, 200);
    assert_eq!((connections.load(Ordering::SeqCst), origin.count()), (2, 3));
}

#[test]
fn part_of_an_answer_is_never_followed_by_another() {
    for part in ["H", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"] {
        let bad = Origin::scripted(move |served| {
            if served.request().is_some() {
                served.client.send(part);
            }
        });
        let good = Origin::answering(HELLO);
        let lb = unwatched(&[bad.address, good.address]);
        assert_eq!(send(&lb, "GET", "").status, 502);
        assert_eq!(good.count(), 0);
    }
}

#[test]
fn a_body_that_outgrew_the_buffer_is_not_repeated() {
    let (bad, good) = (resetting(), Origin::answering(HELLO));
    let lb = unwatched(&[bad.address, good.address]);
    assert_eq!(send(&lb, "PUT", &"x".repeat(200_000)).status, 502);
    assert_eq!((bad.count(), good.count()), (1, 0));
}

#[test]
fn a_silent_backend_is_504_and_not_repeated() {
    let (silent, good) = (
        Origin::scripted(|served| while served.request().is_some() {}),
        Origin::answering(HELLO),
    );
    let lb = Lb::with(&[silent.address, good.address], |config| {
        config.timeouts.response = Duration::from_millis(300);
        config.health.interval = Duration::from_secs(3600);
    });
    let began = Instant::now();
    assert_eq!(send(&lb, "GET", "").status, 504);
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!((silent.count(), good.count()), (1, 0));
}
