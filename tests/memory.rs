//! Resident memory does not grow with what has been served: the real program is watched while
//! it answers requests on kept connections, and while clients come and go.
//!
//! What one test does here in a few seconds, the other does in full size, as `scripts/soak.sh`
//! runs it: 1,000,000 requests and 100,000 connections. Nor does memory stay away when a crowd has
//! left that needed much of it at the same time.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "memory/backend.rs"]
mod backend;
mod support;

use backend::{BATCH, END_OF_BATCH, HUGE, SMALL, batch, start_backend};
use memchr::memmem;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};
use support::{LbProgram, PATIENCE};

/// The work is done in so many parts, and memory read after each. The first are the warm-up.
const PARTS: usize = 10;
const WARM_UP: usize = 2;

/// The lowest of so many readings in a row counts: what the sessions hold for a moment, and the
/// allocator keeps for the next moment, makes single readings differ by half a megabyte.
const READINGS: usize = 3;

/// Threads that are clients, and the connections that each keeps. More in all than the program
/// has workers, so that sessions pass through the lot.
const THREADS: usize = 4;
const KEPT_EACH: usize = 12;
/// Connections that each opens at once where they come and go.
const OPEN_EACH: usize = 20;

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("connects");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Reads until what came ends in `end`.
fn read_until(stream: &mut TcpStream, end: &[u8], came: &mut Vec<u8>) {
    came.clear();
    let mut buffer = [0; 32 * 1024];
    while !came.ends_with(end) {
        let count = stream.read(&mut buffer).expect("an answer in time");
        assert!(count > 0, "cut short: {:?}", String::from_utf8_lossy(came));
        came.extend_from_slice(&buffer[..count]);
    }
}

/// A thread's share of the requests: a batch on every connection, then every answer.
fn request(streams: &mut [TcpStream], requests: usize) {
    let (batch, mut came) = (batch(), Vec::new());
    for _ in 0..requests.div_ceil(streams.len() * BATCH) {
        for stream in &mut *streams {
            stream.write_all(batch.as_bytes()).unwrap();
        }
        for stream in &mut *streams {
            read_until(stream, END_OF_BATCH, &mut came);
            assert_eq!(memmem::find_iter(&came, "HTTP/1.1 200 OK").count(), BATCH);
        }
    }
}

/// A thread's share of the connections: a request on each, and some open at the same time.
fn come_and_go(address: SocketAddr, connections: usize) {
    for _ in 0..connections / OPEN_EACH {
        let mut streams: Vec<_> = (0..OPEN_EACH).map(|_| connect(address)).collect();
        for (number, stream) in streams.iter_mut().enumerate() {
            let request = match End::of(number) {
                End::Theirs => SMALL.replace("Accept: */*", "Connection: close"),
                End::Ours | End::Reset => SMALL.into(),
            };
            stream.write_all(request.as_bytes()).unwrap();
        }
        for (number, stream) in streams.into_iter().enumerate() {
            leave(stream, End::of(number));
        }
    }
}

/// Who ends a connection.
#[derive(Clone, Copy)]
enum End {
    /// The program, as the client has asked.
    Theirs,
    /// The client, as is usual.
    Ours,
    /// The client, with a reset, so that the port can be used again at once.
    Reset,
}

impl End {
    /// Most are reset, or the ports would run out.
    fn of(number: usize) -> Self {
        match number % 10 {
            0 => End::Theirs,
            1 => End::Ours,
            _ => End::Reset,
        }
    }
}

/// Reads the one answer, and ends the connection.
fn leave(mut stream: TcpStream, end: End) {
    let mut came = Vec::new();
    read_until(&mut stream, b"nineteen bytes long", &mut came);
    match end {
        End::Theirs => assert_eq!(stream.read(&mut [0]).unwrap(), 0),
        End::Ours => {}
        End::Reset => {
            rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
        }
    }
}

