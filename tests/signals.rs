//! Signals: some stop the balancer, and no other one ends it, or a request under way.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use crossbeam_channel::{Sender, unbounded};
use rustix::process::Signal;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use support::{Client, LbProgram, Origin, PATIENCE, Program, lb_command, lines_of};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// What a service manager, a shell, a timer or the system may send, besides what stops it. All
/// but `CHLD`, `URG` and `WINCH` end or stop a program that does nothing about them.
const HARMLESS: &[&str] = &[
    "HUP", "USR1", "USR2", "ALRM", "PIPE", "PROF", "VTALRM", "XCPU", "XFSZ", "TTIN", "TTOU", "IO",
    "CHLD", "URG", "WINCH",
];

/// Those that other systems lack.
#[cfg(target_os = "linux")]
const LINUX: &[&str] = &["PWR", "STKFLT", "RTMIN", "RTMIN+3", "RTMAX"];
#[cfg(not(target_os = "linux"))]
const LINUX: &[&str] = &[];

/// Sends signals to a process, by names that `rustix` does not know either.
fn send(pid: u32, signals: &[&str]) {
    let kill = |signal: &&str| format!("kill -s {signal} {pid}");
    let kills: Vec<String> = signals.iter().map(kill).collect();
    let bash = Command::new("bash")
        .args(["-c", &kills.join(" && ")])
        .status();
    assert!(bash.unwrap().success(), "{signals:?} to {pid}");
}

/// The next line that contains `part`.
fn line(lb: &LbProgram, part: &str) -> String {
    loop {
        let line = lb.errors.recv_timeout(PATIENCE).expect(part);
        if line.contains(part) {
            return line;
        }
    }
}

/// A backend that answers a request when it is told to.
fn obedient() -> (Origin, Sender<()>) {
    let (go, told) = unbounded::<()>();
    let origin = Origin::scripted(move |served| {
        while served.request().is_some() && told.recv_timeout(PATIENCE).is_ok() {
            served.client.send(HELLO);
        }
    });
    (origin, go)
}

/// The text of the answer, if there is one.
fn text(client: &mut Client) -> Option<String> {
    client.try_response(false).map(|response| response.text())
}

const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";

#[test]
fn no_signal_but_those_that_stop_it_ends_it_or_a_request_under_way() {
    let (origin, go) = obedient();
    let mut lb = LbProgram::start(0, &[&origin.address.to_string(), "--log", "off"]);
    let mut client = lb.client();
    for signal in HARMLESS.iter().chain(LINUX) {
        client.send(POST);
        origin.request();
        send(lb.child.id(), &[signal]);
        go.send(()).unwrap();
        assert_eq!(text(&mut client).as_deref(), Some("hello"), "{signal}");
    }
    lb.signal(Signal::TERM);
    assert_eq!(lb.wait(), Some(0));
}

#[test]
fn signals_during_the_first_check_do_not_prevent_the_start() {
    let backend = TcpListener::bind("127.0.0.1:0").unwrap();
    let name = backend.local_addr().unwrap().to_string();
    let mut child = lb_command(0, &[&name, "--log", "off"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let errors = lines_of(child.stderr.take().unwrap());
    let mut check = Client::on(backend.accept().unwrap().0);
    check.read_until(b"\r\n\r\n");
    send(child.id(), HARMLESS);
    check.send(HELLO);
    let is_start = |line: String| line.starts_with("Load balancer is listening on ");
    let has_started = errors.iter().any(is_start);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(has_started);
}

#[test]
fn hup_and_usr1_say_in_one_line_why_nothing_happens() {
    let backend = Program::backend(0);
    let name = backend.address.to_string();
    let words = [&name, "--log", "off", "-v"];
    // As `nohup` starts it, with HUP ignored; and as a shell does.
    for before in ["trap '' HUP; ", ""] {
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("{before}exec \"$0\" \"$@\"")])
            .args([env!("CARGO_BIN_EXE_lb"), "127.0.0.1:0"])
            .args(words);
        let lb = LbProgram::spawn(command);
        send(lb.child.id(), &["HUP"]);
        assert!(line(&lb, "HUP: ").contains("no file to read"));
        send(lb.child.id(), &["USR1"]);
        assert!(line(&lb, "USR1: ").contains("no log file"));
        assert_eq!(lb.client().get("/").status, 200);
    }
}

#[test]
fn quit_is_a_stop_that_finishes_what_is_under_way() {
    let (origin, go) = obedient();
    let mut lb = LbProgram::start(0, &[&origin.address.to_string(), "--log", "off"]);
    let mut client = lb.client();
    client.send(POST);
    origin.request();
    send(lb.child.id(), &["QUIT"]);
    line(&lb, "Stopping");
    go.send(()).unwrap();
    assert_eq!(text(&mut client).as_deref(), Some("hello"));
    assert_eq!(lb.wait(), Some(0));
}
