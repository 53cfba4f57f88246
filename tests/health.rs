//! A backend that is not well gets no requests, and gets them again when it is.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};
use support::{Lb, Origin, eventually};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

fn watching(backends: &[SocketAddr]) -> Lb {
    Lb::with(backends, |config| {
        config.health.interval = Duration::from_millis(50);
        config.health.timeout = Duration::from_millis(500);
    })
}

fn is_up(lb: &Lb, index: usize) -> bool {
    lb.floor.context.backends.all()[index].is_up()
}

#[test]
fn a_backend_that_fails_its_checks_gets_no_requests_until_it_passes_them() {
    let (one, two) = (Origin::answering(HELLO), Origin::answering(HELLO));
    let lb = watching(&[one.address, two.address]);
    let mut client = lb.client();
    one.set_healthy(false);
    eventually("it is down", || !is_up(&lb, 0));
    for _ in 0..20 {
        assert_eq!(client.get("/").status, 200);
    }
    assert_eq!((one.count(), two.count()), (0, 20));
    one.set_healthy(true);
    eventually("it is up", || is_up(&lb, 0));
    for _ in 0..20 {
        client.get("/");
    }
    assert_eq!((one.count(), two.count()), (10, 10));
}

#[test]
fn the_first_round_is_over_before_the_first_request() {
    for _ in 0..5 {
        let (bad, good) = (Origin::answering(HELLO), Origin::answering(HELLO));
        bad.set_healthy(false);
        let lb = watching(&[bad.address, support::nobody(), good.address]);
        assert_eq!(
            (is_up(&lb, 0), is_up(&lb, 1), is_up(&lb, 2)),
            (false, false, true)
        );
        assert_eq!(lb.client().get("/").status, 200);
        assert_eq!((bad.count(), good.count()), (0, 1));
    }
}

/// A backend that does this with every connection, probes too.
fn probed(script: impl Fn(&mut std::net::TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        thread::scope(|scope| {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let script = &script;
                scope.spawn(move || script(&mut stream));
            }
        });
    });
    address
}

#[test]
fn only_a_good_answer_counts_and_a_slow_one_delays_nobody() {
    let silent = probed(|_| thread::sleep(Duration::from_secs(60)));
    let dripping = probed(|stream| {
        while stream.write_all(b"H").is_ok() {
            thread::sleep(Duration::from_millis(10));
        }
    });
    let endless_head = probed(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream
            .write_all(b"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n")
            .is_ok()
        {}
    });
    let endless_body = probed(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&[b'x'; 65536]).is_ok() {}
    });
    let garbage = probed(|stream| drop(stream.write_all(b"\0\xff\n\n\r\n\r\n")));
    let closing = probed(|_| {});
    let redirecting =
        probed(|stream| drop(stream.write_all(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n")));
    let began = Instant::now();
    let lb = watching(&[
        silent,
        dripping,
        endless_head,
        endless_body,
        garbage,
        closing,
        redirecting,
    ]);
    let took = began.elapsed();
    assert!(
        took < Duration::from_millis(2500),
        "the probes wait side by side: {took:?}"
    );
    let up: Vec<bool> = (0..7).map(|index| is_up(&lb, index)).collect();
    assert_eq!(up, [false, false, false, true, false, false, false]);
}

#[test]
fn a_killed_backend_costs_no_client_an_error_and_is_used_again_when_it_returns() {
    let mut one = support::Program::backend(0);
    let two = support::Program::backend(0);
    let (address, port) = (one.address, one.address.port());
    let lb = watching(&[address, two.address]);
    let mut client = lb.client();
    let answers = |client: &mut support::Client, count: usize| {
        let bodies: Vec<String> = (0..count)
            .map(|_| {
                let response = client.get("/");
                assert_eq!(response.status, 200);
                response.text()
            })
            .collect();
        bodies
            .iter()
            .filter(|body| body.contains(&port.to_string()))
            .count()
    };
    assert_eq!(answers(&mut client, 10), 5);
    one.kill();
    assert_eq!(answers(&mut client, 10), 0);
    eventually("it is down", || !is_up(&lb, 0));
    let _again = support::Program::backend(port);
    eventually("it is up", || is_up(&lb, 0));
    assert_eq!(answers(&mut client, 10), 5);
}
