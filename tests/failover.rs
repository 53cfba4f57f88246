//! When a backend fails an attempt: what moves on, what is never sent twice, and what the
//! client is told.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::{Client, Lb, Origin, Response, eventually};

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

/// A backend that is healthy at first and then refuses connections.
struct Vanishing(Arc<Mutex<Option<TcpListener>>>, SocketAddr);

impl Vanishing {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let slot = Arc::new(Mutex::new(Some(listener.try_clone().unwrap())));
        let thread_slot = Arc::clone(&slot);
        std::thread::spawn(move || {
            // The first connection is the probe.
            let (stream, _) = listener.accept().unwrap();
            drop((listener, thread_slot.lock().unwrap().take()));
            let mut client = Client::on(stream);
            client.read_until(b"\r\n\r\n");
            client.send(HELLO);
        });
        Self(slot, address)
    }
}

#[test]
fn a_refused_connection_moves_any_method_on_with_its_whole_body() {
    let (gone, good) = (Vanishing::new(), Origin::answering(HELLO));
    let lb = unwatched(&[gone.1, good.address]);
    eventually("the first backend is gone", || {
        gone.0.lock().unwrap().is_none()
    });
    let body = "x".repeat(20_000);
    for method in ["POST", "GET", "PATCH", "POST"] {
        assert_eq!(send(&lb, method, &body).status, 200);
        let request = good.request();
        assert!(request.starts_with(method) && request.ends_with(&body));
    }
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
        lb.engine.shared.backends().all()[0].idle.clear();
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
        let kept = &lb.engine.shared.backends().all()[0].idle;
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

#[test]
fn a_connection_that_is_not_answered_moves_on_within_its_timeout() {
    // A full accept queue: the handshake is not completed.
    let full = TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::net::listen(&full, 0).unwrap();
    let address = full.local_addr().unwrap();
    let good = Origin::answering(HELLO);
    let probe = full.try_clone().unwrap();
    let answered = std::thread::spawn(move || {
        support::answer_check(&probe, HELLO);
    });
    let lb = Lb::with(&[address, good.address], |config| {
        config.timeouts.connect = Duration::from_millis(300);
        config.health.interval = Duration::from_secs(3600);
    });
    answered.join().unwrap();
    let _fill: Vec<_> = (0..4)
        .filter_map(|_| {
            std::net::TcpStream::connect_timeout(&address, Duration::from_millis(50)).ok()
        })
        .collect();
    let began = Instant::now();
    assert_eq!(send(&lb, "POST", "body").status, 200);
    assert!(
        began.elapsed() >= Duration::from_millis(250),
        "{:?}",
        began.elapsed()
    );
    assert!(good.request().ends_with("body"));
}

#[test]
fn a_single_backend_whose_queue_is_full_is_tried_as_often_as_tries_says() {
    let full = TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::net::listen(&full, 0).unwrap();
    let address = full.local_addr().unwrap();
    let (sender, accepted) = std::sync::mpsc::channel();
    let checked = full.try_clone().unwrap();
    let answered = std::thread::spawn(move || support::answer_check(&checked, HELLO));
    let lb = Lb::with(&[address], |config| {
        config.timeouts.connect = Duration::from_millis(300);
        config.health.interval = Duration::from_secs(3600);
    });
    answered.join().unwrap();
    let fill: Vec<_> = (0..4)
        .filter_map(|_| {
            std::net::TcpStream::connect_timeout(&address, Duration::from_millis(50)).ok()
        })
        .collect();
    let began = Instant::now();
    assert_eq!(send(&lb, "POST", "body").status, 504);
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(850), "{took:?}");
    // One for which there is room again before the last try.
    let mut client = lb.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody");
    eventually("it waits", || lb.status().connections.used == 1);
    drop(fill);
    std::thread::spawn(move || {
        for stream in full.incoming().map_while(Result::ok) {
            let mut served = Client::on(stream);
            // Those that filled the queue, and the first request's, are gone.
            if served.read_to_end_of(b"body") {
                sender.send(()).unwrap();
                served.send(HELLO);
            }
        }
    });
    assert_eq!(client.response().status, 200);
    assert_eq!(accepted.try_iter().count(), 1);
}

#[test]
fn with_no_backend_up_the_answer_is_503_and_names_them() {
    let (one, two) = (support::nobody(), support::nobody());
    let lb = Lb::over(&[one, two]);
    let response = send(&lb, "GET", "");
    assert_eq!(response.status, 503);
    assert!(response.field("Retry-After").is_some());
    let text = response.text();
    assert!(
        text.contains(&one.to_string()) && text.contains(&two.to_string()),
        "{text}"
    );
}

#[test]
fn every_address_of_a_name_is_tried_and_the_one_that_answered_remembered() {
    let (refusing, origin) = (support::nobody(), Origin::answering(HELLO));
    let lb = unwatched(&[origin.address]);
    let backend = &lb.engine.shared.backends().all()[0];
    backend.addresses.replace(vec![refusing, origin.address]);
    backend.addresses.prefer(refusing);
    let mut client = lb.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody");
    assert_eq!(client.response().status, 200);
    assert!(origin.request().ends_with("body"));
    assert_eq!(backend.addresses.in_order()[0], origin.address);
}

#[test]
fn an_address_that_does_not_answer_leaves_time_for_the_others() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::net::listen(&silent, 0).unwrap();
    let address = silent.local_addr().unwrap();
    let _fill: Vec<_> = (0..4)
        .filter_map(|_| {
            std::net::TcpStream::connect_timeout(&address, Duration::from_millis(50)).ok()
        })
        .collect();
    let origin = Origin::answering(HELLO);
    let lb = Lb::with(&[origin.address], |config| {
        config.timeouts.connect = Duration::from_millis(600);
        config.health.interval = Duration::from_secs(3600);
    });
    let backend = &lb.engine.shared.backends().all()[0];
    backend.addresses.replace(vec![address, origin.address]);
    backend.addresses.prefer(address);
    let began = Instant::now();
    assert_eq!(lb.client().get("/").status, 200);
    assert!(
        began.elapsed() >= Duration::from_millis(250),
        "{:?}",
        began.elapsed()
    );
}
