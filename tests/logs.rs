//! What the program prints of requests: access lines, whole, in order and soon; and what
//! becomes of it when nobody reads them.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use rustix::process::Signal;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;
use std::time::Duration;
use support::{Client, Origin, Program, eventually};

#[expect(clippy::zombie_processes, reason = "the caller waits for it")]
/// Starts `lb` on a port of its own; its errors are read up to the line about listening.
fn started(words: &[&str], stdout: Stdio) -> (Child, SocketAddr, BufReader<ChildStderr>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_lb"))
        .arg("127.0.0.1:0")
        .args(words)
        .stdout(stdout)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    loop {
        let mut line = String::new();
        assert!(errors.read_line(&mut line).unwrap() > 0, "it ended");
        if let Some(rest) = line.strip_prefix("Load balancer is listening on ") {
            let address = rest.split(' ').next().unwrap().parse().unwrap();
            return (child, address, errors);
        }
    }
}

fn terminate(child: &Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
}

#[test]
fn a_client_that_left_is_logged_as_499() {
    let silent = Origin::scripted(|served| while served.request().is_some() {});
    let words = [&silent.address.to_string(), "--log", "access"];
    let (mut child, address, _errors) = started(&words, Stdio::piped());
    let mut client = Client::to(address);
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    silent.request();
    rustix::net::sockopt::set_socket_linger(&client.stream, Some(Duration::ZERO)).unwrap();
    drop(client);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next().expect("a line").unwrap();
    assert!(
        line.contains("] \"GET /x HTTP/1.1\" 499 0 ") && line.ends_with(" CH"),
        "{line}"
    );
    terminate(&child);
    child.wait().unwrap();
}

#[test]
fn access_lines_go_to_stdout_in_the_combined_format() {
    let backend = Program::backend(0);
    let words = [&backend.address.to_string(), "--log", "access"];
    let (child, address, _errors) = started(&words, Stdio::piped());
    let mut client = Client::to(address);
    client.send("GET /a%22b HTTP/1.1\r\nHost: a\r\nUser-Agent: q\"\\\r\nConnection: close\r\n\r\n");
    assert_eq!(client.response().status, 200);
    let mut bad = Client::to(address);
    assert_eq!(bad.send("BAD\r\n\r\n").response().status, 400);
    drop((client, bad));
    terminate(&child);
    let text = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    // They came on two connections, so either may be first.
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_by_key(|line| line.contains("\"-\" 400"));
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].starts_with("127.0.0.1 - - ["), "{text}");
    let bytes = format!("Hello from Backend Server {}!", backend.address.port()).len();
    let middle = format!(
        "] \"GET /a%22b HTTP/1.1\" 200 {bytes} \"-\" \"q\\\"\\\\\" {} ",
        backend.address
    );
    assert!(
        lines[0].contains(&middle) && lines[0].ends_with(" --"),
        "{text}"
    );
    assert!(
        lines[1].contains("] \"-\" 400 0 \"-\" \"-\" - ") && lines[1].ends_with(" CR"),
        "{text}"
    );
}

#[test]
fn a_stuck_log_holds_nobody() {
    let backend = Program::backend(0);
    let (mut child, address, errors) = started(&[&backend.address.to_string()], Stdio::null());
    // Nobody reads its story any more: after 64 KiB the pipe is full.
    let mut client = Client::to(address);
    for _ in 0..3000 {
        assert_eq!(client.get("/").status, 200);
    }
    drop(client);
    terminate(&child);
    let mut code = None;
    eventually("it ends", || {
        code = child.try_wait().unwrap();
        code.is_some()
    });
    assert_eq!(code.unwrap().code(), Some(0));
    drop(errors);
}

