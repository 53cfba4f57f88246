//! Equal shares, to the request.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use support::{Lb, Origin, PATIENCE, Program, eventually, nobody};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

#[test]
fn three_live_backends_of_four_share_12000_concurrent_requests_equally() {
    let origins = [(); 3].map(|()| Origin::answering(HELLO));
    let lb = Lb::over(&[
        origins[0].address,
        nobody(),
        origins[1].address,
        origins[2].address,
    ]);
    thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                let mut client = lb.client();
                for _ in 0..1000 {
                    assert_eq!(client.get("/").status, 200);
                }
            });
        }
    });
    assert_eq!(origins.map(|origin| origin.count()), [4000; 3]);
}

#[test]
fn requests_take_turns() {
    let origins = [(); 3].map(|()| Origin::answering(HELLO));
    let lb = Lb::over(&[origins[0].address, origins[1].address, origins[2].address]);
    let mut client = lb.client();
    for _ in 0..5 {
        for origin in &origins {
            client.get("/");
            assert_eq!(origin.count(), 1);
        }
    }
}

/// Sends requests on `count` connections as fast as answers come, never waiting for one, until
/// `end` is set or the patience is over. Adds up the bytes of the answers.
fn pipeline(address: SocketAddr, count: usize, answered: &AtomicUsize, end: &AtomicBool) {
    let requests = "GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100);
    let mut clients: Vec<_> = (0..count)
        .map(|_| (TcpStream::connect(address).unwrap(), 0))
        .collect();
    for (stream, _) in &clients {
        stream.set_nonblocking(true).unwrap();
    }
    let mut answers = [0; 65536];
    let until = Instant::now() + PATIENCE;
    while !end.load(Ordering::Relaxed) && Instant::now() < until {
        for (stream, sent) in &mut clients {
            let read = stream.read(&mut answers).unwrap_or(0);
            answered.fetch_add(read, Ordering::Relaxed);
            // It stops anywhere, mostly in the middle of a head.
            if let Ok(count) = stream.write(&requests.as_bytes()[*sent..]) {
                *sent = (*sent + count) % requests.len();
            }
        }
    }
}

#[test]
fn clients_that_always_have_the_next_request_there_do_not_keep_others_from_theirs() {
    let backend = Program::backend(0);
    let lb = Lb::over(&[backend.address]);
    let (answered, end) = (AtomicUsize::new(0), AtomicBool::new(false));
    let took = thread::scope(|scope| {
        let flood = || pipeline(lb.address, 150, &answered, &end);
        let floods = [scope.spawn(flood), scope.spawn(flood)];
        let enough = || answered.load(Ordering::Relaxed) > 4_000_000;
        eventually("they have had some 100 answers each", enough);
        let start = Instant::now();
        assert_eq!(lb.client().get("/").status, 200);
        let took = start.elapsed();
        end.store(true, Ordering::Relaxed);
        floods.into_iter().for_each(|flood| flood.join().unwrap());
        took
    });
    assert!(took < Duration::from_secs(2), "{took:?}");
}
