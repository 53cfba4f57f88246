//! What an intermediary owes both ends (RFC 9110 §7.6): fields of one hop end here, whatever
//! `Connection` names; what we add ourselves is always there, and cannot be taken away.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use lb::http::forwarded::ForwardedFields;
use support::{Lb, Origin, Response, Setup};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// The head that the backend gets for this one, line by line.
fn forwarded(head: &str, change: impl FnOnce(&mut Setup)) -> Vec<String> {
    let origin = Origin::answering(HELLO);
    let lb = Lb::with(&[origin.address], change);
    let mut client = lb.client();
    client.send(head);
    assert_eq!(client.response().status, 200, "{head:?}");
    let request = origin.request();
    request
        .split("\r\n")
        .map(String::from)
        .take_while(|line| !line.is_empty())
        .collect()
}

/// The values of a field, in order.
fn values(lines: &[String], name: &str) -> Vec<String> {
    let of = |line: &String| {
        let (found, value) = line.split_once(": ")?;
        found.eq_ignore_ascii_case(name).then(|| value.to_string())
    };
    lines.iter().filter_map(of).collect()
}

fn with_fields(fields: &str) -> Vec<String> {
    forwarded(
        &format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"),
        |_| {},
    )
}

/// The answer of a backend with these fields.
fn answered(fields: &str) -> Response {
    let origin = Origin::answering(format!(
        "HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n"
    ));
    Lb::over(&[origin.address]).client().get("/")
}

#[test]
fn what_connection_names_ends_here_in_any_case_and_every_copy() {
    let lines = with_fields(
        "X-A: 1\r\nConnection: x-a , ,X-B\r\nx-A: 2\r\nX-b: 3\r\nconnection: close, X-C\r\nx-c: 4\r\n\
         Keep-Alive: 5\r\nProxy-Connection: x\r\nUpgrade: websocket\r\nTE: gzip\r\nX_A: 5\r\nX-AA: 6\r\n",
    );
    for gone in [
        "x-a",
        "x-b",
        "x-c",
        "connection",
        "keep-alive",
        "proxy-connection",
        "upgrade",
        "te",
    ] {
        assert!(values(&lines, gone).is_empty(), "{gone}: {lines:?}");
    }
    assert_eq!(
        (values(&lines, "X_A"), values(&lines, "X-AA")),
        (vec!["5".into()], vec!["6".into()])
    );
    let response = answered(
        "X-A: 1\r\nConnection: x-a\r\nX-a: 2\r\nKeep-Alive: 5\r\nUpgrade: x\r\nProxy-Connection: y\r\n",
    );
    for gone in [
        "X-A",
        "Connection",
        "Keep-Alive",
        "Upgrade",
        "Proxy-Connection",
    ] {
        assert_eq!(response.field(gone), None, "{}", response.head);
    }
}

#[test]
fn no_nomination_takes_away_routing_framing_or_what_we_add() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nVia: 1.0 b\r\nX-Forwarded-For: 9.9.9.9\r\n\
        Connection: Host, content-length, TRANSFER-ENCODING, via, X-Forwarded-For, x-forwarded-host, \
        X-Forwarded-Proto, date\r\n\r\nab";
    for mode in [ForwardedFields::Replace, ForwardedFields::Append] {
        let lines = forwarded(head, |config| config.forwarded = mode);
        for (name, value) in [
            ("Host", "a"),
            ("Content-Length", "2"),
            ("Via", "1.1 lb"),
            ("X-Forwarded-Host", "a"),
            ("X-Forwarded-Proto", "http"),
        ] {
            assert_eq!(values(&lines, name), [value], "{lines:?}");
        }
        let told = match mode {
            ForwardedFields::Append => "9.9.9.9, 127.0.0.1",
            _ => "127.0.0.1",
        };
        assert_eq!(values(&lines, "X-Forwarded-For"), [told]);
    }
    let response = answered("Date: then\r\nConnection: content-length, date, via\r\n");
    assert_eq!(response.field("Content-Length"), Some("0"));
    assert_eq!(response.field("Via"), Some("1.1 lb"));
    assert!(
        response
            .field("Date")
            .is_some_and(|date| date.ends_with("GMT"))
    );
}

#[test]
fn via_tells_the_version_that_came_behind_those_of_earlier_proxies() {
    let lines = with_fields("Via: 1.0 a, 2 b\r\nvia: 1.1 c\r\n");
    assert_eq!(values(&lines, "Via"), ["1.0 a, 2 b", "1.1 c", "1.1 lb"]);
    let lines = forwarded("GET / HTTP/1.0\r\n\r\n", |_| {});
    assert_eq!(values(&lines, "Via"), ["1.0 lb"]);
    assert_eq!(answered("").field("Via"), Some("1.1 lb"));
}

