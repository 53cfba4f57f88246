//! Many clients at once, and too many; and afterwards nothing is left of them.
//!
//! `scripts/flood.sh` runs them in full size, with `LB_FLOOD=full`.
#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::thread;
use std::time::{Duration, Instant};
use support::{Client, LbProgram, Program, eventually, open_descriptors, threads};

const QUIET: &[&str] = &[
    "--log",
    "off",
    "--health-interval",
    "1h",
    "--backend-idle-timeout",
    "200ms",
];

/// The size of a flood: that of the suite, or the full one.
fn size(in_suite: usize, full: usize) -> usize {
    let _ = lb::net::limits::raise_descriptor_limit();
    match std::env::var_os("LB_FLOOD") {
        Some(_) => full,
        None => in_suite,
    }
}

/// Resident memory of a process in KiB: now, and at its peak.
fn resident(pid: u32) -> (usize, usize) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    (field("VmRSS:"), field("VmHWM:"))
}

fn start(descriptors: u32, backends: &[&Program], more: &[&str]) -> LbProgram {
    let names: Vec<String> = backends.iter().map(|one| one.address.to_string()).collect();
    let mut words: Vec<&str> = names.iter().map(String::as_str).collect();
    words.extend(QUIET);
    words.extend(more);
    LbProgram::start(descriptors, &words)
}

/// The ends of each worker's two pipes, which are made for the first large bodies and then kept.
const PIPE_ENDS: usize = 2 * 2 * 16;

/// Runs `flood` and checks that the process is then as it was before.
fn leaves_nothing(lb: &LbProgram, flood: impl FnOnce()) {
    let pid = lb.child.id();
    assert_eq!(lb.client().get("/").status, 200);
    // The connection to the backend rests for a while before it is closed.
    let mut before = 0;
    eventually("it is quiet", || {
        let now = open_descriptors(pid);
        // Longer than a look of the accept loop takes.
        thread::sleep(Duration::from_millis(300));
        std::mem::replace(&mut before, now) == now
    });
    let threads_before = threads(pid);
    flood();
    eventually("no descriptor is left", || {
        open_descriptors(pid) <= before + PIPE_ENDS
    });
    assert_eq!(threads(pid), threads_before);
    assert_eq!(lb.client().get("/").status, 200);
}

#[test]
fn thousands_of_connections_as_fast_as_they_come_with_a_request_each() {
    let count = size(2_000, 10_000);
    let (one, two) = (Program::backend(0), Program::backend(0));
    let lb = start(0, &[&one, &two], &[]);
    leaves_nothing(&lb, || {
        let began = Instant::now();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut clients: Vec<Client> = (0..count / 4).map(|_| lb.client()).collect();
                    for client in &mut clients {
                        client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
                    }
                    for client in &mut clients {
                        assert_eq!(client.response().status, 200);
                        assert!(client.is_closed());
                    }
                });
            }
        });
        let peak = resident(lb.child.id()).1;
        println!(
            "{count} connections: {:?}, peak {peak} KiB",
            began.elapsed()
        );
    });
}

#[test]
fn thousands_of_idle_connections_among_active_ones() {
    let count = size(1_000, 5_000);
    let one = Program::backend(0);
    let lb = start(0, &[&one], &[]);
    leaves_nothing(&lb, || {
        let before = resident(lb.child.id()).0;
        let mut idle: Vec<Client> = (0..count).map(|_| lb.client()).collect();
        idle.iter_mut()
            .for_each(|client| assert_eq!(client.get("/").status, 200));
        let bytes = (resident(lb.child.id()).0 - before) * 1024 / count;
        println!("{count} idle connections: {bytes} bytes each");
        thread::scope(|scope| {
            for _ in 0..64 {
                scope.spawn(|| {
                    let mut client = lb.client();
                    (0..100).for_each(|_| assert_eq!(client.get("/").status, 200));
                });
            }
        });
        idle.iter_mut()
            .for_each(|client| assert_eq!(client.get("/").status, 200));
    });
}

#[test]
fn clients_that_send_garbage_and_reset() {
    let count = size(1_000, 2_000);
    let one = Program::backend(0);
    let lb = start(0, &[&one], &["--workers", "4"]);
    leaves_nothing(&lb, || {
        for number in 0..count {
            let mut client = lb.client();
            let bytes = match number % 5 {
                0 => &b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"[..],
                1 => b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                2 => b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\nabc",
                3 => b"GET /?bytes=1000000 HTTP/1.1\r\nHost: a\r\n\r\n",
                _ => b"GET / HT",
            };
            client.send(bytes);
            let none = Some(Duration::ZERO);
            rustix::net::sockopt::set_socket_linger(&client.stream, none).unwrap();
        }
    });
}

#[test]
fn four_hundred_clients_against_256_descriptors() {
    let (one, two) = (Program::backend(0), Program::backend(0));
    let lb = start(
        256,
        &[&one, &two],
        &["--workers", "4", "--keep-alive-timeout", "3s"],
    );
    leaves_nothing(&lb, || {
        thread::scope(|scope| {
            for _ in 0..400 {
                // Kept alive, so that those inside must make room for those outside.
                scope.spawn(|| {
                    let mut client = lb.client();
                    assert_eq!(client.get("/?delay=50ms").status, 200);
                    client.read_to_end();
                });
            }
            scope.spawn(|| {
                let ticks = || {
                    let stat =
                        std::fs::read_to_string(format!("/proc/{}/stat", lb.child.id())).unwrap();
                    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split(' ').collect();
                    fields[12].parse::<u64>().unwrap() + fields[13].parse::<u64>().unwrap()
                };
                let before = ticks();
                // The time of which processor time is measured.
                thread::sleep(Duration::from_millis(1500));
                let used = ticks() - before;
                assert!(used < 100, "it spins: {used} ticks of 10 ms in 1.5 s");
            });
        });
    });
    let told: Vec<String> = lb.errors.try_iter().collect();
    assert!(told.len() <= 2, "one line says that clients wait: {told:?}");
}

#[test]
fn idle_clients_make_room_only_for_those_who_wait() {
    let one = Program::backend(0);
    let lb = start(
        0,
        &[&one],
        &["--max-connections", "50", "--keep-alive-timeout", "60s"],
    );
    let mut idle: Vec<Client> = (0..50).map(|_| lb.client()).collect();
    // The last ones are told to close, because the place is the last; those before stay.
    idle.iter_mut()
        .for_each(|client| assert_eq!(client.get("/").status, 200));
    let began = Instant::now();
    assert_eq!(lb.client().get("/").status, 200);
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
}
