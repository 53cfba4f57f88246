//! Large uploads, which on Linux go round our memory once they have outgrown the buffer: byte
//! for byte, to their end and no further, never to anybody else, and never twice.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::io::{ErrorKind, Write as _};
use std::time::{Duration, Instant};
use support::{Client, Lb, LbProgram, Origin, eventually};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const KIB: usize = 1024;
const LARGE: usize = 1024 * KIB;

/// A body of which every part differs from every other.
fn body(length: usize) -> Vec<u8> {
    let words = (0_u32..).flat_map(|word| word.wrapping_mul(2_654_435_761).to_le_bytes());
    words.take(length).collect()
}

fn head(method: &str, length: usize) -> String {
    format!("{method} / HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n")
}

fn upload(length: usize) -> Vec<u8> {
    [head("POST", length).into_bytes(), body(length)].concat()
}

/// The body of a request that a backend has shown.
fn body_of(request: &[u8]) -> &[u8] {
    &request[support::find(request, b"\r\n\r\n").unwrap() + 4..]
}

fn next_body(origin: &Origin) -> Vec<u8> {
    let request = origin.requests.recv_timeout(support::PATIENCE).unwrap();
    body_of(&request).to_vec()
}

#[test]
fn uploads_of_all_sizes_arrive_as_they_are_and_both_connections_go_on() {
    let origin = Origin::scripted(|served| {
        served.tell("connected");
        while served.request().is_some() {
            served.client.send(HELLO);
        }
    });
    let lb = Lb::over(&[origin.address]);
    let around = |size: usize| [size - 1, size, size + 1];
    let mut sizes: Vec<_> = [32, 64, 96, 128].map(|kib| around(kib * KIB)).concat();
    sizes.extend([0, 1, 10 * KIB, LARGE + 7, 5 * LARGE, 1]);
    let mut client = lb.client();
    let mut sender = client.stream.try_clone().unwrap();
    let all = sizes.clone();
    // All of them at once: each body has to end exactly where the next head begins.
    let sending = std::thread::spawn(move || {
        for size in all {
            sender.write_all(&upload(size)).unwrap();
        }
    });
    for _ in &sizes {
        assert_eq!(client.response().text(), "hello");
    }
    sending.join().unwrap();
    assert_eq!(origin.request(), "connected");
    for size in sizes {
        assert!(next_body(&origin) == body(size), "{size} bytes");
    }
    assert_eq!(origin.count(), 0);
}

#[test]
fn an_upload_that_comes_in_small_pieces_is_passed_on_as_it_comes() {
    let origin = Origin::scripted(|served| {
        served.client.read_until(b"\r\n\r\n");
        for piece in 1..=20 {
            served.client.read_exactly(10 * KIB);
            served.tell(format!("{piece}"));
        }
        served.client.send(HELLO);
    });
    let lb = Lb::over(&[origin.address]);
    let mut client = lb.client();
    client.send(head("POST", 200 * KIB));
    for (piece, bytes) in body(200 * KIB).chunks(10 * KIB).enumerate() {
        client.send(bytes);
        // Nothing is held back until more has come.
        assert_eq!(origin.request(), format!("{}", piece + 1));
    }
    assert_eq!(client.response().text(), "hello");
}

#[test]
fn an_upload_that_is_cut_is_cut_for_the_backend_and_leaves_nothing_to_the_next() {
    let origin = Origin::scripted(|served| {
        let head = served.client.read_until(b"\r\n\r\n");
        let is_cut = head.starts_with(b"PUT");
        match is_cut {
            true => {
                let got = served.client.read_to_end();
                served.tell(got);
            }
            false => {
                let got = served.client.read_exactly(8 * LARGE);
                served.tell(got);
                served.client.send(HELLO);
            }
        }
    });
    let lb = Lb::with(&[origin.address], |config| config.workers = 1);
    for round in 0..5 {
        let mut leaving = lb.client();
        leaving.send(head("PUT", 8 * LARGE));
        let sent = vec![b'a'; 3 * LARGE + round * 10_007];
        leaving.send(&sent);
        drop(leaving);
        let got = origin.requests.recv_timeout(support::PATIENCE).unwrap();
        assert!(got.len() <= sent.len() && got.iter().all(|&byte| byte == b'a'));
        let mut next = lb.client();
        next.send(head("POST", 8 * LARGE)).send(body(8 * LARGE));
        assert_eq!(next.response().text(), "hello");
        let got = origin.requests.recv_timeout(support::PATIENCE).unwrap();
        assert!(got == body(8 * LARGE), "round {round}");
    }
}