#[test]
fn what_a_client_says_of_itself_counts_only_from_a_trusted_proxy() {
    let head = "GET / HTTP/1.1\r\nHost: a:1\r\nX-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\n\
        X-Forwarded-Host: b\r\nForwarded: for=9.9.9.9\r\n\r\n";
    let told = |trusted: &str| {
        let lines = forwarded(head, |config| {
            config.trusted_proxies = trusted.split(',').map(|net| net.parse().unwrap()).collect();
            config.add_forwarded = true;
        });
        [
            "X-Forwarded-For",
            "X-Forwarded-Proto",
            "X-Forwarded-Host",
            "Forwarded",
        ]
        .map(|name| values(&lines, name).join(" | "))
    };
    let ours = "for=127.0.0.1;host=\"a:1\";proto=http";
    assert_eq!(
        told("10.0.0.0/8,::1/128"),
        ["127.0.0.1", "http", "a:1", ours]
    );
    let both = format!("for=9.9.9.9 | {ours}");
    assert_eq!(
        told("10.0.0.0/8,127.0.0.0/8"),
        ["9.9.9.9, 127.0.0.1", "https", "b", &both]
    );
}

#[test]
fn a_target_of_tls_is_taken_from_a_trusted_proxy_only_and_passed_on() {
    let trust = |nets: &'static str| {
        move |config: &mut Setup| {
            config.trusted_proxies = vec![nets.parse().unwrap()];
            config.add_forwarded = true;
        }
    };
    for (target, line, proto) in [
        ("https://b:8443/x?y", "/x?y", "https"),
        ("HTTPS://b:8443", "/", "https"),
        ("wss://b:8443/x", "/x", "https"),
        ("ws://b:8443/x", "/x", "http"),
        ("http://b:8443/x", "/x", "http"),
    ] {
        let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        let lines = forwarded(&head, trust("127.0.0.0/8"));
        assert_eq!(lines[0], format!("GET {line} HTTP/1.1"));
        assert_eq!(values(&lines, "Host"), ["b:8443"], "{target}");
        assert_eq!(values(&lines, "X-Forwarded-Proto"), [proto], "{target}");
        let element = format!("for=127.0.0.1;host=\"b:8443\";proto={proto}");
        assert_eq!(values(&lines, "Forwarded"), [element], "{target}");
        // What the proxy says in words counts for more.
        let head = head.replace("Host: a\r\n", "Host: a\r\nX-Forwarded-Proto: said\r\n");
        let lines = forwarded(&head, trust("127.0.0.0/8"));
        assert_eq!(values(&lines, "X-Forwarded-Proto"), ["said"], "{target}");
        if proto == "https" {
            let origin = Origin::answering(HELLO);
            let lb = Lb::with(&[origin.address], trust("10.0.0.0/8"));
            let mut client = lb.client();
            client.send(head);
            assert_eq!(client.response().status, 400, "{target}");
        }
    }
}

#[test]
fn via_has_the_name_that_is_set_or_is_left_as_it_came() {
    let fields = "Via: 1.0 a\r\n";
    for (name, told, back) in [
        (
            Some("edge-1"),
            vec!["1.0 a", "1.1 edge-1"],
            Some("1.1 edge-1"),
        ),
        (None, vec!["1.0 a"], None),
    ] {
        let origin = Origin::answering(HELLO);
        let lb = Lb::with(&[origin.address], |config| {
            config.via = name.map(String::from);
        });
        let mut client = lb.client();
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        assert_eq!(client.response().field("Via"), back);
        let lines: Vec<_> = origin.request().split("\r\n").map(String::from).collect();
        assert_eq!(values(&lines, "Via"), told);
    }
}

#[test]
fn a_field_that_a_server_would_take_for_one_of_ours_ends_here() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: 1\r\nx_forwarded-proto: https\r\n\
        X-Forwarded_Host: b\r\nContent_Length: 9\r\nTRANSFER_ENCODING: chunked\r\nX_Real_IP: 2\r\n\
        Content-Length: 2\r\n\r\nab";
    let passing = |mode| {
        let lines = forwarded(head, |config| config.forwarded = mode);
        let is_odd = |line: &&String| line.split(':').next().unwrap().contains('_');
        lines.iter().filter(is_odd).cloned().collect::<Vec<_>>()
    };
    for mode in [ForwardedFields::Replace, ForwardedFields::Append] {
        assert_eq!(passing(mode), ["X_Real_IP: 2"], "{mode:?}");
    }
    assert_eq!(
        passing(ForwardedFields::Off),
        [
            "X_Forwarded_For: 1",
            "x_forwarded-proto: https",
            "X-Forwarded_Host: b",
            "X_Real_IP: 2"
        ]
    );
}

#[test]
fn te_keeps_only_trailers_and_never_for_http_1_0() {
    for (fields, expected) in [
        ("TE: trailers\r\n", vec!["trailers"]),
        (
            "TE: gzip;q=0.5\r\nte: deflate, Trailers\r\nConnection: TE\r\n",
            vec!["trailers"],
        ),
        ("TE: trailersx\r\n", vec![]),
        ("TE: gzip\r\n", vec![]),
        ("TE:\r\n", vec![]),
    ] {
        let lines = with_fields(fields);
        assert_eq!(values(&lines, "TE"), expected, "{fields}");
        assert_eq!(
            values(&lines, "Connection").len(),
            expected.len(),
            "{fields}"
        );
    }
    let lines = forwarded("GET / HTTP/1.0\r\nTE: trailers\r\n\r\n", |_| {});
    assert!(values(&lines, "TE").is_empty());
}

