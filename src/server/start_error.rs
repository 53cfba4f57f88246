//! Why a balancer could not start, in one line that names the cure.

use std::fmt;
use std::io;

/// Why a balancer could not start.
#[derive(Debug)]
pub enum StartError {
    /// It cannot listen where it should.
    Listen(String, io::Error),
    /// None of the backends' names has an address.
    Resolve(String, io::Error),
    /// Threads or descriptors are short.
    Resources(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
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
            StartError::Resolve(host, error) => {
                write!(
                    out,
                    "cannot resolve {host}: {error}: check the name of the backend"
                )
            }
            StartError::Resources(error) => {
                write!(
                    out,
                    "cannot start: {error}: raise the limits (ulimit -n, ulimit -u) or use fewer --workers"
                )
            }
        }
    }
}

impl std::error::Error for StartError {}
