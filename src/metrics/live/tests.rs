//! The slots of sessions: what is read is what was written, and whole.

use super::slot::Standpoint;
use super::*;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

fn table(sessions: usize) -> Arc<LiveTable> {
    Arc::new(LiveTable::new(sessions))
}

fn client(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 7], port))
}

#[test]
fn a_request_is_seen_from_its_beginning_to_its_end_oldest_first() {
    let table = table(10);
    let [one, other] = [1, 2].map(|port| table.enter(port.into(), client(port)).expect("room"));
    assert!(table.requests().is_empty(), "no request has begun");
    let began = one.micros(Instant::now() + Duration::from_secs(1));
    one.slot().begin_request(b"GET", b"/a?b", "default", began);
    let earlier = other.micros(Instant::now());
    other
        .slot()
        .begin_request(b"POST", b"/", "default", earlier);
    let seen = table.requests();
    assert_eq!(seen.len(), 2);
    assert_eq!(
        (seen[0].method.as_str(), seen[1].target.as_str()),
        ("POST", "/a?b")
    );
    assert_eq!(
        (seen[1].client, seen[1].group.as_str()),
        (client(1), "default")
    );
    assert_eq!((seen[1].backend.as_ref(), seen[1].attempt), (None, 0));
    other.slot().end_request();
    drop(one);
    assert!(table.requests().is_empty());
}

#[test]
fn an_attempt_names_its_backend_and_a_parked_session_what_it_waits_for() {
    let table = table(1);
    let session = table
        .enter(7, "[2001:db8::1]:9".parse().expect("an address"))
        .expect("room");
    let now = Instant::now();
    session
        .slot()
        .begin_request(b"GET", b"/", "g", session.micros(now));
    session.slot().note_attempt("localhost", 5001, 1);
    session.slot().note_attempt("localhost", 5002, 2);
    session.slot().park(Standpoint {
        stage: LiveStage::WaitingForResponse,
        awaited: WaitReason::FirstByte,
        until: Some(session.micros(now + Duration::from_secs(30))),
        received: 3,
        sent: 4,
    });
    let seen = &table.requests()[0];
    assert_eq!(
        (seen.backend.clone(), seen.attempt),
        (Some(("localhost".into(), 5002)), 2)
    );
    assert_eq!(
        (seen.stage, seen.awaited),
        (LiveStage::WaitingForResponse, WaitReason::FirstByte)
    );
    assert_eq!((seen.received, seen.sent), (3, 4));
    assert_eq!(seen.client.to_string(), "[2001:db8::1]:9");
    let left = seen.until.expect("it waits").duration_since(now);
    assert!(left > Duration::from_secs(29) && left <= Duration::from_secs(30));
    assert_eq!(table.parked()[LiveStage::WaitingForResponse as usize], 1);
    assert!(!session.slot().resume());
    assert_eq!(table.parked().iter().sum::<usize>(), 0);
    assert_eq!(
        (table.requests()[0].awaited, table.requests()[0].until),
        (WaitReason::Nothing, None)
    );
}

#[test]
fn only_a_session_with_a_request_is_asked_to_close() {
    let table = table(1);
    let session = table.enter(7, client(1)).expect("room");
    let id = session.slot().id();
    assert!(!table.ask_to_close(id), "it has no request");
    session.slot().begin_request(b"GET", b"/", "g", 0);
    assert!(!table.ask_to_close(id + 1) && table.ask_to_close(id));
    assert!(session.slot().resume());
    drop(session);
    let next = table.enter(7, client(2)).expect("room");
    assert!(!next.slot().resume(), "that was another one");
}

#[test]
fn slots_are_used_again_and_no_more_sessions_are_seen_than_there_are() {
    let table = table(BLOCK);
    let sessions: Vec<_> = (0..BLOCK)
        .filter_map(|_| table.enter(7, client(1)))
        .collect();
    assert_eq!(sessions.len(), BLOCK);
    assert!(table.enter(7, client(1)).is_none());
    drop(sessions);
    assert!(table.enter(7, client(1)).is_some());
}

#[test]
fn a_reader_sees_a_request_that_changes_as_it_was_or_as_it_becomes() {
    let table = table(1);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let (table, is_over) = (&table, &is_over);
        scope.spawn(move || {
            let session = table.enter(7, client(1)).expect("room");
            for round in 0..20_000_u64 {
                let letter = [b"ab"[round as usize % 2]; 100];
                session.slot().begin_request(&letter[..9], &letter, "g", 0);
                session
                    .slot()
                    .note_attempt(["aa", "bb"][round as usize % 2], 1, 1);
            }
            is_over.store(true, Relaxed);
        });
        while !is_over.load(Relaxed) {
            for seen in table.requests() {
                let letter = &seen.target[..1];
                assert_eq!(seen.target, letter.repeat(100));
                assert_eq!(seen.method, letter.repeat(9));
                let host = seen.backend.map(|(host, _)| host);
                assert!(host.is_none_or(|host| host == letter.repeat(2)));
            }
        }
    });
}
