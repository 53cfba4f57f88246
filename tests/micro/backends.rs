//! Backends: whose turn it is, and the connections that are kept for them; alone, and with two
//! threads at the same counter and the same lock.

use divan::{Bencher, black_box};
use lb::backends::health::{Health, Observation};
use lb::backends::idle::IdleConnections;
use lb::backends::{Backend, Backends, Finding, Key, Name, Wanted};
use std::sync::Arc;
use std::time::Instant;

const COUNTS: [u16; 3] = [2, 10, 200];
const THREADS: [usize; 2] = [1, 2];

/// Iterations in a row: in fewer, two threads would hardly meet.
const TOGETHER: u32 = 10_000;

/// So many backends that are up.
fn live(count: u16) -> Arc<Backends<()>> {
    let backend = |port: u16| {
        let name = Name {
            host: "localhost".into(),
            port,
        };
        Arc::new(Backend::new(name, Health::new(1, 1)))
    };
    let backends = Backends::of((0..count).map(backend).collect());
    for backend in backends.all().iter() {
        backends.observe(
            backend,
            Observation::Good,
            &Finding::default(),
            Instant::now(),
        );
    }
    backends
}

#[divan::bench(args = COUNTS, threads = THREADS, sample_size = TOGETHER)]
fn next_of(bencher: Bencher<'_, '_>, count: u16) {
    let backends = live(count);
    bencher.bench(|| black_box(&backends).pick(Key::Absent, Wanted::Next).lease());
}

#[divan::bench(args = COUNTS)]
fn next_after_a_failure_of(bencher: Bencher<'_, '_>, count: u16) {
    let backends = live(count);
    bencher.bench(|| {
        let tried = |backend: &Backend<()>| backend.name.port == 0;
        let next = black_box(&backends).pick(Key::Absent, Wanted::Untried(&tried));
        next.lease()
    });
}

/// A lease as an attempt takes it, and its end.
#[divan::bench(args = [2, 1000], threads = THREADS, sample_size = TOGETHER)]
fn take_and_put_back_with_at_rest(bencher: Bencher<'_, '_>, resting: u64) {
    let (idle, now) = (IdleConnections::default(), Instant::now());
    (0..resting).for_each(|connection| idle.put(connection, idle.generation(), now));
    bencher.bench(|| {
        let generation = idle.generation();
        if let Some((connection, since)) = idle.take() {
            idle.put(connection, generation, since);
        }
    });
}
