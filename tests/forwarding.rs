//! What a backend gets and what a client gets, byte by byte, when all goes well.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use lb::config::Switch;
use std::io::Write as _;
use std::net::Shutdown;
use std::sync::mpsc;
use support::{Client, Lb, Origin, Setup};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// Ids differ from request to request; `request_names` tests them.
fn without_ids(setup: &mut Setup) {
    setup.request_id = Switch::Off;
}

#[test]
fn a_request_reaches_the_backend_in_canonical_form() {
    let origin = Origin::answering(HELLO);
    let lb = Lb::with(&[origin.address], without_ids);
    let mut client = lb.client();
    client.send(
        "POST http://example.com:81/a?b=%20 HTTP/1.1\r\nhost: other\r\nX-a:  1 \r\n\
         Connection: x-drop, keep-alive\r\nX-Drop: 2\r\nKeep-Alive: 3\r\nProxy-Connection: 4\r\n\
         X-Forwarded-For: 9.9.9.9\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc",
    );
    assert_eq!(client.response().text(), "hello");
    assert_eq!(
        origin.request(),
        "POST /a?b=%20 HTTP/1.1\r\nHost: example.com:81\r\nX-a: 1\r\nContent-Length: 3\r\n\
         Via: 1.1 lb\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n\
         X-Forwarded-Host: example.com:81\r\n\r\nabc"
    );
}

#[test]
fn a_response_reaches_the_client_in_canonical_form() {
    let origin = Origin::answering(
        "HTTP/1.1 404 Not  here\r\nServer: x\r\nConnection: x-drop\r\nX-Drop: 1\r\nKeep-Alive: 5\r\n\
         Set-Cookie: a\r\nSet-Cookie: b\r\nDate: then\r\ncontent-length: 2\r\n\r\nno",
    );
    let response = Lb::with(&[origin.address], without_ids).client().get("/");
    assert_eq!(
        response.head,
        "HTTP/1.1 404 Not  here\nServer: x\nSet-Cookie: a\nSet-Cookie: b\nDate: then\n\
         Content-Length: 2\nVia: 1.1 lb"
    );
    assert_eq!(response.text(), "no");
}

#[test]
fn one_connection_serves_many_requests_on_both_sides() {
    let (count, connections) = mpsc::channel();
    let origin = Origin::scripted(move |served| {
        count.send(()).unwrap();
        while served.request().is_some() {
            served.client.send(HELLO);
        }
    });
    let lb = Lb::over(&[origin.address]);
    let mut client = lb.client();
    for _ in 0..50 {
        assert_eq!(client.get("/").text(), "hello");
    }
    drop(client);
    assert_eq!(connections.try_iter().count(), 1);
    assert_eq!(origin.count(), 50);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let echo = || {
        Origin::scripted(|served| {
            while let Some(request) = served.request() {
                let target = request.split(' ').nth(1).unwrap().to_string();
                served.client.send(format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{target}",
                    target.len()
                ));
            }
        })
    };
    let origins = [echo(), echo(), echo()];
    let lb = Lb::over(&[origins[0].address, origins[1].address, origins[2].address]);
    let mut client = lb.client();
    let mut all = Vec::new();
    for number in 0..300 {
        if number % 3 == 0 {
            write!(
                all,
                "POST /{number} HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\nGET / H"
            )
            .unwrap();
        } else {
            write!(all, "GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        }
    }
    client.send(&all);
    for number in 0..300 {
        assert_eq!(client.response().text(), format!("/{number}"));
    }
    assert!(origins.iter().all(|origin| origin.count() == 100));
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let origin = Origin::answering(HELLO);
    let lb = Lb::over(&[origin.address]);
    let mut client = lb.client();
    let bytes = b"\r\nPOST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    for byte in bytes {
        client.send([*byte]);
    }
    assert_eq!(client.response().text(), "hello");
    let request = origin.request();
    assert!(request.starts_with("POST /x HTTP/1.1\r\n") && request.ends_with("\r\n0\r\n\r\n"));
}

