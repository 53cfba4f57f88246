//! The processors are taken by other programs, so that everything is late: the balancer, the
//! backends and the clients.

use crate::findings::{Findings, judge};
use crate::play::{CLIENTS, TIMEOUT, alone, lasting, play, recovery, stage};
use crate::time;
use std::num::NonZero;
use std::process::{Child, Command, Stdio};
use std::thread;

/// As many as keep any machine busy.
fn loops() -> usize {
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    (4 * processors).max(8)
}

/// A program that does nothing, as fast as it can. It ends with this, or by itself after half
/// a minute of processor time.
struct Busy(Child);

impl Busy {
    fn start() -> Self {
        let child = Command::new("sh")
            .args(["-c", "ulimit -t 30; while :; do :; done"])
            .stdin(Stdio::null())
            .spawn()
            .expect("runs");
        Self(child)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn attempt() -> Findings {
    let _machine = alone();
    let mut stage = stage("");
    let played = play(&stage, CLIENTS, recovery(TIMEOUT), |_| {
        let mut busy = Vec::new();
        let span = lasting(
            time(3000, 6000),
            || busy.extend((0..loops()).map(|_| Busy::start())),
            || {},
        );
        drop(busy);
        span
    });
    played.judged("busy loops", &mut stage, |_| false)
}

#[test]
fn a_balancer_among_busy_programs_blames_no_backend_for_long() {
    judge(attempt);
}