#[test]
fn a_backend_that_stops_reading_holds_no_worker_and_gets_all_of_it_later() {
    let (go_on, may_read) = crossbeam_channel::unbounded::<()>();
    let slow = Origin::scripted(move |served| {
        let head = served.client.read_until(b"\r\n\r\n");
        if head.starts_with(b"POST") {
            served.tell("begun");
            let _ = may_read.recv();
            let got = served.client.read_exactly(16 * LARGE);
            served.tell(got);
        }
        served.client.send(HELLO);
    });
    let lb = Lb::with(&[slow.address], |config| config.workers = 2);
    let senders: Vec<_> = (0..4)
        .map(|_| {
            let mut client = lb.client();
            std::thread::spawn(move || {
                client.send(head("POST", 16 * LARGE));
                client.send(body(16 * LARGE)).response().text()
            })
        })
        .collect();
    (0..4).for_each(|_| assert_eq!(slow.request(), "begun"));
    for _ in 0..50 {
        assert_eq!(lb.client().get("/").text(), "hello");
    }
    drop(go_on);
    for sender in senders {
        assert_eq!(sender.join().unwrap(), "hello");
        let got = slow.requests.recv_timeout(support::PATIENCE).unwrap();
        assert!(got == body(16 * LARGE));
    }
}

#[test]
fn a_backend_that_never_reads_on_is_504_after_the_body_timeout() {
    let origin = Origin::scripted(|served| {
        served.client.read_until(b"\r\n\r\n");
        served.tell("begun");
        // Until the balancer has given up.
        eventually("the test has its answer", || {
            served.client.stream.peek(&mut [0]).is_err()
                || served.client.stream.take_error().is_err()
        });
    });
    let lb = Lb::with(&[origin.address], |config| {
        config.timeouts.body = Duration::from_millis(500);
    });
    let mut client = lb.client();
    let mut sender = client.stream.try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        let _ =
            sender.write_all(&[head("POST", 64 * LARGE).into_bytes(), body(64 * LARGE)].concat());
    });
    assert_eq!(client.response().status, 504);
    drop(client);
    drop(origin);
    drop(lb);
    sending.join().unwrap();
}

#[test]
fn an_early_answer_comes_while_the_upload_goes_on() {
    for status in ["413 Content Too Large", "200 OK"] {
        let origin = Origin::scripted(move |served| {
            served.client.read_until(b"\r\n\r\n");
            served.client.read_exactly(300 * KIB);
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 3\r\n\r\nbig");
            served.client.send(answer);
            served.client.read_to_end();
        });
        let lb = Lb::over(&[origin.address]);
        let mut client = lb.client();
        client.send(head("POST", 64 * LARGE)).send(body(2 * LARGE));
        // The rest never comes.
        let response = client.response();
        assert_eq!(response.text(), "big");
        assert_eq!(response.field("Connection"), Some("close"));
    }
}

#[test]
fn what_lies_beyond_the_buffer_is_not_sent_twice() {
    for (length, status) in [(2 * LARGE, 502), (20 * KIB, 200)] {
        let breaking = Origin::scripted(move |served| {
            served.client.read_until(b"\r\n\r\n");
            served.client.read_exactly(length.min(200 * KIB));
            served.tell("broken");
            served.reset();
        });
        let other = Origin::answering(HELLO);
        let lb = Lb::over(&[breaking.address, other.address]);
        let mut client = lb.client();
        client.send(head("PUT", length)).send(body(length));
        let answered = client.response().status;
        // By turn it may have begun with the good one.
        let asked_first = breaking.count() == 0;
        if asked_first {
            let mut client = lb.client();
            client.send(head("PUT", length)).send(body(length));
            assert_eq!(client.response().status, status);
        } else {
            assert_eq!(answered, status);
        }
        let expected = usize::from(asked_first) + usize::from(status == 200);
        eventually("the other has had its requests", || {
            other.requests.len() == expected
        });
    }
}

