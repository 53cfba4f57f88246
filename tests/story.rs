//! What people read on their terminal: requests and answers, each round of checks, what changes;
//! and what is left of it where no story is told.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use crossbeam_channel::Receiver;
use rustix::process::Signal;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;
use support::{Client, LbProgram, Origin, PATIENCE, Program, lb_command, lines_of, nobody};

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
    let change = line(&lb.errors, " is DOWN ");
    assert!(has_time(&change) && change.ends_with(&down), "{change}");
    let is_ill = format!("Server {second} is unhealthy (status code: 500).");
    for _ in 0..2 {
        expect(&lb.errors, &[beginning, &is_well(&first), &is_ill]);
    }
    set_status(&two, 200);
    let up = line(&lb.errors, " is UP");
    let begins = format!("Server {second} is UP, it was down for ");
    assert!(
        has_time(&up) && up.contains(&begins) && up.ends_with(" s; 2 of 2 up"),
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

const SMALL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Answers each request at once, but one for `/slow…` only when it is let go.
fn held() -> (Origin, crossbeam_channel::Sender<()>) {
    let (go, may_go) = crossbeam_channel::unbounded();
    let origin = Origin::scripted(move |served| {
        while let Some(request) = served.request() {
            if request.starts_with("GET /slow") {
                let _ = may_go.recv();
            }
            served.client.send(SMALL);
        }
    });
    (origin, go)
}

/// All lines up to one that fits, which is the last.
fn lines_up_to(errors: &Receiver<String>, fits: impl Fn(&str) -> bool) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let line = errors.recv_timeout(PATIENCE);
        lines.push(line.unwrap_or_else(|_| panic!("not in {lines:#?}")));
        if lines.last().is_some_and(|line| fits(line)) {
            return lines;
        }
    }
}

#[test]
fn while_requests_overlap_each_line_says_which_one_it_is_about() {
    let (origin, go) = held();
    let name = origin.address.to_string();
    let lb = LbProgram::start(0, &[&name]);
    let (mut first, mut second) = (lb.client(), lb.client());
    first.send("GET /slow1 HTTP/1.1\r\nHost: a\r\n\r\n");
    origin.request();
    let alone = line(&lb.errors, "Received request from ");
    assert!(
        alone.starts_with("Received request from 127.0.0.1:"),
        "{alone}"
    );
    second.send("GET /slow2 HTTP/1.1\r\nHost: a\r\n\r\n");
    origin.request();
    let beginning = "#2 Received request from 127.0.0.1:";
    lines_up_to(&lb.errors, |line| line.starts_with(beginning));
    go.send(()).unwrap();
    go.send(()).unwrap();
    assert_eq!(
        (first.response().status, second.response().status),
        (200, 200)
    );
    // Whichever ended first was not alone.
    let response = |line: &str| line.contains("Response from server ");
    let mut lines = lines_up_to(&lb.errors, response);
    lines.extend(lines_up_to(&lb.errors, response));
    let is_named = |line: &String| line.starts_with("#1 is GET /slow1 HTTP/1.1 from 127.0.0.1:");
    let is_answered = |number: &str| {
        let numbered = format!("{number}Response from server {name}: HTTP/1.1 200 OK (2 bytes, ");
        lines
            .iter()
            .filter(|line| line.starts_with(&numbered))
            .count()
    };
    assert_eq!(is_answered("#2 "), 1, "{lines:#?}");
    let named = lines.iter().filter(|line| is_named(line)).count();
    assert!(named <= 1 && is_answered("#1 ") == named, "{lines:#?}");
    assert_eq!(is_answered("#1 ") + is_answered(""), 1, "{lines:#?}");
}

