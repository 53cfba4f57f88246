//! What is no request is refused with the right status, reaches no backend, and nothing behind
//! it on the connection is read as a request.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::io::Write as _;
use support::{Lb, Origin};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// Sends each with a well-formed request behind it, at once and byte by byte: one answer, then
/// the end.
fn refuses(cases: &[(&str, u16)]) {
    let origin = Origin::answering(HELLO);
    let lb = Lb::over(&[origin.address]);
    for (bytes, status) in cases {
        let bytes = format!("{bytes}{SMUGGLED}");
        for step in [bytes.len(), 1] {
            let mut client = lb.client();
            for piece in bytes.as_bytes().chunks(step) {
                // Refused in the middle, it may be closed before the end.
                let _ = client.stream.write_all(piece);
            }
            let response = client.response();
            assert_eq!(response.status, *status, "{bytes:?}: {}", response.text());
            assert_eq!(response.field("Connection"), Some("close"), "{bytes:?}");
            assert!(client.is_closed(), "{bytes:?}");
        }
    }
    assert_eq!(origin.count(), 0, "a backend saw one of them");
}

/// The same for a request line, with a `Host` below it.
fn refuses_lines(lines: &[(&str, u16)]) {
    let heads: Vec<_> = lines
        .iter()
        .map(|(line, status)| (format!("{line}\r\nHost: a\r\n\r\n"), *status))
        .collect();
    refuses(&borrowed(&heads));
}

/// The same for fields, below a `POST` with a `Host`.
fn refuses_fields(fields: &[(&str, u16)]) {
    let heads: Vec<_> = fields
        .iter()
        .map(|(field, status)| {
            (
                format!("POST / HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n"),
                *status,
            )
        })
        .collect();
    refuses(&borrowed(&heads));
}

fn borrowed(cases: &[(String, u16)]) -> Vec<(&str, u16)> {
    cases
        .iter()
        .map(|(text, status)| (text.as_str(), *status))
        .collect()
}

#[test]
fn a_request_line_has_single_spaces_and_a_version_that_we_speak() {
    refuses_lines(&[
        ("GET  / HTTP/1.1", 400),
        ("GET /  HTTP/1.1", 400),
        ("GET / HTTP/1.1 ", 400),
        (" GET / HTTP/1.1", 400),
        ("GET\t/ HTTP/1.1", 400),
        ("GET /\tHTTP/1.1", 400),
        ("GET /\x0bHTTP/1.1", 400),
        ("GET /a b HTTP/1.1", 400),
        ("GET /", 400),
        ("GET", 400),
        ("GET HTTP/1.1", 400),
        ("G(T / HTTP/1.1", 400),
        ("\"GET\" / HTTP/1.1", 400),
        ("GET / HTTP/1.2", 400),
        ("GET / HTTP/1.10", 400),
        ("GET / HTTP/01.1", 400),
        ("GET / HTTP/1.1.1", 400),
        ("GET / HTTP/1", 400),
        ("GET / http/1.1", 400),
        ("GET / HTTPS/1.1", 400),
        ("GET / HTTP /1.1", 400),
        ("GET / ICE/1.0", 400),
        ("GET / HTTP/0.9", 505),
        ("GET / HTTP/2.0", 505),
        ("GET / HTTP/3.0", 505),
        ("PRI * HTTP/2.0", 505),
    ]);
}

#[test]
fn a_target_has_one_of_four_forms_and_visible_ascii_only() {
    refuses_lines(&[
        ("GET x HTTP/1.1", 400),
        ("GET * HTTP/1.1", 400),
        ("GET a:80 HTTP/1.1", 400),
        ("GET ?x HTTP/1.1", 400),
        ("GET /# HTTP/1.1", 400),
        ("GET http://a/#x HTTP/1.1", 400),
        ("GET /\x01 HTTP/1.1", 400),
        ("GET /\x7f HTTP/1.1", 400),
        ("GET /\0 HTTP/1.1", 400),
        ("GET /\u{e9} HTTP/1.1", 400),
        ("GET https://a/ HTTP/1.1", 400),
        ("GET wss://a/ HTTP/1.1", 400),
        ("GET ftp://a/ HTTP/1.1", 400),
        ("GET file:///x HTTP/1.1", 400),
        ("GET http:/a HTTP/1.1", 400),
        ("GET http:// HTTP/1.1", 400),
        ("GET http:///x HTTP/1.1", 400),
        ("GET http://u@a/ HTTP/1.1", 400),
        ("GET http://a:x/ HTTP/1.1", 400),
        ("GET http://[::1/ HTTP/1.1", 400),
        ("GET http://a\\b/ HTTP/1.1", 400),
        ("OPTIONS *x HTTP/1.1", 400),
        ("CONNECT a:443 HTTP/1.1", 501),
        ("CONNECT / HTTP/1.1", 501),
    ]);
}

