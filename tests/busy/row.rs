//! What was seen in a scenario, and the table of it.

use crate::case::About;
use crate::load::{Outcome, Sample};
use crate::proxy::Which;
use crate::scenario::Scenario;
use std::collections::HashMap;
use std::time::Duration;

/// A scenario behind a proxy.
pub(crate) struct Row {
    pub(crate) case: About,
    /// Which one of its case.
    pub(crate) number: usize,
    pub(crate) scenario: Scenario,
    pub(crate) samples: Vec<Sample>,
    /// Lines that say that a server is down.
    pub(crate) downs: Vec<String>,
    /// How often each request was executed.
    pub(crate) executions: HashMap<u64, usize>,
}

impl Row {
    pub(crate) fn executed(&self, sample: &Sample) -> usize {
        self.executions.get(&sample.id).copied().unwrap_or(0)
    }

    /// Requests without their answer.
    pub(crate) fn failed(&self) -> impl Iterator<Item = &Sample> {
        let is_failed = |sample: &&Sample| sample.outcome != Outcome::Answered;
        self.samples.iter().filter(is_failed)
    }

    /// In words, as `gunicorn sync, 3 servers, 2 GETs of 3 s, lb`.
    pub(crate) fn title(&self) -> String {
        let About {
            kind, count, proxy, ..
        } = self.case;
        let scenario = self.scenario.name;
        let (kind, proxy) = (kind.name(), name_of(proxy));
        format!("{kind}, servers: {count}, {scenario}, {proxy}")
    }

    fn count(&self, is_meant: impl Fn(&Outcome) -> bool) -> usize {
        let outcomes = self.samples.iter().map(|sample| &sample.outcome);
        outcomes.filter(|outcome| is_meant(outcome)).count()
    }

    /// Counts and times, in the columns of [`print`].
    fn figures(&self) -> String {
        let status =
            |number| self.count(|it| matches!(it, Outcome::Status(is, _) if *is == number));
        let gateway = [502, 503, 504].map(status);
        let answered = self.samples.len() - self.failed().count();
        let other = self.failed().count() - gateway.iter().sum::<usize>();
        let twice = |sample: &&Sample| self.executed(sample) > 1;
        let mut times: Vec<Duration> = self.samples.iter().map(|sample| sample.took).collect();
        times.sort();
        let (median, longest) = (times[times.len() / 2], times[times.len() - 1]);
        format!(
            "{answered:>4}/{:<4}{:>4}{:>5}{:>5}{other:>6}{:>7.2}{:>7.2}{:>6}{:>5}",
            self.scenario.size(),
            gateway[0],
            gateway[1],
            gateway[2],
            median.as_secs_f32(),
            longest.as_secs_f32(),
            self.samples.iter().filter(twice).count(),
            self.downs.len(),
        )
    }
}

fn name_of(proxy: Which) -> &'static str {
    match proxy {
        Which::Lb => "lb",
        Which::HaProxy => "HAProxy",
    }
}

/// Prints the table, then the lines about servers that are down.
pub(crate) fn print(rows: &[Row]) {
    println!(
        "\n{:<17}{:>2} {:<16}{:<8}{:>6}{:>7}{:>5}{:>5}{:>6}{:>7}{:>7}{:>6}{:>5}",
        "server",
        "n",
        "scenario",
        "proxy",
        "200",
        "502",
        "503",
        "504",
        "other",
        "p50 s",
        "max s",
        "twice",
        "down"
    );
    for row in rows {
        let About {
            kind, count, proxy, ..
        } = row.case;
        println!(
            "{:<17}{count:>2} {:<16}{:<8}{}",
            kind.name(),
            row.scenario.name,
            name_of(proxy),
            row.figures()
        );
    }
    for row in rows {
        for line in &row.downs {
            println!("{}: {line}", row.title());
        }
    }
}
