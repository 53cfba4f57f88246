//! How requests are named: `X-Request-Id` and `traceparent`, for backends, clients and logs.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use lb::config::Switch;
use serde_json::Value;
use std::collections::HashSet;
use support::{Lb, LbProgram, Origin, Setup, nobody};

const SMALL: &str =
    "HTTP/1.1 200 OK\r\nX-Request-Id: of-the-backend\r\nContent-Length: 2\r\n\r\nok";

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// The values of a field in a head.
fn values<'h>(head: &'h str, name: &str) -> Vec<&'h str> {
    let fields = head.lines().filter_map(|line| line.split_once(": "));
    let fields = fields.filter(|(one, _)| one.eq_ignore_ascii_case(name));
    fields.map(|(_, value)| value).collect()
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn trust(setup: &mut Setup) {
    setup.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
}

/// What the backend gets of a request with this field, and what the client gets as its id.
fn passed(field: &str, change: impl FnOnce(&mut Setup)) -> (String, Vec<String>) {
    let origin = Origin::answering(SMALL);
    let lb = Lb::with(&[origin.address], change);
    let mut client = lb.client();
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n"));
    let response = client.response();
    let head = response.head.clone();
    let ids = values(&head, "X-Request-Id")
        .iter()
        .map(ToString::to_string)
        .collect();
    (origin.request(), ids)
}

#[test]
fn a_request_gets_an_id_that_its_backend_and_its_client_learn() {
    for field in [
        "",
        "X-Request-Id: theirs\r\n",
        "x-request-id: a\r\nX-Request-ID: b\r\n",
    ] {
        let (request, answered) = passed(field, |_| ());
        let ids = values(&request, "X-Request-Id");
        assert!(ids.len() == 1 && is_hex(ids[0], 32), "{request}");
        assert_eq!(answered, ids);
    }
}

#[test]
fn the_id_of_a_trusted_proxy_is_kept_if_it_is_well_formed() {
    let (request, answered) = passed("X-Request-Id: a-1.b_2:3\r\n", trust);
    assert_eq!(values(&request, "X-Request-Id"), ["a-1.b_2:3"]);
    assert_eq!(answered, ["a-1.b_2:3"]);
    let long = format!("X-Request-Id: {}\r\n", "x".repeat(129));
    for field in [
        "X-Request-Id: a b\r\n",
        "X-Request-Id: \"\r\n",
        "X-Request-Id:\r\n",
        &long,
    ] {
        let (request, answered) = passed(field, trust);
        let ids = values(&request, "X-Request-Id");
        assert!(ids.len() == 1 && is_hex(ids[0], 32), "{request}");
        assert_eq!(answered, ids);
    }
}

#[test]
fn without_ids_the_fields_pass_as_they_came() {
    let off = |setup: &mut Setup| setup.request_id = Switch::Off;
    let (request, answered) = passed("X-Request-Id: theirs\r\n", off);
    assert_eq!(values(&request, "X-Request-Id"), ["theirs"]);
    assert_eq!(answered, ["of-the-backend"]);
    let (request, _) = passed("", off);
    assert!(values(&request, "X-Request-Id").is_empty());
}

#[test]
fn ids_do_not_repeat() {
    let origin = Origin::answering(SMALL);
    let lb = Lb::over(&[origin.address]);
    let mut seen = HashSet::new();
    for _ in 0..4 {
        let mut client = lb.client();
        for _ in 0..250 {
            let id = client.get("/").field("X-Request-Id").unwrap().to_string();
            assert!(seen.insert(id));
        }
    }
}

#[test]
fn answers_of_our_own_have_an_id_too() {
    let lb = Lb::with(&[nobody()], |setup| {
        setup.ready_path = Some("/ready".into())
    });
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /ready HTTP/1.1\r\nHost: a\r\n\r\n",
        "BAD\r\n\r\n",
    ] {
        let response = lb.client().send(request).response();
        let id = response.field("X-Request-Id").expect(request).to_string();
        assert!(is_hex(&id, 32), "{id}");
    }
    let lb = Lb::with(&[nobody()], trust);
    let request = "GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: theirs\r\n\r\n";
    let response = lb.client().send(request).response();
    assert_eq!(response.field("X-Request-Id"), Some("theirs"));
}

