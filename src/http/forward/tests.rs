//! What backends and clients get of a head.

use super::*;
use crate::http::field_rules::NO_RULES;
use crate::http::method::Method;
use crate::http::stripped_prefix::StrippedPrefix;
use crate::http::{request, response};
use std::net::IpAddr;

fn routed(
    head: &str,
    forwarded: ForwardedFields,
    rules: &FieldRules,
    stripped: Option<StrippedPrefix>,
) -> String {
    let mut table = request::field_table();
    let request = request::parse(head.as_bytes(), &mut table).expect("valid");
    let client = IpAddr::from([192, 0, 2, 7]);
    let hop = Hop {
        client,
        forwarded,
        adds_forwarded: false,
        fallback_host: "fallback",
        via: Some(VIA_NAME),
        rules,
        stripped,
    };
    let mut out = Vec::new();
    write_request(&request, &hop, &mut out);
    String::from_utf8(out).expect("ASCII")
}

fn forwarded(head: &str, forwarded: ForwardedFields) -> String {
    routed(head, forwarded, &NO_RULES, None)
}

fn answered(head: &str, version: Version, method: Method) -> String {
    answered_by_rules(head, version, method, &NO_RULES)
}

fn answered_by_rules(head: &str, version: Version, method: Method, rules: &FieldRules) -> String {
    let mut table = request::field_table();
    let response = response::parse(head.as_bytes(), method, &mut table).expect("valid");
    let delivery = Delivery {
        version,
        keep_alive: true,
        method,
        date: "now",
    };
    let mut out = Vec::new();
    let edits = ResponseEdits {
        rules,
        cookie: None,
        request_id: None,
    };
    write_response(&response, &delivery, Some(VIA_NAME), &edits, &mut out);
    String::from_utf8(out).expect("ASCII")
}

#[test]
fn a_request_loses_what_was_for_us_and_gains_what_we_know() {
    let head = "POST http://b/x?y HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nconnection: X-a, Host, close\r\n\
        x-A: 2\r\nKeep-Alive: 5\r\nTE: gzip, trailers\r\nContent-Length: 5\r\n\
        X-Forwarded-For: 6.6.6.6\r\nX-B: 3\r\n\r\n";
    assert_eq!(
        forwarded(head, ForwardedFields::Replace),
        "POST /x?y HTTP/1.1\r\nHost: b\r\nX-B: 3\r\nContent-Length: 5\r\n\
         Connection: TE\r\nTE: trailers\r\nVia: 1.1 lb\r\nX-Forwarded-For: 192.0.2.7\r\n\
         X-Forwarded-Proto: http\r\nX-Forwarded-Host: b\r\n\r\n"
    );
}

#[test]
fn a_request_of_http_1_0_gets_the_host_that_it_lacks_and_its_version_in_via() {
    let head = "GET / HTTP/1.0\r\nX-Forwarded-For: 1\r\nx-forwarded-for: 2\r\n\r\n";
    assert_eq!(
        forwarded(head, ForwardedFields::Off),
        "GET / HTTP/1.1\r\nHost: fallback\r\nX-Forwarded-For: 1\r\nx-forwarded-for: 2\r\n\
         Via: 1.0 lb\r\n\r\n"
    );
}

#[test]
fn a_nomination_takes_away_what_is_the_clients_and_nothing_that_is_ours() {
    let head = "OPTIONS / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nX-Forwarded-For: 1\r\n\
        Connection: host, Content-length, x-forwarded-for, via, Max-Forwards, x-a\r\n\
        Forwarded: for=1\r\nVia: 1.0 a\r\nMax-Forwards: 3\r\nX-A: 1\r\nx-A: 2\r\nX_A: 3\r\n\
        Expect: 100-continue\r\nContent-Length: 1\r\n\r\n";
    assert_eq!(
        forwarded(head, ForwardedFields::Append),
        "OPTIONS / HTTP/1.1\r\nHost: a\r\nForwarded: for=1\r\nX_A: 3\r\nExpect: 100-continue\r\n\
         Max-Forwards: 2\r\nContent-Length: 1\r\nConnection: TE\r\nTE: trailers\r\nVia: 1.1 lb\r\n\
         X-Forwarded-For: 1, 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a\r\n\r\n"
    );
}

