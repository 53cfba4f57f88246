//! A backend that is not well gets no requests, and gets them again when it is.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use lb::config::{HealthConfig, Statuses};
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};
use support::{Client, Lb, Origin, PATIENCE, eventually};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

fn watching(backends: &[SocketAddr]) -> Lb {
    Lb::with(backends, |config| {
        config.health.interval = Duration::from_millis(50);
        config.health.timeout = Some(Duration::from_millis(500));
    })
}

fn is_up(lb: &Lb, index: usize) -> bool {
    lb.status().groups[0].backends[index].is_up
}

#[test]
fn a_backend_that_fails_its_checks_gets_no_requests_until_it_passes_them() {
    let (one, two) = (Origin::answering(HELLO), Origin::answering(HELLO));
    let lb = watching(&[one.address, two.address]);
    let mut client = lb.client();
    one.set_healthy(false);
    eventually("it is down", || !is_up(&lb, 0));
    for _ in 0..20 {
        assert_eq!(client.get("/").status, 200);
    }
    assert_eq!((one.count(), two.count()), (0, 20));
    one.set_healthy(true);
    eventually("it is up", || is_up(&lb, 0));
    for _ in 0..20 {
        client.get("/");
    }
    assert_eq!((one.count(), two.count()), (10, 10));
}

#[test]
fn the_first_round_is_over_before_the_first_request() {
    for _ in 0..5 {
        let (bad, good) = (Origin::answering(HELLO), Origin::answering(HELLO));
        bad.set_healthy(false);
        let lb = watching(&[bad.address, support::nobody(), good.address]);
        assert_eq!(
            (is_up(&lb, 0), is_up(&lb, 1), is_up(&lb, 2)),
            (false, false, true)
        );
        assert_eq!(lb.client().get("/").status, 200);
        assert_eq!((bad.count(), good.count()), (0, 1));
    }
}

/// A backend that does this with every connection, probes too.
fn probed(script: impl Fn(&mut std::net::TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        thread::scope(|scope| {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let script = &script;
                scope.spawn(move || script(&mut stream));
            }
        });
    });
    address
}

#[test]
fn only_a_good_answer_counts_and_a_slow_one_delays_nobody() {
    let silent = probed(|_| thread::sleep(Duration::from_secs(60))); // It never answers.
    let dripping = probed(|stream| {
        while stream.write_all(b"H").is_ok() {
            // One byte at a time, for ever.
            thread::sleep(Duration::from_millis(10));
        }
    });
    let endless_head = probed(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream
            .write_all(b"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n")
            .is_ok()
        {}
    });
    let endless_body = probed(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&[b'x'; 65536]).is_ok() {}
    });
    let garbage = probed(|stream| drop(stream.write_all(b"\0\xff\n\n\r\n\r\n")));
    let closing = probed(|_| {});
    let redirecting =
        probed(|stream| drop(stream.write_all(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n")));
    let began = Instant::now();
    let lb = watching(&[
        silent,
        dripping,
        endless_head,
        endless_body,
        garbage,
        closing,
        redirecting,
    ]);
    let took = began.elapsed();
    assert!(
        took < Duration::from_millis(2500),
        "the probes wait side by side: {took:?}"
    );
    let up: Vec<bool> = (0..7).map(|index| is_up(&lb, index)).collect();
    assert_eq!(up, [false, false, false, true, false, false, false]);
}

#[test]
fn a_killed_backend_costs_no_client_an_error_and_is_used_again_when_it_returns() {
    let mut one = support::Program::backend(0);
    let two = support::Program::backend(0);
    let (address, port) = (one.address, one.address.port());
    let lb = watching(&[address, two.address]);
    let mut client = lb.client();
    let answers = |client: &mut support::Client, count: usize| {
        let bodies: Vec<String> = (0..count)
            .map(|_| {
                let response = client.get("/");
                assert_eq!(response.status, 200);
                response.text()
            })
            .collect();
        bodies
            .iter()
            .filter(|body| body.contains(&port.to_string()))
            .count()
    };
    assert_eq!(answers(&mut client, 10), 5);
    one.kill();
    assert_eq!(answers(&mut client, 10), 0);
    eventually("it is down", || !is_up(&lb, 0));
    let _again = support::Program::backend(port);
    eventually("it is up", || is_up(&lb, 0));
    assert_eq!(answers(&mut client, 10), 5);
}

/// The reason for which a backend of this script is down after the first check; empty if it
/// is up.
fn verdict(
    script: impl Fn(&mut std::net::TcpStream) + Send + Sync + 'static,
    change: impl FnOnce(&mut HealthConfig),
) -> String {
    let address = probed(script);
    let lb = Lb::with(&[address], |config| {
        config.health.interval = Duration::from_secs(3600);
        config.health.timeout = Some(Duration::from_millis(600));
        change(&mut config.health);
    });
    let backend = &lb.status().groups[0].backends[0];
    match backend.is_up {
        true => String::new(),
        false => backend.reason.clone(),
    }
}

/// Reads the request and answers it like this.
fn says(answer: impl Into<Vec<u8>>) -> impl Fn(&mut std::net::TcpStream) + Send + Sync + 'static {
    let answer = answer.into();
    move |stream| {
        let mut client = Client::on(stream.try_clone().unwrap());
        client.read_until(b"\r\n\r\n");
        client.send(&answer);
    }
}

#[test]
fn each_failure_has_its_name() {
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    assert_eq!(verdict(says(ok), |_| {}), "");
    let hinted = format!("HTTP/1.1 103 Early Hints\r\n\r\n{ok}");
    assert_eq!(verdict(says(hinted), |_| {}), "");
    assert_eq!(
        verdict(says("HTTP/1.1 503 No\r\n\r\n"), |_| {}),
        "status code: 503"
    );
    assert_eq!(
        verdict(says("SSH-2.0\r\n"), |_| {}),
        "not HTTP: this is no HTTP response"
    );
    assert_eq!(verdict(says(""), |_| {}), "connection reset");
    let silent = |stream: &mut std::net::TcpStream| {
        // It says nothing for the whole timeout.
        drop(stream.peek(&mut [0; 1]).map(|_| thread::sleep(PATIENCE)))
    };
    assert_eq!(
        verdict(silent, |_| {}),
        "timed out while waiting for the answer"
    );
    let begins = |stream: &mut std::net::TcpStream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        // The rest does not come.
        thread::sleep(PATIENCE);
    };
    assert_eq!(
        verdict(begins, |_| {}),
        "timed out while reading the answer"
    );
    let lb = watching(&[support::nobody()]);
    assert_eq!(
        lb.status().groups[0].backends[0].reason,
        "connection refused"
    );
}

