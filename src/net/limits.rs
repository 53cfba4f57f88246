//! How many descriptors the process may have. Each client and each backend connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What "no limit" is taken for: more than any one machine's ports.
const UNLIMITED: u64 = 1 << 20;

/// Raises the soft limit to the hard one, as far as the system lets us, and returns what
/// holds now.
#[must_use]
pub fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    // macOS refuses "unlimited" for descriptors, so ask for a number.
    let wanted = limit.maximum.unwrap_or(UNLIMITED).min(UNLIMITED);
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = Rlimit {
            current: Some(wanted),
            maximum: limit.maximum,
        };
        // Refused: we stay with what we have, and `--max-connections` is smaller.
        let _ = setrlimit(Resource::Nofile, raised);
    }
    getrlimit(Resource::Nofile)
        .current
        .unwrap_or(UNLIMITED)
        .min(UNLIMITED)
}

/// Whether an error says that this process or machine has run out of descriptors, memory for
/// sockets or ports: our trouble, not the other side's.
#[must_use]
pub fn is_exhaustion(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    let exhausted = [
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOBUFS,
        Errno::NOMEM,
        Errno::ADDRNOTAVAIL,
    ];
    Errno::from_io_error(error).is_some_and(|errno| exhausted.contains(&errno))
}
