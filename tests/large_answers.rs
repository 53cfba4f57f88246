//! Large bodies, which on Linux go round our memory: byte for byte, to their end and no
//! further, and never to anybody else.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::io::Read as _;
use support::{Client, Lb, LbProgram, Origin, eventually};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const KIB: usize = 1024;
const LARGE: usize = 1024 * KIB;

/// A body of which every part differs from every other.
fn body(length: usize) -> Vec<u8> {
    let words = (0_u32..).flat_map(|word| word.wrapping_mul(2_654_435_761).to_le_bytes());
    words.take(length).collect()
}

fn head(length: usize) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n")
}

/// The number in a target such as `/123`.
fn number(request: &str) -> usize {
    let target = request.split(' ').nth(1).unwrap();
    target.trim_start_matches('/').parse().unwrap_or(0)
}

/// Answers with as many bytes as the target says; head and body in one piece or in two.
fn sized(is_in_one: bool) -> Origin {
    Origin::scripted(move |served| {
        served.tell("connected");
        while let Some(request) = served.request() {
            let (mut head, body) = (head(number(&request)).into_bytes(), body(number(&request)));
            if is_in_one {
                head.extend(body);
                served.client.send(head);
            } else {
                served.client.send(head).send(body);
            }
        }
    })
}

/// Answers each request on any connection so; then closes, or resets, the connection.
fn once(answer: Vec<u8>, resets: bool) -> Origin {
    Origin::scripted(move |served| {
        if served.request().is_some() {
            served.client.send(&answer);
            if resets {
                served.reset();
            }
        }
    })
}

#[test]
fn bodies_of_all_sizes_arrive_as_they_are_and_both_connections_go_on() {
    let around = |size: usize| [size - 1, size, size + 1];
    let mut sizes: Vec<_> = [32, 64, 96, 128].map(|kib| around(kib * KIB)).concat();
    sizes.extend([0, 1, 10 * KIB, LARGE + 7, 5 * LARGE, 1]);
    for is_in_one in [true, false] {
        let origin = sized(is_in_one);
        let lb = Lb::over(&[origin.address]);
        let mut client = lb.client();
        // All of them at once: each answer has to end exactly where the next begins.
        for size in &sizes {
            client.send(format!("GET /{size} HTTP/1.1\r\nHost: test\r\n\r\n"));
        }
        for &size in &sizes {
            let response = client.response();
            assert!(response.body == body(size), "{size} bytes");
        }
        let connected = |seen: &Vec<u8>| seen == b"connected";
        assert_eq!(origin.requests.try_iter().filter(connected).count(), 1);
    }
}

#[test]
fn bytes_behind_a_large_body_are_no_part_of_it_nor_an_answer_to_anything() {
    let origin = Origin::scripted(|served| {
        while let Some(request) = served.request() {
            let answer = match number(&request) {
                0 => HELLO.into(),
                length => [
                    head(length).into_bytes(),
                    body(length),
                    head(3).into(),
                    b"bad".into(),
                ]
                .concat(),
            };
            served.client.send(answer);
        }
    });
    let lb = Lb::over(&[origin.address]);
    let mut client = lb.client();
    for _ in 0..10 {
        assert!(client.get(&format!("/{LARGE}")).body == body(LARGE));
        assert_eq!(client.get("/").text(), "hello");
    }
}

#[test]
fn a_large_body_that_is_cut_short_is_seen_to_be() {
    for resets in [false, true] {
        let mut answer = head(4 * LARGE).into_bytes();
        answer.extend(body(2 * LARGE));
        let origin = once(answer, resets);
        let lb = Lb::over(&[origin.address]);
        let response = lb.client().get("/");
        assert!(!response.is_whole);
        // A reset may overtake what was sent before it.
        assert!(resets || response.body.len() == 2 * LARGE);
        assert!(body(2 * LARGE).starts_with(&response.body));
    }
}

#[test]
fn a_large_body_that_only_closing_ends_is_whole_or_ends_in_a_reset() {
    for resets in [false, true] {
        let mut answer = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        answer.extend(body(3 * LARGE));
        let origin = once(answer, resets);
        let lb = Lb::over(&[origin.address]);
        let mut client = lb.client();
        client.send("GET / HTTP/1.0\r\n\r\n");
        client.read_until(b"\r\n\r\n");
        let mut rest = Vec::new();
        let ended = client.stream.read_to_end(&mut rest);
        assert_eq!(ended.is_err(), resets);
        // What came together with the head is not in `rest`.
        let is_whole = rest.len() >= 3 * LARGE - 64 * KIB && body(3 * LARGE).ends_with(&rest);
        assert!(resets || is_whole);
    }
}

