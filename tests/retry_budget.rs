//! How much is sent again when many requests fail.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use support::{Lb, Origin, nobody};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// A backend that takes a request and breaks the connection.
fn breaking() -> Origin {
    Origin::scripted(|served| {
        served.request();
        served.reset();
    })
}

/// How many of 100 requests are answered by a backend, where half of them meet one that breaks.
fn answered(percent: Option<u32>) -> (usize, String) {
    let (bad, good) = (breaking(), Origin::answering(HELLO));
    let lb = Lb::with(&[bad.address, good.address], |setup| {
        setup.retry_budget = percent;
        setup.health.eject_after = 0;
    });
    let mut refusal = String::new();
    let count = (0..100).filter(|_| {
        let response = lb.client().get("/");
        if response.status != 200 {
            assert_eq!(response.status, 502);
            refusal = response.text();
        }
        response.status == 200
    });
    (count.count(), refusal)
}

#[test]
fn retries_are_a_part_of_the_requests_and_what_is_beyond_gets_502_with_the_reason() {
    let (count, refusal) = answered(Some(20));
    // Half of the requests are answered at once, and a fifth of all may be sent again.
    assert!((55..=75).contains(&count), "{count}");
    assert!(refusal.contains("retry budget"), "{refusal}");
}

#[test]
fn without_a_budget_only_some_are_sent_again_and_with_a_large_one_all() {
    let (count, _) = answered(Some(0));
    assert!((50..=56).contains(&count), "{count}");
    let (count, _) = answered(None);
    assert_eq!(count, 100);
}

#[test]
fn what_was_never_sent_does_not_count() {
    let good = Origin::answering(HELLO);
    let lb = Lb::with(&[nobody(), good.address], |setup| {
        setup.retry_budget = Some(0);
        setup.health.fall = 100;
    });
    assert!((0..50).all(|_| lb.client().get("/").status == 200));
}
