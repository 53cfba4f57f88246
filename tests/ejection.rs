//! A backend on which requests fail in a row is left, and tried again with single requests.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use lb::backends::Standing;
use lb::config::OnDown;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use support::{Lb, Origin, Response, eventually};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// A balancer whose backends are checked at the start and then seldom, unless something is odd.
fn seldom(backends: &[SocketAddr]) -> Lb {
    Lb::with(backends, |config| {
        config.health.interval = Duration::from_secs(3600);
    })
}

fn is_live(lb: &Lb, index: usize) -> bool {
    lb.status().groups[0].backends[index].is_live
}

fn send(lb: &Lb, method: &str, target: &str) -> Response {
    let mut client = lb.client();
    client.send(format!(
        "{method} {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
    ));
    client.response()
}

/// A backend that is fine when it is checked and breaks every request until it is mended.
fn breaking() -> (Origin, Arc<AtomicBool>) {
    let is_mended = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&is_mended);
    let origin = Origin::scripted(move |served| {
        while served.request().is_some() {
            if !seen.load(Ordering::SeqCst) {
                return served.reset();
            }
            served.client.send(HELLO);
        }
    });
    (origin, is_mended)
}

/// Has the first backend ejected by POSTs that fail there, and says how many it took.
fn eject(lb: &Lb) -> usize {
    let posts = (0..10).map(|_| send(lb, "POST", "/"));
    posts.filter(|post| post.status == 502).count()
}

#[test]
fn requests_that_fail_in_a_row_eject_a_backend_that_passes_its_checks() {
    let ((bad, _), good) = (breaking(), Origin::answering(HELLO));
    let lb = seldom(&[bad.address, good.address]);
    assert_eq!(eject(&lb), 5);
    assert!(!is_live(&lb, 0));
    let reason = &lb.status().groups[0].backends[0].reason;
    assert!(reason.contains("connection reset"), "{reason}");
    assert_eq!((bad.count(), good.count()), (5, 5));
}

