//! Each rule by which no change of a connection is forgotten.

use super::*;
use crate::net::buffer::{Buffer, BufferCache};
use crate::net::conn::{Blocking, Conn, Moved};
use std::io::Write as _;
use std::time::Instant;

const LONG: Duration = Duration::from_secs(60);

/// A connection that was reported of its first byte under the key 1.
struct Reported {
    readiness: Arc<Readiness>,
    conn: Conn,
    other: TcpStream,
}

fn reported() -> Reported {
    let readiness = Arc::new(Readiness::new().expect("descriptors"));
    let (stream, mut other) = crate::net::pair();
    let mut conn = Conn::accepted(stream).expect("open");
    watch(&mut conn, &readiness, 1);
    other.write_all(b"x").expect("sends");
    assert_eq!(next(&readiness).key, 1);
    Reported {
        readiness,
        conn,
        other,
    }
}

/// The same, with that byte read and the connection watched again, under the key 2.
fn watched_again() -> Reported {
    let mut reported = reported();
    assert_eq!(read(&reported.conn, 8192), Moved::Bytes(1));
    watch(&mut reported.conn, &reported.readiness, 2);
    reported
}

fn watch(conn: &mut Conn, readiness: &Arc<Readiness>, key: usize) {
    conn.watch(readiness, key, Interest::Read).expect("open");
}

fn wait(readiness: &Readiness, timeout: Duration) -> Option<Ready> {
    let mut reports = Reports::new();
    let waited = readiness.wait(&mut reports, Some(timeout));
    waited.expect("the kernel lets us wait");
    reports.ready().next()
}

fn next(readiness: &Readiness) -> Ready {
    wait(readiness, LONG).expect("a report")
}

fn send_urgent(stream: &TcpStream) {
    let sent = rustix::net::send(stream, b"!", rustix::net::SendFlags::OOB);
    sent.expect("sends");
}

/// Reads with so much room.
fn read(conn: &Conn, room: usize) -> Moved {
    let (mut buffer, mut cache) = (Buffer::default(), BufferCache::default());
    let tail = buffer.tail(&mut cache);
    tail.resize(tail.capacity() - room, 0);
    let read = conn.read(&mut buffer, &mut cache, Blocking::Never);
    read.expect("open")
}

#[test]
fn one_that_was_read_to_the_end_is_reported_only_for_what_comes_then() {
    let mut reported = watched_again();
    assert!(wait(&reported.readiness, Duration::ZERO).is_none());
    reported.other.write_all(b"y").expect("sends");
    assert_eq!(next(&reported.readiness).key, 2);
}

#[test]
fn one_that_was_not_read_to_the_end_is_reported_again() {
    let mut reported = reported();
    watch(&mut reported.conn, &reported.readiness, 2);
    assert_eq!(next(&reported.readiness).key, 2);
    reported.other.write_all(&[b'y'; 8192]).expect("sends");
    while read(&reported.conn, 4096) != Moved::Bytes(4096) {}
    watch(&mut reported.conn, &reported.readiness, 3);
    assert_eq!(next(&reported.readiness).key, 3);
}

#[test]
fn what_came_while_it_was_not_asked_for_is_reported_when_it_is() {
    let mut reported = reported();
    assert_eq!(read(&reported.conn, 8192), Moved::Bytes(1));
    reported.other.write_all(b"y").expect("sends");
    assert!(wait(&reported.readiness, LONG).is_none());
    watch(&mut reported.conn, &reported.readiness, 2);
    assert_eq!(next(&reported.readiness).key, 2);
}

#[test]
fn an_end_behind_bytes_that_were_read_is_reported() {
    let mut reported = watched_again();
    reported.other.write_all(b"y").expect("sends");
    reported
        .other
        .shutdown(std::net::Shutdown::Write)
        .expect("open");
    assert_eq!(next(&reported.readiness).key, 2);
    assert_eq!(read(&reported.conn, 8192), Moved::Bytes(1));
    watch(&mut reported.conn, &reported.readiness, 3);
    assert_eq!(next(&reported.readiness).key, 3);
    assert_eq!(read(&reported.conn, 8192), Moved::End);
}

#[test]
fn bytes_behind_an_urgent_one_are_reported() {
    let mut reported = watched_again();
    reported.other.write_all(b"y").expect("sends");
    send_urgent(&reported.other);
    reported.other.write_all(b"z").expect("sends");
    assert_eq!(next(&reported.readiness).key, 2);
    assert_eq!(read(&reported.conn, 8192), Moved::Bytes(1));
    watch(&mut reported.conn, &reported.readiness, 3);
    assert_eq!(next(&reported.readiness).key, 3);
    assert_eq!(read(&reported.conn, 8192), Moved::Bytes(1));
}

#[test]
fn a_report_that_came_too_late_for_one_is_made_to_the_next() {
    for is_known_before in [true, false] {
        let mut reported = watched_again();
        // It leaves for another reason, and finds nothing to read.
        assert_eq!(read(&reported.conn, 8192), Moved::WouldWait);
        reported.other.write_all(b"y").expect("sends");
        let report = next(&reported.readiness);
        if is_known_before {
            reported.readiness.miss(report);
        }
        watch(&mut reported.conn, &reported.readiness, 3);
        if !is_known_before {
            reported.readiness.miss(report);
        }
        assert_eq!(next(&reported.readiness).key, 3);
    }
}

#[test]
fn an_urgent_byte_alone_is_reported_until_it_is_passed_over() {
    let mut reported = watched_again();
    send_urgent(&reported.other);
    assert_eq!(next(&reported.readiness).key, 2);
    assert_eq!(read(&reported.conn, 8192), Moved::WouldWait);
    watch(&mut reported.conn, &reported.readiness, 3);
    assert_wakes_nobody(&reported.readiness);
}

#[test]
fn one_that_is_not_asked_for_wakes_a_thread_once_whatever_was_before() {
    for is_missed in [false, true] {
        let mut reported = reported();
        watch(&mut reported.conn, &reported.readiness, 2);
        let report = next(&reported.readiness);
        if is_missed {
            reported.readiness.miss(report);
        }
        reported.other.write_all(b"y").expect("sends");
        assert!(wait(&reported.readiness, LONG).is_none());
        reported.other.write_all(b"z").expect("sends");
        assert_wakes_nobody(&reported.readiness);
    }
}

fn assert_wakes_nobody(readiness: &Readiness) {
    const MOMENT: Duration = Duration::from_millis(20);
    let start = Instant::now();
    assert!(wait(readiness, MOMENT).is_none());
    assert!(start.elapsed() >= MOMENT, "something was reported");
}

#[test]
fn room_to_write_is_reported_as_often_as_it_is_asked_for() {
    let mut reported = reported();
    for key in [2, 3] {
        // That there is nothing to read says nothing of the other direction.
        while read(&reported.conn, 8192) != Moved::WouldWait {}
        let asked = reported
            .conn
            .watch(&reported.readiness, key, Interest::Write);
        asked.expect("open");
        assert_eq!(next(&reported.readiness).key, key);
    }
}

#[test]
fn what_is_posted_is_reported_once_under_its_key_and_ends_a_wait() {
    let readiness = Arc::new(Readiness::new().expect("descriptors"));
    let waiting = Arc::clone(&readiness);
    let waiter = std::thread::spawn(move || next(&waiting).key);
    readiness.post(7);
    assert_eq!(waiter.join().expect("no panic"), 7);
    assert!(wait(&readiness, Duration::ZERO).is_none());
    readiness.post(8);
    let posted = next(&readiness);
    assert_eq!(posted.key, 8);
    // No connection is armed anew for it.
    readiness.miss(posted);
}
