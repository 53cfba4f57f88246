//! The balancer between real software: curl, Python and Node.js, as clients and as backends.
//!
//! A test whose program is not installed says so and passes; `.ci/run` installs all of them.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "real_clients/curl.rs"]
mod curl;
#[path = "real_clients/node.rs"]
mod node;
#[path = "real_clients/python.rs"]
mod python;
mod support;

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use support::PATIENCE;

/// The command of a program, if it is installed.
pub(crate) fn installed(program: &str) -> Option<Command> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|folder| folder.join(program).is_file()) {
        return Some(Command::new(program));
    }
    // Not by `println`, which shows nothing of a test that passes.
    let _ = writeln!(io::stderr(), "skipped: no {program}");
    None
}

/// A file beside these tests.
pub(crate) fn fixture(name: &str) -> String {
    format!("{}/tests/real_clients/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Runs it to its end; one that takes too long is killed.
pub(crate) fn finished(command: &mut Command) -> Output {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    let (done, output) = channel();
    thread::spawn(move || done.send(child.wait_with_output().unwrap()));
    output.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        panic!("{command:?} does not end");
    })
}

/// The same for a script that says on stderr what it finds wrong.
pub(crate) fn succeeds(command: &mut Command) {
    let output = finished(command);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
}

/// A server of another hand as a process of its own.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts it and waits for a line with `port NUMBER` in it.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (found, port) = channel();
        thread::spawn(move || {
            let line = lines.next().and_then(Result::ok).unwrap_or_default();
            let _ = found.send(port_in(&line));
            // Read on, so that it never finds a full pipe.
            lines.map_while(Result::ok).for_each(drop);
        });
        let port = port.recv_timeout(PATIENCE).ok().flatten();
        let Some(port) = port else {
            let _ = child.kill().and_then(|()| child.wait());
            panic!("{command:?} does not say its port");
        };
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Self { child, address }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn port_in(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once("port ")?;
    rest.split(' ').next()?.parse().ok()
}

/// A folder that is gone after the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("real-clients-{}-{number}", std::process::id());
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes a file and gives its path.
    pub(crate) fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_string()
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// So many bytes without a pattern that a lost or doubled piece could hide in.
pub(crate) fn noise(count: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    (0..count).map(|_| random.u8(..)).collect()
}
