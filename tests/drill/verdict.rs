//! What must be true of every phase. Each bound is one that a right balancer keeps on a busy
//! machine too: it follows from who was under way at what moment, or from the settings, and
//! what the machine added to times was measured.

use crate::client::Outcome;
use crate::findings::Findings;
use crate::load::Sample;
use crate::phase::Figures;
use crate::stage::{Deliveries, EJECT_AFTER, FALL, Fault, Settings, TRIAL_PAUSE};
use crate::table::words;
use crate::watch::name;
use std::time::{Duration, Instant};

/// How many may wait longer than a second for a backend that hangs: those that came in the
/// first half second.
const MOST_SLOW: usize = 60;

/// Within which a hanging backend is suspect, when the machine adds nothing: a request is late
/// after a quarter of a second, and a check after another.
pub(crate) const SUSPECT: Duration = Duration::from_millis(500);

/// For starting a process, and for a line to be printed and read.
const SLACK: Duration = Duration::from_millis(250);

/// Everything that is wrong with a phase.
pub(crate) fn of_phase(figures: &Figures, settings: Settings) -> Findings {
    let phase = &figures.phase;
    let whose = |what: &str| format!("{:?} of {}: {what}", phase.fault, phase.port);
    let mut found = failures(figures);
    found.untimely.extend(times(figures, settings));
    found.untimely.extend(unequal(figures));
    if phase.fault == Fault::Reset {
        found.untimely.extend(beyond_ejection(figures));
    }
    found.untimely.extend(slow(figures));
    // Connections that broke are not waited for; those that hold may yet bring an answer.
    let has_broken = matches!(phase.fault, Fault::Kill | Fault::Reset);
    let has_moved = figures.moved_after <= SLACK + figures.stalled;
    found.expect(!has_broken || has_moved, || {
        format!("somebody waited {:?} after it was out", figures.moved_after)
    });
    let turns = if phase.fault.is_told() { 2 } else { 0 };
    found.expect(figures.stray.is_empty() && figures.turns == turns, || {
        format!("{} turns, others' {:?}", figures.turns, figures.stray)
    });
    for what in found.wrong.iter_mut().chain(&mut found.untimely) {
        *what = whose(what);
    }
    found
}

/// Who waited for longer than a second, and need not have.
fn slow(figures: &Figures) -> Vec<String> {
    let most_slow = match figures.phase.fault {
        Fault::Freeze => MOST_SLOW,
        // One that waits for its connection leaves a backend that is suspect.
        Fault::Deaf => 0,
        Fault::Kill | Fault::Ill | Fault::Reset => usize::MAX,
    };
    let is_hanging = figures.phase.fault == Fault::Freeze;
    let new = if is_hanging { figures.new_and_slow } else { 0 };
    let mut wrong = Vec::new();
    if figures.too_slow > most_slow {
        wrong.push(format!("{} took more than a second", figures.too_slow));
    }
    if new > 0 {
        wrong.push(format!("{new} that came later took more than a second"));
    }
    wrong
}

/// Failures that cannot be excused. A POST can be, if its connection was broken by the backend
/// or its end: nobody knows whether it was processed, so it must end with a 502 that names the
/// backend. A GET moves to another backend. Where no connection breaks, nobody fails.
fn failures(figures: &Figures) -> Findings {
    let phase = &figures.phase;
    let until = match phase.fault {
        // A moment later there is nobody to send anything to.
        Fault::Kill => Some(phase.struck.1),
        Fault::Reset => Some(phase.out.unwrap_or(phase.ended)),
        Fault::Freeze | Fault::Deaf | Fault::Ill => None,
    };
    let is_excused = |sample: &Sample| {
        let in_the_act = until.is_some_and(|until| sample.overlaps(phase.struck.0, until));
        let names_it = match &sample.outcome {
            Outcome::Status(502, text) => text.contains(&name(phase.port)),
            _ => false,
        };
        sample.is_post && in_the_act && names_it
    };
    let mut found = Findings::default();
    for sample in figures.failed.iter().filter(|sample| !is_excused(sample)) {
        let text = failure(sample, phase.struck.0);
        // Such a POST may have met a backend that was taken for one in trouble.
        match &sample.outcome {
            Outcome::Status(502, _) if sample.is_post => found.untimely.push(text),
            _ => found.wrong.push(text),
        }
    }
    found
}

