//! What is seen of the balancer and of the machine from outside: lines on stderr with their
//! time, stalls of the scheduler, figures from `/proc`.

use crate::support::PATIENCE;
use crossbeam_channel::Receiver;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// A backend went down or up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    pub(crate) at: Instant,
    pub(crate) port: u16,
    pub(crate) is_up: bool,
}

/// Reads what the balancer prints, as it comes.
#[derive(Clone)]
pub(crate) struct Watch {
    lines: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Watch {
    pub(crate) fn over(printed: Receiver<String>) -> Self {
        let lines: Arc<Mutex<Vec<_>>> = Arc::default();
        let seen = Arc::clone(&lines);
        thread::spawn(move || {
            for line in printed {
                seen.lock().expect("no panic").push((Instant::now(), line));
            }
        });
        Self { lines }
    }

    pub(crate) fn lines(&self) -> Vec<(Instant, String)> {
        self.lines.lock().expect("no panic").clone()
    }

    /// All turns so far.
    pub(crate) fn turns(&self) -> Vec<Turn> {
        let turn = |(at, line): (Instant, String)| {
            let (_, rest) = line.split_once("Server ")?;
            let (name, what) = rest.split_once(' ')?;
            let is_up = match what {
                _ if what.starts_with("is UP") => true,
                _ if what.starts_with("is DOWN") => false,
                _ => return None,
            };
            let port = name.rsplit(':').next()?.parse().ok()?;
            Some(Turn { at, port, is_up })
        };
        self.lines().into_iter().filter_map(turn).collect()
    }

    /// Waits until the backend is up, or down, by the last turn since `since`.
    pub(crate) fn wait_for(&self, port: u16, is_up: bool, since: Instant) -> Option<Instant> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let mut turns = self.turns().into_iter();
            let last = turns.rfind(|turn| turn.port == port && turn.at >= since);
            if let Some(turn) = last.filter(|turn| turn.is_up == is_up) {
                return Some(turn.at);
            }
            thread::sleep(Duration::from_millis(5));
        }
        None
    }
}

/// Measures how late a thread wakes up: what the machine, not the balancer, adds to any time.
pub(crate) struct Stalls {
    seen: Arc<Mutex<Vec<(Instant, Duration)>>>,
    is_over: Arc<AtomicBool>,
}

impl Stalls {
    pub(crate) fn begin() -> Self {
        let stalls = Self {
            seen: Arc::default(),
            is_over: Arc::default(),
        };
        let (seen, is_over) = (Arc::clone(&stalls.seen), Arc::clone(&stalls.is_over));
        let nap = Duration::from_millis(5);
        thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                let began = Instant::now();
                thread::sleep(nap);
                let late = began.elapsed().saturating_sub(nap);
                if late > nap {
                    seen.lock().expect("no panic").push((began, late));
                }
            }
        });
        stalls
    }

    /// By how much what lasts from `from` to `to` may be late: all stalls on the way, since a
    /// request passes through several threads.
    pub(crate) fn between(&self, from: Instant, to: Instant) -> Duration {
        let seen = self.seen.lock().expect("no panic");
        let within = |(began, late): &&(Instant, Duration)| *began <= to && *began + *late >= from;
        seen.iter().filter(within).map(|(_, late)| *late).sum()
    }

    /// All of them so far.
    pub(crate) fn in_all(&self) -> Duration {
        let seen = self.seen.lock().expect("no panic");
        seen.iter().map(|(_, late)| *late).sum()
    }
}

impl Drop for Stalls {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// Resident memory of a process in KiB.
pub(crate) fn resident(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number
        .and_then(|number| number.parse().ok())
        .expect("a number")
}

/// `127.0.0.1:5001`, as it is named in lines.
pub(crate) fn name(port: u16) -> String {
    SocketAddr::from(([127, 0, 0, 1], port)).to_string()
}
