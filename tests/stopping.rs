//! A stop loses nothing that was begun, and waits for nothing that was not.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use lb::server::Ended;
use std::thread;
use std::time::{Duration, Instant};
use support::{Lb, Origin, eventually};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

fn slow() -> Origin {
    Origin::scripted(|served| {
        while let Some(request) = served.request() {
            if request.starts_with("GET /slow") {
                // The stop comes while it thinks.
                thread::sleep(Duration::from_millis(400));
            }
            served.client.send(HELLO);
        }
    })
}

#[test]
fn idle_and_silent_connections_are_closed_at_once() {
    let origin = slow();
    let lb = Lb::with(&[origin.address], |config| {
        config.timeouts.drain = Duration::from_secs(20)
    });
    let mut idle: Vec<_> = (0..20).map(|_| lb.client()).collect();
    idle.iter_mut()
        .for_each(|client| assert_eq!(client.get("/").status, 200));
    let mut silent: Vec<_> = (0..20).map(|_| lb.client()).collect();
    eventually("all are inside", || lb.status().connections.used == 40);
    let began = Instant::now();
    assert_eq!(lb.stop(), Ended::Drained);
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(
        idle.iter_mut()
            .chain(&mut silent)
            .all(|client| client.is_closed())
    );
}

#[test]
fn a_request_in_flight_is_finished_and_its_connection_closed() {
    let origin = slow();
    let lb = Lb::with(&[origin.address], |config| {
        config.timeouts.drain = Duration::from_secs(20)
    });
    let mut client = lb.client();
    client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    origin.request();
    assert_eq!(lb.stop(), Ended::Drained);
    let response = client.response();
    assert_eq!(
        (response.status, response.field("Connection")),
        (200, Some("close"))
    );
    assert!(client.is_closed());
}

#[test]
fn what_the_kernel_has_queued_is_served() {
    let origin = slow();
    let lb = Lb::with(&[origin.address], |config| {
        config.max_connections = Some(1);
        config.timeouts.drain = Duration::from_secs(20);
    });
    let mut first = lb.client();
    first.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    origin.request();
    // Not accepted: the only place is taken.
    let mut queued: Vec<_> = (0..10).map(|_| lb.client()).collect();
    for client in &mut queued {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    lb.ask_to_stop();
    for client in std::iter::once(&mut first).chain(&mut queued) {
        assert_eq!(client.response().text(), "hello");
    }
    assert_eq!(lb.stop(), Ended::Drained);
}

#[test]
fn the_drain_timeout_ends_it_in_any_case() {
    let origin = Origin::scripted(|served| while served.request().is_some() {});
    let lb = Lb::over(&[origin.address]);
    let mut client = lb.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    origin.request();
    let began = Instant::now();
    assert_eq!(lb.stop(), Ended::Cut);
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(client.is_closed());
}

#[test]
fn nobody_can_connect_after_a_stop() {
    let origin = slow();
    let lb = Lb::over(&[origin.address]);
    let address = lb.address;
    assert_eq!(lb.stop(), Ended::Drained);
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn an_answer_that_ends_by_close_is_not_cut_so_that_it_looks_whole() {
    let origin = Origin::scripted(|served| {
        if served.request().is_some() {
            served.client.send("HTTP/1.1 200 OK\r\n\r\npart");
            served.client.read_to_end();
        }
    });
    let lb = Lb::over(&[origin.address]);
    let mut client = lb.client();
    client.send("GET / HTTP/1.0\r\n\r\n");
    client.read_until(b"part");
    assert_eq!(lb.stop(), Ended::Cut);
    let error = std::io::Read::read(&mut client.stream, &mut [0; 10]).expect_err("a reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn a_large_answer_still_in_the_kernel_survives_the_stop() {
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n{}",
        "x".repeat(2_000_000)
    );
    let origin = Origin::answering(answer);
    let lb = Lb::with(&[origin.address], |config| {
        config.timeouts.drain = Duration::from_secs(20);
        // The kernel takes as much as it can.
        config.sockets.max_unsent = None;
    });
    let mut client = lb.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually("the answer is written", || {
        let mut idle = false;
        lb.engine
            .for_each_parked(|session| idle |= session.is_idle());
        idle
    });
    lb.ask_to_stop();
    client.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.response().is_whole);
    assert_eq!(lb.stop(), Ended::Drained);
}

#[test]
fn newcomers_do_not_prolong_a_stop() {
    let origin = Origin::answering(HELLO);
    let lb = Lb::with(&[origin.address], |config| {
        config.max_connections = Some(2);
        config.timeouts.drain = Duration::from_secs(15);
    });
    let (address, began) = (lb.address, Instant::now());
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while began.elapsed() < Duration::from_secs(8) {
                    let Ok(stream) =
                        std::net::TcpStream::connect_timeout(&address, Duration::from_secs(2))
                    else {
                        return;
                    };
                    let mut client = support::Client::on(stream);
                    let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
                    let _ = std::io::Write::write_all(&mut client.stream, request);
                    client.read_to_end();
                }
            });
        }
        // Clients are at work when it stops.
        thread::sleep(Duration::from_millis(300));
        assert_eq!(lb.stop(), Ended::Drained);
        assert!(
            began.elapsed() < Duration::from_secs(6),
            "{:?}",
            began.elapsed()
        );
    });
}