#[test]
fn a_host_is_there_once_and_is_a_host() {
    let bad = [
        "", "a b", "a@b", "u:p@a", "a/b", "a?b", "a#b", "a:b", "a:-1", "a:65536", "a:80:80", ":80",
        "[::1", "::1", "[::1]x", "[::1]:x", "[a]", "a,b c", "\u{e4}", "a\\b", "http://a", "%zz",
        "a\"",
    ];
    let heads: Vec<_> = bad
        .iter()
        .map(|host| (format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), 400))
        .collect();
    refuses(&borrowed(&heads));
    refuses(&[
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nhOST: b\r\n\r\n", 400),
        ("GET http://a/ HTTP/1.1\r\n\r\n", 400),
        ("GET http://a/ HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
        ("GET http://a/ HTTP/1.1\r\nHost:\r\nHost:\r\n\r\n", 400),
        ("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ]);
}

#[test]
fn a_field_is_a_token_a_colon_and_a_value_on_one_line() {
    refuses_fields(&[
        ("X : a", 400),
        ("X\t: a", 400),
        (" X: a", 400),
        ("\tX: a", 400),
        ("X: a\r\n b", 400),
        ("X: a\r\n\tb", 400),
        (": a", 400),
        ("X", 400),
        ("X\u{e4}: a", 400),
        ("X(: a", 400),
        ("X\0: a", 400),
        ("X: a\0b", 400),
        ("X: a\x08b", 400),
        ("X: a\x0bb", 400),
        ("X: a\x7fb", 400),
        ("X: a\rb", 400),
        ("X: a\r\r", 400),
        ("X: a\nY: b", 400),
        ("Expect: 200-ok", 417),
        ("Expect: 100-continue, magic", 417),
        ("Expect: y 100-continue", 417),
        ("Expect: 100-continue;q=1", 417),
    ]);
}

#[test]
fn what_is_no_http_is_refused_at_its_first_bytes() {
    refuses(&[
        ("GET / HTTP/1.1\nHost: a\n\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
        ("GET / HTTP/1.1\rHost: a\r\r", 400),
        ("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (
            &format!("{}GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n".repeat(17)),
            400,
        ),
        ("\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("\r\n\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("\r\n GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (" \r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("\x16\x03\x01", 400),
        ("\0", 400),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        ("HTTP/1.1 200 OK\r\n\r\n", 400),
    ]);
}

#[test]
fn what_the_first_line_shows_to_be_none_is_refused_as_soon_as_it_ends() {
    let origin = Origin::answering(HELLO);
    let lb = Lb::over(&[origin.address]);
    for (line, status) in [
        // HTTP/0.9, which has nothing behind this line.
        ("GET /path", 400),
        ("GET /path ", 400),
        ("GET", 400),
        ("GET / HTTP/1.2", 400),
        ("GET / HTTP/2.0", 505),
        ("G(T / HTTP/1.1", 400),
        ("GET path HTTP/1.1", 400),
        ("GET https://a/ HTTP/1.1", 400),
        ("GET http://a@b/ HTTP/1.1", 400),
        ("CONNECT a:443 HTTP/1.1", 501),
    ] {
        for rest in ["", "Host: a\r\n"] {
            let mut client = lb.client();
            client.send(format!("{line}\r\n{rest}"));
            let response = client.response();
            assert_eq!(
                response.status,
                status,
                "{line}{rest:?}: {}",
                response.text()
            );
            assert!(client.is_closed(), "{line}");
        }
    }
    // One that is well-formed is waited for, also when it was read and judged alone.
    let mut client = lb.client();
    for piece in ["GET / HTTP/1.1\r\n", "Host:", " a\r\n", "\r", "\n"] {
        client.send(piece);
    }
    assert_eq!(client.response().status, 200);
    assert_eq!(origin.count(), 1);
}

#[test]
fn several_empty_lines_before_a_request_are_passed_over() {
    let origin = Origin::answering(HELLO);
    let lb = Lb::over(&[origin.address]);
    for step in [usize::MAX, 3, 1] {
        let mut client = lb.client();
        for lines in [16, 1, 0, 5] {
            let request = format!("{}GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n".repeat(lines));
            for piece in request.as_bytes().chunks(step.min(request.len())) {
                client.send(piece);
            }
            assert_eq!(client.response().status, 200, "{lines} by {step}");
            assert!(origin.request().starts_with("GET / HTTP/1.1\r\n"));
        }
    }
}

#[test]
fn a_list_has_no_more_members_than_mistakes_explain() {
    let upgrade = "Connection: Upgrade\r\nUpgrade";
    for name in ["Connection", "TE", "Expect", upgrade] {
        for member in ["", "close", "100-continue", "x"] {
            let list = vec![member; 101].join(",");
            let status = match (name, member) {
                ("Expect", "x" | "close") => 417,
                _ => 431,
            };
            let lines = list.replacen(',', &format!("\r\n{name}: "), 1);
            refuses_gets(&format!("{name}: {list}"), status);
            if name != upgrade {
                refuses_gets(&format!("{name}: {lines}"), status);
            }
        }
    }
    // Of those for the backend no member is refused.
    let origin = Origin::answering(HELLO);
    let lb = Lb::over(&[origin.address]);
    let commas = ",".repeat(20_000);
    for name in ["Accept", "Via", "X-Forwarded-For", "Forwarded", "Cookie"] {
        let mut client = lb.client();
        client.send(format!(
            "GET / HTTP/1.1\r\nHost: a\r\n{name}: {commas}\r\n\r\n"
        ));
        assert_eq!(client.response().status, 200, "{name}");
    }
    let mut client = lb.client();
    let hundred = vec!["x"; 99].join(",");
    client.send(format!(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: {hundred},\r\n\r\n"
    ));
    assert_eq!(client.response().status, 200);
}

/// The same for a field of a `GET` with a `Host`.
fn refuses_gets(field: &str, status: u16) {
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n");
    refuses(&[(&head, status)]);
}

#[test]
fn methods_are_tokens_and_kept_as_they_are() {
    let origin = Origin::answering(HELLO);
    let lb = Lb::over(&[origin.address]);
    for method in ["get", "PROPFIND", "X-Y", "!#$%&'*+-.^_`|~0", "CONNECTX"] {
        let mut client = lb.client();
        client.send(format!(
            "\r\n{method} /%2e/../a//b?c=%00|{{}} HTTP/1.1\r\nHost: a\r\n\r\n"
        ));
        assert_eq!(client.response().status, 200, "{method}");
        let line = format!("{method} /%2e/../a//b?c=%00|{{}} HTTP/1.1\r\n");
        assert!(origin.request().starts_with(&line), "{method}");
    }
}
