//! Names of backends: what a silent name server holds up, and what is told at the start.
#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "addresses/space.rs"]
mod space;
mod support;

use rustix::process::{Pid, Signal, kill_process};
use space::Space;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use support::{Client, Origin, PATIENCE, eventually, lines_of, said};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

fn hello() -> Origin {
    Origin::answering(HELLO)
}

/// A namespace whose only name server says nothing, and that server.
struct Silence {
    space: Space,
    server: UdpSocket,
    config: PathBuf,
}

impl Silence {
    fn new() -> Option<Self> {
        let space = Space::new("true")?;
        let server = space.within(|| UdpSocket::bind("127.0.0.1:53")).unwrap();
        server.set_read_timeout(Some(PATIENCE)).unwrap();
        let name = format!(
            "lb-resolv-{}-{:?}",
            std::process::id(),
            thread::current().id()
        );
        let config = std::env::temp_dir().join(name);
        std::fs::write(&config, "nameserver 127.0.0.1\n").unwrap();
        Some(Self {
            space,
            server,
            config,
        })
    }

    /// Starts a balancer there as process 1, as in a container.
    fn start(&self, words: &[&str]) -> Child {
        let script = "mount --bind \"$1\" /etc/resolv.conf && shift && exec \"$0\" \"$@\"";
        let mut command = Command::new("unshare");
        command
            .args(["-mpf", "sh", "-c", script, env!("CARGO_BIN_EXE_lb")])
            .arg(&self.config)
            .args(words)
            .stderr(Stdio::piped());
        self.space.within(|| command.spawn()).unwrap()
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.config);
    }
}

/// The process that `unshare` has started.
fn only_child(parent: &Child) -> Pid {
    let id = parent.id();
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    Pid::from_raw(children.trim().parse().unwrap()).unwrap()
}

/// Ends the balancer in any case.
struct Ending(Child, Pid);

impl Ending {
    /// Asks it to stop; returns its exit code.
    fn stop(&mut self) -> Option<i32> {
        kill_process(self.1, Signal::TERM).unwrap();
        let mut status = None;
        eventually("it ends", || {
            status = self.0.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap().code()
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = kill_process(self.1, Signal::KILL);
        let _ = self.0.wait();
    }
}

#[test]
fn names_that_hang_delay_the_start_no_longer_than_its_deadline() {
    let Some(silence) = Silence::new() else {
        return;
    };
    let origin = silence.space.within(hello);
    let address = origin.address.to_string();
    let began = Instant::now();
    let words = [
        "127.0.0.1:0",
        "a.example:80",
        &address,
        "b.example:80",
        "c.example:80",
    ];
    let mut child = silence.start(&words);
    let lines = lines_of(child.stderr.take().unwrap());
    let mut before = Vec::new();
    let address: SocketAddr = loop {
        let line = lines.recv_timeout(PATIENCE).expect("it listens");
        match line.strip_prefix("Load balancer is listening on ") {
            Some(rest) => break rest.split(' ').next().unwrap().parse().unwrap(),
            None => before.push(line),
        }
    };
    // The system gives up after ten seconds, for each name.
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "{:?}",
        began.elapsed()
    );
    let pid = only_child(&child);
    let mut lb = Ending(child, pid);
    for name in ["a", "b", "c"] {
        let expected = format!("{name}.example is not resolved after 2 s");
        assert!(
            before.iter().any(|line| line.starts_with(&expected)),
            "{before:?}"
        );
    }
    let stream = silence
        .space
        .within(|| TcpStream::connect(address))
        .unwrap();
    assert_eq!(Client::on(stream).get("/").text(), "hello");
    assert_eq!(lb.stop(), Some(0));
}

#[test]
fn a_stop_ends_a_start_that_waits_for_names() {
    let Some(silence) = Silence::new() else {
        return;
    };
    let duck = ["--ready-path", "/ready", "--lame-duck", "1h"];
    let child = silence.start(&[&["127.0.0.1:0", "a.example:80"], &duck[..]].concat());
    // The name is being looked up.
    silence.server.recv(&mut [0; 512]).expect("it is asked");
    let pid = only_child(&child);
    let mut lb = Ending(child, pid);
    assert_eq!(lb.stop(), Some(0));
    let lines = lines_of(lb.0.stderr.take().unwrap());
    let untrue = ["is listening", "is not resolved", "Performing health check"];
    let is_untrue = |line: &String| untrue.iter().any(|text| line.contains(text));
    assert_eq!(lines.iter().find(is_untrue), None);
}

#[test]
fn one_server_with_two_names_is_logged_at_the_start() {
    let origin = hello();
    let port = origin.address.port();
    let (first, by_name) = (format!("127.0.0.1:{port}"), format!("localhost:{port}"));
    let line = said(
        &["127.0.0.1:0", &first, &by_name],
        &format!("Server {by_name} is the same"),
    );
    let expected = format!("Server {by_name} is the same as {first} ({first})");
    assert!(line.starts_with(&expected), "{line}");
}
