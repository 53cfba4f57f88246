//! A client that closes its side while it waits for an answer: it still gets the answer, unless
//! `--abort-on-close` says that it wants none.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::net::{Shutdown, SocketAddr};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;
use support::{Client, Lb, Origin, PATIENCE, eventually, lb_command, lines_of, nobody};

const GET: &str = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";

/// Longer than the balancer waits before it looks after the client.
const LATE: Duration = Duration::from_millis(600);

fn aborting(backend: SocketAddr) -> Lb {
    Lb::with(&[backend], |config| config.abort_on_close = true)
}

/// A backend that answers late, and tells when its connection has ended without that.
fn late() -> Origin {
    Origin::scripted(|served| {
        served.request();
        served.client.stream.set_read_timeout(Some(LATE)).unwrap();
        match std::io::Read::read(&mut served.client.stream, &mut [0]) {
            Ok(0) => served.tell("ended"),
            _ => drop(
                served
                    .client
                    .send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
            ),
        }
    })
}

/// A backend that says nothing, and tells when its connection has ended.
fn silent() -> Origin {
    Origin::scripted(|served| {
        served.request();
        if served.client.is_closed() {
            served.tell("ended");
        }
    })
}

/// The program with an access log; its lines, and where it listens.
fn logging(words: &[&str]) -> (Killed, crossbeam_channel::Receiver<String>, SocketAddr) {
    let mut child = lb_command(0, &[&["--log", "access"], words].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let errors = lines_of(child.stderr.take().unwrap());
    let lines = lines_of(child.stdout.take().unwrap());
    let child = Killed(child);
    loop {
        let line = errors.recv_timeout(PATIENCE).expect("it listens");
        if let Some(rest) = line.strip_prefix("Load balancer is listening on ") {
            return (
                child,
                lines,
                rest.split(' ').next().unwrap().parse().unwrap(),
            );
        }
    }
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn half_closed(lb: SocketAddr, bytes: &str) -> Client {
    let mut client = Client::to(lb);
    client.send(bytes);
    client.stream.shutdown(Shutdown::Write).unwrap();
    client
}

#[test]
fn a_half_closed_client_gets_a_late_answer_by_default() {
    let origin = late();
    let lb = Lb::over(&[origin.address]);
    let mut client = half_closed(lb.address, GET);
    assert_eq!(client.response().text(), "hello");
    assert!(client.is_closed());
}

#[test]
fn a_client_that_closes_its_side_ends_what_is_not_answered() {
    // Also behind bytes that are not read yet.
    for bytes in [GET.to_string(), GET.repeat(2)] {
        let origin = silent();
        let lb = aborting(origin.address);
        let mut client = half_closed(lb.address, &bytes);
        assert!(origin.request().starts_with("GET /x"));
        assert_eq!(origin.request(), "ended", "the backend need not go on");
        assert_eq!(client.read_to_end(), b"");
        eventually("the session ends", || lb.status().connections.used == 0);
    }
}

#[test]
fn one_that_closes_its_side_later_is_noticed_too() {
    let origin = silent();
    let lb = aborting(origin.address);
    let mut client = lb.client();
    client.send(GET);
    origin.request();
    // The session is parked by now.
    thread::sleep(LATE);
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(origin.request(), "ended");
}

#[test]
fn one_that_stays_is_answered_however_late_also_with_another_request_behind() {
    let origin = late();
    let lb = aborting(origin.address);
    for bytes in [GET.to_string(), GET.repeat(2)] {
        let mut client = lb.client();
        client.send(bytes);
        assert_eq!(client.response().text(), "hello");
    }
}

#[test]
fn an_answer_that_has_begun_goes_to_its_end() {
    let origin = Origin::scripted(|served| {
        served.request();
        served
            .client
            .send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
        // The client has finished sending by now.
        thread::sleep(LATE);
        served.client.send("there");
    });
    let lb = aborting(origin.address);
    let mut client = lb.client();
    client.send(GET);
    client.read_until(b"hello");
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.read_to_end(), b"there");
}

#[test]
fn the_log_tells_where_it_was_when_the_client_closed() {
    let origin = silent();
    let at = origin.address.to_string();
    let (_lb, lines, address) = logging(&[&at, "--abort-on-close"]);
    let _client = half_closed(address, GET);
    let line = lines.recv_timeout(PATIENCE).expect("a line");
    assert!(
        line.contains("\" 499 0 ") && line.ends_with(" CH"),
        "{line}"
    );

    let at = nobody().to_string();
    let (_lb, lines, address) = logging(&[&at, "--abort-on-close", "--hold", "1h"]);
    let _client = half_closed(address, GET);
    let line = lines.recv_timeout(PATIENCE).expect("a line");
    assert!(
        line.contains("\" 499 0 ") && line.ends_with(" CQ"),
        "{line}"
    );
}
