//! What runs now, as it is seen from outside: each request with where it stands and what it waits for,
//! what each worker does, and how an operator ends a request.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use lb::server::LiveRequest;
use std::thread;
use std::time::Duration;
use support::{Lb, Origin, PATIENCE, eventually, nobody};

const GET: &str = "GET /slow?a=b HTTP/1.1\r\nHost: a\r\n\r\n";

/// A backend that reads a request and then does nothing until its connection ends.
fn silent() -> Origin {
    Origin::scripted(|served| while served.request().is_some() {})
}

/// A backend that begins an answer of a megabyte and goes no further.
fn stuck() -> Origin {
    Origin::scripted(|served| {
        served.request();
        served
            .client
            .send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nhello");
        while served.request().is_some() {}
    })
}

fn requests(lb: &Lb) -> Vec<LiveRequest> {
    lb.handle().requests(Duration::ZERO)
}

/// The only request, once it waits in this stage.
fn in_stage(lb: &Lb, stage: &str) -> LiveRequest {
    let is_there = |one: &LiveRequest| one.stage == stage && !one.waits_for.is_empty();
    eventually(stage, || requests(lb).first().is_some_and(is_there));
    requests(lb).remove(0)
}

#[test]
fn a_request_that_hangs_is_seen_with_what_it_waits_for_and_until_when() {
    let origin = silent();
    let lb = Lb::observed(&[origin.address], |_| {});
    let mut client = lb.client();
    client.send(GET);
    let request = in_stage(&lb, "waiting_for_response");
    assert_eq!((&*request.method, &*request.target), ("GET", "/slow?a=b"));
    assert_eq!(
        request.client,
        client.stream.local_addr().unwrap().to_string()
    );
    assert_eq!(
        (&*request.group, &request.backend),
        ("default", &origin.address.to_string())
    );
    assert_eq!(request.attempt, 1);
    assert_eq!(request.waits_for, "the first byte of the response");
    let until = request.until_seconds.unwrap();
    assert!(until > 5.0 && until <= 30.0, "{until}");
    assert!(request.bytes_sent > 0 && request.bytes_received == 0);
    assert!(request.age_seconds < PATIENCE.as_secs_f64());
    assert_eq!(lb.status().parked.waiting_for_response, 1);
    assert!(lb.handle().requests(Duration::from_secs(3600)).is_empty());
}

#[test]
fn each_stage_is_seen() {
    let origin = stuck();
    let lb = Lb::observed(&[origin.address], |_| {});
    let mut client = lb.client();
    client.send(GET);
    let request = in_stage(&lb, "sending_response");
    assert_eq!(request.waits_for, "more of the response from the backend");
    assert!(request.bytes_received > 0);
    drop(client);
    eventually("it is over", || requests(&lb).is_empty());

    let mut client = lb.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nx");
    let request = in_stage(&lb, "sending_request");
    assert_eq!(request.waits_for, "more of the request from the client");

    let lb = Lb::observed(&[nobody()], |setup| setup.hold = PATIENCE);
    let mut client = lb.client();
    client.send(GET);
    let request = in_stage(&lb, "queued");
    assert_eq!(
        (request.waits_for, &*request.backend),
        ("a backend that is up", "")
    );
    assert_eq!(lb.status().parked.queued, 1);
}

#[test]
fn a_session_without_a_request_is_counted_where_it_is_parked_and_is_no_request() {
    let origin = silent();
    let lb = Lb::observed(&[origin.address], |_| {});
    let (_idle, mut slow) = (lb.client(), lb.client());
    slow.send("GET / HT");
    eventually("both are parked", || {
        let parked = lb.status().parked;
        (parked.idle, parked.reading_head) == (1, 1)
    });
    assert!(requests(&lb).is_empty());
}