#[test]
fn good_statuses_and_a_text_in_the_body_can_be_asked_for() {
    let only_204 = |health: &mut HealthConfig| health.statuses = Statuses(vec![204..=204]);
    assert_eq!(verdict(says("HTTP/1.1 204 Fine\r\n\r\n"), only_204), "");
    assert_eq!(
        verdict(
            says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
            only_204
        ),
        "status code: 200"
    );
    let wants = |text: &str| {
        let text = Some(text.to_string());
        move |health: &mut HealthConfig| health.matches = text
    };
    let chunked =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nall \r\n4\r\nwell\r\n0\r\n\r\n";
    assert_eq!(verdict(says(chunked), wants("all well")), "");
    assert_eq!(
        verdict(says(chunked), wants("all bad")),
        "body did not match"
    );
    let until_close = "HTTP/1.1 200 OK\r\n\r\nall well";
    assert_eq!(verdict(says(until_close), wants("well")), "");
    assert_eq!(
        verdict(says(until_close), wants("ill")),
        "body did not match"
    );
    let far = format!("HTTP/1.1 200 OK\r\n\r\n{}well", "x".repeat(16 * 1024));
    assert_eq!(verdict(says(far), wants("well")), "body did not match");
    let early = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nwell";
    assert_eq!(
        verdict(says(early), wants("well")),
        "",
        "found before the end"
    );
}

#[test]
fn a_check_takes_the_repaired_answers_that_a_request_takes() {
    let matches = |health: &mut HealthConfig| health.matches = Some("all well".into());
    for answer in [
        &b"HTTP/1.1 200 OK\nContent-Length: 8\n\nall well"[..],
        b"HTTP/1.1 200 Tr\xe8s bien\r\nContent-Length: 8\r\n\r\nall well",
        b"HTTP/1.1 200 OK\r\nConnection: close; a\r\nContent-Length: 8\r\n\r\nall well",
        b"HTTP/1.1 102 x\n\nHTTP/1.1 200\nTransfer-Encoding: chunked\n\n8   \r\nall well\r\n0 \r\n\r\n",
    ] {
        assert_eq!(verdict(says(answer), matches), "", "{}", answer.escape_ascii());
    }
    let odd = |health: &mut HealthConfig| health.statuses = Statuses(vec![999..=999]);
    assert_eq!(verdict(says("HTTP/1.1 999 Odd\r\n\r\n"), odd), "");
    assert_eq!(
        verdict(says("HTTP/1.1 600 x\r\n\r\n"), |_| {}),
        "status code: 600"
    );
}

#[test]
fn a_check_can_go_to_another_port_with_another_host() {
    let (asked, requests) = std::sync::mpsc::channel();
    let checked = probed(move |stream| {
        let mut client = Client::on(stream.try_clone().unwrap());
        let request = client.read_until(b"\r\n\r\n");
        asked.send(String::from_utf8(request).unwrap()).unwrap();
        client.send(HELLO);
    });
    let lb = Lb::with(&[support::nobody()], |config| {
        config.health.port = Some(checked.port());
        config.health.host = Some("app.example".into());
        config.health.path = "/ready?x".into();
    });
    assert!(is_up(&lb, 0));
    let request = requests.recv().unwrap();
    assert!(
        request.starts_with("GET /ready?x HTTP/1.1\r\nHost: app.example\r\n"),
        "{request}"
    );
    assert!(request.contains("\r\nUser-Agent: lb-health/"), "{request}");
}

#[test]
fn detection_and_return_take_as_long_as_interval_rise_and_fall_say() {
    let origin = Origin::answering(HELLO);
    let interval = Duration::from_millis(300);
    let lb = Lb::with(&[origin.address], |config| {
        config.health.interval = interval;
        (config.health.rise, config.health.fall) = (3, 4);
    });
    for (is_healthy, checks) in [(false, 4), (true, 3)] {
        origin.set_healthy(is_healthy);
        let began = Instant::now();
        eventually("it changes", || is_up(&lb, 0) == is_healthy);
        let took = began.elapsed();
        // The first of them comes within an interval; each may be five per cent early.
        assert!(
            took > interval * (checks - 1) * 9 / 10,
            "{checks}: {took:?}"
        );
        assert!(
            took < interval * (checks + 1) + Duration::from_secs(1),
            "{checks}: {took:?}"
        );
    }
}