#[test]
fn an_attempt_that_is_repeated_has_the_same_id() {
    let closes = Origin::scripted(|served| drop(served.request()));
    let second = Origin::answering(SMALL);
    let lb = Lb::over(&[closes.address, second.address]);
    for _ in 0..2 {
        assert_eq!(lb.client().get("/").status, 200);
    }
    let first = closes.request();
    let id = values(&first, "X-Request-Id")[0].to_string();
    let others = [second.request(), second.request()];
    assert!(
        others
            .iter()
            .any(|request| values(request, "X-Request-Id") == [&id])
    );
}

fn traced(setup: &mut Setup) {
    setup.traceparent = Some(Switch::On);
}

#[test]
fn a_trace_that_comes_goes_on_with_a_step_of_ours() {
    let field = format!("Traceparent: 00-{TRACE}-{PARENT}-01\r\ntracestate: a=b\r\n");
    let (request, _) = passed(&field, traced);
    let parents = values(&request, "traceparent");
    assert_eq!(parents.len(), 1, "{request}");
    let parts: Vec<_> = parents[0].split('-').collect();
    assert_eq!((parts[0], parts[1], parts[3]), ("00", TRACE, "01"));
    assert!(is_hex(parts[2], 16) && parts[2] != PARENT, "{request}");
    assert_eq!(values(&request, "tracestate"), ["a=b"]);
}

#[test]
fn where_no_valid_trace_comes_one_begins_and_the_state_of_another_is_dropped() {
    let zeros = format!(
        "traceparent: 00-{}-{PARENT}-01\r\ntracestate: a=b\r\n",
        "0".repeat(32)
    );
    for field in ["", "traceparent: x\r\ntracestate: a=b\r\n", &zeros] {
        let (request, _) = passed(field, traced);
        let parents = values(&request, "traceparent");
        assert_eq!(parents.len(), 1, "{request}");
        let parts: Vec<_> = parents[0].split('-').collect();
        assert!(
            is_hex(parts[1], 32) && parts[1] != "0".repeat(32),
            "{request}"
        );
        assert!(
            is_hex(parts[2], 16) && parts[0] == "00" && parts[3] == "01",
            "{request}"
        );
        assert!(values(&request, "tracestate").is_empty());
    }
}

#[test]
fn without_traces_the_fields_pass_as_they_came() {
    let field = format!("traceparent: 00-{TRACE}-{PARENT}-01\r\ntracestate: a=b\r\n");
    let (request, _) = passed(&field, |_| ());
    assert!(request.contains(&field), "{request}");
}

#[test]
fn the_log_says_the_id_and_the_step_that_the_backend_got() {
    let origin = Origin::answering(SMALL);
    let file = std::env::temp_dir().join(format!("lb-names-{}", std::process::id()));
    let path = file.display().to_string();
    let name = origin.address.to_string();
    let mut lb = LbProgram::start(0, &[&name, "--log", "json", "--log-file", &path]);
    let request =
        format!("GET / HTTP/1.1\r\nHost: a\r\ntraceparent: 00-{TRACE}-{PARENT}-00\r\n\r\n");
    let response = lb.client().send(request).response();
    let id = response.field("X-Request-Id").unwrap().to_string();
    lb.signal(rustix::process::Signal::TERM);
    assert_eq!(lb.wait(), Some(0));
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["request_id"], id);
    let (trace, span) = (
        line["trace_id"].as_str().unwrap(),
        line["span_id"].as_str().unwrap(),
    );
    assert_eq!(
        (trace, line["parent_span_id"].as_str()),
        (TRACE, Some(PARENT))
    );
    let sent = origin.request();
    assert_eq!(
        values(&sent, "traceparent"),
        [format!("00-{trace}-{span}-00")]
    );
    assert_eq!(values(&sent, "X-Request-Id"), [id]);
}
