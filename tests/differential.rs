//! A second implementation of HTTP/1.1 (`hyper`) on either side of the balancer. What one of the
//! two reads as a request or an answer the other must read as the same: where they differ,
//! somebody could hide one message in another.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "differential/cases/mod.rs"]
mod cases;
#[path = "differential/peer/mod.rs"]
mod peer;
mod support;

use cases::answers::{Answer, Delivered, answers};
use cases::random::{Planned, pieces, request};
use cases::{Case, Expected};
use fastrand::Rng;
use peer::client::{Got, HyperClient};
use peer::{Peer, Seen};
use std::io::Write as _;
use std::net::SocketAddr;
use std::thread;
use support::{Client, Lb, Origin, Response};

/// The request behind each case. Where a case is taken for less than it is, or for more, this
/// one is not read as what it is.
const MARKER: &str = "GET /marker HTTP/1.1\r\nHost: marker\r\n\r\n";

/// Change it to try others.
const SEED: u64 = 9112;

fn seen(method: &str, target: &str, body: impl Into<Vec<u8>>) -> Seen {
    Seen {
        method: method.into(),
        target: target.into(),
        body: body.into(),
    }
}

fn marker() -> Seen {
    seen("GET", "/marker", "")
}

/// The next answer that is not an interim one.
fn final_response(client: &mut Client, method: &str) -> Option<Response> {
    loop {
        let response = client.try_response(method == "HEAD")?;
        if response.status >= 200 {
            return Some(response);
        }
    }
}

/// Reads the answer to a request, which says what the backend took it for.
fn expect_echo(client: &mut Client, what: &str, asked: &Seen) {
    let response = final_response(client, &asked.method);
    let response = response.unwrap_or_else(|| panic!("no answer to {asked:?}: {what}"));
    assert_eq!(response.status, 200, "{what}: {}", response.text());
    let echo = format!("{} {}", asked.method, asked.target);
    assert_eq!(response.field("Seen"), Some(echo.as_str()), "{what}");
    if asked.method != "HEAD" {
        assert!(response.is_whole && response.body == asked.body, "{what}");
    }
}

/// Sends a case and the marker, so many bytes at a time, and checks what the client gets.
/// Returns what the backend must have seen.
fn run(case: &Case, step: usize, address: SocketAddr) -> Vec<Seen> {
    let what = &case.bytes.escape_ascii().to_string();
    let mut client = Client::to(address);
    for piece in [&case.bytes, MARKER.as_bytes()].concat().chunks(step) {
        // Fails after a refusal, when nobody listens any more.
        let _ = client.stream.write_all(piece);
    }
    let expected = match case.expected {
        Expected::Passes(method, target, body) => vec![seen(method, target, body), marker()],
        Expected::Last(method, target, body) => vec![seen(method, target, body)],
        Expected::Refused(_) => Vec::new(),
    };
    for asked in &expected {
        expect_echo(&mut client, what, asked);
    }
    if let Expected::Refused(status) = case.expected {
        let response = client.try_response(false).expect("a refusal");
        assert_eq!(response.status, status, "{what}: {}", response.text());
        assert_eq!(response.field("Connection"), Some("close"), "{what}");
    }
    if !matches!(case.expected, Expected::Passes(..)) {
        assert!(client.is_closed(), "{what}");
    }
    expected
}

#[test]
fn a_backend_reads_every_request_as_it_was_meant_or_not_at_all() {
    let peer = Peer::start();
    let lb = Lb::over(&[peer.address]);
    for step in [usize::MAX, 7, 1] {
        for case in &cases::all() {
            let expected = run(case, step, lb.address);
            let whole: Vec<Seen> = peer.whole.try_iter().collect();
            assert_eq!(whole, expected, "{}", case.bytes.escape_ascii());
        }
    }
    drop(lb);
    peer.run_dry();
    // Nothing comes late, and no body that was broken off is anything but the case itself.
    assert_eq!(peer.whole.try_iter().collect::<Vec<_>>(), []);
    assert!(peer.cut.try_iter().all(|cut| cut.target == "/x"));
}

