use super::*;

fn status(head: &str) -> u16 {
    let mut table = field_table();
    parse(head.as_bytes(), &mut table).map_or_else(|refusal| refusal.status, |_| 200)
}

fn with_field(field: &str) -> u16 {
    status(&format!("GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n"))
}

#[test]
fn field_lines() {
    for field in [
        "A: \tb\t",
        "A:",
        "A: \u{e4}",
        "a_b: c",
        "X: \"q\\\"\"",
        "Connection: a b, keep-alive; timeout=5",
    ] {
        assert_eq!(with_field(field), 200, "{field:?}");
    }
    for field in [
        "A : b",
        " A: b",
        "A: b\r\n c",
        "A: b\r\n\tc",
        ": b",
        "A\u{e4}: b",
        "A: b\0",
        "A: \x01",
        "A: \x7f",
        "A",
        "A(b): c",
        "Host: b",
        "Content-Length: x",
    ] {
        assert_eq!(with_field(field), 400, "{field:?}");
    }
    assert_eq!(with_field("Expect: 200-ok"), 417);
    assert_eq!(with_field("Expect: 100-Continue"), 200);
}

#[test]
fn an_expectation_counts_only_where_a_body_follows() {
    let expects = |line: &str, fields: &str| {
        let head = format!("{line}\r\nHost: a\r\nExpect: 100-continue\r\n{fields}\r\n");
        parse(head.as_bytes(), &mut field_table())
            .expect("valid")
            .expects_continue
    };
    assert!(expects("POST / HTTP/1.1", "Content-Length: 1\r\n"));
    assert!(expects("PUT / HTTP/1.1", "Transfer-Encoding: chunked\r\n"));
    assert!(!expects("POST / HTTP/1.1", ""));
    assert!(!expects("POST / HTTP/1.1", "Content-Length: 0\r\n"));
    assert!(!expects(
        "POST / HTTP/1.1",
        "Content-Length: 1\r\nConnection: expect\r\n"
    ));
    assert!(expects(
        "POST / HTTP/1.1",
        "Content-Length: 1\r\nExpect: ,100-CONTINUE,\r\n"
    ));
    assert!(!expects("POST / HTTP/1.0", "Content-Length: 1\r\n"));
}

#[test]
fn max_forwards_is_read_where_it_has_a_meaning() {
    let limit = |method: &str, fields: &str| {
        let head = format!("{method} / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let parsed = parse(head.as_bytes(), &mut field_table()).map(|head| head.max_forwards);
        parsed.map_err(|refusal| refusal.status)
    };
    assert_eq!(limit("TRACE", "Max-Forwards: 0\r\n"), Ok(Some(0)));
    assert_eq!(limit("OPTIONS", "max-forwards: 07\r\n"), Ok(Some(7)));
    let beyond = format!("Max-Forwards: {}\r\n", "9".repeat(30));
    assert_eq!(limit("TRACE", &beyond), Ok(Some(framing::MAX_LENGTH)));
    assert_eq!(limit("GET", "Max-Forwards: x\r\n"), Ok(None));
    assert_eq!(limit("TRACE", ""), Ok(None));
    for wrong in [
        "Max-Forwards: -1\r\n",
        "Max-Forwards: \r\n",
        "Max-Forwards: 1\r\nMax-Forwards: 1\r\n",
    ] {
        assert_eq!(limit("OPTIONS", wrong), Err(400), "{wrong}");
    }
}

#[test]
fn host_is_required_once_and_an_absolute_target_overrules_it() {
    assert_eq!(status("GET / HTTP/1.1\r\n\r\n"), 400);
    assert_eq!(status("GET / HTTP/1.0\r\n\r\n"), 200);
    let head = b"GET http://b:80?q HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut table = field_table();
    let request = parse(head, &mut table).expect("valid");
    assert_eq!(request.host, Some(&b"b:80"[..]));
    assert!(request.target.lacks_slash && request.target.rest == "?q");
    let head = b"OPTIONS HTTP://b HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut table = field_table();
    assert_eq!(parse(head, &mut table).expect("valid").target.rest, "*");
}

#[test]
fn an_upgrade_counts_only_when_it_is_whole() {
    let offers = |fields: &str| {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let mut table = field_table();
        parse(head.as_bytes(), &mut table)
            .expect("valid")
            .upgrade
            .is_some()
    };
    assert!(offers("Connection: Upgrade\r\nUpgrade: websocket\r\n"));
    assert!(!offers("Upgrade: websocket\r\n"));
    assert!(!offers("Connection: Upgrade\r\n"));
    assert!(!offers("Connection: Upgrade\r\nUpgrade: H2C\r\n"));
    assert!(!offers(
        "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n"
    ));
    for (protocol, is_offer) in [
        ("a/1", true),
        ("a/1, b", true),
        ("a b", false),
        ("a/", false),
        ("/1", false),
        ("a/1/2", false),
    ] {
        let offer = format!("Connection: Upgrade\r\nUpgrade: {protocol}\r\n");
        assert_eq!(offers(&offer), is_offer, "{protocol}");
    }
    for (length, is_offer) in [(512, true), (513, false)] {
        let long = "x".repeat(length);
        let offer = format!("Connection: Upgrade\r\nUpgrade: {long}\r\n");
        assert_eq!(offers(&offer), is_offer, "{length}");
    }
    for body in ["Content-Length: 2\r\n", "Transfer-Encoding: chunked\r\n"] {
        let offer = format!("Connection: Upgrade\r\nUpgrade: tcp\r\n{body}");
        assert!(offers(&offer), "{body}");
    }
}

#[test]
fn a_client_goes_on_as_its_version_and_its_options_say() {
    for (version, options, goes_on) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: keep-alive, close\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: keep-alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ] {
        let head = format!("GET / HTTP/{version}\r\nHost: a\r\n{options}\r\n");
        let mut table = field_table();
        let request = parse(head.as_bytes(), &mut table).expect("valid");
        assert_eq!(request.keeps_alive(), goes_on, "{version} {options}");
    }
}

