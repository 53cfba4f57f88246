//! What each client may do, who is forgotten, and that no thread gets more than there is.

use super::*;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

/// Threads that ask at the same time.
const THREADS: usize = 64;

fn client(number: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number))
}

fn later(limits: &ClientLimits, nanos: u64) -> Instant {
    limits.start + Duration::from_nanos(nanos)
}

/// How many of so many requests pass, all at one time.
fn passing(limits: &ClientLimits, address: IpAddr, now: Instant, requests: u32) -> u32 {
    let passes = |_: &u32| limits.try_request(address, now).is_ok();
    let count = (0..requests).filter(passes).count();
    u32::try_from(count).expect("as many as requests")
}

/// Clients that share a set.
fn neighbours(limits: &ClientLimits, count: usize) -> Vec<IpAddr> {
    let table = limits.table.get().expect("there is a limit");
    let set = table.set_of(Key::of(client(0)));
    let all = (0..).map(client);
    all.filter(|address| table.set_of(Key::of(*address)) == set)
        .take(count)
        .collect()
}

#[test]
fn without_a_limit_all_pass_and_nothing_is_kept() {
    let limits = ClientLimits::new(None, None, 0);
    assert!(!limits.is_active());
    let permits: Vec<_> = (0..100).map(|_| limits.try_connect(client(1))).collect();
    assert!(permits.iter().all(Result::is_ok));
    assert_eq!(passing(&limits, client(1), limits.start, 1000), 1000);
    assert!(limits.table.get().is_none());
}

#[test]
fn one_limit_does_not_bring_the_other() {
    let limits = ClientLimits::new(Some(1), None, 0);
    assert!(limits.is_active());
    assert_eq!(passing(&limits, client(1), limits.start, 1000), 1000);
    let limits = ClientLimits::new(None, Some(1), 1);
    assert!(limits.is_active());
    let permits: Vec<_> = (0..100).map(|_| limits.try_connect(client(1))).collect();
    assert!(permits.iter().all(Result::is_ok));
}

#[test]
fn a_client_has_as_many_connections_as_it_may_until_one_is_closed() {
    let limits = ClientLimits::new(Some(2), None, 0);
    let first = limits.try_connect(client(1)).expect("the first");
    let _second = limits.try_connect(client(1)).expect("the second");
    assert_eq!(
        limits.try_connect(client(1)).err(),
        Some(TooManyConnections)
    );
    let _other = limits.try_connect(client(2)).expect("another client");
    drop(first);
    let _third = limits
        .try_connect(client(1))
        .expect("in place of the first");
    assert_eq!(
        limits.try_connect(client(1)).err(),
        Some(TooManyConnections)
    );
}

#[test]
fn a_burst_passes_at_once_and_then_one_request_in_each_interval() {
    let limits = ClientLimits::new(None, Some(10), 5);
    let at = |millis: u64| later(&limits, millis * 1_000_000);
    assert_eq!(passing(&limits, client(1), at(0), 20), 5);
    let refused = limits
        .try_request(client(1), at(30))
        .expect_err("too early");
    assert_eq!(refused.retry_after, Duration::from_millis(70));
    let refused = limits.try_request(client(1), at(0) + refused.retry_after);
    assert!(refused.is_err(), "it is counted from 30 ms");
    for tenth in 1..=20 {
        let before = at(100 * tenth) - Duration::from_nanos(1);
        assert_eq!(passing(&limits, client(1), before, 2), 0, "{tenth}");
        assert_eq!(
            passing(&limits, client(1), at(100 * tenth), 2),
            1,
            "{tenth}"
        );
    }
    assert_eq!(passing(&limits, client(2), at(2000), 20), 5);
    // Three intervals later three pass, and after any time no more than the burst.
    assert_eq!(passing(&limits, client(1), at(2300), 20), 3);
    assert_eq!(passing(&limits, client(1), at(1_000_000), 20), 5);
}

