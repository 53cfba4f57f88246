//! How a backend is chosen, and how many requests a group takes at a time.

use super::quantities::{count, duration};
use super::{heading, values};
use crate::backends::{Algorithm, GroupPolicy};
use crate::http::cookies;
use clap::Args;
use std::str::FromStr;
use std::time::Duration;
use values::one_of;

/// How a group of backends takes requests.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct Choice {
    /// Which backend is next
    ///
    /// round-robin, least-requests, two-choices, random, hash (see --hash-by) or sticky (see --cookie).
    #[arg(long, value_name = "ALGORITHM", default_value = "round-robin",
          hide_possible_values = true, value_parser = one_of(&Algorithm::WORDS),
          help_heading = heading::CHOICE, hide_short_help = true)]
    pub algorithm: Algorithm,

    /// What decides with --algorithm hash [default: client]
    ///
    /// client, path, header:NAME or cookie:NAME.
    #[arg(long, value_name = "KEY", help_heading = heading::CHOICE, hide_short_help = true)]
    pub hash_by: Option<HashBy>,

    /// Cookie that --algorithm sticky sets [default: lb]
    #[arg(long, value_name = "NAME", value_parser = cookie, help_heading = heading::CHOICE,
          hide_short_help = true)]
    pub cookie: Option<String>,

    /// Most requests at each backend at a time
    ///
    /// Further ones wait.
    #[arg(long, value_name = "N", value_parser = count(1..=1_000_000_usize),
          help_heading = heading::CHOICE, hide_short_help = true)]
    pub max_in_flight: Option<usize>,

    /// The same at all backends together
    #[arg(long, value_name = "N", value_parser = count(1..=1_000_000_usize),
          help_heading = heading::CHOICE, hide_short_help = true)]
    pub max_in_flight_total: Option<usize>,

    /// Most requests that wait
    ///
    /// Because backends have as many as they may. Further ones get 503.
    #[arg(long, value_name = "N", default_value = "1000", value_parser = count(0..=1_000_000_usize),
          help_heading = heading::CHOICE, hide_short_help = true)]
    pub queue_length: usize,

    /// How long they wait
    ///
    /// After this time a request gets 503.
    // Shorter than people wait for a page.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration,
          help_heading = heading::CHOICE, hide_short_help = true)]
    pub queue_timeout: Duration,
}

/// The cookie of sticky sessions, unless it is set.
const COOKIE: &str = "lb";

impl Choice {
    /// The name of the cookie of sticky sessions.
    #[must_use]
    pub fn cookie(&self) -> &str {
        self.cookie.as_deref().unwrap_or(COOKIE)
    }

    /// What the group of backends needs to know of it.
    #[must_use]
    pub fn policy(&self) -> GroupPolicy {
        GroupPolicy {
            algorithm: self.algorithm,
            max_in_flight: self.max_in_flight,
            max_in_flight_total: self.max_in_flight_total,
            queue_length: self.queue_length,
        }
    }
}

/// What of a request decides which backend it goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashBy {
    /// The address of the client.
    Client,
    /// The path, without the query.
    Path,
    /// The value of the first field of this name.
    Header(String),
    /// The value of the cookie of this name.
    Cookie(String),
}

impl FromStr for HashBy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_name = |name: &&str| cookies::is_name(name);
        match text.split_once(':') {
            None if text == "client" => Ok(Self::Client),
            None if text == "path" => Ok(Self::Path),
            Some(("header", name)) if is_name(&name) => Ok(Self::Header(name.into())),
            Some(("cookie", name)) if is_name(&name) => Ok(Self::Cookie(name.into())),
            _ => Err(
                "write client, path, header:NAME or cookie:NAME, for example cookie:session".into(),
            ),
        }
    }
}

fn cookie(text: &str) -> Result<String, String> {
    match cookies::is_name(text) {
        true => Ok(text.into()),
        false => Err("write a name without spaces and `=`, for example lb".into()),
    }
}
