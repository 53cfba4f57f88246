//! What must be true of every phase. Each bound is one that a right balancer keeps on a busy
//! machine too: it follows from who was under way at what moment, or from the settings, and
//! what the machine added to times was measured.

use crate::client::Outcome;
use crate::findings::Findings;
use crate::load::Sample;
use crate::phase::Figures;
use crate::stage::{Deliveries, EJECT_AFTER, EJECTED_CHECKS, FALL, Fault, Settings};
use crate::table::words;
use crate::watch::name;
use std::time::{Duration, Instant};

/// How many may wait longer than a second for a backend that hangs.
const MOST_SLOW: usize = 30;

/// Within which a hanging backend is found out, when the machine adds nothing.
const HANGING: Duration = Duration::from_secs(1);

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
    let is_hanging = phase.fault == Fault::Freeze;
    found.expect(!is_hanging || figures.too_slow <= MOST_SLOW, || {
        format!("{} took more than a second", figures.too_slow)
    });
    // Whoever waits for a backend that is out need wait no longer; one that is ill answers.
    let has_moved = figures.moved_after <= SLACK + figures.stalled;
    found.expect(phase.fault == Fault::Ill || has_moved, || {
        format!("somebody waited {:?} after it was out", figures.moved_after)
    });
    found.expect(figures.stray.is_empty() && figures.turns == 2, || {
        format!("{} turns, others' {:?}", figures.turns, figures.stray)
    });
    for what in found.wrong.iter_mut().chain(&mut found.untimely) {
        *what = whose(what);
    }
    found
}

/// Failures that cannot be excused. A POST can be, if it was under way at the backend when
/// that was in trouble: nobody knows whether it was processed, so it must end with a 502 that
/// names the backend. A GET moves to another backend.
fn failures(figures: &Figures) -> Findings {
    let phase = &figures.phase;
    let until = match phase.fault {
        // A moment later there is nobody to send anything to.
        Fault::Kill => Some(phase.struck.1),
        Fault::Freeze | Fault::Reset | Fault::Deaf => Some(phase.out.unwrap_or(phase.ended)),
        // It still answers what it is asked.
        Fault::Ill => None,
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

fn failure(sample: &Sample, struck: Instant) -> String {
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
        Fault::Freeze => HANGING + interval,
        Fault::Ill => interval * (FALL + 1),
        // Nobody but the checks need notice.
        Fault::Deaf => (interval + timeout) * FALL + interval,
    };
    let (since, back) = match figures.phase.fault {
        // It has been passing its checks all along.
        Fault::Reset => (figures.phase.out, again * (EJECTED_CHECKS + rise + 1)),
        _ => (Some(figures.phase.repaired), again * (rise + 1)),
    };
    let came_back = figures.phase.back.zip(since);
    let came_back = came_back.map(|(back, since)| back.saturating_duration_since(since));
    let mut wrong = Vec::new();
    for (what, took, most) in [
        ("out", figures.seconds_out(), out),
        ("back", came_back, back),
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

/// No POST came twice, no GET more often than twice, and whoever answered was asked.
pub(crate) fn of_deliveries(samples: &[Sample], deliveries: &Deliveries) -> Vec<String> {
    let is_wrong = |sample: &&Sample| {
        let ports = deliveries.of(sample.id);
        let was_asked = match sample.outcome {
            Outcome::Answered(port) => ports.contains(&port),
            _ => true,
        };
        !was_asked || ports.len() > if sample.is_post { 1 } else { 2 }
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
