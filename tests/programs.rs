//! The two programs as a user runs them: words, exit codes, what they print, signals.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use rustix::process::Signal;
use std::io::{ErrorKind, Read as _};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Output};
use support::{Client, LbProgram, PATIENCE, Program, eventually, lb_command, lb_output};

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn without_arguments_it_shows_how_it_is_used() {
    let output = lb_output(&[]);
    assert_eq!(output.status.code(), Some(2));
    let text = errors(&output);
    assert!(
        text.contains("cargo run --bin lb -- 8080 localhost:5001 localhost:5002"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 3);
}

#[test]
fn a_usage_error_names_the_argument_and_shows_a_right_one() {
    let output = lb_output(&["8080", "localhost:5001", "--head-timeout", "10"]);
    assert_eq!(output.status.code(), Some(2));
    let text = errors(&output);
    assert!(
        text.contains("--head-timeout") && text.contains("10s"),
        "{text}"
    );
}

#[test]
fn help_and_version_are_no_errors() {
    let help = lb_output(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    let text = String::from_utf8_lossy(&help.stdout);
    assert!(
        text.contains("Examples:") && text.contains("--drain-timeout"),
        "{text}"
    );
    assert_eq!(lb_output(&["--version"]).status.code(), Some(0));
}

#[test]
fn what_prevents_a_start_is_one_line_that_names_the_cure() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (words, part) in [
        (
            ["-q", &address, "127.0.0.1:9"],
            "another program uses this port",
        ),
        (
            ["-q", "127.0.0.1:0", "no-such-name.invalid:80"],
            "check the name",
        ),
    ] {
        let output = lb_output(&words);
        let text = errors(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.lines().count() == 1 && text.contains(part), "{text}");
    }
}

#[test]
fn the_demo_server_says_what_it_is() {
    let output = Command::new(env!("CARGO_BIN_EXE_backend"))
        .arg("--version")
        .output()
        .unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!("backend {version} (demo backend of lb)\n");
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
}

/// What comes of an answer, and whether a reset follows.
fn cut_answer(address: SocketAddr, target: &str) -> (String, bool) {
    let mut client = Client::to(address);
    client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
    let mut answer = Vec::new();
    let end = client.stream.read_to_end(&mut answer);
    let is_reset = end.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset);
    (String::from_utf8(answer).unwrap(), is_reset)
}

#[test]
fn the_demo_server_resets_in_the_middle_of_a_body_however_small_it_is() {
    let backend = Program::backend(0);
    for (target, bytes) in [
        ("/?reset=body", "Hello from Backend Server 5001!".len() / 2),
        ("/?reset=body&drip=1ms&bytes=400", 200),
        ("/?reset=body&bytes=1000000", 500_000),
        ("/?reset=body&bytes=1", 0),
    ] {
        let (answer, is_reset) = cut_answer(backend.address, target);
        let (_, body) = answer.split_once("\r\n\r\n").expect(target);
        // The port may have fewer digits, or one more.
        assert!(
            body.len().abs_diff(bytes) <= 1 && is_reset,
            "{target}: {answer:?}"
        );
    }
    let (answer, is_reset) = cut_answer(backend.address, "/?reset=body&chunked");
    let (_, chunks) = answer.split_once("\r\n\r\n").unwrap();
    let (size, chunk) = chunks.split_once("\r\n").unwrap();
    assert_eq!(Ok(chunk.len() - 2), usize::from_str_radix(size, 16));
    assert!(
        chunk.starts_with("Hello from Back") && is_reset,
        "{answer:?}"
    );
}

/// The next line of the story that begins so.
fn line(lb: &LbProgram, beginning: &str) -> String {
    loop {
        let line = lb
            .errors
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|_| panic!("no {beginning}"));
        if line.trim_start().starts_with(beginning) {
            return line;
        }
    }
}