#[test]
fn a_backend_that_has_recovered_is_back_within_two_seconds_and_no_client_notices() {
    let ((bad, is_mended), good) = (breaking(), Origin::answering(HELLO));
    let lb = seldom(&[bad.address, good.address]);
    eject(&lb);
    is_mended.store(true, Ordering::SeqCst);
    let began = Instant::now();
    eventually("it is back", || {
        assert_eq!(send(&lb, "GET", "/").status, 200);
        is_live(&lb, 0)
    });
    let took = began.elapsed();
    assert!(took > Duration::from_millis(800), "{took:?}");
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn after_its_trial_a_backend_is_on_probation() {
    // Breaks all but GETs.
    let bad = Origin::scripted(|served| {
        while let Some(request) = served.request() {
            if !request.starts_with("GET ") {
                return served.reset();
            }
            served.client.send(HELLO);
        }
    });
    let good = Origin::answering(HELLO);
    let lb = seldom(&[bad.address, good.address]);
    assert_eq!(eject(&lb), 5);
    bad.count();
    // No more than the trial: another one that is answered there would end the probation.
    while bad.count() == 0 {
        assert_eq!(send(&lb, "GET", "/").status, 200);
    }
    eventually("its trial has passed", || is_live(&lb, 0));
    assert_eq!(eject(&lb), 1, "one failure is enough");
    assert!(!is_live(&lb, 0));
}

#[test]
fn a_trial_is_not_ended_because_its_backend_is_out() {
    let (is_mended, good) = (Arc::new(AtomicBool::new(false)), Origin::answering(HELLO));
    let seen = Arc::clone(&is_mended);
    let bad = Origin::scripted(move |served| {
        while served.request().is_some() {
            if !seen.load(Ordering::SeqCst) {
                return served.reset();
            }
            // Long enough to be parked, and to be looked at while it is.
            thread::sleep(Duration::from_millis(1300));
            served.client.send(HELLO);
        }
    });
    let lb = Lb::with(&[bad.address, good.address], |config| {
        config.health.interval = Duration::from_secs(3600);
        config.on_down = OnDown::Close;
    });
    eject(&lb);
    is_mended.store(true, Ordering::SeqCst);
    bad.count();
    eventually("it is tried", || {
        thread::scope(|scope| {
            scope.spawn(|| assert_eq!(send(&lb, "GET", "/").status, 200));
        });
        bad.count() == 1
    });
    // No request follows that could be another trial.
    eventually("it has passed", || is_live(&lb, 0));
}

#[test]
fn a_trial_that_fails_costs_no_client_an_error_and_others_seldom_follow() {
    let ((bad, _), good) = (breaking(), Origin::answering(HELLO));
    let lb = seldom(&[bad.address, good.address]);
    eject(&lb);
    assert_eq!(bad.count(), 5);
    let began = Instant::now();
    let mut trials = Vec::new();
    // The pause is one second, then two.
    while trials.len() < 2 {
        assert_eq!(send(&lb, "GET", "/").status, 200);
        if bad.count() == 1 {
            trials.push(began.elapsed());
        }
    }
    assert!(!is_live(&lb, 0));
    let pause = trials[1] - trials[0];
    assert!(pause > Duration::from_millis(1900), "{trials:?}");
    assert!(pause < Duration::from_secs(4), "{trials:?}");
}

#[test]
fn a_request_that_cannot_be_repeated_is_not_used_to_try_it() {
    let ((bad, _), good) = (breaking(), Origin::answering(HELLO));
    let lb = seldom(&[bad.address, good.address]);
    eject(&lb);
    bad.count();
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(1500) {
        assert_eq!(send(&lb, "POST", "/").status, 200);
    }
    assert_eq!(bad.count(), 0);
    assert_eq!(send(&lb, "GET", "/").status, 200);
    assert_eq!(bad.count(), 1);
}

#[test]
fn at_most_half_of_the_backends_are_out_for_failing_and_a_single_one_never() {
    for (count, live) in [(1, 1), (2, 1), (3, 2)] {
        let bad: Vec<_> = (0..count).map(|_| breaking()).collect();
        let addresses: Vec<_> = bad.iter().map(|(origin, _)| origin.address).collect();
        let lb = seldom(&addresses);
        (0..3).for_each(|_| _ = eject(&lb));
        let up = (0..count).filter(|index| is_live(&lb, *index)).count();
        assert_eq!(up, live, "of {count}");
    }
}

#[test]
fn beyond_half_a_failing_backend_is_the_last_resort_and_gets_nothing_while_another_is_well() {
    let bad = [breaking().0, breaking().0];
    let good = Origin::answering(HELLO);
    let lb = seldom(&[bad[0].address, bad[1].address, good.address]);
    let failed = |count: usize| {
        let posts = (0..count).map(|_| send(&lb, "POST", "/"));
        posts.filter(|post| post.status == 502).count()
    };
    assert_eq!(failed(40), 10, "five at each");
    assert_eq!(failed(40), 0);
    let standings = [0, 1, 2].map(|index| lb.status().groups[0].backends[index].standing);
    assert!(standings.contains(&Standing::Down) && standings.contains(&Standing::LastResort));
}

#[test]
fn a_request_that_fails_at_every_backend_says_nothing_of_any() {
    let hanging_up = || {
        Origin::scripted(|served| {
            while let Some(request) = served.request() {
                if request.contains(" /poison ") {
                    return served.reset();
                }
                served.client.send(HELLO);
            }
        })
    };
    let origins = [(); 3].map(|()| hanging_up());
    let lb = seldom(&origins.each_ref().map(|origin| origin.address));
    for _ in 0..50 {
        assert_eq!(send(&lb, "GET", "/poison").status, 502);
    }
    assert!((0..3).all(|index| is_live(&lb, index)));
    assert_eq!(send(&lb, "POST", "/").status, 200);
}

#[test]
fn gets_that_are_answered_elsewhere_count_against_the_backend_that_broke_them() {
    let ((bad, _), good) = (breaking(), Origin::answering(HELLO));
    let lb = seldom(&[bad.address, good.address]);
    for _ in 0..20 {
        assert_eq!(send(&lb, "GET", "/").status, 200);
    }
    assert!(!is_live(&lb, 0));
    assert_eq!((bad.count(), good.count()), (5, 20));
}
