//! The promise of the parking lot: whatever is slow, at whichever stage, in whatever numbers,
//! a fresh request is answered at once; and everything slow is served in the end.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use support::{Client, Lb, Origin};

/// A fresh request is answered within this.
const PROMPT: Duration = Duration::from_millis(100);
/// How long the slow ones stay slow.
const SLOW: Duration = Duration::from_secs(4);
const DOWNLOAD: usize = 4 << 20;
const UPLOAD: usize = 40;

const SILENT: usize = 500;
const HALF_HEADS: usize = 500;
const UPLOADS: usize = 200;
const DOWNLOADS: usize = 200;
const SLOW_ANSWERS: usize = 200;
const TUNNELS: usize = 50;

/// Answers by target: at once, late, with much, or with a tunnel.
fn origin() -> Origin {
    let download = vec![b'x'; DOWNLOAD];
    Origin::scripted(move |served| {
        while let Some(request) = served.request() {
            match request.split(' ').nth(1).unwrap() {
                "/slow" => {
                    // It thinks.
                    thread::sleep(SLOW);
                    served
                        .client
                        .send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow");
                }
                "/download" => {
                    served.client.send(format!(
                        "HTTP/1.1 200 OK\r\nContent-Length: {DOWNLOAD}\r\n\r\n"
                    ));
                    served.client.stream.set_write_timeout(None).unwrap();
                    served.client.send(&download);
                }
                "/tunnel" => {
                    served
                        .client
                        .send("HTTP/1.1 101 Yes\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n");
                    served.client.stream.set_read_timeout(None).unwrap();
                    let mut from = served.client.stream.try_clone().unwrap();
                    let _ = std::io::copy(&mut from, &mut served.client.stream);
                    return;
                }
                _ => drop(
                    served
                        .client
                        .send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfresh"),
                ),
            }
        }
    })
}

/// Opens `count` connections and sends `bytes` on each.
fn open(lb: &Lb, count: usize, bytes: &str) -> Vec<Client> {
    let one = |_| {
        let mut client = lb.client();
        client.send(bytes);
        client
    };
    (0..count).map(one).collect()
}

/// How long fresh requests took, one after the other.
#[derive(Default)]
struct Times(Vec<Duration>);

impl Times {
    fn take(&mut self, address: SocketAddr) {
        let began = Instant::now();
        assert_eq!(Client::to(address).get("/").text(), "fresh");
        self.0.push(began.elapsed());
    }

    /// The time that 99 of 100 took at most, and the longest.
    fn p99_and_slowest(mut self) -> (Duration, Duration) {
        self.0.sort();
        (self.0[self.0.len() * 99 / 100], self.0[self.0.len() - 1])
    }
}

/// Sends fresh requests until told to end, by turns through the balancer and straight to the
/// backend: what the machine does to both is not the balancer's doing.
fn fresh_requests(lb: &Lb, origin: SocketAddr, end: &AtomicBool) -> (Times, Times) {
    let (mut through, mut straight) = (Times::default(), Times::default());
    while !end.load(Ordering::SeqCst) {
        through.take(lb.address);
        straight.take(origin);
        // A pause between two measurements.
        thread::sleep(Duration::from_millis(5));
    }
    (through, straight)
}

/// Everything slow at once; returns when each of them has been served.
fn slow_clients(lb: &Lb) {
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
    let began = Instant::now();
    let mut slow = open(lb, SLOW_ANSWERS, &get("/slow"));
    let mut silent = open(lb, SILENT, "");
    let mut half = open(lb, HALF_HEADS, "GET / HTTP/1.1\r\nHost: ");
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {UPLOAD}\r\n\r\n");
    let mut uploads = open(lb, UPLOADS, &head);
    let mut downloads = open(lb, DOWNLOADS, &get("/download"));
    let mut tunnels = open(
        lb,
        TUNNELS,
        "GET /tunnel HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    );
    for _ in 1..UPLOAD {
        uploads
            .iter_mut()
            .for_each(|client| client.stream.write_all(b"x").unwrap());
        // The uploads take the whole time.
        thread::sleep(SLOW.saturating_sub(began.elapsed()) / UPLOAD as u32);
    }
    for client in &mut uploads {
        assert_eq!(client.send("x").response().text(), "fresh");
    }
    for client in &mut half {
        assert_eq!(client.send("a\r\n\r\n").response().text(), "fresh");
    }
    for client in &mut silent {
        assert_eq!(client.get("/").text(), "fresh");
    }
    for client in &mut slow {
        assert_eq!(client.response().text(), "slow");
    }
    for client in &mut tunnels {
        assert_eq!(client.response().status, 101);
        assert_eq!(client.send("ping").read_exactly(4), b"ping");
    }
    for client in &mut downloads {
        let response = client.response();
        assert!(response.is_whole && response.body.len() == DOWNLOAD);
    }
}

#[test]
fn a_fresh_request_is_prompt_among_1650_slow_ones_with_four_workers() {
    let _ = lb::net::limits::raise_descriptor_limit();
    let origin = origin();
    let lb = Lb::with(&[origin.address], |config| {
        config.workers = 4;
        config.timeouts.head = Duration::from_secs(60);
        config.health.interval = Duration::from_secs(3600);
        config.health.timeout = Some(Duration::from_secs(20));
    });
    let end = AtomicBool::new(false);
    let (through, straight) = thread::scope(|scope| {
        let fresh = scope.spawn(|| fresh_requests(&lb, origin.address, &end));
        let slow = scope.spawn(|| slow_clients(&lb)).join();
        end.store(true, Ordering::SeqCst);
        slow.expect("every slow one is served");
        fresh.join().unwrap()
    });
    let count = through.0.len();
    let (p99, slowest) = through.p99_and_slowest();
    let (machine_p99, machine_slowest) = straight.p99_and_slowest();
    println!(
        "{count} fresh requests: p99 {p99:?}, slowest {slowest:?}; \
         straight to the backend {machine_p99:?}, {machine_slowest:?}"
    );
    assert!(count > 50, "only {count} in {SLOW:?}");
    // A request through the balancer needs more threads to be scheduled, one after the other.
    assert!(
        p99 < PROMPT + machine_p99 * 5 && slowest < PROMPT * 10 + machine_slowest * 5,
        "p99 {p99:?}, slowest {slowest:?}; straight {machine_p99:?}, {machine_slowest:?}"
    );
}