#[test]
fn a_signal_drains_and_a_second_one_ends_it() {
    for (signals, code, is_served) in [(1, Some(0), true), (2, Some(1), false)] {
        let backend = Program::backend(0);
        let address = backend.address.to_string();
        let mut lb = LbProgram::start(0, &[&address, "--log", "off"]);
        let mut client = lb.client();
        client.send("GET /?delay=700ms HTTP/1.1\r\nHost: a\r\n\r\n");
        eventually("it is under way", || {
            backend
                .lines
                .try_iter()
                .any(|line| line.contains("delay=700ms"))
        });
        lb.signal(Signal::TERM);
        line(&lb, "Stopping");
        if signals == 2 {
            lb.signal(Signal::INT);
        }
        assert_eq!(lb.wait(), code);
        assert_eq!(client.try_response(false).is_some(), is_served);
    }
}

#[test]
fn a_lame_duck_says_that_it_is_not_ready_and_serves_on() {
    let backend = Program::backend(0);
    let name = backend.address.to_string();
    let mut lb = LbProgram::start(0, &[&name, "--ready-path", "/ready", "--lame-duck", "1s"]);
    assert_eq!(lb.client().get("/ready?x").text(), "200 OK\nready\n");
    lb.signal(Signal::TERM);
    eventually("it says no", || lb.client().get("/ready").status == 503);
    // New connections are taken in, and kept.
    let mut client = lb.client();
    for _ in 0..3 {
        assert_eq!(client.get("/").status, 200);
    }
    assert_eq!(lb.wait(), Some(0));
    assert!(std::net::TcpStream::connect(lb.address).is_err());
}

#[test]
fn a_stop_says_once_a_second_what_it_still_waits_for() {
    let backend = Program::backend(0);
    let name = backend.address.to_string();
    let mut lb = LbProgram::start(0, &[&name]);
    let mut client = lb.client();
    client.send("GET /?delay=3s HTTP/1.1\r\nHost: a\r\n\r\n");
    line(&lb, "Received request");
    lb.signal(Signal::TERM);
    let waiting = line(&lb, "waiting for 1 request, oldest ");
    assert!(
        waiting.ends_with(&format!(" s: GET /?delay=3s -> {name}")),
        "{waiting}"
    );
    let response = client.response();
    assert_eq!(
        (response.status, response.field("Connection")),
        (200, Some("close"))
    );
    assert_eq!(lb.wait(), Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn more_clients_than_descriptors_are_warned_of_at_the_start() {
    // Its backend's name does not resolve, so that it ends by itself.
    for (clients, is_warned) in [("200", true), ("20", false)] {
        let words = [
            "-q",
            "no-such-name.invalid:80",
            "--max-connections",
            clients,
        ];
        let output = lb_command(120, &words).output().unwrap();
        let text = errors(&output);
        let warning = "--max-connections 200 takes at least 263 descriptors, and the limit is 120";
        assert_eq!(text.contains(warning), is_warned, "{text}");
    }
}

#[test]
fn a_start_without_descriptors_to_serve_anybody_fails_and_says_how_many_would_do() {
    let backend = Program::backend(0);
    let name = backend.address.to_string();
    for limit in [9, 12, 14, 17] {
        let output = lb_command(limit, &[&name]).output().unwrap();
        let text = errors(&output);
        assert_eq!(output.status.code(), Some(1), "{limit}: {text}");
        let error = text.lines().next().unwrap_or_default();
        assert!(
            error.starts_with("lb: cannot ") && error.contains("ulimit -n"),
            "{limit}: {text}"
        );
        assert_eq!(text.lines().count(), 1, "{limit}: {text}");
        let needed = error.split("at least ").nth(1).unwrap();
        let needed = needed.split(' ').next().unwrap().parse().unwrap();
        let lb = LbProgram::start(needed, &[&name]);
        assert_eq!(lb.client().get("/").status, 200, "{limit}: {text}");
    }
}

#[test]
fn too_little_memory_for_a_single_client_is_an_error_at_the_start() {
    let output = lb_output(&["127.0.0.1:0", "localhost:5001", "--max-memory", "64KiB"]);
    let text = errors(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("at least 204800 bytes are needed: for example --max-memory 64MiB"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 1, "{text}");
}
