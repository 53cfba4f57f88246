//! A server as a process of its own.

use crate::kind::Kind;
use crate::support::{Client, PATIENCE, lines_of};
use crossbeam_channel::Receiver;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};

/// A server that has been started, and may not listen yet.
pub(crate) struct Starting {
    process: Process,
    lines: Receiver<String>,
    kind: Kind,
}

/// A server that answers.
pub(crate) struct Server {
    _process: Process,
    pub(crate) address: SocketAddr,
}

/// A process and those that it has started, which all end with this value.
struct Process(Child);

impl Starting {
    /// Starts it. What it executes is noted in the file `executed`.
    pub(crate) fn new(kind: Kind, executed: &Path) -> Self {
        let (output, input) = std::io::pipe().unwrap();
        let mut command = kind.command().expect("installed");
        command
            .env("BUSY_EXECUTED", executed)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONUNBUFFERED", "1")
            .stdin(Stdio::null())
            .stdout(input.try_clone().unwrap())
            .stderr(input);
        let process = Process(command.spawn().expect("starts"));
        Self {
            process,
            lines: lines_of(output),
            kind,
        }
    }

    /// Waits until it answers.
    pub(crate) fn ready(self) -> Server {
        let server = Server {
            address: self.address(),
            _process: self.process,
        };
        server.wait_until_idle();
        server
    }

    /// The address, which is in one of the first lines that it prints.
    fn address(&self) -> SocketAddr {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("{:?} does not say its port", self.kind));
            if let Some(port) = port_in(&line) {
                return SocketAddr::from(([127, 0, 0, 1], port));
            }
        }
    }
}

fn port_in(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once("http://127.0.0.1:")?;
    let digits = rest.split(|letter: char| !letter.is_ascii_digit()).next();
    digits?.parse().ok()
}

impl Server {
    /// Asks it for an answer, which comes after those to all earlier requests.
    pub(crate) fn wait_until_idle(&self) {
        let request = "GET / HTTP/1.1\r\nHost: busy\r\nConnection: close\r\n\r\n";
        let mut client = Client::to(self.address);
        assert_eq!(client.send(request).response().status, 200);
    }
}

impl Process {
    /// Processes that it has started, such as gunicorn's worker.
    fn children(&self) -> Vec<Pid> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.0.id()));
        let of_thread = |folder: fs::DirEntry| fs::read_to_string(folder.path().join("children"));
        let threads = threads.into_iter().flatten().filter_map(Result::ok);
        let lists: Vec<String> = threads.map_while(|thread| of_thread(thread).ok()).collect();
        let numbers = lists.iter().flat_map(|list| list.split_whitespace());
        let pids = numbers.filter_map(|number| Pid::from_raw(number.parse().ok()?));
        pids.collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let children = self.children();
        // First, so that it starts no others.
        let _ = self.0.kill();
        for child in children {
            let _ = kill_process(child, Signal::KILL);
        }
        let _ = self.0.wait();
    }
}