#[test]
fn a_request_that_began_alone_is_named_when_another_one_is_there() {
    let (origin, go) = held();
    let name = origin.address.to_string();
    let lb = LbProgram::start(0, &[&name]);
    let (mut first, mut second) = (lb.client(), lb.client());
    first.send("GET /slow1 HTTP/1.1\r\nHost: a\r\n\r\n");
    origin.request();
    // It begins with half a body, so it is in flight until the rest comes.
    second.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx");
    lines_up_to(&lb.errors, |line| line.starts_with("#2 Received request"));
    go.send(()).unwrap();
    assert_eq!(first.response().status, 200);
    let lines = lines_up_to(&lb.errors, |line| line.contains("Response from server "));
    let is_named = |line: &&String| line.starts_with("#1 is GET /slow1 HTTP/1.1 from 127.0.0.1:");
    assert_eq!(lines.iter().filter(is_named).count(), 1, "{lines:#?}");
    assert!(
        lines
            .last()
            .unwrap()
            .starts_with("#1 Response from server "),
        "{lines:#?}"
    );
    second.send("y");
    assert_eq!(second.response().status, 200);
    line(&lb.errors, "#2 Response from server ");
    // The next one is alone again.
    assert_eq!(second.get("/fast").status, 200);
    lines_up_to(&lb.errors, |line| {
        line.starts_with("Received request from ")
    });
    lines_up_to(&lb.errors, |line| line.starts_with("Response from server "));
}

#[test]
fn a_retry_is_said_in_words_with_the_number_of_the_connection() {
    let (mut one, two) = (Program::backend(0), Program::backend(0));
    let (first, second) = (name(&one), name(&two));
    let lb = LbProgram::start(0, &[&first, &second, "--health-interval", "1h"]);
    one.kill();
    for _ in 0..2 {
        assert_eq!(lb.client().get("/").status, 200);
    }
    let retry = format!(" {first} refused, trying {second}");
    let retry = line(&lb.errors, &retry);
    let number = retry.split(' ').next().unwrap();
    assert!(["#1", "#2"].contains(&number), "{retry}");
    expect(&lb.errors, &[&format!("Response from server {second}: …")]);
}

#[test]
fn the_wait_in_a_queue_is_said_when_it_begins_and_if_it_was_long_when_it_ends() {
    let (origin, go) = held();
    let name = origin.address.to_string();
    let lb = LbProgram::start(0, &[&name, "--max-in-flight", "1"]);
    let (mut first, mut second) = (lb.client(), lb.client());
    first.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    origin.request();
    second.send("GET /fast HTTP/1.1\r\nHost: a\r\n\r\n");
    line(
        &lb.errors,
        "#2 every backend is at its limit, waiting in the queue",
    );
    // As long as a wait must be that is said afterwards.
    thread::sleep(Duration::from_millis(300));
    go.send(()).unwrap();
    assert_eq!(
        (first.response().status, second.response().status),
        (200, 200)
    );
    let left = line(&lb.errors, "#2 left the queue after ");
    assert!(left.ends_with(" s"), "{left}");
}

#[test]
fn a_wait_for_a_backend_or_for_its_answer_is_said_once() {
    let slow = Origin::scripted(|served| {
        while served.request().is_some() {
            // Longer than an answer may take that is not worth a line.
            thread::sleep(Duration::from_millis(600));
            served.client.send(SMALL);
        }
    });
    let name = slow.address.to_string();
    let lb = LbProgram::start(0, &[&name]);
    assert_eq!(lb.client().get("/").status, 200);
    let lines = lines_up_to(&lb.errors, |line| line.starts_with("Response from server "));
    let wait = format!("#1 waiting for {name} to answer, 0.");
    let waits = lines.iter().filter(|line| line.starts_with(&wait));
    assert_eq!(waits.count(), 1, "{lines:#?}");
    let lb = LbProgram::start(0, &[&nobody().to_string(), "--hold", "300ms"]);
    assert_eq!(lb.client().get("/").status, 503);
    line(&lb.errors, "#1 no backend is up, waiting for one");
}

#[test]
fn requests_one_after_the_other_have_no_numbers_and_their_lines_come_in_order() {
    const REQUESTS: usize = 100;
    let origin = Origin::answering(SMALL);
    let lb = LbProgram::start(0, &[&origin.address.to_string()]);
    for _ in 0..REQUESTS {
        assert_eq!(lb.client().get("/").status, 200);
    }
    for _ in 0..REQUESTS {
        let is_of_request =
            |line: &str| line.contains("Received request") || line.contains("Response from");
        let lines = lines_up_to(&lb.errors, is_of_request);
        let first = lines.last().unwrap();
        assert!(first.starts_with("Received request from "), "{lines:#?}");
        let lines = lines_up_to(&lb.errors, is_of_request);
        let last = lines.last().unwrap();
        assert!(last.starts_with("Response from server "), "{lines:#?}");
    }
}
