//! How much memory there is for this process: what the machine has left, the limits of the
//! control groups that it is in, and the limit on its own address space, whichever is least.
//! Linux reports all three; elsewhere a fixed amount is assumed.

use crate::net::limits;
use std::fs;
use std::path::{Path, PathBuf};

/// What is assumed where the system does not report it: little on any machine of today, and enough for
/// thousands of slow clients.
const ASSUMED_BYTES: u64 = 1 << 30;

/// Memory that this process may use, in bytes.
pub(super) fn available() -> u64 {
    let machine = read("/proc/meminfo").and_then(|text| available_of_machine(&text));
    [machine, of_groups(), address_space_left()]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(ASSUMED_BYTES)
}

/// How much the process may still take from the system, as far as that is limited.
pub(super) fn left() -> u64 {
    address_space_left().unwrap_or(u64::MAX)
}

/// How much the process may still map; `None` if that is not limited, or not known.
fn address_space_left() -> Option<u64> {
    let limit = limits::address_space()?;
    let pages: u64 = first_word(&read("/proc/self/statm")?)?;
    Some(limit.saturating_sub(pages * limits::page_bytes()))
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(path).ok()
}

fn first_word(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

/// `MemAvailable` of `/proc/meminfo`, which is in KiB.
fn available_of_machine(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(first_word(line)? * 1024)
}

/// The least of the limits of the control groups that it is in.
fn of_groups() -> Option<u64> {
    let groups = read("/proc/self/cgroup")?;
    let limits = limit_files(&groups)
        .into_iter()
        .filter_map(|path| first_word(&read(path)?));
    limits.min()
}

/// The files with the limits of these control groups and of the groups above them. Version 2 has one
/// line, `0::PATH`; version 1 has one for each controller, `N:memory:PATH`. In a container the path
/// may be the host's, and only the root of the mount exists; it is among the files.
fn limit_files(groups: &str) -> Vec<PathBuf> {
    let of_line = |line: &str| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => return None,
        };
        let all = Path::new(path.trim_start_matches('/')).ancestors();
        Some(
            all.map(|path| Path::new(root).join(path).join(file))
                .collect(),
        )
    };
    let found: Vec<Vec<PathBuf>> = groups.lines().filter_map(of_line).collect();
    found.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_of_a_group_and_of_those_around_it_are_looked_for() {
        let paths = |text| -> Vec<String> {
            let files = limit_files(text);
            files
                .iter()
                .map(|path| path.display().to_string())
                .collect()
        };
        assert_eq!(
            paths("0::/a.slice/b.service\n"),
            [
                "/sys/fs/cgroup/a.slice/b.service/memory.max",
                "/sys/fs/cgroup/a.slice/memory.max",
                "/sys/fs/cgroup/memory.max"
            ]
        );
        assert_eq!(
            paths("5:cpu,cpuacct:/x\n4:memory:/box\n0::/\n"),
            [
                "/sys/fs/cgroup/memory/box/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory.max"
            ]
        );
    }

    #[test]
    fn what_the_machine_has_is_read_in_bytes() {
        let text = "MemTotal:       2000 kB\nMemFree:  10 kB\nMemAvailable:    1500 kB\n";
        assert_eq!(available_of_machine(text), Some(1500 * 1024));
        assert_eq!(available_of_machine("MemTotal: 5 kB\n"), None);
        assert_eq!(first_word("max\n"), None);
        assert!(available() > 0 && left() > 0);
    }
}
