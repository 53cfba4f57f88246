//! Failures on purpose, under load: backends are killed, stopped, made ill, made to reset
//! connections and to accept none, and clients that check every byte say what they noticed.
//!
//! `scripts/drill.sh` runs it in full size, with `LB_DRILL_ROUNDS=10`, and shows the figures.
#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "drill/client.rs"]
mod client;
#[path = "drill/crowd.rs"]
mod crowd;
#[path = "drill/findings.rs"]
mod findings;
#[path = "drill/flapping.rs"]
mod flapping;
#[path = "drill/load.rs"]
mod load;
#[path = "drill/phase.rs"]
mod phase;
#[path = "drill/stage.rs"]
mod stage;
#[path = "drill/stopping.rs"]
mod stopping;
mod support;
#[path = "drill/table.rs"]
mod table;
#[path = "drill/verdict.rs"]
mod verdict;
#[path = "drill/watch.rs"]
mod watch;

use findings::{Findings, judge};
use load::Load;
use phase::{Figures, Pace, Phase};
use stage::{Fault, Settings, Stage};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How often each fault comes: once in the suite.
pub(crate) fn rounds() -> usize {
    let rounds = std::env::var("LB_DRILL_ROUNDS").ok();
    rounds.and_then(|rounds| rounds.parse().ok()).unwrap_or(1)
}

/// Whether this is the full size and not the suite.
pub(crate) fn is_full() -> bool {
    rounds() > 1
}

/// A time of the suite, or of the full size.
pub(crate) fn time(in_suite: u64, full: u64) -> Duration {
    Duration::from_millis(if is_full() { full } else { in_suite })
}

/// Runs every fault in turn, each at another backend, while the load goes on.
fn drill(title: &str, faults: &[Fault], load: impl Fn(SocketAddr) -> Load) -> Findings {
    let settings = Settings {
        interval: time(250, 1000),
        timeout: time(240, 500),
        rise: 2,
    };
    let began = Instant::now();
    let mut stage = Stage::set(settings, &[]);
    let load = load(stage.lb.address);
    let mut phases = Vec::new();
    for (number, &fault) in faults
        .iter()
        .cycle()
        .take(faults.len() * rounds())
        .enumerate()
    {
        let pace = Pace {
            calm: time(200, 500),
            least: match fault {
                Fault::Reset => time(800, 4000),
                _ => Duration::ZERO,
            },
            outage: time(500, 1000),
            after: time(400, 1000),
        };
        phases.push(Phase::run(&mut stage, fault, number % 3, &pace));
    }
    let samples = load.end();
    let of = |phase| Figures::of(phase, &samples, &stage);
    let figures: Vec<Figures> = phases.into_iter().map(of).collect();
    table::print(title, &figures);
    stage.read_to_the_end();
    let mut found = Findings {
        wrong: verdict::of_deliveries(&samples, &stage.deliveries),
        stalled: stage.stalls.in_all(),
        ..Findings::default()
    };
    for figures in &figures {
        found.add(verdict::of_phase(figures, settings));
    }
    if !found.is_empty() {
        for (at, line) in stage.watch.lines() {
            let seconds = at.saturating_duration_since(began).as_secs_f32();
            println!("{seconds:7.3} {line}");
        }
    }
    found
}

#[test]
fn clients_notice_nothing_but_what_cannot_be_helped() {
    let title = "64 clients, each with a request at a time";
    judge(|| drill(title, &Fault::ALL, |lb| Load::steady(lb, 64)));
}

#[test]
fn requests_that_come_at_their_time_do_not_pile_up_at_a_backend_in_trouble() {
    let title = "300 requests a second, come what may";
    let faults = [Fault::Freeze, Fault::Reset];
    judge(|| drill(title, &faults, |lb| Load::paced(lb, 300)));
}
