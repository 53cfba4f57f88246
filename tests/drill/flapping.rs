//! A backend that comes and goes several times a second.

use crate::client::Outcome;
use crate::findings::{Findings, judge};
use crate::load::{Load, Sample};
use crate::phase::{Shares, shares, slack};
use crate::stage::{Settings, Stage};
use crate::support::{eventually, open_descriptors, threads};
use crate::table::words;
use crate::time;
use crate::verdict::of_deliveries;
use crate::watch::{name, resident};
use std::thread;
use std::time::{Duration, Instant};

/// For so long it is there, and for so long it is not.
const HALF: Duration = Duration::from_millis(300);

/// So much memory may be in use beside what was, in KiB.
const MORE_MEMORY: usize = 8 * 1024;

/// Lines that are not about a turn.
const OTHER_LINES: usize = 5;

/// When it was killed: just before, and when it was gone.
type Kills = Vec<(Instant, Instant)>;

fn flap(stage: &mut Stage, length: Duration) -> Kills {
    let began = Instant::now();
    let mut kills = Vec::new();
    while began.elapsed() < length {
        let before = Instant::now();
        stage.backends[0].kill();
        kills.push((before, Instant::now()));
        thread::sleep(HALF);
        stage.backends[0].run();
        thread::sleep(HALF);
    }
    kills
}

/// A POST that was under way at a kill.
fn is_excused(sample: &Sample, kills: &Kills, port: u16) -> bool {
    let in_the_act = kills
        .iter()
        .any(|&(before, gone)| sample.overlaps(before, gone));
    let names_it = match &sample.outcome {
        Outcome::Status(502, text) => text.contains(&name(port)),
        _ => false,
    };
    sample.is_post && in_the_act && names_it
}

/// The fewest descriptors of several looks: checks come and go.
fn descriptors(pid: u32) -> usize {
    let looks = (0..20).map(|_| {
        thread::sleep(Duration::from_millis(5));
        open_descriptors(pid)
    });
    looks.min().unwrap()
}

/// By how much the shares of the other two differ.
fn difference(shares: &Shares, port: u16) -> usize {
    let others = shares.iter().filter(|(other, _)| **other != port);
    let others: Vec<usize> = others.map(|(_, share)| *share).collect();
    others[0].abs_diff(others[1])
}

/// Failures that cannot be excused: see `verdict`.
fn failures(samples: &[Sample], kills: &Kills, port: u16) -> Findings {
    let mut found = Findings::default();
    let failed = samples.iter().filter(|sample| !sample.is_good());
    for sample in failed.filter(|sample| !is_excused(sample, kills, port)) {
        let text = words(&sample.outcome);
        match &sample.outcome {
            Outcome::Status(502, _) if sample.is_post => found.untimely.push(text),
            _ => found.wrong.push(text),
        }
    }
    found
}

fn attempt() -> Findings {
    let settings = Settings {
        // Short enough that it is used at all while it is there.
        interval: Duration::from_millis(200),
        timeout: Duration::from_millis(190),
        rise: 1,
    };
    let mut stage = Stage::set(settings, &["--backend-idle-timeout", "200ms"]);
    let (pid, address) = (stage.lb.child.id(), stage.lb.address);
    let port = stage.backends[0].port;
    let descriptors = descriptors(pid);
    let warm_up = Load::steady(address, 16);
    thread::sleep(Duration::from_millis(300));
    let mut samples = warm_up.end();
    let (own_threads, memory) = (threads(pid), resident(pid));
    let load = Load::steady(address, 16);
    let began = Instant::now();
    let kills = flap(&mut stage, time(2400, 60_000));
    let ended = Instant::now();
    samples.extend(load.end());
    eventually("no descriptor is left", || {
        open_descriptors(pid) <= descriptors
    });
    let more_memory = resident(pid).saturating_sub(memory);
    let (turns, lines) = (stage.watch.turns().len(), stage.watch.lines().len());
    let shares = shares(&samples, began, ended, &stage);
    println!(
        "\nkilled and started {} times: {turns} turns, {lines} lines",
        kills.len()
    );
    println!("shares {shares:?}, {more_memory} KiB more than {memory} before");
    let mut found = failures(&samples, &kills, port);
    found.stalled = stage.stalls.in_all();
    let is_quiet = turns <= 2 * kills.len() + 1 && lines <= turns + OTHER_LINES;
    found.expect(is_quiet, || format!("{turns} turns in {lines} lines"));
    found.demand(threads(pid) == own_threads, || "threads are left".into());
    found.demand(more_memory <= MORE_MEMORY, || {
        format!("{more_memory} KiB are left")
    });
    // Each turn and each kill may shift whose turn it is by one.
    let most = slack(&samples, began, ended) + 2 * (turns + kills.len());
    let is_fair = difference(&shares, port) <= most;
    found.expect(is_fair, || format!("shares {shares:?}"));
    stage.read_to_the_end();
    found
        .wrong
        .extend(of_deliveries(&samples, &stage.deliveries));
    found
}

#[test]
fn a_backend_that_flaps_costs_few_lines_and_nothing_that_stays() {
    judge(attempt);
}