#[test]
fn a_tunnel_is_seen_until_it_ends_with_its_bytes() {
    let origin = Origin::scripted(|served| {
        served.request();
        served
            .client
            .send("HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nhello");
        served.client.read_to_end();
    });
    let lb = Lb::observed(&[origin.address], |_| {});
    let mut client = lb.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    client.read_until(b"hello");
    client.send("seven..");
    let is_seen = |one: &LiveRequest| one.stage == "tunnel" && one.bytes_sent == 7;
    eventually("it is seen", || requests(&lb).first().is_some_and(is_seen));
    assert!(lb.handle().close_request(requests(&lb)[0].id));
    assert!(client.is_closed());
    eventually("it is over", || requests(&lb).is_empty());
}

#[test]
fn an_operator_ends_a_request_and_its_client_is_answered() {
    let origin = silent();
    let lb = Lb::observed(&[origin.address], |_| {});
    let mut client = lb.client();
    client.send(GET);
    let request = in_stage(&lb, "waiting_for_response");
    assert!(!lb.handle().close_request(request.id + 1));
    assert!(lb.handle().close_request(request.id));
    let response = client.response();
    let text = response.text();
    assert!(
        text.contains("An operator has ended this request."),
        "{text}"
    );
    assert_eq!(response.status, 503);
    assert!(client.is_closed());
    assert!(requests(&lb).is_empty());
    assert!(!lb.handle().close_request(request.id), "it has ended");
    let text = lb.handle().metrics_text();
    assert!(text.contains("code=\"503\"} 1\n"), "{text}");
    assert!(
        text.contains(&format!(
            "lb_backend_failures_total{{group=\"default\",backend=\"{}\"}} 0\n",
            origin.address
        )),
        "{text}"
    );
}

#[test]
fn a_response_that_an_operator_cuts_does_not_look_whole() {
    let origin = stuck();
    let lb = Lb::observed(&[origin.address], |_| {});
    let mut client = lb.client();
    client.send(GET);
    let request = in_stage(&lb, "sending_response");
    assert!(lb.handle().close_request(request.id));
    assert!(!client.response().is_whole);
}

#[test]
fn what_a_client_sends_is_bounded_and_cannot_break_the_json() {
    let origin = silent();
    let lb = Lb::observed(&[origin.address], |_| {});
    let mut client = lb.client();
    let target = format!("/\"\\{}", "x".repeat(5000));
    client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
    let request = in_stage(&lb, "waiting_for_response");
    assert!(request.target.len() <= 128 && target.starts_with(&request.target));
    let json = serde_json::to_string(&requests(&lb)).unwrap();
    let again: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(again[0]["target"], request.target);
}

#[test]
fn each_worker_has_a_lane() {
    let origin = silent();
    let lb = Lb::observed(&[origin.address], |setup| setup.workers = 3);
    let workers = lb.status().workers;
    let names: Vec<_> = workers.iter().map(|worker| worker.name.as_str()).collect();
    assert_eq!(names, ["worker-1", "worker-2", "worker-3"]);
    eventually("one polls, and the others have nothing to do", || {
        let mut states: Vec<_> = lb.status().workers.iter().map(|one| one.state).collect();
        states.sort_unstable();
        states == ["leading_poll", "waiting_for_job", "waiting_for_job"]
    });
    // A client whose requests come one after the other keeps one worker busy.
    let origin = Origin::answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    let lb = Lb::observed(&[origin.address], |_| {});
    thread::scope(|scope| {
        let (over, until) = crossbeam_channel::bounded::<()>(0);
        let (lb, address) = (&lb, lb.address);
        scope.spawn(move || {
            let mut client = support::Client::to(address);
            while until.try_recv() == Err(crossbeam_channel::TryRecvError::Empty) {
                assert_eq!(client.get("/").status, 200);
            }
        });
        eventually("a worker is seen with its session", || {
            let workers = lb.status().workers;
            workers
                .iter()
                .any(|one| one.session == Some(1) && one.state == "waiting_for_backend")
        });
        drop(over);
    });
}
