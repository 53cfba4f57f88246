//! What must be true.

use crate::is_full;
use crate::load::{Outcome, Sample};
use crate::proxy::Which;
use crate::row::Row;
use std::collections::BTreeMap;

/// Everything that is wrong with what lb did. HAProxy is only what it is compared with.
pub(crate) fn of(rows: &[Row]) -> Vec<String> {
    let of_lb = rows.iter().filter(|row| row.case.proxy == Which::Lb);
    let wrong = of_lb.flat_map(|row| {
        let found = [executions(row), failures(row, rows), downs(row)].concat();
        let found = counted(found);
        let title = row.title();
        found
            .into_iter()
            .map(move |what| format!("{title}: {what}"))
    });
    wrong.collect()
}

/// No POST is executed twice, and no GET more often than there was a reason for.
fn executions(row: &Row) -> Vec<String> {
    let is_wrong = |sample: &&Sample| {
        let most = match sample.job.is_post || row.scenario.is_calm {
            true => 1,
            false => 2,
        };
        let least = usize::from(sample.outcome == Outcome::Answered);
        !(least..=most).contains(&row.executed(sample))
    };
    let wrong = row.samples.iter().filter(is_wrong);
    wrong
        .map(|sample| format!("{} executed {} times", words(sample), row.executed(sample)))
        .collect()
}

/// In the suite every request is answered; in the full form as many as behind HAProxy.
fn failures(row: &Row, rows: &[Row]) -> Vec<String> {
    let is_peer = |other: &&Row| {
        let same = (other.case.kind, other.case.count, other.scenario.name);
        other.case.proxy == Which::HaProxy
            && same == (row.case.kind, row.case.count, row.scenario.name)
    };
    let allowed = rows
        .iter()
        .find(is_peer)
        .map_or(0, |peer| peer.failed().count());
    match row.failed().count() > allowed {
        true => row.failed().map(words).collect(),
        false => Vec::new(),
    }
}

/// No server is down that was busy for a moment. In the full form the lines are only printed.
fn downs(row: &Row) -> Vec<String> {
    let is_allowed = is_full() || row.scenario.may_be_down;
    let lines = row.downs.iter().filter(|_| !is_allowed);
    lines.map(|line| without_name(line)).collect()
}

/// A line such as `Server 127.0.0.1:5001 is DOWN after …` without the address.
fn without_name(line: &str) -> String {
    let what = line.find(" is DOWN").map_or(line, |at| &line[at..]);
    format!("a server{what}")
}

/// What was asked and what came, without times and addresses, so that equal ones can be counted.
fn words(sample: &Sample) -> String {
    let method = if sample.job.is_post { "POST" } else { "GET" };
    let outcome = match &sample.outcome {
        Outcome::Answered => "200".to_string(),
        Outcome::Status(status, text) => format!("{status} ({})", reasons(text)),
        Outcome::Wrong(text) => format!("the wrong answer {text:?}"),
        Outcome::Cut => "no answer".to_string(),
    };
    format!("{method} of {} ms: {outcome}", sample.job.ms)
}

/// Why each attempt failed, of lines such as `127.0.0.1:5001: timed out while connecting`.
fn reasons(text: &str) -> String {
    let reasons = text
        .lines()
        .filter_map(|line| Some(line.rsplit_once(": ")?.1));
    reasons.collect::<Vec<_>>().join("; ")
}

/// Each text once, with how often it is there.
fn counted(texts: Vec<String>) -> Vec<String> {
    let mut counts = BTreeMap::new();
    for text in texts {
        *counts.entry(text).or_insert(0) += 1;
    }
    let counts = counts.into_iter();
    counts
        .map(|(text, count)| format!("{count} x {text}"))
        .collect()
}
