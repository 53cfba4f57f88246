//! Limits for each client: what a request and a connection cost, of one client and of more clients
//! than are known at a time; alone, and with two threads.

use divan::{Bencher, black_box};
use lb::engine::client_limit::ClientLimits;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

const CLIENTS: [u32; 3] = [1, 10_000, 1_000_000];
const THREADS: [usize; 2] = [1, 2];

/// The clients in turn, in an order that no cache foresees.
fn addresses(count: u32) -> impl Fn() -> IpAddr {
    const STEP: u32 = 0x9e37_79b1;
    let next = AtomicU32::new(0);
    move || {
        let number = next.fetch_add(1, Ordering::Relaxed) % count;
        IpAddr::V4(Ipv4Addr::from_bits(number.wrapping_mul(STEP)))
    }
}

#[divan::bench(args = CLIENTS, threads = THREADS)]
fn request_of(bencher: Bencher<'_, '_>, count: u32) {
    let limits = ClientLimits::new(None, Some(1000), 100);
    let (address, now) = (addresses(count), Instant::now());
    bencher.bench(|| black_box(&limits).try_request(address(), now).is_ok());
}

#[divan::bench(args = CLIENTS, threads = THREADS)]
fn connection_of(bencher: Bencher<'_, '_>, count: u32) {
    let limits = ClientLimits::new(Some(100), None, 0);
    let address = addresses(count);
    bencher.bench(|| black_box(&limits).try_connect(address()).is_ok());
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