#[test]
fn max_forwards_is_counted_down_where_it_has_a_meaning() {
    for (method, before, after) in [
        ("TRACE", "5", "4"),
        ("OPTIONS", "1", "0"),
        ("OPTIONS", "99999999999999999999999", "9223372036854775806"),
        ("GET", "0", "0"),
        ("PROPFIND", "x", "x"),
    ] {
        let head = format!("{method} / HTTP/1.1\r\nHost: a\r\nMax-Forwards: {before}\r\n\r\n");
        assert_eq!(
            values(&forwarded(&head, |_| {}), "Max-Forwards"),
            [after],
            "{method} {before}"
        );
    }
}

#[test]
fn at_zero_we_are_the_last_recipient() {
    let origin = Origin::answering(HELLO);
    let lb = Lb::over(&[origin.address]);
    let mut client = lb.client();
    let trace = "TRACE /x HTTP/1.1\r\nHost: a\r\nX: 1\r\nMax-Forwards: 0\r\n\r\n";
    let secret = trace.replace("X: 1\r\n", "X: 1\r\nCookie: c\r\nAuthorization: d\r\n");
    client.send(secret);
    let response = client.response();
    assert_eq!(
        (response.status, response.field("Content-Type")),
        (200, Some("message/http"))
    );
    assert_eq!(response.text(), trace);
    // It was a whole exchange, and more may follow.
    client.send(trace.repeat(500));
    for _ in 0..500 {
        assert_eq!(client.response().text(), trace);
    }
    for head in ["OPTIONS *", "OPTIONS /", "OPTIONS http://a"] {
        let mut client = lb.client();
        client.send(format!(
            "{head} HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n"
        ));
        let response = client.response();
        assert_eq!(
            (response.status, response.field("Content-Length")),
            (200, Some("0"))
        );
    }
    let mut client = lb.client();
    client.send("TRACE / HTTP/1.1\r\nHost: a\r\nMax-Forwards: x\r\n\r\n");
    assert_eq!(client.response().status, 400);
    assert_eq!(origin.count(), 0);
}

#[test]
fn an_absolute_target_decides_the_host_and_reaches_the_backend_in_origin_form() {
    for (target, line, host) in [
        ("http://b", "/", "b"),
        ("HTTP://b:8/x/../y?q=%20", "/x/../y?q=%20", "b:8"),
        ("http://b?x", "/?x", "b"),
        ("http://[::1]:80/", "/", "[::1]:80"),
        ("ws://b/chat", "/chat", "b"),
        ("/", "/", "a"),
        ("//b/c", "//b/c", "a"),
        ("/?http://b", "/?http://b", "a"),
    ] {
        let lines = forwarded(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"), |_| {});
        assert_eq!(lines[0], format!("GET {line} HTTP/1.1"));
        assert_eq!(values(&lines, "Host"), [host], "{target}");
        assert_eq!(values(&lines, "X-Forwarded-Proto"), ["http"], "{target}");
    }
    // Beside a target that names one, Host may be empty.
    let lines = forwarded("GET http://b/ HTTP/1.1\r\nHost:\r\n\r\n", |_| {});
    assert_eq!(values(&lines, "Host"), ["b"]);
    for (target, line) in [
        ("*", "*"),
        ("http://b", "*"),
        ("http://b/", "/"),
        ("http://b?x", "/?x"),
    ] {
        let lines = forwarded(
            &format!("OPTIONS {target} HTTP/1.1\r\nHost: a\r\n\r\n"),
            |_| {},
        );
        assert_eq!(lines[0], format!("OPTIONS {line} HTTP/1.1"), "{target}");
    }
}

#[test]
fn fields_of_both_ends_pass_in_order_and_unchanged() {
    let lines = with_fields(
        "Cookie: a=1\r\nX: \"q, r\"\r\nCookie: b=2\r\nx:\r\nAccept: */*;q=0.1\r\nX-Utf8: \u{e9}\r\n\
         Proxy-Authorization: p\r\n",
    );
    let passed: Vec<_> = lines.iter().skip(2).take(7).map(String::as_str).collect();
    assert_eq!(
        passed,
        [
            "Cookie: a=1",
            "X: \"q, r\"",
            "Cookie: b=2",
            "x: ",
            "Accept: */*;q=0.1",
            "X-Utf8: \u{e9}",
            "Proxy-Authorization: p",
        ]
    );
}

#[test]
fn trailers_of_a_request_pass_also_when_it_names_te_as_it_has_to() {
    let origin = Origin::answering(HELLO);
    let lb = Lb::over(&[origin.address]);
    for (option, end) in [
        ("TE", "\r\n\r\n1\r\nx\r\n0\r\nX-T: 1\r\n\r\n"),
        ("TE, X-T", "\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
    ] {
        let mut client = lb.client();
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: a\r\nConnection: {option}\r\nTE: trailers\r\n\
             Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-T: 1\r\n\r\n"
        ));
        assert_eq!(client.response().status, 200);
        let request = origin.request();
        assert!(request.ends_with(end), "{request}");
    }
}