#[test]
fn a_refused_client_that_waits_as_long_as_it_was_asked_to_passes() {
    // A third of a second is no whole number of nanoseconds.
    let limits = ClientLimits::new(None, Some(3), 1);
    let mut now = limits.start;
    assert!(limits.try_request(client(1), now).is_ok());
    for _ in 0..10 {
        let refused = limits.try_request(client(1), now).expect_err("too early");
        now += refused.retry_after;
        assert!(limits.try_request(client(1), now).is_ok());
    }
    let third = Duration::from_nanos(NANOS_PER_SECOND.div_ceil(3));
    assert_eq!(now - limits.start, third * 10);
}

#[test]
fn a_network_of_64_bits_is_one_client_and_a_mapped_address_is_the_one_of_version_4() {
    let limits = ClientLimits::new(None, Some(1), 1);
    let passes = |text: &str| {
        let address = text.parse().expect(text);
        limits.try_request(address, limits.start).is_ok()
    };
    assert!(passes("2001:db8:0:1::1") && !passes("2001:db8:0:1:ffff::2"));
    assert!(passes("2001:db8:0:2::1"));
    assert!(passes("192.0.2.7") && !passes("::ffff:192.0.2.7"));
    // Its bits are those of an IPv4 address.
    let low = Ipv6Addr::from_bits(0xc000_0207 << 64);
    assert!(passes(&low.to_string()));
    assert!(passes("0.0.0.0") && !passes("0.0.0.0"));
}

#[test]
fn a_full_set_forgets_the_client_that_was_away_for_longest() {
    let limits = ClientLimits::new(None, Some(1), 1);
    let clients = neighbours(&limits, PLACES + 1);
    let passes = |number: usize| limits.try_request(clients[number], limits.start).is_ok();
    assert!((0..PLACES).all(passes));
    // The first one asks again, so that the second is the one that was away for longest.
    assert!(!passes(0));
    assert!(passes(PLACES));
    assert!(!passes(0) && (2..=PLACES).all(|number| !passes(number)));
    assert!(passes(1), "it was forgotten");
}

#[test]
fn clients_with_open_connections_are_forgotten_last() {
    let limits = ClientLimits::new(Some(1), Some(1), 1);
    let clients = neighbours(&limits, PLACES + 2);
    let passes = |number: usize| limits.try_request(clients[number], limits.start).is_ok();
    let open = limits.try_connect(clients[0]).expect("the first");
    assert!((1..PLACES).all(passes), "they are known since a later time");
    assert!(passes(PLACES) && passes(PLACES + 1));
    assert!(limits.try_connect(clients[0]).is_err(), "it is still known");
    drop(open);
    assert!(limits.try_connect(clients[0]).is_ok());
}

#[test]
fn the_permit_of_a_forgotten_client_counts_nowhere() {
    let limits = ClientLimits::new(Some(2), None, 0);
    let clients = neighbours(&limits, PLACES + 1);
    let connect = |number: usize| limits.try_connect(clients[number]);
    let mut permits: Vec<_> = (0..PLACES).map(connect).collect();
    // The newcomer has the place of the first one, which has a permit.
    let _one = connect(PLACES).expect("the first");
    let _two = connect(PLACES).expect("the second");
    drop(permits.remove(0));
    assert!(connect(PLACES).is_err(), "it has two open");
    drop(permits.remove(0));
    assert!(connect(PLACES).is_err());
    // A forgotten client that comes back begins anew, and its old permit takes nothing from that.
    let back = ClientLimits::new(Some(1), None, 0);
    let clients = neighbours(&back, PLACES + 1);
    let old = back.try_connect(clients[0]).expect("the first");
    let others: Vec<_> = clients[1..]
        .iter()
        .map(|client| back.try_connect(*client))
        .collect();
    let again = back.try_connect(clients[0]).expect("it was forgotten");
    drop((old, others));
    assert!(
        back.try_connect(clients[0]).is_err(),
        "its new connection is open"
    );
    drop(again);
    assert!(back.try_connect(clients[0]).is_ok());
}