#[test]
fn a_request_ends_here_when_it_may_pass_no_more_proxies() {
    for (limit, ends) in [
        ("", false),
        ("Max-Forwards: 1\r\n", false),
        ("Max-Forwards: 0\r\n", true),
    ] {
        let head = format!("OPTIONS / HTTP/1.1\r\nHost: a\r\n{limit}\r\n");
        let mut table = field_table();
        let request = parse(head.as_bytes(), &mut table).expect("valid");
        assert_eq!(request.ends_here(), ends, "{limit}");
    }
}

#[test]
fn an_empty_host_is_one_only_beside_an_authority() {
    assert_eq!(status("GET / HTTP/1.1\r\nHost:\r\n\r\n"), 400);
    assert_eq!(status("GET http://a/ HTTP/1.1\r\nHost:\r\n\r\n"), 200);
    assert_eq!(status("GET http://a/ HTTP/1.1\r\nHost: a b\r\n\r\n"), 400);
}

#[test]
fn nothing_stands_behind_the_empty_line_of_a_head() {
    assert_eq!(status("GET / HTTP/1.1\r\nHost: a\r\n\r\nmore"), 400);
    assert_eq!(status("GET / HTTP/1.1\r\nHost: a\r\n"), 400);
}

#[test]
fn a_first_line_alone_shows_what_is_no_request() {
    let check = |line: &str| check_first_line(line.as_bytes(), Sender::Anyone);
    assert_eq!(check("GET / HTTP/1.1\r\n"), Ok(()));
    for line in [
        "GET /\r\n",
        "GET x HTTP/1.1\r\n",
        "CONNECT a:1 HTTP/1.1\r\n",
    ] {
        assert!(check(line).is_err(), "{line}");
    }
}

#[test]
fn a_refusal_names_what_is_wrong_with_a_field() {
    let why = |field: &str| {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n");
        let refused = parse(head.as_bytes(), &mut field_table()).map(drop);
        refused.expect_err(field).why
    };
    assert_eq!(why("A b: c"), "a field name is not a token");
    assert_eq!(
        why("A: \x01"),
        "a field value has a byte that no value may have"
    );
    let many = "A: b\r\n".repeat(MAX_FIELDS);
    assert_eq!(why(many.trim_end()), "too many fields");
    assert_eq!(why("Host: b"), "two Host fields");
}
