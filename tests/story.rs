//! What people read on their terminal: requests and answers, each round of checks, what changes;
//! and what is left of it where no story is told.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use crossbeam_channel::Receiver;
use rustix::process::Signal;
use std::process::{Child, Stdio};
use support::{Client, LbProgram, PATIENCE, Program, lb_command, lines_of};

/// Waits for these lines, one right behind the other; of one that ends with `…`, the beginning.
fn expect(errors: &Receiver<String>, lines: &[&str]) {
    let mut before: Vec<String> = Vec::new();
    loop {
        let line = errors.recv_timeout(PATIENCE);
        let line = line.unwrap_or_else(|_| panic!("no {lines:?} in {before:#?}"));
        before.push(line);
        let last = &before[before.len().saturating_sub(lines.len())..];
        let fits = |(line, beginning): (&String, &&str)| match beginning.strip_suffix('…') {
            Some(beginning) => line.starts_with(beginning),
            None => line == beginning,
        };
        if last.len() == lines.len() && last.iter().zip(lines).all(fits) {
            return;
        }
    }
}

/// The next line that contains `part`.
fn line(errors: &Receiver<String>, part: &str) -> String {
    loop {
        let line = errors.recv_timeout(PATIENCE);
        let line = line.unwrap_or_else(|_| panic!("no {part}"));
        if line.contains(part) {
            return line;
        }
    }
}

fn name(backend: &Program) -> String {
    format!("localhost:{}", backend.address.port())
}

/// Has a backend answer everything with this status.
fn set_status(backend: &Program, status: u16) {
    let mut control = Client::to(backend.address);
    control.send(format!(
        "POST /health?status={status} HTTP/1.1\r\nHost: a\r\n\r\n"
    ));
    assert_eq!(control.response().status, 200);
}

#[test]
fn an_empty_line_follows_each_request_and_each_answer() {
    let backend = Program::backend(0);
    let name = name(&backend);
    let lb = LbProgram::start(0, &[&name]);
    assert_eq!(lb.client().get("/x").status, 200);
    let hello = format!("Hello from Backend Server {}!", backend.address.port());
    expect(
        &lb.errors,
        &[
            "Received request from 127.0.0.1:…",
            "  GET /x HTTP/1.1",
            "  Host: test",
            "",
            &format!(
                "Response from server {name}: HTTP/1.1 200 OK ({} bytes, …",
                hello.len()
            ),
            &format!("  {hello}"),
            "",
        ],
    );
}

#[test]
fn the_first_round_of_checks_begins_with_its_line() {
    let server = Program::backend(0);
    let mut lb = lb_command(0, &[&name(&server)])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let first = line(&lines_of(lb.stderr.take().unwrap()), "health");
    lb.kill().unwrap();
    lb.wait().unwrap();
    assert_eq!(first, "Performing health check...");
}

#[test]
fn each_round_of_checks_is_logged_with_the_last_result_of_each_server() {
    let (one, two) = (Program::backend(0), Program::backend(0));
    let (first, second) = (name(&one), name(&two));
    let mut lb = LbProgram::start(0, &[&first, &second, "--health-interval", "300ms"]);
    let beginning = "Performing health check...";
    let is_well = |name: &str| format!("Server {name} is healthy.");
    for _ in 0..2 {
        expect(
            &lb.errors,
            &[beginning, &is_well(&first), &is_well(&second)],
        );
    }
    set_status(&two, 500);
    let down =
        format!("Server {second} is DOWN after 2 failed checks (status code: 500); 1 of 2 up");
    assert_eq!(line(&lb.errors, " is DOWN "), down);
    let is_ill = format!("Server {second} is unhealthy (status code: 500).");
    for _ in 0..2 {
        expect(&lb.errors, &[beginning, &is_well(&first), &is_ill]);
    }
    set_status(&two, 200);
    let up = line(&lb.errors, " is UP");
    let begins = format!("Server {second} is UP, it was down for ");
    assert!(
        up.starts_with(&begins) && up.ends_with(" s; 2 of 2 up"),
        "{up}"
    );
    expect(
        &lb.errors,
        &[beginning, &is_well(&first), &is_well(&second)],
    );
    lb.signal(Signal::INT);
    line(&lb.errors, "Stopping");
    assert_eq!(lb.wait(), Some(0));
}

