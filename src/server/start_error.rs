//! Why a balancer could not start, in one line that names the cure.

use super::capacity::LEAST_DESCRIPTORS;
use crate::config::RoutingError;
use crate::net::limits::{self, Shortage};
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a balancer could not start.
#[derive(Debug)]
pub enum StartError {
    /// It cannot listen where it should.
    Listen(String, io::Error),
    /// None of the backends' names has an address.
    Resolve(String, io::Error),
    /// Groups and routes do not fit together.
    Routing(RoutingError),
    /// The file for lines about requests cannot be opened.
    LogFile(PathBuf, io::Error),
    /// Threads or descriptors are short.
    Resources(io::Error),
    /// There are too few descriptors for a single client.
    Descriptors {
        /// How many the process may have.
        limit: u64,
        /// How many suffice.
        needed: u64,
    },
    /// There is too little memory for a single client.
    Memory {
        /// How many bytes the process may have.
        has: u64,
        /// How many suffice.
        needed: u64,
    },
    /// `--max-memory` is too small for a single client.
    MaxMemory {
        /// The value that is set.
        set: u64,
        /// The least value that suffices.
        least: u64,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Listen(_, error) | StartError::Resources(error)
                if limits::shortage(error) == Some(Shortage::Descriptors) =>
            {
                write!(
                    out,
                    "cannot start: {error}: at least {LEAST_DESCRIPTORS} descriptors are needed; \
                     raise the limit, for example with ulimit -n 1024"
                )
            }
            StartError::Listen(address, error) => {
                let cure = match error.kind() {
                    io::ErrorKind::AddrInUse => {
                        "another program uses this port; stop it or choose another port"
                    }
                    io::ErrorKind::PermissionDenied => {
                        "ports below 1024 need a privilege; choose a higher one"
                    }
                    io::ErrorKind::AddrNotAvailable => "this machine has no such address",
                    io::ErrorKind::TimedOut => "write the address itself, for example 127.0.0.1",
                    _ => "choose another address",
                };
                write!(out, "cannot listen on {address}: {error}: {cure}")
            }
            StartError::LogFile(path, error) => {
                let cure = match error.kind() {
                    io::ErrorKind::NotFound => "create its directory first",
                    io::ErrorKind::PermissionDenied => {
                        "let this user write there, or name another file"
                    }
                    io::ErrorKind::IsADirectory => "name a file in it",
                    _ => "name another file",
                };
                let path = path.display();
                write!(out, "cannot open the log file {path}: {error}: {cure}")
            }
            StartError::Resolve(host, error) => {
                write!(
                    out,
                    "cannot resolve {host}: {error}: check the name of the backend"
                )
            }
            StartError::Routing(error) => {
                write!(out, "cannot start: {error}: see lb check")
            }
            StartError::Descriptors { limit, needed } => write!(
                out,
                "cannot serve with a limit of {limit} descriptors, at least {needed} are needed: \
                 raise the limit, for example with ulimit -n 1024"
            ),
            StartError::Memory { has, needed } => write!(
                out,
                "cannot serve with {} of memory, at least {} are needed: raise the limit (ulimit \
                 -v, or that of the container) or use fewer --workers",
                mebibytes(*has),
                mebibytes(*needed)
            ),
            StartError::MaxMemory { set, least } => write!(
                out,
                "--max-memory {set} is too little for a single client, at least {least} bytes are \
                 needed: for example --max-memory 64MiB"
            ),
            StartError::Resources(error) => {
                write!(
                    out,
                    "cannot start: {error}: raise the limits (ulimit -n, -u, -v) or use fewer --workers"
                )
            }
        }
    }
}

/// Rounded up, as it is compared with what is needed.
fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

impl std::error::Error for StartError {}
