//! Backends: a pick and the end of its request, for each algorithm; and the connections that are kept
//! for backends; alone, and with two threads at the same counter and the same lock.

use divan::{Bencher, black_box};
use lb::backends::health::{Health, Observation};
use lb::backends::idle::IdleConnections;
use lb::backends::{Algorithm, Backend, Backends, Finding, GroupPolicy, Key, Member, Name, Wanted};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

const COUNTS: [u16; 3] = [3, 30, 1000];
const THREADS: [usize; 2] = [1, 2];

/// Iterations in a row: in fewer, two threads would hardly meet.
const TOGETHER: u32 = 10_000;

/// So many backends that are up.
fn live(count: u16, policy: GroupPolicy) -> Arc<Backends<()>> {
    let member = |port: u16| {
        let name = Name {
            host: "localhost".into(),
            port,
        };
        Member::new(Arc::new(Backend::new(name, Health::new(1, 1))))
    };
    let backends = Backends::new((0..count).map(member).collect(), policy);
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

fn by(algorithm: Algorithm) -> GroupPolicy {
    GroupPolicy {
        algorithm,
        ..GroupPolicy::default()
    }
}

/// Another key each time, of those for which the algorithm looks.
fn key(algorithm: Algorithm, backends: &Backends<()>, number: usize) -> Key {
    match algorithm {
        Algorithm::Hash => Key::Hash((number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        Algorithm::Sticky => {
            let all = backends.all();
            Key::Tag(all[number % all.len()].tag)
        }
        _ => Key::Absent,
    }
}

/// Picks and ends requests, in turn with a thousand keys.
fn pick_by(bencher: Bencher<'_, '_>, policy: GroupPolicy, count: u16) {
    let backends = live(count, policy);
    let algorithm = policy.algorithm;
    let keys: Vec<Key> = (0..1024)
        .map(|number| key(algorithm, &backends, number))
        .collect();
    // Slots find their winners once.
    for key in &keys {
        drop(backends.pick(*key, Wanted::Next));
    }
    std::thread_local!(static NUMBER: Cell<usize> = const { Cell::new(0) });
    bencher.bench(|| {
        let number = NUMBER.replace(NUMBER.get().wrapping_add(1));
        let key = keys[number % keys.len()];
        black_box(&backends)
            .pick(key, Wanted::Next)
            .lease()
            .is_some()
    });
}

#[divan::bench(args = COUNTS, threads = THREADS, sample_size = TOGETHER)]
fn round_robin_of(bencher: Bencher<'_, '_>, count: u16) {
    pick_by(bencher, by(Algorithm::RoundRobin), count);
}

#[divan::bench(args = COUNTS, threads = THREADS, sample_size = TOGETHER)]
fn least_requests_of(bencher: Bencher<'_, '_>, count: u16) {
    pick_by(bencher, by(Algorithm::LeastRequests), count);
}

#[divan::bench(args = COUNTS, threads = THREADS, sample_size = TOGETHER)]
fn two_choices_of(bencher: Bencher<'_, '_>, count: u16) {
    pick_by(bencher, by(Algorithm::TwoChoices), count);
}

#[divan::bench(args = COUNTS, threads = THREADS, sample_size = TOGETHER)]
fn random_of(bencher: Bencher<'_, '_>, count: u16) {
    pick_by(bencher, by(Algorithm::Random), count);
}

#[divan::bench(args = COUNTS, threads = THREADS, sample_size = TOGETHER)]
fn hash_of(bencher: Bencher<'_, '_>, count: u16) {
    pick_by(bencher, by(Algorithm::Hash), count);
}

#[divan::bench(args = COUNTS, threads = THREADS, sample_size = TOGETHER)]
fn sticky_of(bencher: Bencher<'_, '_>, count: u16) {
    pick_by(bencher, by(Algorithm::Sticky), count);
}

/// Round robin with limits that are not reached.
#[divan::bench(args = COUNTS, threads = THREADS, sample_size = TOGETHER)]
fn limited_of(bencher: Bencher<'_, '_>, count: u16) {
    let policy = GroupPolicy {
        max_in_flight: Some(1000),
        max_in_flight_total: Some(10_000),
        ..GroupPolicy::default()
    };
    pick_by(bencher, policy, count);
}

#[divan::bench(args = COUNTS)]
fn next_after_a_failure_of(bencher: Bencher<'_, '_>, count: u16) {
    let backends = live(count, GroupPolicy::default());
    bencher.bench(|| {
        let tried = |backend: &Backend<()>| backend.name.port == 0;
        let next = black_box(&backends).pick(Key::Absent, Wanted::Untried(&tried));
        next.lease().is_some()
    });
}

/// What a request costs that finds all backends full.
#[divan::bench(args = COUNTS)]
fn none_free_of(bencher: Bencher<'_, '_>, count: u16) {
    let policy = GroupPolicy {
        max_in_flight: Some(1),
        ..GroupPolicy::default()
    };
    let backends = live(count, policy);
    let all = backends.all();
    let leases: Vec<_> = all.iter().map(|one| backends.lease(one)).collect();
    bencher.bench(|| {
        let picked = black_box(&backends).pick(Key::Absent, Wanted::Next);
        picked.lease().is_none()
    });
    drop(leases);
}

/// What a change of one backend costs: the table is made twice.
#[divan::bench(args = COUNTS)]
fn down_and_up_of(bencher: Bencher<'_, '_>, count: u16) {
    let backends = live(count, GroupPolicy::default());
    let first = Arc::clone(&backends.all()[0]);
    bencher.bench(|| {
        use lb::backends::AdminState::{Draining, Enabled};
        backends.set_admin(&first, Draining);
        backends.set_admin(&first, Enabled);
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