/// Whether a line begins with the time, as in `06/Nov/1994:08:49:37 +0000 `.
fn has_time(line: &str) -> bool {
    let bytes = line.as_bytes();
    let time = "00/Aaa/0000:00:00:00 +0000 ";
    bytes.len() > time.len()
        && time.bytes().zip(bytes).all(|(of, byte)| match of {
            b'0' => byte.is_ascii_digit(),
            b'A' | b'a' => byte.is_ascii_alphabetic(),
            _ => of == *byte,
        })
}

/// `lb` as it starts, and what it prints; not known to listen yet.
fn started(words: &[&str]) -> (Running, Receiver<String>) {
    let mut child = lb_command(0, words)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let errors = lines_of(child.stderr.take().unwrap());
    (Running(child), errors)
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn changes_are_logged_with_their_time_and_no_rounds_where_no_story_is() {
    for words in [
        &["--log", "access"][..],
        &["--log", "off"],
        &["-q", "--log", "access"],
        &["-q"],
    ] {
        let backend = Program::backend(0);
        let name = name(&backend);
        set_status(&backend, 500);
        let words = [&[name.as_str(), "--health-interval", "100ms"], words].concat();
        let (_lb, errors) = started(&words);
        let mut lines = Vec::new();
        for (status, what) in [(200, "is unhealthy ("), (500, "is UP,"), (200, "is DOWN ")] {
            let part = format!("Server {name} {what}");
            let change = loop {
                let line = errors.recv_timeout(PATIENCE).expect(&part);
                match line.contains(&part) {
                    true => break line,
                    false => lines.push(line),
                }
            };
            assert!(has_time(&change), "{change}");
            set_status(&backend, status);
        }
        let is_of_round = |line: &String| line.contains("check...") || line.contains("is healthy.");
        assert!(!lines.iter().any(is_of_round), "{lines:?}");
    }
}

#[test]
fn a_first_check_with_a_strange_status_names_the_cures() {
    for (status, is_strange) in [(404, true), (301, true), (500, false)] {
        for words in [&[][..], &["-q"], &["--log", "off"]] {
            let backend = Program::backend(0);
            let name = name(&backend);
            set_status(&backend, status);
            let (_lb, errors) = started(&[&[name.as_str()], words].concat());
            let unhealthy = format!("Server {name} is unhealthy (status code: {status}).");
            line(&errors, &unhealthy);
            let is_last = |line: &String| line.contains("No backend is healthy yet");
            let rest: Vec<String> = errors.iter().take_while(|line| !is_last(line)).collect();
            let is_cure = |line: &&String| {
                ["--health-path", "--health-status", "--health-host"]
                    .iter()
                    .all(|option| line.contains(option))
            };
            let cures = rest.iter().filter(is_cure).count();
            assert_eq!(
                cures,
                usize::from(is_strange),
                "{status} {words:?}: {rest:?}"
            );
        }
    }
}

#[test]
fn a_request_that_fails_is_logged_with_the_servers_that_it_failed_at() {
    let (mut one, mut two) = (Program::backend(0), Program::backend(0));
    let (first, second) = (name(&one), name(&two));
    let words = [
        &first,
        &second,
        "--health-interval",
        "1h",
        "--health-timeout",
        "2s",
    ];
    let lb = LbProgram::start(0, &words);
    one.kill();
    two.kill();
    assert_eq!(lb.client().get("/x").status, 502);
    let failed = line(&lb.errors, "Request ");
    let refused = "connection refused";
    assert!(
        failed.starts_with(&format!(
            "Request GET /x HTTP/1.1 failed at {first}: {refused}; {second}: {refused} (answered 502, "
        )),
        "{failed}"
    );
    assert_eq!(line(&lb.errors, ""), "");
}

#[test]
fn a_request_that_goes_nowhere_is_told_with_the_reason() {
    let lb = LbProgram::start(0, &[&support::nobody().to_string()]);
    assert_eq!(lb.client().get("/x").status, 503);
    let failed = line(&lb.errors, "Request ");
    let reason = "Request GET /x HTTP/1.1 failed: no backend is up (answered 503, ";
    assert!(failed.starts_with(reason), "{failed}");
}
