//! What a simulation has found, as a text: a line for each backend, then the whole.

use super::measures::{BackendMeasures, Measures, Times};
use super::scenario::{Arrivals, Pace, Scenario};
use std::fmt;
use std::time::Duration;

/// What a simulation has found. Its text has the columns that its first line names.
#[derive(Clone, Debug, PartialEq)]
pub struct SimulationReport {
    pub(super) scenario: Scenario,
    pub(super) measures: Measures,
}

impl Measures {
    /// Sorts the times.
    pub(super) fn sort(&mut self) {
        let backends = self.backends.iter_mut();
        backends.for_each(|backend| backend.times.sort());
        self.waits.sort();
        self.answers.sort();
    }
}

impl fmt::Display for SimulationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", Title(&self.scenario))?;
        let columns = ["backend", "weight", "requests", "share", "most at once"];
        write_row(f, &columns, ["p50", "p99"])?;
        for (index, backend) in self.measures.backends.iter().enumerate() {
            self.write_backend(f, index, backend)?;
        }
        self.write_whole(f)
    }
}

impl SimulationReport {
    fn write_backend(
        &self,
        f: &mut fmt::Formatter<'_>,
        index: usize,
        backend: &BackendMeasures,
    ) -> fmt::Result {
        let name = format!("backend:{}", index + 1);
        let weight = self.scenario.weights[index].to_string();
        let requests = backend.requests.to_string();
        let share = percent(backend.requests, self.measures.answers.count());
        let most = backend.most_in_flight.to_string();
        let columns = [&*name, &weight, &requests, &share, &most];
        match self.scenario.is_down(index) {
            true => write_row(f, &columns, ["down", ""]),
            false => write_row(
                f,
                &columns,
                percentiles(&backend.times).each_ref().map(|p| &**p),
            ),
        }
    }

    fn write_whole(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Measures {
            answers,
            waits,
            refused,
            timed_out,
            without_backend,
            ..
        } = &self.measures;
        let (answered, [p50, p99]) = (answers.count(), percentiles(answers));
        writeln!(f, "\nanswered {answered}: p50 {p50}, p99 {p99}")?;
        let [p50, p99] = percentiles(waits);
        writeln!(f, "waited in the queue: p50 {p50}, p99 {p99}")?;
        writeln!(
            f,
            "503: {refused} queue full, {timed_out} waited too long, {without_backend} no backend up"
        )
    }
}

/// The first column is on the left, the others are on the right.
fn write_row(f: &mut fmt::Formatter<'_>, columns: &[&str; 5], times: [&str; 2]) -> fmt::Result {
    let [name, weight, requests, share, most] = columns;
    let [p50, p99] = times;
    let row =
        format!("{name:<12} {weight:>6} {requests:>9} {share:>9} {most:>13} {p50:>12} {p99:>12}");
    writeln!(f, "{}", row.trim_end())
}

fn percentiles(times: &Times) -> [String; 2] {
    [50, 99].map(|percent| millis(times.percentile(percent)))
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

fn percent(part: usize, whole: usize) -> String {
    format!("{:.2} %", part as f64 * 100.0 / whole.max(1) as f64)
}

/// What was simulated, in one line.
struct Title<'t>(&'t Scenario);

impl fmt::Display for Title<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scenario {
            requests,
            down,
            seed,
            ..
        } = self.0;
        let count = self.0.weights.len();
        let word = self.0.policy.algorithm.word();
        write!(
            f,
            "{word}: {requests} requests {} to {count} backends",
            By(self.0)
        )?;
        match down {
            0 => {}
            down => write!(f, ", {down} of them down")?,
        }
        let pace = match self.0.pace {
            Pace::Random => " on average",
            Pace::Steady => " each",
        };
        let time = millis(self.0.service_time);
        write!(f, ", {time}{pace}, seed {seed}")
    }
}

/// When the requests come.
struct By<'b>(&'b Scenario);

impl fmt::Display for By<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.arrivals {
            Arrivals::Clients(1) => write!(f, "of 1 client"),
            Arrivals::Clients(count) => write!(f, "of {count} clients"),
            Arrivals::Rate { per_second, burst } => {
                write!(f, "at {per_second}/s")?;
                match burst {
                    1 => Ok(()),
                    burst => write!(f, " in bursts of {burst}"),
                }
            }
        }
    }
}
