//! Limits for each client: what a request and a connection cost, of one client and of more clients
//! than are known at a time; alone, and with two threads.

use divan::{Bencher, black_box};
use lb::engine::client_limit::ClientLimits;
use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

const CLIENTS: [u32; 3] = [1, 10_000, 1_000_000];
const THREADS: [usize; 2] = [1, 2];

/// Iterations in a row: in fewer, two threads would hardly meet.
const TOGETHER: u32 = 10_000;

/// The next client of this thread, in an order that no cache foresees. Each thread counts for
/// itself: a common counter would be measured too.
fn next_of(count: u32) -> IpAddr {
    const STEP: u32 = 0x9e37_79b1;
    thread_local!(static NEXT: Cell<u32> = const { Cell::new(0) });
    let number = NEXT.replace(NEXT.get().wrapping_add(1)) % count;
    IpAddr::V4(Ipv4Addr::from_bits(number.wrapping_mul(STEP)))
}

#[divan::bench(args = CLIENTS, threads = THREADS, sample_size = TOGETHER)]
fn request_of(bencher: Bencher<'_, '_>, count: u32) {
    let limits = ClientLimits::new(None, Some(1000), 100);
    let now = Instant::now();
    bencher.bench(|| black_box(&limits).try_request(next_of(count), now).is_ok());
}

#[divan::bench(args = CLIENTS, threads = THREADS, sample_size = TOGETHER)]
fn connection_of(bencher: Bencher<'_, '_>, count: u32) {
    let limits = ClientLimits::new(Some(100), None, 0);
    bencher.bench(|| black_box(&limits).try_connect(next_of(count)).is_ok());
}

#[divan::bench]
fn request_without_a_limit(bencher: Bencher<'_, '_>) {
    let limits = ClientLimits::new(None, None, 0);
    let (address, now) = (IpAddr::from([192, 0, 2, 7]), Instant::now());
    bencher.bench(|| {
        black_box(&limits)
            .try_request(black_box(address), now)
            .is_ok()
    });
}