#[test]
fn bodies_of_every_framing_arrive_whole() {
    let large = "x".repeat(3_000_000);
    let chunked = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n{:x};e=1\r\n{}\r\n0\r\nT: v\r\n\r\n",
        large.len() - 1,
        &large[1..]
    );
    let sized = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{large}",
        large.len()
    );
    let unsized_ = format!("HTTP/1.0 200 OK\r\n\r\n{large}");
    for (answer, closes) in [(chunked, false), (sized, false), (unsized_, true)] {
        let origin = Origin::scripted(move |served| {
            while served.request().is_some() {
                served.client.send(&answer);
                if closes {
                    return;
                }
            }
        });
        let lb = Lb::over(&[origin.address]);
        for version in ["1.1", "1.0"] {
            let mut client = lb.client();
            client.send(format!("GET / HTTP/{version}\r\nHost: a\r\n\r\n"));
            let response = client.response();
            assert!(
                response.is_whole && response.body.len() == large.len(),
                "{}",
                response.head
            );
            let is_chunked = response.field("Transfer-Encoding").is_some();
            assert!(!is_chunked || version == "1.1", "{}", response.head);
        }
    }
}

#[test]
fn answers_without_a_body_have_none_and_the_connection_goes_on() {
    for (method, answer, length) in [
        (
            "HEAD",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            Some("5"),
        ),
        (
            "HEAD",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            None,
        ),
        (
            "GET",
            "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
            None,
        ),
        (
            "GET",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
            Some("5"),
        ),
        (
            "GET",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            Some("0"),
        ),
    ] {
        let origin = Origin::answering(answer);
        let lb = Lb::over(&[origin.address]);
        let mut client = lb.client();
        for _ in 0..3 {
            client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"));
            let response = client.head_response();
            assert_eq!(
                response.field("Content-Length"),
                length,
                "{method} {answer}"
            );
        }
    }
}

#[test]
fn interim_responses_go_to_a_client_that_knows_them() {
    let answer = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
        .to_string()
        + HELLO;
    let origin = Origin::answering(answer);
    let lb = Lb::over(&[origin.address]);
    let mut client = lb.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let hints = client.response();
    assert_eq!((hints.status, hints.field("Link")), (103, Some("</a>")));
    assert_eq!(client.response().status, 102);
    assert_eq!(client.response().text(), "hello");
    client.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(client.response().status, 200);
}

#[test]
fn a_client_of_http_1_0_gets_one_answer_and_a_close_unless_it_asks() {
    let origin = Origin::answering(HELLO);
    let lb = Lb::over(&[origin.address]);
    let mut client = lb.client();
    client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let kept = client.response();
    assert_eq!(kept.field("Connection"), Some("keep-alive"));
    client.send("GET / HTTP/1.0\r\n\r\n");
    let last = client.response();
    assert_eq!(
        (last.field("Connection"), last.text().as_str()),
        (Some("close"), "hello")
    );
    assert!(client.is_closed());
    assert!(
        origin.request().contains("\r\nHost: 127.0.0.1:"),
        "1.1 requires a host"
    );
}

#[test]
fn a_half_closed_client_still_gets_its_answer() {
    let origin = Origin::answering(HELLO);
    let lb = Lb::over(&[origin.address]);
    let mut client = lb.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.response().text(), "hello");
    assert!(client.is_closed());
}

#[test]
fn bytes_move_both_ways_at_once() {
    // Echoes the body chunk by chunk while it comes.
    let origin = Origin::scripted(|served| {
        served.client.read_until(b"\r\n\r\n");
        served
            .client
            .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for _ in 0..20 {
            let chunk = served.client.read_until(b"x\r\n");
            served.client.send(chunk);
        }
        served.client.read_until(b"0\r\n\r\n");
        served.client.send("0\r\n\r\n");
    });
    let lb = Lb::over(&[origin.address]);
    let mut client = lb.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.read_until(b"\r\n\r\n");
    for _ in 0..20 {
        client.send("1\r\nx\r\n");
        assert_eq!(client.read_until(b"x\r\n"), b"1\r\nx\r\n");
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.read_until(b"0\r\n\r\n"), b"0\r\n\r\n");
}

