//! What a process takes from the system.

use crate::support::{open_descriptors, threads};
use std::fs;
use std::thread;
use std::time::Duration;

/// What it takes at one time.
#[derive(Debug)]
pub(crate) struct Usage {
    /// Resident memory.
    pub(crate) bytes: usize,
    pub(crate) descriptors: usize,
    pub(crate) threads: usize,
}

impl Usage {
    pub(crate) fn of(pid: u32) -> Self {
        let statm = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap();
        let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
        Self {
            bytes: pages * 4096,
            descriptors: open_descriptors(pid),
            threads: threads(pid),
        }
    }

    /// The least of some looks: threads and connections of the last reload may still be ending.
    pub(crate) fn settled(pid: u32) -> Self {
        let looks = (0..10).map(|_| {
            thread::sleep(Duration::from_millis(100));
            Self::of(pid)
        });
        let least = |one: Self, other: Self| Self {
            bytes: one.bytes.min(other.bytes),
            descriptors: one.descriptors.min(other.descriptors),
            threads: one.threads.min(other.threads),
        };
        looks.reduce(least).unwrap()
    }
}