/// Resident memory of a process, exact, unlike `VmRSS`, which the kernel counts in batches.
fn resident_kb(pid: u32) -> i64 {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = rollup.lines().find(|line| line.starts_with("Rss:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
    kilobytes.unwrap().parse().unwrap()
}

/// What was seen of one kind of work.
struct Seen {
    what: String,
    resident_kb: Vec<i64>,
    time: Duration,
}

impl Seen {
    /// Does the work part by part, on all threads, each with its own of `states`, and reads
    /// after each part how much memory there is.
    fn watch<S: Send>(
        what: String,
        lb: &LbProgram,
        states: &mut [S],
        work: impl Fn(&mut S) + Sync,
    ) -> Self {
        let began = Instant::now();
        let part = |_| {
            thread::scope(|scope| {
                for state in &mut *states {
                    scope.spawn(|| work(state));
                }
            });
            resident_kb(lb.child.id())
        };
        let resident_kb = (0..PARTS).map(part).collect();
        let time = began.elapsed();
        Self {
            what,
            resident_kb,
            time,
        }
    }

    /// Fails if there was more memory at the end than after the warm-up, with half of the work
    /// between the two. A leak of the smallest block at each request is three megabytes
    /// here; one at each connection shows from about a hundred bytes on.
    fn assert_flat(&self, max_kb: i64) {
        let floor = |from: usize| self.resident_kb[from..from + READINGS].iter().min();
        let growth = floor(PARTS - READINGS).unwrap() - floor(WARM_UP).unwrap();
        let (what, time, resident_kb) = (&self.what, self.time, &self.resident_kb);
        let report =
            format!("{what} in {time:.1?}: {growth:+} KiB after the warm-up; KiB {resident_kb:?}");
        println!("{report}");
        assert!(growth <= max_kb, "{report}");
    }
}

fn start(workers: &str, log: &str) -> LbProgram {
    let backends = [(); 2].map(|()| start_backend().to_string());
    let words = ["--workers", workers, "--log", log];
    LbProgram::start(0, &[&words[..], &[&backends[0], &backends[1]]].concat())
}

fn watch_requests(lb: &LbProgram, requests: usize) -> Seen {
    let kept = |_| (0..KEPT_EACH).map(|_| connect(lb.address)).collect();
    let mut streams: Vec<Vec<TcpStream>> = (0..THREADS).map(kept).collect();
    Seen::watch(
        format!("{requests} requests"),
        lb,
        &mut streams,
        |streams| {
            request(streams, requests / THREADS / PARTS);
        },
    )
}

fn watch_connections(lb: &LbProgram, connections: usize) -> Seen {
    let what = format!("{connections} connections");
    Seen::watch(what, lb, &mut [(); THREADS], |()| {
        come_and_go(lb.address, connections / THREADS / PARTS);
    })
}

/// With these few workers all that may be held is held soon. Each keeps up to 256 KiB for
/// sessions, the allocator keeps what each has freed, and of many most have little to do: then
/// it takes millions of requests until the last of them holds what the first one holds.
const FEW: &str = "2";

/// One program for both: a fresh one would go on for a while to find how many connections come
/// at the same time at the most.
fn soak(requests: usize, connections: usize) {
    let lb = start(FEW, "off");
    watch_requests(&lb, requests).assert_flat(2 * 1024);
    watch_connections(&lb, connections).assert_flat(256);
}

#[test]
#[cfg_attr(
    not(target_os = "linux"),
    ignore = "reads /proc/PID/smaps_rollup, which only Linux has"
)]
fn resident_memory_is_flat_over_requests_and_connections() {
    soak(200_000, 24_000);
}

#[test]
#[ignore = "takes half a minute or more; scripts/soak.sh runs it"]
fn resident_memory_is_flat_over_1000000_requests_and_100000_connections() {
    soak(1_000_000, 100_000);
}

/// Lines are made by the workers and freed by the thread that prints: what the longest queue so
/// far took stays with the allocator. The queue is bounded.
#[test]
#[ignore = "takes half a minute or more; scripts/soak.sh runs it"]
fn resident_memory_is_flat_over_1000000_logged_requests() {
    watch_requests(&start(FEW, "access"), 1_000_000).assert_flat(3 * 1024);
}