/// The table above says what is meant; here the second implementation says so too.
#[test]
fn without_the_balancer_a_backend_reads_valid_requests_the_same() {
    let peer = Peer::start();
    let is_comparable = |case: &&Case| {
        // A target in absolute form is passed on in origin form.
        let target = case.bytes.split(|&byte| byte == b' ').nth(1);
        let is_absolute = target.is_some_and(|target| !target.starts_with(b"/") && target != b"*");
        !is_absolute && matches!(case.expected, Expected::Passes(..))
    };
    for case in cases::all().iter().filter(is_comparable) {
        let expected = run(case, usize::MAX, peer.address);
        let whole: Vec<Seen> = peer.whole.try_iter().collect();
        assert_eq!(whole, expected, "{}", case.bytes.escape_ascii());
    }
}

/// A backend that gives the answer with the number in the target.
fn scripted(answers: Vec<Answer>) -> Origin {
    Origin::scripted(move |served| {
        while let Some(request) = served.request() {
            let target = request.split(' ').nth(1).unwrap();
            let Ok(number) = target[1..].parse::<usize>() else {
                served
                    .client
                    .send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nmarker");
                continue;
            };
            served.client.send(answers[number].bytes);
            if answers[number].closes {
                return;
            }
        }
    })
}

#[test]
fn a_client_reads_every_answer_as_it_was_meant_or_as_a_failure() {
    let answers = answers();
    let origin = scripted(answers.clone());
    let lb = Lb::over(&[origin.address]);
    for (number, answer) in answers.iter().enumerate() {
        let mut client = HyperClient::to(lb.address);
        let got = client.ask(answer.method, &format!("/{number}"));
        let what = answer.bytes.as_bytes().escape_ascii().to_string();
        match answer.delivered {
            Delivered::Whole(status, body, trailers) => {
                let whole = got_whole(status, body, trailers);
                assert_eq!(got, Some(whole), "{what}");
                let next = client.ask("GET", "/marker");
                assert_eq!(next, Some(got_whole(200, "marker", &[])), "behind {what}");
            }
            Delivered::Cut => {
                let looks_whole = got.is_some_and(|got| got.status != 502 && got.body.is_some());
                assert!(!looks_whole, "{what}");
            }
            Delivered::Refused => assert_eq!(got.map(|got| got.status), Some(502), "{what}"),
        }
    }
}

fn got_whole(status: u16, body: &str, trailers: &[&str]) -> Got {
    Got {
        status,
        body: Some(body.into()),
        trailers: trailers.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn random_requests_arrive_as_they_were_sent_and_so_do_their_answers() {
    println!("seed {SEED}");
    let peer = Peer::start();
    let lb = Lb::over(&[peer.address]);
    let address = lb.address;
    let sent: Vec<Seen> = thread::scope(|scope| {
        let client = |number| scope.spawn(move || converse(number, address));
        let clients: Vec<_> = (0..8).map(client).collect();
        clients
            .into_iter()
            .flat_map(|client| client.join().expect("no panic"))
            .collect()
    });
    drop(lb);
    peer.run_dry();
    let mut whole: Vec<Seen> = peer.whole.try_iter().collect();
    // Each client's in their order; those of different clients mix.
    whole.sort_by_key(|seen| seen.target[1..2].to_string());
    assert_eq!(whole.len(), sent.len());
    for (came, was_sent) in whole.iter().zip(&sent) {
        assert_eq!(came.target, was_sent.target);
        assert!(came == was_sent, "{} is another request", came.target);
    }
    assert_eq!(peer.cut.try_iter().count(), 0);
}

/// One client: many requests, sent one behind another without waiting, and their answers.
fn converse(number: u64, address: SocketAddr) -> Vec<Seen> {
    let mut dice = Rng::with_seed(SEED + number);
    let planned: Vec<Planned> = (0..100)
        .map(|turn| request(&format!("/{number}/{turn}"), &mut dice))
        .collect();
    let mut client = Client::to(address);
    let mut writer = client.stream.try_clone().unwrap();
    let bytes: Vec<u8> = planned
        .iter()
        .flat_map(|planned| planned.bytes.clone())
        .collect();
    thread::scope(|scope| {
        scope.spawn(move || {
            for piece in pieces(&bytes, &mut dice) {
                writer.write_all(piece).expect("sends");
            }
        });
        planned
            .into_iter()
            .map(|planned| {
                let asked = seen(planned.method, &planned.target, planned.body);
                expect_echo(&mut client, &asked.target, &asked);
                asked
            })
            .collect()
    })
}