#[test]
fn a_response_has_one_framing_whatever_it_came_with() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nDate: then\r\n\r\n";
    let expected =
        "HTTP/1.1 200 OK\r\nDate: then\r\nTransfer-Encoding: chunked\r\nVia: 1.1 lb\r\n\r\n";
    assert_eq!(answered(chunked, Version::Http11, Method::Get), expected);
    let old = answered(chunked, Version::Http10, Method::Get);
    assert!(!old.contains("Transfer-Encoding"), "{old}");
    let twice = "HTTP/1.0 200 OK\r\nContent-Length: 3\r\ncontent-length: 3\r\n\r\n";
    let expected = "HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 3\r\nVia: 1.0 lb\r\n\r\n";
    assert_eq!(answered(twice, Version::Http11, Method::Get), expected);
    assert_eq!(answered(twice, Version::Http11, Method::Head), expected);
    let none = "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n";
    assert!(!answered(none, Version::Http11, Method::Get).contains("Length"));
}

#[test]
fn max_forwards_counts_down_where_it_has_a_meaning_and_passes_elsewhere() {
    for (request, expected) in [
        (
            "OPTIONS / HTTP/1.1\r\nMax-Forwards: 3\r\n",
            Some("Max-Forwards: 2"),
        ),
        (
            "GET / HTTP/1.1\r\nMax-Forwards: 3\r\n",
            Some("Max-Forwards: 3"),
        ),
        (
            "GET / HTTP/1.1\r\nMax-Forwards: 3\r\nConnection: max-forwards\r\n",
            None,
        ),
    ] {
        let passed = forwarded(&format!("{request}Host: a\r\n\r\n"), ForwardedFields::Off);
        let line = passed.lines().find(|line| line.starts_with("Max-Forwards"));
        assert_eq!(line, expected, "{passed}");
    }
}

#[test]
fn a_length_of_nothing_passes_and_none_is_added() {
    for (length, expected) in [("Content-Length: 0\r\n", true), ("", false)] {
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\n{length}\r\n");
        let passed = forwarded(&request, ForwardedFields::Off);
        assert_eq!(
            passed.contains("Content-Length: 0\r\n"),
            expected,
            "{passed}"
        );
    }
}

#[test]
fn a_length_is_sent_for_content_that_is_left_out_and_no_other() {
    let length = |status: u16, method| {
        let head = format!("HTTP/1.1 {status} x\r\nContent-Length: 7\r\n\r\n");
        let answer = answered(&head, Version::Http11, method);
        let line = answer
            .lines()
            .find(|line| line.starts_with("Content-Length"));
        line.map(str::to_string)
    };
    let seven = Some("Content-Length: 7".to_string());
    assert_eq!(length(200, Method::Head), seven);
    assert_eq!(length(304, Method::Get), seven);
    assert_eq!(length(200, Method::Get), seven);
    assert_eq!(length(204, Method::Get), None);
    let empty = answered(
        "HTTP/1.1 200 x\r\nContent-Length: 0\r\n\r\n",
        Version::Http11,
        Method::Get,
    );
    assert!(empty.contains("Content-Length: 0\r\n"), "{empty}");
}

