//! Load from many clients, in two shapes: each asks when it has its answer, or all ask when
//! it is time. Every request leaves a sample.

use crate::client::{Checker, Cut, Order, Outcome};
use crossbeam_channel::{Receiver, bounded};
use fastrand::Rng;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A number that no other request has.
pub(crate) fn next_id() -> u64 {
    static IDS: AtomicU64 = AtomicU64::new(0);
    IDS.fetch_add(1, Ordering::Relaxed)
}

/// One request, as its client saw it.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// Just before it was sent, or when it was due.
    pub(crate) began: Instant,
    /// When the answer was there.
    pub(crate) ended: Instant,
    pub(crate) id: u64,
    pub(crate) is_post: bool,
    pub(crate) outcome: Outcome,
}

impl Sample {
    pub(crate) fn is_good(&self) -> bool {
        matches!(self.outcome, Outcome::Answered(_))
    }

    /// Whether it was under way at some moment from `from` to `to`.
    pub(crate) fn overlaps(&self, from: Instant, to: Instant) -> bool {
        self.began <= to && self.ended >= from
    }

    pub(crate) fn took(&self) -> Duration {
        self.ended - self.began
    }
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    samples: Mutex<Vec<Sample>>,
}

impl Shared {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Asks for something and writes down what came of it.
    fn serve(&self, checker: &mut Checker, order: &Order, began: Option<Instant>) {
        let began = began.unwrap_or_else(Instant::now);
        let mut outcome = checker.ask(order);
        // A connection may end between two requests; then it is asked on another one.
        if outcome == Outcome::Cut(Cut::Before) {
            outcome = checker.ask(order);
        }
        let sample = Sample {
            began,
            ended: Instant::now(),
            id: order.id,
            is_post: order.is_post,
            outcome,
        };
        self.samples.lock().expect("no panic").push(sample);
    }
}

/// Load that goes on until it is ended.
pub(crate) struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// So many clients, each with one request at a time and a short rest between two.
    pub(crate) fn steady(address: SocketAddr, clients: u64) -> Self {
        Self::of(address, clients, Order::random)
    }

    /// The same with requests of another kind, made of a number and of chance.
    pub(crate) fn of(
        address: SocketAddr,
        clients: u64,
        order: impl Fn(u64, &mut Rng) -> Order + Copy + Send + 'static,
    ) -> Self {
        let shared = Arc::new(Shared::default());
        let client = |seed: u64| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (mut checker, mut rng) = (Checker::of(address), Rng::with_seed(seed));
                while !shared.is_over() {
                    shared.serve(&mut checker, &order(next_id(), &mut rng), None);
                    thread::sleep(Duration::from_millis(rng.u64(30..120)));
                }
            })
        };
        let threads = (0..clients).map(client).collect();
        Self { shared, threads }
    }

    /// So many requests a second, each at its time, whether or not earlier ones are answered.
    pub(crate) fn paced(address: SocketAddr, per_second: u32) -> Self {
        let shared = Arc::new(Shared::default());
        let pacer = Arc::clone(&shared);
        let threads = vec![thread::spawn(move || pace(&pacer, address, per_second))];
        Self { shared, threads }
    }

    /// Ends it; what is under way is waited for.
    pub(crate) fn end(self) -> Vec<Sample> {
        self.shared.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("no panic");
        }
        let mut samples = self.shared.samples.lock().expect("no panic");
        std::mem::take(&mut samples)
    }
}

/// Hands each request to a thread that is free, or to a new one.
fn pace(shared: &Arc<Shared>, address: SocketAddr, per_second: u32) {
    let (sender, jobs) = bounded(0);
    let mut threads = Vec::new();
    let start = Instant::now();
    for number in 0.. {
        let due = start + Duration::from_secs(1) * number / per_second;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if shared.is_over() {
            break;
        }
        if sender.try_send(due).is_err() {
            let (shared, jobs) = (Arc::clone(shared), jobs.clone());
            let seed = u64::from(number);
            threads.push(thread::spawn(move || {
                serve_paced(&shared, address, seed, due, &jobs);
            }));
        }
    }
    drop(sender);
    for thread in threads {
        thread.join().expect("no panic");
    }
}

fn serve_paced(
    shared: &Shared,
    address: SocketAddr,
    seed: u64,
    first: Instant,
    jobs: &Receiver<Instant>,
) {
    let (mut checker, mut rng) = (Checker::of(address), Rng::with_seed(seed));
    let mut serve = |due| {
        let order = Order::random(next_id(), &mut rng);
        shared.serve(&mut checker, &order, Some(due));
    };
    serve(first);
    jobs.iter().for_each(serve);
}
