//! The scheduling of the calling thread: reads and sets it. Must not know why.

use super::Policy;
use super::contention::Usage;

#[cfg(not(target_os = "linux"))]
pub(super) use elsewhere::{is_usual, set_policy, usage};
#[cfg(target_os = "linux")]
pub(super) use linux::{is_usual, set_policy, usage};

#[cfg(target_os = "linux")]
mod linux {
    use super::{Policy, Usage};
    use rustix::fs::{Mode, OFlags};
    use std::time::Duration;
    use thread_priority::{
        NormalThreadSchedulePolicy, ThreadPriority, ThreadPriorityOsValue, ThreadSchedulePolicy,
        set_thread_priority_and_policy, thread_native_id, thread_schedule_policy,
    };

    const NORMAL: ThreadSchedulePolicy =
        ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Other);
    const BATCH: ThreadSchedulePolicy =
        ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch);

    /// Whether no policy and no niceness was set for this thread. Such a choice is not
    /// ours to change; policy and niceness are set together.
    pub(in super::super) fn is_usual() -> bool {
        thread_schedule_policy() == Ok(NORMAL)
            && rustix::process::getpriority_process(None) == Ok(0)
    }

    /// Has the calling thread scheduled like this from now on, if the system allows it.
    pub(in super::super) fn set_policy(policy: Policy) {
        let wanted = match policy {
            Policy::Batch => BATCH,
            Policy::Normal => NORMAL,
        };
        let not_nice = ThreadPriority::Os(ThreadPriorityOsValue::default());
        let set = set_thread_priority_and_policy(thread_native_id(), not_nice, wanted);
        if let Err(error) = set {
            log::debug!("no {policy:?} scheduling: {error}");
        }
    }

    /// The calling thread's usage since it began; `None` where the kernel does not report it
    /// (it is built without `CONFIG_SCHED_INFO`, or `/proc` is not there).
    pub(in super::super) fn usage() -> Option<Usage> {
        let path = c"/proc/thread-self/schedstat";
        let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
        let mut buffer = [0; 80]; // three numbers of 64 bits at most
        let length = rustix::io::read(&file, &mut buffer).ok()?;
        parse(&buffer[..length])
    }

    /// `RAN WAITED TURNS`, the first two in nanoseconds. A kernel that does not count says zero.
    fn parse(text: &[u8]) -> Option<Usage> {
        let mut numbers = std::str::from_utf8(text).ok()?.split_ascii_whitespace();
        let mut next = || numbers.next()?.parse().ok().map(Duration::from_nanos);
        let (ran, waited) = (next()?, next()?);
        let turns = numbers.next()?.parse().ok()?;
        let usage = Usage { ran, waited, turns };
        (!ran.is_zero()).then_some(usage)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_kernels_figures_are_read_in_its_order() {
            let usage = Usage {
                ran: Duration::from_nanos(122_411),
                waited: Duration::from_nanos(97_286),
                turns: 2,
            };
            assert_eq!(parse(b"122411 97286 2\n"), Some(usage));
            assert_eq!(parse(b"0 0 0\n"), None);
            assert_eq!(parse(b""), None);
        }
    }
}

/// There is nothing like it, so the policy stays as it is.
#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use super::{Policy, Usage};

    pub(in super::super) fn is_usual() -> bool {
        false
    }

    pub(in super::super) fn set_policy(_: Policy) {}

    pub(in super::super) fn usage() -> Option<Usage> {
        None
    }
}
