//! Two hundred backends, half of which accept connections and never say anything.

use crate::findings::{Findings, judge};
use crate::support::{LbProgram, find, open_descriptors, threads};
use crate::time;
use crate::watch::{Stalls, name};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const EACH: usize = 100;
const INTERVAL: Duration = Duration::from_secs(1);

/// Sixteen workers, and what every balancer has: no thread is there for a backend.
const THREADS: usize = 16 + 10;

/// By how much a check may be early or late, beside what the machine adds.
const SLACK: Duration = Duration::from_millis(350);

/// A backend in this process.
struct Host {
    port: u16,
    checks: Arc<Mutex<Vec<Instant>>>,
    /// Requests that were no checks.
    requests: Arc<Mutex<usize>>,
}

impl Host {
    fn new(answers: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = Self {
            port: listener.local_addr().unwrap().port(),
            checks: Arc::default(),
            requests: Arc::default(),
        };
        let (checks, requests) = (Arc::clone(&host.checks), Arc::clone(&host.requests));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (checks, requests) = (Arc::clone(&checks), Arc::clone(&requests));
                thread::spawn(move || serve(stream, answers, &checks, &requests));
            }
        });
        host
    }
}

/// Reads requests, each in one piece, until the connection ends.
fn serve(
    mut stream: TcpStream,
    answers: bool,
    checks: &Mutex<Vec<Instant>>,
    requests: &Mutex<usize>,
) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut bytes) {
        if find(&bytes[..count], b"User-Agent: lb-health/").is_some() {
            checks.lock().unwrap().push(Instant::now());
        } else {
            *requests.lock().unwrap() += 1;
        }
        if answers
            && stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                .is_err()
        {
            return;
        }
    }
}

/// The longest time between two checks of a backend.
fn longest_gap(host: &Host, until: Instant) -> Duration {
    let mut checks = host.checks.lock().unwrap().clone();
    checks.push(until);
    let gaps = checks.windows(2).map(|two| two[1] - two[0]);
    gaps.max().unwrap_or(Duration::MAX)
}

/// A balancer over all of them, the good and the hanging by turns.
fn start(good: &[Host], hanging: &[Host]) -> LbProgram {
    let both = good.iter().zip(hanging);
    let names = both.flat_map(|(a, b)| [name(a.port), name(b.port)]);
    let options = "--log off --health-interval 1s --health-timeout 500ms";
    let words: Vec<String> = names
        .chain(options.split(' ').map(str::to_string))
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    LbProgram::start(0, &words)
}

fn attempt() -> Findings {
    let stalls = Stalls::begin();
    let good: Vec<Host> = (0..EACH).map(|_| Host::new(true)).collect();
    let hanging: Vec<Host> = (0..EACH).map(|_| Host::new(false)).collect();
    let lb = start(&good, &hanging);
    let (pid, began) = (lb.child.id(), Instant::now());
    let (mut most_descriptors, mut most_threads) = (0, 0);
    let mut client = lb.client();
    // Each good one gets exactly one of each hundred.
    for _ in 0..2 * EACH {
        assert_eq!(client.get("/").status, 200);
    }
    let served = began.elapsed();
    while began.elapsed() < time(2500, 10_000) {
        most_descriptors = most_descriptors.max(open_descriptors(pid));
        most_threads = most_threads.max(threads(pid));
        thread::sleep(Duration::from_millis(20));
    }
    let until = Instant::now();
    let stalled = stalls.in_all();
    let gaps = good.iter().map(|host| longest_gap(host, until));
    let gap = gaps.max().unwrap();
    println!("\n200 backends, 100 of them hanging: longest time between two checks {gap:.2?},");
    println!("{most_descriptors} descriptors, {most_threads} threads, stalls {stalled:.2?}");
    let shares = |hosts: &[Host]| -> Vec<usize> {
        let shares = hosts.iter().map(|host| *host.requests.lock().unwrap());
        shares.collect()
    };
    let mut found = Findings {
        stalled,
        ..Findings::default()
    };
    let (shares, others) = (shares(&good), shares(&hanging));
    found.expect(shares == [2; EACH], || format!("shares {shares:?}"));
    found.demand(others == [0; EACH], || {
        format!("hanging ones got {others:?}")
    });
    found.expect(served < Duration::from_secs(2) + stalled, || {
        format!("served in {served:?}")
    });
    found.expect(gap < INTERVAL + SLACK + stalled, || {
        format!("no check for {gap:?}")
    });
    found.demand(most_threads <= THREADS, || {
        format!("{most_threads} threads")
    });
    // A check of each, a kept connection to each good one, and its own.
    let is_bounded = most_descriptors < 3 * EACH + 40;
    found.demand(is_bounded, || format!("{most_descriptors} descriptors"));
    found
}

#[test]
fn two_hundred_backends_are_checked_on_time_though_half_of_them_hang() {
    judge(attempt);
}
