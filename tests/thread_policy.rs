//! How the system schedules the threads of the program, as `/proc` shows it.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use support::{LbProgram, Origin, PATIENCE, eventually};

/// A thread of another process (proc(5), `stat` and `schedstat`).
#[cfg(target_os = "linux")]
#[derive(PartialEq, Eq)]
struct Thread {
    name: String,
    policy: u32,
    /// For how many nanoseconds it has run.
    ran: u64,
    /// How many nanoseconds it has waited for a processor, and how often it has got one.
    waited: u64,
    turns: u64,
}

#[cfg(target_os = "linux")]
fn threads(pid: u32) -> Vec<Thread> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    tasks
        .map(|task| {
            let path = task.unwrap().path();
            let read = |file| std::fs::read_to_string(path.join(file)).unwrap();
            let stat = read("stat");
            let (start, rest) = stat.rsplit_once(") ").unwrap();
            let usage = read("schedstat");
            let mut numbers = usage.split_whitespace().map(|word| word.parse().unwrap());
            Thread {
                name: start.split_once('(').unwrap().1.to_string(),
                // The 41st field; `rest` begins with the third.
                policy: rest.split(' ').nth(41 - 3).unwrap().parse().unwrap(),
                ran: numbers.next().unwrap(),
                waited: numbers.next().unwrap(),
                turns: numbers.next().unwrap(),
            }
        })
        .collect()
}

/// The scheduling policy of each thread of a process, by the thread's name.
#[cfg(target_os = "linux")]
fn policies(pid: u32) -> Vec<(String, u32)> {
    let all = threads(pid).into_iter();
    all.map(|thread| (thread.name, thread.policy)).collect()
}

/// `SCHED_OTHER` and `SCHED_BATCH`.
#[cfg(target_os = "linux")]
const NORMAL: u32 = 0;
#[cfg(target_os = "linux")]
const BATCH: u32 = 3;

/// Whether the tests themselves run with a niceness. It is inherited, and left alone together
/// with the policy.
#[cfg(target_os = "linux")]
fn is_nice() -> bool {
    rustix::process::getpriority_process(None) != Ok(0)
}

#[cfg(target_os = "linux")]
#[test]
fn threads_that_serve_begin_as_a_batch_unless_scheduling_says_otherwise() {
    let batch = if is_nice() { NORMAL } else { BATCH };
    let nowhere = support::nobody().to_string();
    for (words, expected) in [
        (&[][..], batch),
        (&["--scheduling", "auto"], batch),
        (&["--scheduling", "batch"], batch),
        (&["--scheduling", "normal"], NORMAL),
    ] {
        let lb = LbProgram::start(0, &[&[nowhere.as_str()], words].concat());
        let serves = |name: &str| name.starts_with("worker-") || name == "lb";
        eventually("all are scheduled so", || {
            policies(lb.child.id()).iter().all(|(name, policy)| {
                let expected = if serves(name) { expected } else { NORMAL };
                *policy == expected
            })
        });
    }
}

/// Has every thread of the process, or else the calling thread, run on one processor only: the
/// first that the tests may use.
#[cfg(target_os = "linux")]
fn pin(process: Option<u32>) {
    use rustix::thread::{CpuSet, Pid, sched_getaffinity, sched_setaffinity};
    let usable = sched_getaffinity(None).unwrap();
    let mut first = CpuSet::new();
    first.set(
        (0..CpuSet::MAX_CPU)
            .find(|&cpu| usable.is_set(cpu))
            .unwrap(),
    );
    let Some(process) = process else {
        sched_setaffinity(None, &first).unwrap();
        return;
    };
    for task in std::fs::read_dir(format!("/proc/{process}/task")).unwrap() {
        let id: i32 = task.unwrap().file_name().to_str().unwrap().parse().unwrap();
        sched_setaffinity(Pid::from_raw(id), &first).unwrap();
    }
}

/// Ends the busy thread, whether the test passes or not.
#[cfg(target_os = "linux")]
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The processor is shared with a thread that never gives it up, so a worker under
/// `SCHED_BATCH` waits for milliseconds each time it is woken.
#[cfg(target_os = "linux")]
#[test]
fn workers_become_normal_threads_where_a_busy_program_keeps_them_waiting() {
    if is_nice() {
        return;
    }
    let origin = Origin::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    let address = origin.address.to_string();
    let lb = LbProgram::start(0, &[&address, "--log", "off", "--workers", "2"]);
    pin(Some(lb.child.id()));
    let workers_are = |policy| {
        let policies = policies(lb.child.id());
        ["worker-1", "worker-2"]
            .iter()
            .all(|name| policies.contains(&((*name).into(), policy)))
    };
    eventually("they begin as a batch", || workers_are(BATCH));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            pin(None);
            while !is_over.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        let _over = SetOnDrop(&is_over);
        let mut client = lb.client();
        // The other one may wait for connections all the time: it follows when it has to do.
        let began = threads(lb.child.id());
        let since = |before: &[Thread], thread: &Thread| {
            let was = before.iter().find(|one| one.name == thread.name).unwrap();
            let turns = (thread.turns - was.turns).max(1);
            (thread.ran - was.ran, (thread.waited - was.waited) / turns)
        };
        let start = std::time::Instant::now();
        eventually("the one that serves is scheduled normally", || {
            let before = threads(lb.child.id());
            (0..5).for_each(|_| assert_eq!(client.get("/").status, 200));
            let after = threads(lb.child.id());
            let workers = after.iter().filter(|one| one.name.starts_with("worker-"));
            let serving = workers.max_by_key(|one| since(&before, one).0).unwrap();
            // Where this machine does not let it wait for long, nothing has to change.
            let is_untroubled = || since(&began, serving).1 < 1_000_000;
            serving.policy == NORMAL || (start.elapsed() > PATIENCE / 2 && is_untroubled())
        });
    });
}