/// What each of the workers may hold is little enough.
#[test]
#[ignore = "takes half a minute or more; scripts/soak.sh runs it"]
fn resident_memory_of_16_workers_is_bounded_over_1000000_requests() {
    watch_requests(&start("16", "off"), 1_000_000).assert_flat(8 * 1024);
}

/// Kilobytes by which resident memory may be larger after a crowd than it was before.
const RETURNS_WITHIN_KB: i64 = 10 * 1024;

/// How long the last sessions get to end.
const SETTLE: Duration = Duration::from_secs(10);

/// A head of nearly 32 KiB, without its end.
fn long_head() -> String {
    let field = |number| format!("X-{number}: {}\r\n", "x".repeat(990));
    let fields: String = (0..31).map(field).collect();
    format!("GET / HTTP/1.1\r\nHost: soak\r\n{fields}")
}

/// All send a head but for its end, then all its end; so the heads are held at the same time.
fn crowd_with_long_heads(lb: &LbProgram, clients: usize) {
    let head = long_head();
    let mut streams: Vec<_> = (0..clients).map(|_| connect(lb.address)).collect();
    for stream in &mut streams {
        stream.write_all(head.as_bytes()).unwrap();
    }
    for stream in &mut streams {
        stream.write_all(b"\r\n").unwrap();
    }
    for stream in streams {
        leave(stream, End::Reset);
    }
}

/// All ask for much and read none of it, until no more is held for them; then they leave.
fn crowd_that_does_not_read(lb: &LbProgram, clients: usize) {
    let stream = |_| {
        let mut stream = connect(lb.address);
        stream.write_all(HUGE.as_bytes()).unwrap();
        stream
    };
    let streams: Vec<_> = (0..clients).map(stream).collect();
    let (deadline, mut before) = (Instant::now() + SETTLE, 0);
    while Instant::now() < deadline && resident_kb(lb.child.id()) > before {
        before = resident_kb(lb.child.id());
        // Until memory grows no more.
        thread::sleep(Duration::from_millis(200));
    }
    for stream in streams {
        rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    }
}

/// What resident memory is when all have left: it is looked at until it is back, for a while.
fn resident_kb_afterwards(lb: &LbProgram, start: i64) -> i64 {
    let deadline = Instant::now() + SETTLE;
    loop {
        let now = resident_kb(lb.child.id());
        if now - start <= RETURNS_WITHIN_KB || Instant::now() > deadline {
            return now;
        }
        // The allocator and the kernel give memory back in their own time.
        thread::sleep(Duration::from_millis(50));
    }
}

/// Memory after each round of both kinds of crowds.
fn assert_memory_returns(rounds: usize, clients: usize) {
    let _ = lb::net::limits::raise_descriptor_limit();
    let lb = start("16", "off");
    let start = resident_kb(lb.child.id());
    for crowd in [crowd_with_long_heads, crowd_that_does_not_read] {
        let seen: Vec<i64> = (0..rounds)
            .map(|_| {
                crowd(&lb, clients);
                resident_kb_afterwards(&lb, start)
            })
            .collect();
        let report = format!("{clients} clients at a time: KiB {start} before, then {seen:?}");
        println!("{report}");
        assert!(
            seen.last().unwrap() - start <= RETURNS_WITHIN_KB,
            "{report}"
        );
    }
}

#[test]
#[cfg_attr(
    not(target_os = "linux"),
    ignore = "reads /proc/PID/smaps_rollup, which only Linux has"
)]
fn memory_returns_to_the_system_after_a_crowd_with_long_heads_or_of_slow_readers() {
    assert_memory_returns(4, 400);
}

#[test]
#[ignore = "takes half a minute or more; scripts/soak.sh runs it"]
fn memory_returns_to_the_system_after_26_crowds_of_2000_clients() {
    assert_memory_returns(26, 2000);
}