const SMALL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn every_answer_has_its_line_whole_and_in_order_up_to_the_last_before_a_stop() {
    const REQUESTS: usize = 250;
    let backend = Origin::answering(SMALL);
    let words = [&backend.address.to_string(), "--log", "access"];
    let (child, address, _errors) = started(&words, Stdio::piped());
    thread::scope(|scope| {
        for client in 0..8 {
            scope.spawn(move || {
                let mut connection = Client::to(address);
                for number in 0..REQUESTS {
                    assert_eq!(connection.get(&format!("/{client}/{number}")).status, 200);
                }
            });
        }
        terminate_after(&backend, 8 * REQUESTS, &child);
    });
    let text = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    let mut next = [0; 8];
    for line in text.lines() {
        let target = line.split('"').nth(1).unwrap();
        let target = target.strip_prefix("GET /").unwrap();
        let (client, number) = target.split_once('/').unwrap();
        let next = &mut next[client.parse::<usize>().unwrap()];
        assert_eq!(number, format!("{next} HTTP/1.1"));
        assert!(line.starts_with("127.0.0.1 - - [") && line.ends_with(" --"));
        *next += 1;
    }
    assert_eq!(next, [REQUESTS; 8]);
}

/// Asks for a stop as soon as the backend has seen so many requests.
fn terminate_after(backend: &Origin, requests: usize, child: &Child) {
    for _ in 0..requests {
        backend.request();
    }
    terminate(child);
}

/// Milliseconds until connected, answered, done.
fn times(line: &str) -> Vec<f64> {
    let times = line.rsplit(' ').nth(1).unwrap().split('/');
    times.map(|time| time.parse().unwrap()).collect()
}

#[test]
fn a_line_comes_soon_after_the_answer_and_its_times_are_those_of_the_waits() {
    let waits = Origin::scripted(|served| {
        while served.request().is_some() {
            // The time that the log gives until the answer.
            thread::sleep(Duration::from_millis(300));
            served
                .client
                .send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
            // The time that the log gives until the end.
            thread::sleep(Duration::from_millis(500));
            served.client.send("k");
        }
    });
    let words = [&waits.address.to_string(), "--log", "access"];
    let (mut child, address, _errors) = started(&words, Stdio::piped());
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut client = Client::to(address);
    // The first waits on its sockets, the second may come to wait in the lot.
    for target in ["/1", "/2"] {
        assert_eq!(client.get(target).status, 200);
        let line = lines.next().unwrap().unwrap();
        assert!(
            line.contains(&format!("\"GET {target} HTTP/1.1\" 200 2 ")),
            "{line}"
        );
        let [connected, answered, done] = times(&line)[..] else {
            panic!("not three times: {line}");
        };
        assert!(answered >= connected + 290.0, "{line}");
        assert!(done >= answered + 400.0 && done < 10_000.0, "{line}");
    }
    terminate(&child);
    child.wait().unwrap();
}

#[test]
fn what_does_not_fit_while_nobody_reads_is_counted_and_holds_nobody() {
    const REQUESTS: usize = 3000;
    let backend = Origin::answering(SMALL);
    let words = [&backend.address.to_string(), "--log", "access"];
    let (child, address, mut errors) = started(&words, Stdio::piped());
    let long = "x".repeat(1000);
    let request =
        format!("GET /{long} HTTP/1.1\r\nHost: a\r\nUser-Agent: {long}\r\nReferer: {long}\r\n\r\n");
    let mut client = Client::to(address);
    for _ in 0..REQUESTS {
        assert_eq!(client.send(&request).response().status, 200);
    }
    drop(client);
    terminate(&child);
    let text = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    let whole = text.lines().filter(|line| line.ends_with(" --")).count();
    assert_eq!(whole, text.lines().count());
    let mut story = String::new();
    errors.read_to_string(&mut story).unwrap();
    let counts = story
        .lines()
        .filter_map(|line| line.strip_prefix("Log lines lost: "));
    let lost: usize = counts.map(|count| count.parse::<usize>().unwrap()).sum();
    assert!(lost > 0, "{story}");
    assert_eq!(whole + lost, REQUESTS, "{story}");
}

#[test]
fn a_request_that_was_connected_nowhere_is_logged_with_the_last_backend_that_it_tried() {
    let mut backend = Program::backend(0);
    let name = backend.address.to_string();
    let words = [&name, "--log", "access", "--health-interval", "1h"];
    let (child, address, _errors) = started(&words, Stdio::piped());
    backend.kill();
    assert_eq!(Client::to(address).get("/").status, 502);
    terminate(&child);
    let text = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    assert!(
        text.contains(&format!(" \"-\" \"-\" {name} -/-/")),
        "{text}"
    );
    assert!(text.ends_with(" SC\n"), "{text}");
}