pub(crate) fn failure(sample: &Sample, struck: Instant) -> String {
    let after = |time: Instant| match time >= struck {
        true => format!("{:?} after", time - struck),
        false => format!("{:?} before", struck - time),
    };
    format!(
        "{} {} from {} to {} the fault: {}",
        if sample.is_post { "POST" } else { "GET" },
        sample.id,
        after(sample.began),
        after(sample.ended),
        words(&sample.outcome)
    )
}

/// Of the POSTs that the balancer got after the last good answer of the backend (those that
/// began before may have been under way at that moment), at most `--eject-after` fail before
/// the backend is ejected, and it is ejected before the client hears of the last of these; so
/// whoever began after that cannot fail.
fn beyond_ejection(figures: &Figures) -> Vec<String> {
    let is_meant = |sample: &&Sample| sample.is_post && sample.began > figures.last_good;
    let mut failed: Vec<&Sample> = figures.failed.iter().filter(is_meant).collect();
    failed.sort_by_key(|sample| sample.ended);
    let last = EJECT_AFTER as usize - 1;
    let Some(ejected) = failed.get(last).map(|sample| sample.ended) else {
        return Vec::new();
    };
    let beyond = failed.into_iter().filter(|sample| sample.began > ejected);
    beyond
        .map(|sample| format!("POST {} failed after the backend was ejected", sample.id))
        .collect()
}

fn times(figures: &Figures, settings: Settings) -> Vec<String> {
    let Settings {
        interval,
        timeout,
        rise,
    } = settings;
    // Checks of a backend that is down are at least a second apart.
    let again = interval.min(Duration::from_secs(1));
    let out = match figures.phase.fault {
        // Found out by requests.
        Fault::Kill | Fault::Reset => interval,
        // The first check may have begun while it still answered requests.
        Fault::Freeze => SUSPECT + interval.min(SUSPECT) + timeout * (FALL + 1),
        Fault::Ill => interval * (FALL + 1),
        // It serves the connections that it has, so that checks that are late do not count.
        Fault::Deaf => return Vec::new(),
    };
    let back = match figures.phase.fault {
        // It has been passing its checks all along.
        Fault::Reset => TRIAL_PAUSE,
        _ => again * (rise + 1),
    };
    let mut wrong = Vec::new();
    for (what, took, most) in [
        ("out", figures.seconds_out(), out),
        ("back", figures.seconds_back(), back),
    ] {
        let most = most + figures.stalled + SLACK;
        if took.is_none_or(|took| took > most) {
            wrong.push(format!("{what} after {took:?} instead of {most:?}"));
        }
    }
    wrong
}

/// Turns are exact, so shares may differ only by what was under way at the edges.
fn unequal(figures: &Figures) -> Vec<String> {
    if !figures.phase.fault.is_told() {
        return Vec::new();
    }
    let live = figures
        .during
        .iter()
        .filter(|(port, _)| **port != figures.phase.port);
    let live: Vec<usize> = live.map(|(_, count)| *count).collect();
    let all: Vec<usize> = figures.after.values().copied().collect();
    let mut wrong = Vec::new();
    for (when, shares, slack) in [
        ("during", live, figures.during_slack),
        ("after", all, figures.after_slack),
    ] {
        let (least, most) = (shares.iter().min(), shares.iter().max());
        if most
            .zip(least)
            .is_some_and(|(most, least)| most - least > slack)
        {
            wrong.push(format!(
                "shares {when} it: {shares:?} differ by more than {slack}"
            ));
        }
    }
    if figures.own > 0 {
        wrong.push(format!("it got {} requests while it was out", figures.own));
    }
    wrong
}

/// No POST came twice, no GET more often than `--tries` says, and whoever answered was asked.
pub(crate) fn of_deliveries(samples: &[Sample], deliveries: &Deliveries) -> Vec<String> {
    let is_wrong = |sample: &&Sample| {
        let ports = deliveries.of(sample.id);
        let was_asked = match sample.outcome {
            Outcome::Answered(port) => ports.contains(&port),
            _ => true,
        };
        !was_asked || ports.len() > if sample.is_post { 1 } else { 3 }
    };
    let wrong = samples.iter().filter(is_wrong);
    wrong
        .map(|sample| {
            let ports = deliveries.of(sample.id);
            let what = if sample.is_post { "POST" } else { "GET" };
            format!(
                "{what} {} came to {ports:?}: {}",
                sample.id,
                words(&sample.outcome)
            )
        })
        .collect()
}
