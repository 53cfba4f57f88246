//! How backends are checked, and what follows from failed requests.

use super::quantities::{count, duration, duration_or_none};
use super::{defaults, heading, values};
use clap::Args;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

/// How long an answer may take, unless it is set or the interval is shorter.
const TIMEOUT: Duration = Duration::from_secs(2);

/// How backends are checked.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct HealthConfig {
    /// What to ask backends for
    #[arg(id = "health_path", long = "health-path", value_name = "PATH", default_value = "/",
          value_parser = values::path, help_heading = heading::HEALTH)]
    pub path: String,

    /// How often
    ///
    /// At least every second while a backend is failing.
    #[arg(id = "health_interval", long = "health-interval", value_name = "TIME",
          default_value = "5s", value_parser = duration, help_heading = heading::HEALTH)]
    pub interval: Duration,

    /// How long an answer may take [default: 2s]
    ///
    /// Or nine tenths of a shorter interval.
    #[arg(id = "health_timeout", long = "health-timeout", value_name = "TIME",
          value_parser = duration, help_heading = heading::HEALTH, hide_short_help = true)]
    pub timeout: Option<Duration>,

    /// Good statuses: 200,204 or 2xx-3xx
    #[arg(id = "health_status", long = "health-status", value_name = "LIST", default_value = "200",
          help_heading = heading::HEALTH)]
    pub statuses: Statuses,

    /// Text that the body has to contain
    ///
    /// In its first 16 KiB.
    #[arg(id = "health_match", long = "health-match", value_name = "TEXT",
          value_parser = values::text, help_heading = heading::HEALTH, hide_short_help = true)]
    pub matches: Option<String>,

    /// Host to ask for [default: the backend's]
    #[arg(id = "health_host", long = "health-host", value_name = "HOST",
          value_parser = values::host, help_heading = heading::HEALTH, hide_short_help = true)]
    pub host: Option<String>,

    /// Port to ask at [default: the backend's]
    #[arg(id = "health_port", long = "health-port", value_name = "PORT",
          value_parser = values::health_port, help_heading = heading::HEALTH,
          hide_short_help = true)]
    pub port: Option<u16>,

    /// Good checks in a row to go up
    // Two in a row, so that one lost check neither ends nor begins an outage.
    #[arg(long, value_name = "N", default_value = "2", value_parser = count(1..=100_u32),
          help_heading = heading::HEALTH, hide_short_help = true)]
    pub rise: u32,

    /// Bad checks in a row to go down
    #[arg(long, value_name = "N", default_value = "2", value_parser = count(1..=100_u32),
          help_heading = heading::HEALTH, hide_short_help = true)]
    pub fall: u32,

    /// Failed requests in a row to go out; 0: never
    ///
    /// Whatever the checks say. A single request tries the backend later.
    // Envoy's consecutive_gateway_failure.
    #[arg(long, value_name = "N", default_value = "5", value_parser = count(0..=1_000_000_u32),
          help_heading = heading::FAILURES, hide_short_help = true)]
    pub eject_after: u32,

    /// Time to the whole share after an outage
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration_or_none,
          help_heading = heading::FAILURES, hide_short_help = true)]
    pub slow_start: Duration,
}

impl HealthConfig {
    /// How long one check may take, from connecting until its answer is judged. It is over before the
    /// next one begins.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        let most = self.interval / 10 * 9;
        self.timeout.unwrap_or(TIMEOUT.min(most))
    }
}

impl Default for HealthConfig {
    fn default() -> Self {
        defaults()
    }
}

/// A set of statuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statuses(pub Vec<RangeInclusive<u16>>);

impl Statuses {
    /// Whether `status` is among them.
    #[must_use]
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }
}

impl FromStr for Statuses {
    type Err = String;

    /// Reads statuses and classes of them, one by one or from one to another: `200,204`, `2xx-3xx`.
    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split(',').map(|part| status_range(part.trim()));
        let ranges: Option<Vec<_>> = parts.collect();
        ranges.map(Self).ok_or_else(|| {
            "write statuses from 200 to 599 or classes of them, for example 200,204 or 2xx-3xx"
                .into()
        })
    }
}

fn status_range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (status_class(first)?, status_class(last)?);
    (first.start() <= last.end()).then(|| *first.start()..=*last.end())
}

/// `2xx`, or a single status.
fn status_class(text: &str) -> Option<RangeInclusive<u16>> {
    if let Some(class) = text.strip_suffix("xx") {
        let class: u16 = class.parse().ok()?;
        let is_final = (2..=5).contains(&class);
        return is_final.then(|| class * 100..=class * 100 + 99);
    }
    let status: u16 = text.parse().ok()?;
    (200..=599).contains(&status).then_some(status..=status)
}
