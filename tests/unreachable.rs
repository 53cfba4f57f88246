//! A backend that takes no connection: the request goes on elsewhere within its timeouts, to the next
//! address of a name or to the next backend.
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

#[test]
fn a_connection_that_was_refused_is_none_of_the_tries() {
    let gone = [Vanishing::new(), Vanishing::new()];
    let (asked, good) = (Arc::new(AtomicUsize::new(0)), Origin::answering(HELLO));
    let count = Arc::clone(&asked);
    let breaks = Origin::scripted(move |served| {
        count.fetch_add(usize::from(served.request().is_some()), Ordering::SeqCst);
    });
    // In the order of their turns.
    let all = [gone[0].1, gone[1].1, breaks.address, good.address];
    let lb = Lb::with(&all, |config| {
        config.health.interval = Duration::from_secs(3600);
        config.tries = 2;
    });
    eventually("two backends are gone", || {
        gone.iter().all(|one| one.0.lock().unwrap().is_none())
    });
    assert_eq!(send(&lb, "GET", "").status, 200);
    assert_eq!(asked.load(Ordering::SeqCst), 1, "it was sent there first");
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
    let backend = lb.backend(0);
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
    let backend = lb.backend(0);
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
