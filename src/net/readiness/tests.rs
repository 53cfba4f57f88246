//! Each rule by which no change of a connection is forgotten.

use super::*;
use crate::net::buffer::{Buffer, BufferCache};
use crate::net::conn::{Blocking, Moved};
use std::io::Write as _;
use std::time::Instant;

const LONG: Duration = Duration::from_secs(60);

/// A connection that was told of its first byte under the key 1.
struct Told {
    readiness: Arc<Readiness>,
    conn: Conn,
    other: TcpStream,
}

fn told() -> Told {
    let readiness = Arc::new(Readiness::new().expect("descriptors"));
    let (stream, mut other) = crate::net::pair();
    let mut conn = Conn::accepted(stream).expect("open");
    watch(&mut conn, &readiness, 1);
    other.write_all(b"x").expect("sends");
    assert_eq!(next(&readiness).key, 1);
    Told {
        readiness,
        conn,
        other,
    }
}

/// The same, with that byte read and the connection watched again, under the key 2.
fn watched_again() -> Told {
    let mut told = told();
    assert_eq!(read(&told.conn, 8192), Moved::Bytes(1));
    watch(&mut told.conn, &told.readiness, 2);
    told
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
    let mut told = watched_again();
    assert!(wait(&told.readiness, Duration::ZERO).is_none());
    told.other.write_all(b"y").expect("sends");
    assert_eq!(next(&told.readiness).key, 2);
}

#[test]
fn one_that_was_not_read_to_the_end_is_reported_again() {
    let mut told = told();
    watch(&mut told.conn, &told.readiness, 2);
    assert_eq!(next(&told.readiness).key, 2);
    told.other.write_all(&[b'y'; 8192]).expect("sends");
    while read(&told.conn, 4096) != Moved::Bytes(4096) {}
    watch(&mut told.conn, &told.readiness, 3);
    assert_eq!(next(&told.readiness).key, 3);
}

#[test]
fn what_came_while_nobody_asked_is_reported_when_somebody_does() {
    let mut told = told();
    assert_eq!(read(&told.conn, 8192), Moved::Bytes(1));
    told.other.write_all(b"y").expect("sends");
    assert!(wait(&told.readiness, LONG).is_none());
    watch(&mut told.conn, &told.readiness, 2);
    assert_eq!(next(&told.readiness).key, 2);
}

#[test]
fn an_end_behind_bytes_that_were_read_is_reported() {
    let mut told = watched_again();
    told.other.write_all(b"y").expect("sends");
    told.other
        .shutdown(std::net::Shutdown::Write)
        .expect("open");
    assert_eq!(next(&told.readiness).key, 2);
    assert_eq!(read(&told.conn, 8192), Moved::Bytes(1));
    watch(&mut told.conn, &told.readiness, 3);
    assert_eq!(next(&told.readiness).key, 3);
    assert_eq!(read(&told.conn, 8192), Moved::End);
}

#[test]
fn bytes_behind_an_urgent_one_are_reported() {
    let mut told = watched_again();
    told.other.write_all(b"y").expect("sends");
    send_urgent(&told.other);
    told.other.write_all(b"z").expect("sends");
    assert_eq!(next(&told.readiness).key, 2);
    assert_eq!(read(&told.conn, 8192), Moved::Bytes(1));
    watch(&mut told.conn, &told.readiness, 3);
    assert_eq!(next(&told.readiness).key, 3);
    assert_eq!(read(&told.conn, 8192), Moved::Bytes(1));
}

#[test]
fn a_report_that_came_too_late_for_one_is_made_to_the_next() {
    for is_known_before in [true, false] {
        let mut told = watched_again();
        // It leaves for another reason, and finds nothing to read.
        assert_eq!(read(&told.conn, 8192), Moved::WouldWait);
        told.other.write_all(b"y").expect("sends");
        let report = next(&told.readiness);
        if is_known_before {
            told.readiness.miss(report);
        }
        watch(&mut told.conn, &told.readiness, 3);
        if !is_known_before {
            told.readiness.miss(report);
        }
        assert_eq!(next(&told.readiness).key, 3);
    }
}

#[test]
fn an_urgent_byte_alone_is_reported_until_it_is_passed_over() {
    let mut told = watched_again();
    send_urgent(&told.other);
    assert_eq!(next(&told.readiness).key, 2);
    assert_eq!(read(&told.conn, 8192), Moved::WouldWait);
    watch(&mut told.conn, &told.readiness, 3);
    assert_wakes_nobody(&told.readiness);
}

#[test]
fn one_that_nobody_asks_for_wakes_somebody_once_whatever_was_before() {
    for is_missed in [false, true] {
        let mut told = told();
        watch(&mut told.conn, &told.readiness, 2);
        let report = next(&told.readiness);
        if is_missed {
            told.readiness.miss(report);
        }
        told.other.write_all(b"y").expect("sends");
        assert!(wait(&told.readiness, LONG).is_none());
        told.other.write_all(b"z").expect("sends");
        assert_wakes_nobody(&told.readiness);
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
    let mut told = told();
    for key in [2, 3] {
        // That there is nothing to read says nothing of the other direction.
        while read(&told.conn, 8192) != Moved::WouldWait {}
        let asked = told.conn.watch(&told.readiness, key, Interest::Write);
        asked.expect("open");
        assert_eq!(next(&told.readiness).key, key);
    }
}