#[test]
fn a_client_learns_whether_its_connection_stays() {
    let connection = |status: u16, version, keep_alive| {
        let head = format!("HTTP/1.1 {status} x\r\nUpgrade: a\r\nContent-Length: 0\r\n\r\n");
        let mut table = request::field_table();
        let response = response::parse(head.as_bytes(), Method::Get, &mut table).expect("valid");
        let delivery = Delivery {
            version,
            keep_alive,
            method: Method::Get,
            date: "now",
        };
        let mut out = Vec::new();
        write_response_connection(&response, &delivery, &mut out);
        String::from_utf8(out).expect("ASCII")
    };
    for (status, version, keep_alive, expected) in [
        (200, Version::Http11, true, ""),
        (200, Version::Http11, false, "Connection: close\r\n"),
        (200, Version::Http10, true, "Connection: keep-alive\r\n"),
        (200, Version::Http10, false, "Connection: close\r\n"),
        (103, Version::Http11, false, ""),
        (103, Version::Http10, true, ""),
        (
            101,
            Version::Http11,
            false,
            "Upgrade: a\r\nConnection: Upgrade\r\n",
        ),
        (
            426,
            Version::Http11,
            true,
            "Upgrade: a\r\nConnection: Upgrade\r\n",
        ),
        (
            426,
            Version::Http11,
            false,
            "Upgrade: a\r\nConnection: Upgrade, close\r\n",
        ),
    ] {
        assert_eq!(
            connection(status, version, keep_alive),
            expected,
            "{status}"
        );
    }
}

fn rules(set: &[(&str, &str)], remove: &[&str]) -> (Vec<(String, String)>, Vec<String>) {
    let set = set
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()));
    (
        set.collect(),
        remove.iter().map(|name| (*name).into()).collect(),
    )
}

#[test]
fn what_a_route_sets_and_removes_is_set_and_removed_and_nothing_else() {
    let (set, remove) = rules(&[("X-Tier", "1"), ("Host", "inside:80")], &["X-Debug"]);
    let rules = FieldRules::of_requests(set, remove).expect("valid");
    let head = "GET /api/x?y HTTP/1.1\r\nHost: a\r\nx-tier: 9\r\nX_TIER: 9\r\nX-A: 1\r\n\
        Connection: x-tier\r\nX-Debug: 1\r\nx_debug: 1\r\nX-Debugs: 1\r\n\r\n";
    let strips = StrippedPrefix {
        bytes: 4,
        adds_slash: false,
    };
    assert_eq!(
        routed(head, ForwardedFields::Replace, &rules, Some(strips)),
        "GET /x?y HTTP/1.1\r\nHost: inside:80\r\nX-A: 1\r\nX-Debugs: 1\r\nX-Tier: 1\r\n\
         Via: 1.1 lb\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\n\
         X-Forwarded-Host: a\r\n\r\n"
    );
}

#[test]
fn what_is_left_of_a_target_is_in_origin_form() {
    let line = |target: &str, bytes, adds_slash| {
        let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        let stripped = StrippedPrefix { bytes, adds_slash };
        let written = routed(&head, ForwardedFields::Off, &NO_RULES, Some(stripped));
        written.lines().next().expect("a line").to_string()
    };
    assert_eq!(line("/api", 4, true), "GET / HTTP/1.1");
    assert_eq!(line("/api?x", 4, true), "GET /?x HTTP/1.1");
    assert_eq!(line("http://a//api//x", 6, false), "GET /x HTTP/1.1");
    // An absolute form without a path, of which nothing is stripped.
    assert_eq!(line("http://a?x", 0, true), "GET /?x HTTP/1.1");
}

#[test]
fn rules_for_responses_take_from_every_response_and_set_only_in_the_last_one() {
    let (set, remove) = rules(&[("X-A", "1")], &["Server"]);
    let rules = FieldRules::of_responses(set, remove).expect("valid");
    let answer = |status: u16| {
        let head =
            format!("HTTP/1.1 {status} x\r\nserver: s\r\nx-a: 2\r\nX: 1\r\nUpgrade: a\r\n\r\n");
        answered_by_rules(&head, Version::Http11, Method::Get, &rules)
    };
    assert_eq!(answer(103), "HTTP/1.1 103 x\r\nX: 1\r\nVia: 1.1 lb\r\n\r\n");
    assert_eq!(
        answer(204),
        "HTTP/1.1 204 x\r\nX: 1\r\nX-A: 1\r\nDate: now\r\nVia: 1.1 lb\r\n\r\n"
    );
    assert_eq!(
        answer(101),
        "HTTP/1.1 101 x\r\nX: 1\r\nX-A: 1\r\nUpgrade: a\r\nConnection: Upgrade\r\n\
         Via: 1.1 lb\r\n\r\n"
    );
}