#[test]
fn an_early_answer_reaches_a_client_that_is_still_sending() {
    let origin = Origin::scripted(|served| {
        served.client.read_until(b"\r\n\r\n");
        served
            .client
            .send("HTTP/1.1 413 No\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig");
        served.reset();
    });
    let lb = Lb::over(&[origin.address]);
    for _ in 0..20 {
        let mut client = lb.client();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n");
        let body = vec![0; 1_000_000];
        for _ in 0..3 {
            client.send(&body);
        }
        let response = client.response();
        assert_eq!((response.status, response.text().as_str()), (413, "big"));
        assert_eq!(response.field("Connection"), Some("close"));
    }
}

#[test]
fn a_kept_backend_connection_with_extra_bytes_is_never_used_again() {
    let origin = Origin::scripted(|served| {
        while served.request().is_some() {
            served.client.send(format!(
                "{HELLO}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
            ));
        }
    });
    let lb = Lb::over(&[origin.address]);
    let mut client: Client = lb.client();
    for _ in 0..20 {
        assert_eq!(client.get("/").text(), "hello");
    }
}

#[test]
fn a_late_byte_from_the_client_does_not_cost_it_the_answer() {
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n{}",
        "x".repeat(2_000_000)
    );
    let origin = Origin::answering(answer);
    let lb = Lb::over(&[origin.address]);
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
    ] {
        let mut client = lb.client();
        client.send(request);
        origin.request();
        client.send("\r\n");
        // Unread on purpose until all of it is written or nothing more fits.
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert!(client.response().is_whole);
    }
}

#[test]
fn an_answer_that_has_begun_is_finished_although_the_client_stops_sending() {
    let origin = Origin::scripted(|served| {
        served.client.read_until(b"\r\n\r\n");
        served
            .client
            .send("HTTP/1.1 403 No\r\nContent-Length: 10\r\n\r\nhello");
        served.client.read_exactly(3);
        // The rest of the body comes later than its beginning.
        std::thread::sleep(std::time::Duration::from_millis(300));
        served.client.send("world");
    });
    let lb = Lb::over(&[origin.address]);
    let mut client = lb.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n");
    client.read_until(b"hello");
    client.send("abc");
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.read_to_end(), b"world");
}

#[test]
fn trailers_pass_unless_fields_of_this_hop_may_be_among_them() {
    let origin = Origin::scripted(|served| {
        while let Some(request) = served.request() {
            let hop = if request.contains("/hop") {
                "Connection: X-T\r\n"
            } else {
                ""
            };
            served.client.send(format!(
                "HTTP/1.1 200 OK\r\n{hop}Transfer-Encoding: chunked\r\n\r\n0\r\nX-T: 1\r\nHost: evil\r\n\r\n"
            ));
        }
    });
    let lb = Lb::over(&[origin.address]);
    let mut client = lb.client();
    for (target, end) in [
        ("/", "\r\n\r\n0\r\nX-T: 1\r\n\r\n"),
        ("/hop", "\r\n\r\n0\r\n\r\n"),
    ] {
        client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        client.read_until(end.as_bytes());
    }
}

#[test]
fn a_single_worker_serves_many_slow_clients() {
    let origin = Origin::answering(HELLO);
    let lb = Lb::with(&[origin.address], |config| config.workers = 1);
    let mut slow: Vec<Client> = (0..100).map(|_| lb.client()).collect();
    for client in &mut slow {
        client.send("GET / HTTP/1.1\r\n");
    }
    for _ in 0..100 {
        assert_eq!(lb.client().get("/").text(), "hello");
    }
    for client in &mut slow {
        assert_eq!(client.send("Host: a\r\n\r\n").response().text(), "hello");
    }
}
