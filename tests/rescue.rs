//! When a request leaves a backend although its connection holds; `tests/trouble.rs` has the
//! same with packets that vanish.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use lb::backends::health::{Evidence, Observation};
use lb::backends::{Finding, Standing};
use rustix::process::Signal;
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};
use support::{Client, Lb, Origin, PATIENCE, Program, answer_check, eventually, name_of};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const RESCUE: Duration = Duration::from_millis(1200);

/// A balancer with a backend that gets all requests while it is up, and one beside it.
fn over(first: SocketAddr, other: SocketAddr) -> Lb {
    Lb::with(&[first], |config| {
        config.backups = vec![name_of(&other)];
        config.health.interval = Duration::from_secs(3600);
        config.rescue_after = RESCUE;
    })
}

fn begin(lb: &Lb, method: &str) -> Client {
    let mut client = lb.client();
    client.send(format!(
        "{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
    ));
    client
}

/// Answers each request after this time.
fn after(time: Duration) -> Origin {
    Origin::scripted(move |served| {
        while served.request().is_some() {
            // So late.
            thread::sleep(time);
            served.client.send(HELLO);
        }
    })
}

#[test]
fn a_get_leaves_a_backend_that_has_been_silent_for_long_and_a_post_never_does() {
    let (frozen, good) = (Program::backend(0), Origin::answering(HELLO));
    let lb = over(frozen.address, good.address);
    let pid = rustix::process::Pid::from_child(&frozen.child);
    rustix::process::kill_process(pid, Signal::STOP).unwrap();
    let began = Instant::now();
    let [mut get, mut post] = ["GET", "POST"].map(|method| begin(&lb, method));
    assert_eq!(get.response().text(), "hello");
    let took = began.elapsed();
    assert!(took >= RESCUE - Duration::from_millis(10), "{took:?}");
    assert!(took < RESCUE + Duration::from_secs(3), "{took:?}");
    rustix::process::kill_process(pid, Signal::CONT).unwrap();
    let answer = post.response();
    assert_eq!(answer.status, 200);
    assert_ne!(answer.text(), "hello", "it waited for its backend");
}

#[test]
fn a_long_poll_stays_where_it_is_while_its_backend_answers_checks() {
    let (slow, other) = (after(RESCUE * 3), Origin::answering(HELLO));
    let lb = over(slow.address, other.address);
    let mut poll = begin(&lb, "GET");
    assert_eq!(poll.response().text(), "hello");
    assert_eq!((slow.count(), other.count()), (1, 0));
}

#[test]
fn a_get_stays_when_there_is_nowhere_better_to_go() {
    let frozen = [Program::backend(0), Program::backend(0)];
    let lb = over(frozen[0].address, frozen[1].address);
    let pids = frozen
        .each_ref()
        .map(|one| rustix::process::Pid::from_child(&one.child));
    let signal = |signal| {
        let send = |pid: &rustix::process::Pid| rustix::process::kill_process(*pid, signal);
        pids.iter().for_each(|pid| send(pid).unwrap());
    };
    signal(Signal::STOP);
    let mut clients = [(); 4].map(|()| begin(&lb, "GET"));
    // The processes are stopped for longer than a rescue takes.
    thread::sleep(RESCUE * 2);
    signal(Signal::CONT);
    for client in &mut clients {
        assert_eq!(client.response().status, 200);
    }
}

#[test]
fn a_get_leaves_a_host_to_which_there_is_no_way_at_once() {
    let (slow, good) = (after(Duration::from_secs(3)), Origin::answering(HELLO));
    let lb = over(slow.address, good.address);
    let mut get = begin(&lb, "GET");
    slow.request();
    let shared = &lb.engine.shared;
    let finding = Finding {
        is_unreachable: true,
        ..Finding::default()
    };
    let began = Instant::now();
    // As a check or another request sees it.
    let gone = Observation::Bad(Evidence::Gone);
    lb.backends().observe(&lb.backend(0), gone, &finding, began);
    shared.health.note_change();
    assert_eq!(get.response().text(), "hello");
    assert!(began.elapsed() < Duration::from_millis(1500));
    assert_eq!((slow.count(), good.count()), (0, 1));
}

#[test]
fn a_backend_that_only_refuses_finishes_what_it_has() {
    let (slow, good) = (after(RESCUE * 2 / 3), Origin::answering(HELLO));
    let lb = over(slow.address, good.address);
    let mut get = begin(&lb, "GET");
    slow.request();
    refuse(&lb);
    assert_eq!(get.response().text(), "hello");
    assert_eq!(good.count(), 0);
    eventually("it is up again", || lb.status().groups[0].backends[0].is_up);
}

#[test]
fn a_get_leaves_a_backend_that_has_closed_its_door_and_then_says_nothing_for_long() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        answer_check(&listener, HELLO);
        let request = listener.accept().unwrap();
        drop(listener);
        // It says nothing more.
        thread::sleep(PATIENCE);
        drop(request);
    });
    let good = Origin::answering(HELLO);
    let lb = over(address, good.address);
    let began = Instant::now();
    assert_eq!(begin(&lb, "GET").response().text(), "hello");
    let took = began.elapsed();
    assert!(took < RESCUE + Duration::from_secs(3), "{took:?}");
}

/// Has the first backend down, as if it had refused connections.
fn refuse(lb: &Lb) {
    let shared = &lb.engine.shared;
    let backend = lb.backend(0);
    let (gone, finding) = (Observation::Bad(Evidence::Gone), Finding::default());
    for _ in 0..2 {
        let now = Instant::now();
        drop(lb.backends().observe(&backend, gone, &finding, now));
    }
    assert_eq!(backend.standing(), Standing::Down);
    shared.health.note_change();
}
