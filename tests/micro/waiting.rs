//! Waiting: what it costs to park a session and to have it back, and to have a job done by a
//! worker. What is parked are real connections.

use divan::Bencher;
use divan::counter::ItemsCount;
use lb::engine::lot::{Lot, Park, Parked};
use lb::engine::queue::{Poll, Queue, Taker};
use lb::net::Interest;
use lb::net::buffer::{Buffer, BufferCache};
use lb::net::conn::{Blocking, Conn, Moved};
use lb::net::connect;
use lb::net::options::Options;
use lb::net::readiness::{Readiness, Reports};
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Far beyond the end of any benchmark.
const DUE_AFTER: Duration = Duration::from_secs(3600);

/// What is parked: a connection with its other end, or only a deadline.
struct Item(Option<(Conn, TcpStream)>);

impl Park for Item {
    fn watch(&mut self, readiness: &Arc<Readiness>, key: usize) -> io::Result<()> {
        match &mut self.0 {
            Some((conn, _)) => conn.watch(readiness, key, Interest::Read),
            None => Ok(()),
        }
    }

    /// Those without a connection are due last.
    fn deadline(&self) -> Instant {
        Instant::now() + DUE_AFTER * if self.0.is_some() { 1 } else { 2 }
    }
}

impl Item {
    fn connected() -> Box<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let conn = connect::begin(listener.local_addr().unwrap(), &Options::default()).unwrap();
        let peer = listener.accept().unwrap().0;
        while !conn.is_connected().unwrap() {}
        Box::new(Self(Some((conn, peer))))
    }

    /// The other end of its connection.
    fn peer(&self) -> TcpStream {
        let (_, peer) = self.0.as_ref().unwrap();
        peer.try_clone().unwrap()
    }

    /// Reads what has come, as a worker does with one that is ready.
    fn read(&self, buffer: &mut Buffer, cache: &mut BufferCache) {
        let (conn, _) = self.0.as_ref().unwrap();
        let moved = conn.read(buffer, cache, Blocking::Never).unwrap();
        assert!(matches!(moved, Moved::Bytes(_)));
        buffer.clear();
    }
}

/// A lot in which so many others wait.
fn lot_with(others: usize) -> Lot<Item> {
    let lot = Lot::new().unwrap();
    (0..others).for_each(|_| park(&lot, Box::new(Item(None))));
    lot
}

/// Parks a item that is not ready.
fn park(lot: &Lot<Item>, item: Box<Item>) {
    assert!(matches!(lot.park(item), Parked::InLot));
}

/// One byte to so many items and read by them, without the lot: what of the next benchmark is
/// not its work.
#[divan::bench(args = [1, 64])]
fn write_and_read(bencher: Bencher<'_, '_>, count: usize) {
    let (mut buffer, mut cache) = (Buffer::default(), BufferCache::default());
    let items: Vec<_> = (0..count).map(|_| Item::connected()).collect();
    let mut peers: Vec<_> = items.iter().map(|item| item.peer()).collect();
    bencher.counter(ItemsCount::new(count)).bench_local(|| {
        for peer in &mut peers {
            peer.write_all(b"x").unwrap();
        }
        for item in &items {
            item.read(&mut buffer, &mut cache);
        }
    });
}

/// So many are parked, get one byte each, are collected as ready, and read it; alone and among
/// others who go on waiting.
#[divan::bench(args = [(1, 0), (1, 10_000), (64, 0), (64, 10_000)])]
fn park_and_collect_of_and_among(bencher: Bencher<'_, '_>, (count, others): (usize, usize)) {
    let lot = lot_with(others);
    let (mut reports, mut buffer, mut cache) = (
        Reports::default(),
        Buffer::default(),
        BufferCache::default(),
    );
    let mut items: Vec<_> = (0..count).map(|_| Item::connected()).collect();
    let mut peers: Vec<_> = items.iter().map(|item| item.peer()).collect();
    bencher.counter(ItemsCount::new(count)).bench_local(|| {
        items.drain(..).for_each(|item| park(&lot, item));
        for peer in &mut peers {
            peer.write_all(b"x").unwrap();
        }
        while items.len() < count {
            lot.poll(&mut reports, Poll::Now, &mut items).unwrap();
        }
        for item in &items {
            item.read(&mut buffer, &mut cache);
        }
    });
}

/// Parked and called out again: what the lot does itself.
#[divan::bench(args = [0, 1000, 10_000])]
fn park_and_call_among(bencher: Bencher<'_, '_>, others: usize) {
    let lot = lot_with(others);
    let mut item = Some(Item::connected());
    bencher.bench_local(|| {
        item.take().into_iter().for_each(|item| park(&lot, item));
        // It is due before all others, so it is found at once.
        item = lot.take(1, |item| item.0.is_some()).pop();
    });
}

/// A job as large as that of a worker; the channel allocates for some of them at a time.
type Job = [u64; 8];

/// A job pushed and taken by one thread, and by two at the same queue.
#[divan::bench(threads = [1, 2], sample_size = 10_000)]
fn push_and_take_a_job(bencher: Bencher<'_, '_>) {
    let queue = Queue::new(2, || ());
    (0..2).for_each(|_| queue.scheduler().add_worker());
    bencher.with_inputs(Taker::default).bench_refs(|taker| {
        queue.push(Job::default());
        // Nobody has to wait: there are always as many jobs as there are takers.
        queue.take(taker, |_, _| ())
    });
}

/// A queue with an empty lot, whose workers say of each job with `true` that they have it.
struct Pool {
    queue: Queue<bool>,
    lot: Arc<Lot<Item>>,
}

impl Pool {
    fn new(side_by_side: usize) -> Self {
        let lot = Arc::new(lot_with(0));
        let polled = Arc::clone(&lot);
        Self {
            queue: Queue::new(side_by_side, move || polled.interrupt()),
            lot,
        }
    }

    fn work(&self, done: &Sender<()>) {
        let (mut taker, mut reports) = (Taker::default(), Reports::default());
        let mut poll = |poll: Poll, _: &mut Vec<bool>| {
            self.lot.poll(&mut reports, poll, &mut Vec::new()).unwrap();
        };
        self.queue.scheduler().add_worker();
        while let Some(is_last) = self.queue.take(&mut taker, &mut poll) {
            if is_last {
                done.send(()).unwrap();
            }
        }
    }

    /// Measures so many jobs from the first that is pushed to the last that is done.
    fn bench(&self, bencher: Bencher<'_, '_>, workers: usize, count: usize) {
        let (done, last) = channel();
        thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| self.work(&done));
            }
            bencher.counter(ItemsCount::new(count)).bench_local(|| {
                (1..=count).for_each(|number| self.queue.push(number == count));
                last.recv().unwrap();
            });
            self.queue.scheduler().close();
        });
    }
}

/// A job to the worker that polls the lot, and its message that it has it.
#[divan::bench]
fn call_a_worker(bencher: Bencher<'_, '_>) {
    Pool::new(1).bench(bencher, 1, 1);
}

/// A thousand jobs with nothing in them.
#[divan::bench(args = [1, 2, 16])]
fn thousand_jobs_to_workers(bencher: Bencher<'_, '_>, workers: usize) {
    Pool::new(workers.min(2)).bench(bencher, workers, 1000);
}
