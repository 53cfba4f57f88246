//! The programs as processes of their own.

use super::{Client, PATIENCE, eventually, nobody};
use crossbeam_channel::{Receiver, unbounded};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What a process prints, line by line, read by a thread of its own.
pub fn lines_of(out: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = unbounded();
    thread::spawn(move || {
        BufReader::new(out)
            .lines()
            .map_while(Result::ok)
            .for_each(|line| drop(sender.send(line)));
    });
    lines
}

/// The `backend` program as a process of its own.
pub struct Program {
    pub child: Child,
    pub address: SocketAddr,
    pub lines: Receiver<String>,
}

impl Program {
    /// Starts it on `port` (0: any) and waits until it listens.
    pub fn backend(port: u16) -> Self {
        Self::try_backend(port).expect("starts")
    }

    pub fn try_backend(port: u16) -> Option<Self> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_backend"))
            .arg(port.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("runs");
        let lines = lines_of(child.stdout.take().unwrap());
        match lines.recv_timeout(PATIENCE) {
            Ok(line) => {
                let address = line
                    .rsplit(' ')
                    .next()
                    .unwrap()
                    .parse()
                    .expect("an address");
                Some(Self {
                    child,
                    address,
                    lines,
                })
            }
            Err(_) => {
                let _ = child.wait();
                None
            }
        }
    }

    /// `kill -9`
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Descriptors that a process has open.
#[cfg(target_os = "linux")]
pub fn open_descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .count()
}

/// Threads of a process.
#[cfg(target_os = "linux")]
pub fn threads(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .count()
}

/// The `lb` program, to listen on a port of its own, with at most `descriptors` (0: as many as we
/// may have).
pub fn lb_command(descriptors: u32, words: &[&str]) -> Command {
    let limit = match descriptors {
        0 => String::new(),
        count => format!("ulimit -n {count}; "),
    };
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("{limit}exec \"$0\" \"$@\"")])
        .args([env!("CARGO_BIN_EXE_lb"), "127.0.0.1:0"])
        .args(words);
    command
}

/// What the `lb` program prints with these words, when it has ended.
pub fn lb_output(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lb"))
        .args(words)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// The `lb` program as a process of its own, on a port of its own.
pub struct LbProgram {
    pub child: Child,
    pub address: SocketAddr,
    pub errors: Receiver<String>,
}

impl LbProgram {
    /// Starts it with at most `descriptors` (0: as many as we may have) and waits until it
    /// listens. What it prints on stderr can be read, from the line about listening on.
    pub fn start(descriptors: u32, words: &[&str]) -> Self {
        Self::spawn(lb_command(descriptors, words))
    }

    /// Starts it by this command.
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("runs");
        let errors = lines_of(child.stderr.take().unwrap());
        // Owned from here on: it ends with the test, also if it never says that it listens.
        let mut program = Self {
            child,
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
            errors,
        };
        program.address = program.wait_for_address();
        program
    }

    fn wait_for_address(&self) -> SocketAddr {
        loop {
            let line = self
                .errors
                .recv_timeout(PATIENCE)
                .expect("it says that it listens");
            if let Some(rest) = line.strip_prefix("Load balancer is listening on ") {
                return rest.split(' ').next().unwrap().parse().expect("an address");
            }
        }
    }

    pub fn client(&self) -> Client {
        Client::to(self.address)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for its end; returns the exit code.
    pub fn wait(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for LbProgram {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The line that begins so, of a balancer with these words, which is ended then.
pub fn said(words: &[&str], beginning: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_lb"))
        .args(words)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = lines_of(child.stderr.take().unwrap());
    let mut all = std::iter::from_fn(|| lines.recv_timeout(PATIENCE).ok());
    let line = all.find(|line| line.starts_with(beginning));
    child.kill().unwrap();
    child.wait().unwrap();
    line.unwrap_or_else(|| panic!("no {beginning}"))
}