#[test]
fn a_client_that_is_refused_and_goes_on_sending_is_slowed_down() {
    let origin = Origin::scripted(|served| {
        served.client.read_until(b"\r\n\r\n");
        served
            .client
            .send("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig");
    });
    let lb = Lb::over(&[origin.address]);
    let mut client = lb.client();
    client.send(head("POST", 1 << 40));
    assert_eq!(client.response().status, 413);
    // Some ten megabytes a second, and what all buffers take.
    let (began, piece) = (Instant::now(), vec![b'x'; 64 * KIB]);
    let mut sent = 0;
    let moment = Duration::from_millis(50);
    client.stream.set_write_timeout(Some(moment)).unwrap();
    while began.elapsed() < Duration::from_millis(700) {
        match client.stream.write(&piece) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
    }
    assert!(sent < 40 * LARGE, "{sent} bytes were read to no end");
}

/// With no descriptor left for a pipe they are copied; with some, there is one for a worker.
#[cfg(target_os = "linux")]
#[test]
fn large_uploads_need_no_descriptor_that_is_not_to_be_had() {
    use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
    let origin = Origin::answering(HELLO);
    let address = origin.address.to_string();
    // Nothing else opens a descriptor now and then: no check, and no look at the scheduling.
    let calm = ["--health-interval", "1h", "--scheduling", "normal"];
    let options = [&address, "--workers", "1", "--log", "off"];
    let lb = LbProgram::start(0, &[&options[..], &calm[..]].concat());
    let mut client = lb.client();
    assert_eq!(client.get("/").text(), "hello");
    assert_eq!(next_body(&origin), b"");
    // Now that both connections are in use, none of them is given back.
    let pid = Some(Pid::from_child(&lb.child));
    let before = getrlimit(Resource::Nofile);
    let none = Rlimit {
        current: Some(3),
        ..before
    };
    prlimit(pid, Resource::Nofile, none).unwrap();
    client.send(upload(LARGE));
    assert!(next_body(&origin) == body(LARGE));
    assert_eq!(client.response().text(), "hello");
    let few = support::open_descriptors(lb.child.id());
    prlimit(pid, Resource::Nofile, before).unwrap();
    for _ in 0..10 {
        client.send(upload(LARGE));
        assert!(next_body(&origin) == body(LARGE));
        assert_eq!(client.response().text(), "hello");
    }
    let pipe = || support::open_descriptors(lb.child.id()) == few + 2;
    support::eventually("one pipe is open", pipe);
}

#[test]
fn a_small_upload_behind_a_large_one_waits_for_its_turn_and_is_whole() {
    let origin = Origin::answering(HELLO);
    let lb = Lb::over(&[origin.address]);
    let clients: Vec<Client> = (0..8).map(|_| lb.client()).collect();
    let sending = clients.into_iter().enumerate().map(|(number, mut client)| {
        std::thread::spawn(move || {
            for round in 0..5 {
                let length = if (number + round) % 2 == 0 {
                    LARGE
                } else {
                    100
                };
                client.send(upload(length));
                assert_eq!(client.response().text(), "hello");
            }
        })
    });
    let sending: Vec<_> = sending.collect();
    for one in sending {
        one.join().unwrap();
    }
    let bodies: Vec<_> = origin.requests.try_iter().collect();
    assert_eq!(bodies.len(), 40);
    assert!(bodies.iter().all(|request| {
        let got = body_of(request);
        got == body(got.len()) && [100, LARGE].contains(&got.len())
    }));
}
