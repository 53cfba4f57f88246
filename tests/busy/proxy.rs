//! What stands before the servers: lb with its default settings, or HAProxy.

use crate::kind;
use crate::support::{Client, LbProgram, eventually, lines_of};
use crossbeam_channel::Receiver;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Which {
    Lb,
    HaProxy,
}

/// A proxy that listens.
pub(crate) enum Proxy {
    Lb(LbProgram),
    HaProxy(HaProxy),
}

/// HAProxy as a process of its own.
pub(crate) struct HaProxy {
    child: Child,
    address: SocketAddr,
    lines: Receiver<String>,
}

/// Settings that favour an answer to every request over a quick refusal; the longest times are
/// those of lb.
const CONFIGURATION: &str = "
global
    maxconn 1000
defaults
    mode http
    timeout connect 30s
    timeout client 30s
    timeout server 30s
    timeout queue 30s
    retries 3
    option redispatch
frontend clients
    bind fd@0
    stats uri /haproxy
    default_backend servers
backend servers
    balance roundrobin
    option httpchk GET /
    http-check expect status 200
    default-server check inter 2s
";

impl Proxy {
    /// Starts it over these servers; `folder` is for its files.
    pub(crate) fn start(which: Which, servers: &[SocketAddr], folder: &Path) -> Self {
        let names: Vec<String> = servers.iter().map(SocketAddr::to_string).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        match which {
            Which::Lb => Self::Lb(LbProgram::start(0, &names)),
            Which::HaProxy => Self::HaProxy(HaProxy::start(&names, folder)),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Self::Lb(lb) => lb.address,
            Self::HaProxy(haproxy) => haproxy.address,
        }
    }

    /// The lines that say that a server is down; both proxies say it in these words.
    pub(crate) fn downs(&self) -> Vec<String> {
        let lines = match self {
            Self::Lb(lb) => &lb.errors,
            Self::HaProxy(haproxy) => &haproxy.lines,
        };
        let says_so = |line: &String| line.contains("Server ") && line.contains(" is DOWN");
        lines.try_iter().filter(says_so).collect()
    }
}

impl HaProxy {
    fn start(servers: &[&str], folder: &Path) -> Self {
        let mut text = CONFIGURATION.to_string();
        for (number, server) in servers.iter().enumerate() {
            text += &format!("    server s{number} {server}\n");
        }
        let file = folder.join("haproxy.cfg");
        fs::write(&file, text).unwrap();
        // It gets a socket that listens already: the port is known, and clients may come at once.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut child = Command::new(kind::program("haproxy").expect("installed"))
            .args(["-db".as_ref(), "-f".as_ref(), file.as_os_str()])
            .stdin(OwnedFd::from(listener))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("runs");
        let lines = lines_of(child.stderr.take().unwrap());
        let haproxy = Self {
            child,
            address,
            lines,
        };
        // Before its first check, a server is down after one bad check.
        eventually("HAProxy has checked its servers", || {
            haproxy.checked() == servers.len()
        });
        haproxy
    }

    /// Servers that have passed a check.
    fn checked(&self) -> usize {
        let table = Client::to(self.address).get("/haproxy;csv").text();
        table.lines().filter(|line| line.contains(",L7OK,")).count()
    }
}

impl Drop for HaProxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