#[test]
fn clients_that_stop_reading_in_the_middle_hold_no_worker_and_get_all_of_it_later() {
    let origin = sized(true);
    let lb = Lb::with(&[origin.address], |config| config.workers = 2);
    let size = 8 * LARGE;
    let mut readers: Vec<Client> = (0..6).map(|_| lb.client()).collect();
    for reader in &mut readers {
        reader.send(format!("GET /{size} HTTP/1.1\r\nHost: test\r\n\r\n"));
        // It has begun, and stays unread.
        reader.stream.peek(&mut [0]).unwrap();
    }
    for _ in 0..50 {
        assert_eq!(lb.client().get("/5").body, body(5));
    }
    for mut reader in readers {
        assert!(reader.response().body == body(size));
    }
}

#[test]
fn a_client_that_leaves_in_the_middle_leaves_nothing_to_the_next_one() {
    let origin = Origin::scripted(|served| {
        while let Some(request) = served.request() {
            let letter = request.as_bytes()["GET /".len()];
            let answer = [head(8 * LARGE).into_bytes(), vec![letter; 8 * LARGE]].concat();
            // The balancer may hang up.
            let _ = std::io::Write::write_all(&mut served.client.stream, &answer);
        }
    });
    let lb = Lb::with(&[origin.address], |config| config.workers = 1);
    for round in 0..10 {
        let mut leaving = lb.client();
        leaving.send("GET /a HTTP/1.1\r\nHost: test\r\n\r\n");
        leaving.read_exactly(100 * KIB + round * 10_007);
        drop(leaving);
        let response = lb.client().get("/b");
        assert!(response.is_whole && response.body.iter().all(|&byte| byte == b'b'));
    }
}

#[test]
fn answers_without_a_body_and_chunked_ones_stay_what_they_are() {
    let origin = Origin::scripted(|served| {
        while let Some(request) = served.request() {
            let answer = match &request[..6] {
                "HEAD /" => head(LARGE).into_bytes(),
                "GET /n" => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
                _ => [
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\n".to_vec(),
                    body(LARGE),
                    b"\r\n0\r\n\r\n".to_vec(),
                ]
                .concat(),
            };
            served.client.send(answer);
        }
    });
    let lb = Lb::over(&[origin.address]);
    let mut client = lb.client();
    for _ in 0..3 {
        client.send("HEAD / HTTP/1.1\r\nHost: test\r\n\r\n");
        let length = client.head_response();
        assert_eq!(length.field("Content-Length"), Some("1048576"));
        assert_eq!(client.get("/nothing").status, 204);
        let chunked = client.get("/chunked");
        assert!(chunked.is_whole && chunked.body == body(LARGE));
    }
}

#[test]
fn the_story_shows_the_beginning_of_a_large_text() {
    let text = "a line of text\n".repeat(100_000);
    let origin = Origin::scripted(move |served| {
        while served.request().is_some() {
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n",
                text.len()
            );
            served.client.send(head).send(&text);
        }
    });
    let lb = LbProgram::start(0, &[&origin.address.to_string()]);
    eventually("there is a backend", || {
        lb.client().get("/").body.len() == 1_500_000
    });
    eventually("the story tells it", || {
        lb.errors.try_iter().any(|line| line == "  a line of text")
    });
}

/// With no descriptor left for a pipe they are copied; with some, there is one for a worker.
#[cfg(target_os = "linux")]
#[test]
fn large_bodies_need_no_descriptor_that_is_not_to_be_had() {
    use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
    let (go_on, may_answer) = crossbeam_channel::unbounded();
    let answer = [head(LARGE).into_bytes(), body(LARGE)].concat();
    let origin = Origin::scripted(move |served| {
        while served.request().is_some() && may_answer.recv().is_ok() {
            served.client.send(&answer);
        }
    });
    let address = origin.address.to_string();
    let lb = LbProgram::start(0, &[&address, "--workers", "1", "--log", "off"]);
    let mut client = lb.client();
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    origin.request();
    // Now that both connections are in use, none of them is given back.
    let pid = Some(Pid::from_child(&lb.child));
    let before = getrlimit(Resource::Nofile);
    let none = Rlimit {
        current: Some(3),
        ..before
    };
    prlimit(pid, Resource::Nofile, none).unwrap();
    go_on.send(()).unwrap();
    assert!(client.response().body == body(LARGE));
    let few = support::open_descriptors(lb.child.id());
    prlimit(pid, Resource::Nofile, before).unwrap();
    for _ in 0..10 {
        go_on.send(()).unwrap();
        assert!(lb.client().get("/").body == body(LARGE));
    }
    eventually("no more than one pipe is open", || {
        support::open_descriptors(lb.child.id()) <= few + 2
    });
}
