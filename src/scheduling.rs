//! How the system schedules the threads that serve. Knows nothing of what they do.
//!
//! A thread that is woken usually takes the processor from who woke it, or from whoever runs
//! there: a worker is called in the middle of the accept thread's work for each client, and
//! cuts in on a client or backend on this machine after each of its writes. Under
//! `SCHED_BATCH` (Linux, see sched(7)) it waits until they have had their slice, and finds more
//! to do at a time.

use crate::config::Scheduling;

/// Has the calling thread scheduled like this from now on. Where that is not possible, or not
/// allowed, it goes on as before.
#[cfg(target_os = "linux")]
pub fn apply(scheduling: Scheduling) {
    use thread_priority::{
        NormalThreadSchedulePolicy, ThreadPriority, ThreadPriorityOsValue, ThreadSchedulePolicy,
        set_thread_priority_and_policy, thread_native_id, thread_schedule_policy,
    };
    const NORMAL: ThreadSchedulePolicy =
        ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Other);
    // What somebody else has chosen is not ours to change; policy and niceness go together.
    let is_usual = thread_schedule_policy() == Ok(NORMAL)
        && rustix::process::getpriority_process(None) == Ok(0);
    if scheduling == Scheduling::Normal || !is_usual {
        return;
    }
    let batch = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch);
    let not_nice = ThreadPriority::Os(ThreadPriorityOsValue::default());
    if let Err(error) = set_thread_priority_and_policy(thread_native_id(), not_nice, batch) {
        log::debug!("no batch scheduling: {error}");
    }
}

/// There is nothing like it.
#[cfg(not(target_os = "linux"))]
pub fn apply(_: Scheduling) {}
