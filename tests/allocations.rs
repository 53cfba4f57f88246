//! A request on a kept connection allocates nothing where a worker waits for it, and on the way
//! through the lot nothing but its share of the channel's blocks, each of which has room for
//! many jobs.
//!
//! The allocator of this process counts for all its threads, the balancer's and those of the
//! backend and the client here, which use nothing but buffers they had before. There is one
//! test only, since the harness itself allocates whenever a test ends.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use lb::config::Switch;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;
use support::{Lb, PATIENCE, Setup, find};

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Allocations that a window may hold without there being one for each request, or each tenth.
/// What is in the background has its own times: the checker looks after kept connections, a
/// client that the machine held up is parked for once, a list grows to its final size.
const BACKGROUND: usize = 20;

/// Jobs that go through one block of the channel (crossbeam's), and jobs that a request becomes
/// on its way: one when it has come, one when its answer has.
const JOBS_PER_BLOCK: usize = 31;
const JOBS_PER_REQUEST: usize = 2;

/// Requests in a window, and the windows of which the best counts.
const REQUESTS: usize = 1000;
const WINDOWS: usize = 5;

/// More than any message here is long.
const LONGEST: usize = 128 * 1024;

/// Asks to be answered when as many others have asked, so that each has a connection of its own.
const GATHER: &str = "GET /gather HTTP/1.1\r\nHost: test\r\n\r\n";
const GATHERED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhere";

/// How many clients there are, and how many workers for them.
struct Crowd {
    workers: usize,
    connections: usize,
    /// Whether an answer is read while it comes. Where clients let it wait, because the one that
    /// drives them reads from another, a long one is held by its session in storage of its own.
    reads_at_once: bool,
    /// Whether all is counted and noted that can be seen.
    is_observed: bool,
}

const CROWDS: [Crowd; 5] = [
    // Waits in a worker's blocking read.
    Crowd {
        workers: 16,
        connections: 1,
        reads_at_once: true,
        is_observed: false,
    },
    // Wait in the lot.
    Crowd {
        workers: 16,
        connections: 8,
        reads_at_once: false,
        is_observed: false,
    },
    Crowd {
        workers: 2,
        connections: 64,
        reads_at_once: false,
        is_observed: false,
    },
    Crowd {
        workers: 16,
        connections: 1,
        reads_at_once: true,
        is_observed: true,
    },
    Crowd {
        workers: 2,
        connections: 64,
        reads_at_once: false,
        is_observed: true,
    },
];

/// What is said on both sides of the balancer. The ends tell where a message is over.
struct Talk {
    name: &'static str,
    is_long: bool,
    request: String,
    request_end: &'static str,
    answer: String,
    answer_end: &'static str,
}

fn talks() -> Vec<Talk> {
    let text = |count: usize| format!("{}.", "x".repeat(count - 1));
    let browser = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Firefox/128.0\r\n\
        Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
        Accept-Language: de,en-US;q=0.7,en;q=0.3\r\nAccept-Encoding: gzip, deflate, br\r\n\
        Connection: keep-alive\r\nCookie: a=b; session=0123456789abcdef0123456789abcdef\r\n";
    let chunk = text(1000);
    vec![
        Talk {
            name: "a small answer",
            is_long: false,
            request: "GET / HTTP/1.1\r\nHost: test\r\n\r\n".into(),
            request_end: "\r\n\r\n",
            answer: "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello.".into(),
            answer_end: "hello.",
        },
        Talk {
            name: "a browser",
            is_long: false,
            request: format!("GET /a?b HTTP/1.1\r\nHost: test\r\n{browser}\r\n"),
            request_end: "\r\n\r\n",
            answer: "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n".into(),
            answer_end: "\r\n\r\n",
        },
        Talk {
            name: "an answer of 100 KiB",
            is_long: true,
            request: "GET /long HTTP/1.1\r\nHost: test\r\n\r\n".into(),
            request_end: "\r\n\r\n",
            answer: format!(
                "HTTP/1.1 200 OK\r\nContent-Length: 102400\r\n\r\n{}",
                text(100 << 10)
            ),
            answer_end: ".",
        },
        Talk {
            name: "an upload",
            is_long: false,
            request: format!(
                "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5000\r\n\r\n{}",
                text(5000)
            ),
            request_end: "x.",
            answer: "HTTP/1.1 204 No Content\r\n\r\n".into(),
            answer_end: "\r\n\r\n",
        },
        Talk {
            name: "chunks both ways",
            is_long: false,
            request: format!(
                "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n\
                 3e8\r\n{chunk}\r\n0\r\n\r\n"
            ),
            request_end: "\r\n0\r\n\r\n",
            answer: format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                 3e8\r\n{chunk}\r\n3e8\r\n{chunk}\r\n0\r\n\r\n"
            ),
            answer_end: "\r\n0\r\n\r\n",
        },
    ]
}

