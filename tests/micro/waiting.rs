//! Waiting: what it costs to park a session and to have it back, and to have a job done by a
//! worker. The lot's guests are real connections.

use divan::Bencher;
use divan::counter::ItemsCount;
use lb::jobs::{Jobs, Minding, Round};
use lb::lot::{Lot, Park, Parked};
use lb::net::Interest;
use lb::net::buffer::{Buffer, Shelf};
use lb::net::conn::{Conn, Moved, Wait};
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
struct Guest(Option<(Conn, TcpStream)>);

impl Park for Guest {
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

impl Guest {
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
    fn read(&self, buffer: &mut Buffer, shelf: &mut Shelf) {
        let (conn, _) = self.0.as_ref().unwrap();
        let moved = conn.read(buffer, shelf, Wait::No).unwrap();
        assert!(matches!(moved, Moved::Bytes(_)));
        buffer.clear();
    }
}

/// A lot in which so many others wait.
fn lot_with(others: usize) -> Lot<Guest> {
    let lot = Lot::new().unwrap();
    (0..others).for_each(|_| park(&lot, Box::new(Guest(None))));
    lot
}

/// Parks a guest that is not ready.
fn park(lot: &Lot<Guest>, guest: Box<Guest>) {
    assert!(matches!(lot.park(guest), Parked::Yes));
}

/// One byte to so many guests and read by them, without the lot: what of the next benchmark is
/// not its work.
#[divan::bench(args = [1, 64])]
fn write_and_read(bencher: Bencher<'_, '_>, count: usize) {
    let (mut buffer, mut shelf) = (Buffer::default(), Shelf::default());
    let guests: Vec<_> = (0..count).map(|_| Guest::connected()).collect();
    let mut peers: Vec<_> = guests.iter().map(|guest| guest.peer()).collect();
    bencher.counter(ItemsCount::new(count)).bench_local(|| {
        for peer in &mut peers {
            peer.write_all(b"x").unwrap();
        }
        for guest in &guests {
            guest.read(&mut buffer, &mut shelf);
        }
    });
}

/// So many are parked, get one byte each, are collected as ready, and read it; alone and among
/// others who go on waiting.
#[divan::bench(args = [(1, 0), (1, 10_000), (64, 0), (64, 10_000)])]
fn park_and_collect_of_and_among(bencher: Bencher<'_, '_>, (count, others): (usize, usize)) {
    let lot = lot_with(others);
    let (mut reports, mut buffer, mut shelf) =
        (Reports::default(), Buffer::default(), Shelf::default());
    let mut guests: Vec<_> = (0..count).map(|_| Guest::connected()).collect();
    let mut peers: Vec<_> = guests.iter().map(|guest| guest.peer()).collect();
    bencher.counter(ItemsCount::new(count)).bench_local(|| {
        guests.drain(..).for_each(|guest| park(&lot, guest));
        for peer in &mut peers {
            peer.write_all(b"x").unwrap();
        }
        while guests.len() < count {
            lot.mind(&mut reports, true, &mut guests).unwrap();
        }
        for guest in &guests {
            guest.read(&mut buffer, &mut shelf);
        }
    });
}

/// Parked and called out again: what the lot does itself.
#[divan::bench(args = [0, 1000, 10_000])]
fn park_and_call_among(bencher: Bencher<'_, '_>, others: usize) {
    let lot = lot_with(others);
    let mut guest = Some(Guest::connected());
    bencher.bench_local(|| {
        guest.take().into_iter().for_each(|guest| park(&lot, guest));
        // It is due before all others, so it is found at once.
        guest = lot.call(1, |guest| guest.0.is_some()).pop();
    });
}

/// A job as large as that of a worker; the channel allocates for some of them at a time.
type Job = [u64; 8];

/// A job pushed and taken by one thread, and by two at the same queue.
#[divan::bench(threads = [1, 2], sample_size = 10_000)]
fn push_and_take_a_job(bencher: Bencher<'_, '_>) {
    let jobs = Jobs::new(2, || ());
    (0..2).for_each(|_| jobs.crew().join());
    bencher.with_inputs(Round::default).bench_refs(|round| {
        jobs.push(Job::default());
        // Nobody has to wait: there are always as many jobs as there are takers.
        jobs.take(round, |_, _| ())
    });
}

/// A queue with an empty lot, whose workers say of each job with `true` that they have it.
struct Office {
    jobs: Jobs<bool>,
    lot: Arc<Lot<Guest>>,
}

impl Office {
    fn new(enough: usize) -> Self {
        let lot = Arc::new(lot_with(0));
        let minded = Arc::clone(&lot);
        Self {
            jobs: Jobs::new(enough, move || minded.interrupt()),
            lot,
        }
    }

    fn work(&self, done: &Sender<()>) {
        let (mut round, mut reports) = (Round::default(), Reports::default());
        let mut mind = |minding: Minding, _: &mut Vec<bool>| {
            let is_hasty = minding == Minding::Glance;
            self.lot
                .mind(&mut reports, is_hasty, &mut Vec::new())
                .unwrap();
        };
        self.jobs.crew().join();
        while let Some(is_last) = self.jobs.take(&mut round, &mut mind) {
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
                (1..=count).for_each(|number| self.jobs.push(number == count));
                last.recv().unwrap();
            });
            self.jobs.crew().close();
        });
    }
}

/// A job to a worker that minds the lot, and its word that it has it.
#[divan::bench]
fn call_a_worker(bencher: Bencher<'_, '_>) {
    Office::new(1).bench(bencher, 1, 1);
}

/// A thousand jobs with nothing in them.
#[divan::bench(args = [1, 2, 16])]
fn thousand_jobs_to_workers(bencher: Bencher<'_, '_>, workers: usize) {
    Office::new(workers.min(2)).bench(bencher, workers, 1000);
}
