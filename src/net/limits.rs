//! The limits of the process: how many descriptors it may have, each client and each backend
//! connection being one, and how much address space; and what an error says we have run out of.

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

/// How many more descriptors can be had now; does not look further than `most`.
#[must_use]
pub fn descriptors_left(most: u64) -> u64 {
    let another = || rustix::io::dup(rustix::stdio::stderr()).ok();
    let got: Vec<_> = (0..most).map_while(|_| another()).collect();
    got.len() as u64
}

/// The most address space that the process may have, if that is limited.
#[must_use]
pub fn address_space() -> Option<u64> {
    getrlimit(Resource::As).current
}

/// The size of a page.
#[must_use]
pub fn page_bytes() -> u64 {
    rustix::param::page_size() as u64
}

/// What this process or machine has run out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// Descriptors: every connection that is closed gives one back.
    Descriptors,
    /// Source ports to one destination. A connection that is closed gives none back for a
    /// minute, and other destinations have ports of their own.
    Ports,
    /// The kernel's memory for sockets.
    Memory,
}

/// What we have run out of, if that is what an error says: our trouble, not the other side's.
#[must_use]
pub fn shortage(error: &std::io::Error) -> Option<Shortage> {
    use rustix::io::Errno;
    match Errno::from_io_error(error)? {
        Errno::MFILE | Errno::NFILE => Some(Shortage::Descriptors),
        // A destination that this host has no address for says so too; `connect` tells them
        // apart.
        Errno::ADDRNOTAVAIL => Some(Shortage::Ports),
        Errno::NOBUFS | Errno::NOMEM => Some(Shortage::Memory),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_as_large_as_on_any_machine() {
        assert!(page_bytes().is_power_of_two() && page_bytes() >= 4096);
    }

    #[test]
    fn what_we_have_run_out_of_is_known_by_the_error() {
        use rustix::io::Errno;
        for (errno, expected) in [
            (Errno::MFILE, Some(Shortage::Descriptors)),
            (Errno::NFILE, Some(Shortage::Descriptors)),
            (Errno::ADDRNOTAVAIL, Some(Shortage::Ports)),
            (Errno::NOBUFS, Some(Shortage::Memory)),
            (Errno::NOMEM, Some(Shortage::Memory)),
            (Errno::CONNREFUSED, None),
        ] {
            assert_eq!(shortage(&errno.into()), expected, "{errno:?}");
        }
        assert_eq!(
            shortage(&std::io::Error::other("none of the system's")),
            None
        );
    }
}