/// Reads a message into `buffer`; returns it, or `None` when the connection ends.
fn read_message<'b>(stream: &mut TcpStream, end: &[u8], buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    let mut length = 0;
    while !buffer[..length].ends_with(end) {
        match stream.read(&mut buffer[length..]) {
            Ok(0) | Err(_) => return None,
            Ok(count) => length += count,
        }
    }
    Some(&buffer[..length])
}

/// A backend that gives one answer, whatever it is asked. Those who gather are answered when
/// `connections` of them have come.
fn start_backend(talk: &Talk, connections: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (end, answer) = (talk.request_end, Arc::<str>::from(talk.answer.as_str()));
    let gathered = Arc::new(Barrier::new(connections));
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (answer, gathered) = (Arc::clone(&answer), Arc::clone(&gathered));
            thread::spawn(move || serve(stream, end, &answer, &gathered));
        }
    });
    address
}

fn serve(mut stream: TcpStream, end: &str, answer: &str, gathered: &Barrier) {
    stream.set_nodelay(true).unwrap();
    let mut buffer = vec![0; LONGEST];
    let mut has_gathered = false;
    loop {
        // Until they have gathered, heads are all that comes here: the first check's, and theirs.
        let end = if has_gathered { end } else { "\r\n\r\n" };
        let Some(request) = read_message(&mut stream, end.as_bytes(), &mut buffer) else {
            return;
        };
        let answer = match request.starts_with(b"GET /gather ") {
            true => {
                gathered.wait();
                has_gathered = true;
                GATHERED
            }
            false if has_gathered => answer,
            false => GATHERED,
        };
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// Clients of one balancer, driven by one thread.
struct Clients {
    streams: Vec<TcpStream>,
    buffer: Vec<u8>,
}

impl Clients {
    fn of(lb: &Lb, count: usize) -> Self {
        let connect = |_| {
            let stream = TcpStream::connect(lb.address).unwrap();
            stream.set_nodelay(true).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream
        };
        Self {
            streams: (0..count).map(connect).collect(),
            buffer: vec![0; LONGEST],
        }
    }

    /// A request on every connection, then every answer. Returns how many that were.
    fn round(&mut self, request: &str, end: &str) -> usize {
        for stream in &mut self.streams {
            stream.write_all(request.as_bytes()).unwrap();
        }
        for stream in &mut self.streams {
            let answer = read_message(stream, end.as_bytes(), &mut self.buffer);
            assert!(find(answer.expect("an answer"), b"HTTP/1.1 ") == Some(0));
        }
        self.streams.len()
    }

    /// Allocations of the whole process while so many requests are answered.
    fn window(&mut self, talk: &Talk, requests: usize) -> usize {
        let before = COUNTED.stats();
        let mut answered = 0;
        while answered < requests {
            answered += self.round(&talk.request, talk.answer_end);
        }
        let made = COUNTED.stats() - before;
        made.allocations + made.reallocations
    }
}

/// Allocations of this crowd in each window.
fn measure(crowd: &Crowd, talk: &Talk) -> [usize; WINDOWS] {
    let backends = [(); 2].map(|()| start_backend(talk, crowd.connections));
    let start = match crowd.is_observed {
        true => Lb::observed,
        false => Lb::with,
    };
    let lb = start(&backends, |config: &mut Setup| {
        config.workers = crowd.workers;
        // No check and no new connection to a backend while we count.
        config.health.interval = Duration::from_secs(3600);
        config.timeouts.backend_idle = Duration::from_secs(3600);
        // Ids are on by default; both are made of numbers that are kept in place.
        config.traceparent = Some(Switch::On);
    });
    // Twice as many, who take turns at the backends: so many connections then rest at each.
    let mut clients = Clients::of(&lb, crowd.connections * 2);
    clients.round(GATHER, "here");
    clients.streams.truncate(crowd.connections);
    // What is lent to each worker, and what lists grow to, is settled after a while.
    clients.window(talk, REQUESTS / 2);
    [(); WINDOWS].map(|()| clients.window(talk, REQUESTS))
}

#[test]
fn a_request_on_a_kept_connection_allocates_nothing_of_its_own() {
    let mut report = format!("allocations in {REQUESTS} requests:\n");
    let mut is_free = true;
    for crowd in &CROWDS {
        for talk in talks() {
            if talk.is_long && !crowd.reads_at_once {
                continue;
            }
            let windows = measure(crowd, &talk);
            let blocks = match crowd.connections {
                1 => 0,
                _ => REQUESTS * JOBS_PER_REQUEST / JOBS_PER_BLOCK,
            };
            is_free &= windows.iter().min() < Some(&(blocks + BACKGROUND));
            let seen = if crowd.is_observed { ", observed" } else { "" };
            let (connections, workers, name) = (crowd.connections, crowd.workers, talk.name);
            report += &format!(
                "{connections} connections, {workers} workers, {name}{seen}: {windows:?}\n"
            );
        }
    }
    println!("{report}");
    assert!(is_free, "{report}");
}