#[test]
fn settings_change_while_connections_are_open() {
    let limits = ClientLimits::new(None, None, 0);
    let _uncounted = limits.try_connect(client(1)).expect("no limit");
    limits.reconfigure(Some(2), None, 0);
    let first = limits
        .try_connect(client(1))
        .expect("the first that counts");
    let second = limits.try_connect(client(1)).expect("the second");
    limits.reconfigure(Some(1), None, 0);
    drop(first);
    assert!(limits.try_connect(client(1)).is_err(), "one is open");
    drop(second);
    let first = limits.try_connect(client(1)).expect("none was open");
    limits.reconfigure(None, None, 0);
    assert!(!limits.is_active() && limits.try_connect(client(1)).is_ok());
    drop(first);
    limits.reconfigure(Some(0), None, 0);
    let _only = limits
        .try_connect(client(1))
        .expect("a limit of 0 is one of 1");
    assert!(limits.try_connect(client(1)).is_err());
}

#[test]
fn a_faster_rate_holds_at_once_for_clients_that_were_far_ahead_of_a_slower_one() {
    let limits = ClientLimits::new(None, Some(1), 1000);
    assert_eq!(passing(&limits, client(1), limits.start, 1001), 1000);
    limits.reconfigure(None, Some(100), 10);
    let refused = limits.try_request(client(1), limits.start);
    let retry_after = refused.expect_err("too early").retry_after;
    assert_eq!(retry_after, Duration::from_millis(10));
}

#[test]
fn no_time_and_no_setting_is_too_far_out_for_the_arithmetic() {
    let most = u32::MAX;
    for (per_second, burst) in [(1, most), (most, 1), (most, most), (1, 0), (0, 0)] {
        let limits = ClientLimits::new(None, Some(per_second), burst);
        for now in [limits.start, later(&limits, u64::MAX / 2)] {
            assert!(limits.try_request(client(1), now).is_ok());
        }
        let before = limits.start.checked_sub(Duration::from_secs(1));
        let before = before.unwrap_or(limits.start);
        assert!(limits.try_request(client(2), before).is_ok());
        let rate = limits.rate().expect("a rate");
        for (unused_at, now) in [(0, u64::MAX), (u64::MAX, 0), (u64::MAX, u64::MAX), (0, 0)] {
            let result = rate.after_one(unused_at, now);
            let longest = Duration::from_secs(1);
            assert!(result.map_or_else(|refused| refused.retry_after <= longest, |at| at >= now));
        }
    }
    assert_eq!(nanos(Duration::MAX), u64::MAX);
}

#[test]
fn of_many_threads_exactly_as_many_connect_as_may() {
    const LIMIT: u32 = 10;
    let limits = ClientLimits::new(Some(LIMIT), None, 0);
    let start = Barrier::new(THREADS);
    let open = AtomicUsize::new(0);
    let most = AtomicUsize::new(0);
    let permits: Vec<_> = thread::scope(|scope| {
        let connect = || {
            start.wait();
            for _ in 0..500 {
                let Ok(_permit) = limits.try_connect(client(1)) else {
                    continue;
                };
                most.fetch_max(open.fetch_add(1, SeqCst) + 1, SeqCst);
                thread::yield_now();
                open.fetch_sub(1, SeqCst);
            }
            start.wait();
            limits.try_connect(client(1))
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(connect)).collect();
        let ended = threads.into_iter().map(thread::ScopedJoinHandle::join);
        ended.map(|permit| permit.expect("no panic")).collect()
    });
    let limit = LIMIT as usize;
    assert!(most.into_inner() <= limit);
    assert_eq!(
        permits.iter().filter(|permit| permit.is_ok()).count(),
        limit
    );
}

#[test]
fn of_many_threads_exactly_a_burst_passes() {
    let limits = ClientLimits::new(None, Some(1), 100);
    let start = Barrier::new(THREADS);
    let passed: u32 = thread::scope(|scope| {
        let send = || {
            start.wait();
            passing(&limits, client(1), limits.start, 50)
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(send)).collect();
        let ended = threads.into_iter().map(thread::ScopedJoinHandle::join);
        ended.map(|passed| passed.expect("no panic")).sum()
    });
    assert_eq!(passed, 100);
}

#[test]
fn the_table_is_as_small_as_it_says() {
    let limits = ClientLimits::new(Some(1), None, 0);
    let table = limits.table.get().expect("there is a limit");
    assert_eq!(table.sets.len() * PLACES, 65_536);
    assert!(size_of_val(&*table.sets) < 4 << 20);
}
