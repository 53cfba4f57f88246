//! `lb simulate`: from its arguments to a scenario, and its report. Must not know how a scenario is
//! simulated.

use crate::backends::member::MAX_WEIGHT;
use crate::backends::{Algorithm, GroupPolicy};
use crate::config::quantities::{count, duration};
use crate::config::values::one_of;
use crate::simulation::scenario::{MOST_BACKENDS, MOST_REQUESTS};
use crate::simulation::{Arrivals, Pace, Scenario, simulate};
use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser};
use std::ffi::OsString;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  lb simulate round-robin --backends 4 --down 1 --requests 12000
  lb simulate round-robin --weights 3,1,1
  lb simulate least-requests --backends 3 --slow 2=10 --rate 200
  lb simulate round-robin --backends 2 --max-in-flight 1 --clients 50 --queue-length 20
  lb simulate hash --backends 10 --keys 5000";

/// Which backends requests would go to, without a socket
///
/// Requests come and are answered in virtual time; what chooses the backends is what chooses them when
/// lb runs. The same arguments give the same output, on every machine of one kind.
#[derive(Debug, Parser)]
#[command(name = "lb simulate", after_help = EXAMPLES, max_term_width = 100)]
pub(super) struct SimulateArgs {
    /// How a backend is chosen
    #[arg(value_name = "ALGORITHM", value_parser = one_of(&Algorithm::WORDS))]
    algorithm: Algorithm,

    /// Backends, all with the same weight
    #[arg(long, value_name = "N", default_value = "3", value_parser = count(1..=MOST_BACKENDS))]
    backends: usize,

    /// Weights of the backends instead, for example 3,1,1
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = count(0..=MAX_WEIGHT),
          conflicts_with = "backends")]
    weights: Vec<u32>,

    /// So many of them are down: the last ones
    #[arg(long, value_name = "N", default_value = "0", value_parser = count(0..=MOST_BACKENDS))]
    down: usize,

    /// Backends that take longer: their number, and how many times as long, for example 2=10
    #[arg(long, value_name = "NUMBER=FACTOR", value_delimiter = ',', value_parser = slow)]
    slow: Vec<(usize, u32)>,

    /// Requests
    #[arg(long, value_name = "N", default_value = "12000", value_parser = count(1..=MOST_REQUESTS))]
    requests: usize,

    /// Clients, each of which asks again when it is answered
    #[arg(long, value_name = "N", default_value = "16", value_parser = count(1..=100_000_usize))]
    clients: usize,

    /// Requests in a second instead, whatever becomes of them
    #[arg(long, value_name = "N", value_parser = count(1..=10_000_000_u32),
          conflicts_with = "clients")]
    rate: Option<u32>,

    /// So many of these come at the same moment
    #[arg(long, value_name = "N", default_value = "1", value_parser = count(1..=100_000_usize),
          requires = "rate")]
    burst: usize,

    /// How long a backend takes for a request, on average
    #[arg(long, value_name = "TIME", default_value = "10ms", value_parser = duration)]
    service_time: Duration,

    /// All times are the same; without it they vary (exponentially)
    #[arg(long)]
    steady: bool,

    /// Most requests at each backend at a time; further ones wait
    #[arg(long, value_name = "N", value_parser = count(1..=1_000_000_usize))]
    max_in_flight: Option<usize>,

    /// Most requests that wait
    #[arg(long, value_name = "N", default_value = "1000",
          value_parser = count(0..=1_000_000_usize))]
    queue_length: usize,

    /// How long they wait
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    queue_timeout: Duration,

    /// Different clients, for hash and sticky
    #[arg(long, value_name = "N", default_value = "1000", value_parser = count(1..=1_000_000_usize))]
    keys: usize,

    /// What all that is random begins with
    #[arg(long, value_name = "N", default_value = "1", value_parser = count(0..=u64::MAX))]
    seed: u64,
}

/// `2=10`.
fn slow(text: &str) -> Result<(usize, u32), String> {
    let numbers = text.split_once('=').and_then(|(number, factor)| {
        let number = number.parse().ok().filter(|number| *number > 0)?;
        // A thousand times as long is as good as for ever.
        let factor = factor
            .parse()
            .ok()
            .filter(|factor| (1..=1000).contains(factor))?;
        Some((number, factor))
    });
    numbers.ok_or_else(|| {
        "write the number of a backend and a factor from 1 to 1000, for example 2=10".into()
    })
}

/// What the command prints.
pub(super) fn run(arguments: &[OsString]) -> Result<String, clap::Error> {
    let scenario = SimulateArgs::try_parse_from(arguments)?.scenario()?;
    Ok(simulate(scenario).to_string())
}

impl SimulateArgs {
    fn scenario(self) -> Result<Scenario, clap::Error> {
        let arrivals = match self.rate {
            Some(per_second) => Arrivals::Rate {
                per_second,
                burst: self.burst,
            },
            None => Arrivals::Clients(self.clients),
        };
        let scenario = Scenario {
            policy: GroupPolicy {
                algorithm: self.algorithm,
                max_in_flight: self.max_in_flight,
                max_in_flight_total: None,
                queue_length: self.queue_length,
            },
            queue_timeout: self.queue_timeout,
            weights: match self.weights.is_empty() {
                true => vec![1; self.backends],
                false => self.weights,
            },
            down: self.down,
            slow: self.slow,
            requests: self.requests,
            arrivals,
            service_time: self.service_time,
            pace: match self.steady {
                true => Pace::Steady,
                false => Pace::Random,
            },
            keys: self.keys,
            seed: self.seed,
        };
        match contradiction(&scenario) {
            Some(text) => Err(Self::command().error(ErrorKind::ValueValidation, text)),
            None => Ok(scenario),
        }
    }
}

/// What makes no sense together.
fn contradiction(scenario: &Scenario) -> Option<String> {
    let count = scenario.weights.len();
    if count > MOST_BACKENDS {
        return Some(format!(
            "--weights has {count} weights, and {MOST_BACKENDS} backends are the most, for example: \
             --weights 3,1,1"
        ));
    }
    if scenario.weights.iter().all(|weight| *weight == 0) {
        let text =
            "all --weights are 0, so that no backend gets requests, for example: --weights 3,1,1";
        return Some(text.into());
    }
    if scenario.down > count {
        return Some(format!(
            "--down {} is more than the {count} backends there are, for example: --down 1",
            scenario.down
        ));
    }
    let mut slow = scenario.slow.iter();
    let (number, factor) = slow.find(|(number, _)| *number > count)?;
    Some(format!(
        "--slow {number}={factor} is of a backend that is not there: the last one is {count}, for \
         example: --slow {count}={factor}"
    ))
}
