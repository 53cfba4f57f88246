//! The command line of `lb`: arguments to a [`Config`], with an answer for every wrong one.

mod args;
pub mod commands;
mod simulate;
mod usage;

use crate::backends::Name;
use crate::config::contradictions::{self, Spelling};
use crate::config::file::{self, FileErrors, Overrides};
use crate::config::{Config, Listen, addresses};
use crate::log::LogMode;
use args::Args;
use clap::ArgMatches;
use clap::parser::ValueSource;
use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use usage::usage;

/// What is said when there are no arguments at all.
pub const EXAMPLE: &str = "\
lb needs a port to listen on and the backends to send requests to. To try it:
  cargo run --bin backend -- 5001 &  cargo run --bin backend -- 5002 &
  cargo run --bin lb -- 8080 localhost:5001 localhost:5002   (more: lb --help)";

/// What a command line asks for.
#[derive(Debug)]
pub struct Invocation {
    /// Where the configuration is.
    pub source: ConfigSource,
    /// The level of the `log` crate.
    pub level: log::LevelFilter,
}

/// Where a configuration is written.
#[derive(Debug)]
pub enum ConfigSource {
    /// On the command line, as one group.
    CommandLine(Box<Config>),
    /// In a file.
    File(ConfigFile),
}

/// A file that a command line names.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    /// Its path as it was written.
    pub path: PathBuf,
    /// The flags that were written beside it.
    pub overrides: Overrides,
    /// Whether it is read again when it changes (`--watch`).
    pub is_watched: bool,
    /// Whether it is to be checked only (`-t`).
    pub is_only_checked: bool,
}

impl ConfigSource {
    /// The configuration; a file is read for it.
    pub fn load(&self) -> Result<Config, FileErrors> {
        match self {
            ConfigSource::CommandLine(config) => Ok((**config).clone()),
            ConfigSource::File(file) => file.load(),
        }
    }
}

impl ConfigFile {
    /// Reads it, again if need be.
    pub fn load(&self) -> Result<Config, FileErrors> {
        file::load(&self.path, &self.overrides)
    }
}

/// Reads the command line, program name first. The error prints itself and knows its exit
/// code: 2 for a usage error, 0 for `--help` and `--version`.
pub fn parse(line: impl IntoIterator<Item = OsString>) -> Result<Invocation, clap::Error> {
    let (args, given) = usage::read(line)?;
    if let Some(text) = of_printing(&args, &given) {
        return Err(usage(text));
    }
    let level = match (args.verbose, args.quiet) {
        (true, _) => log::LevelFilter::Debug,
        (_, true) => log::LevelFilter::Warn,
        _ => log::LevelFilter::Info,
    };
    let source = match &args.config {
        Some(path) => ConfigSource::File(of_file(path, &args, &given)?),
        None => ConfigSource::CommandLine(Box::new(of_line(args, &given)?)),
    };
    Ok(Invocation { source, level })
}

/// What the file does not say is left out on the command line: a second listener or backend beside
/// those of the file would surprise.
fn of_file(path: &Path, args: &Args, given: &ArgMatches) -> Result<ConfigFile, clap::Error> {
    if args.listen.is_some() || !args.backends.is_empty() || !args.backup.is_empty() {
        return Err(usage(
            "--config names a file that says where to listen and which backends there are; leave \
             LISTEN, BACKEND and --backup out, for example: lb --config lb.toml"
                .into(),
        ));
    }
    Ok(ConfigFile {
        path: path.into(),
        overrides: Overrides::of(given),
        is_watched: args.watch,
        is_only_checked: args.checks,
    })
}

fn of_line(args: Args, given: &ArgMatches) -> Result<Config, clap::Error> {
    let flags = Overrides::of(given);
    if let Some(found) = contradictions::find(&args.settings, &|flag| flags.has(flag), &FLAGS)
        .into_iter()
        .next()
    {
        return Err(usage(found.text));
    }
    let listen = args.listen.clone().ok_or_else(usage::missing)?;
    let (backends, backups) = expand(&args, &listen)?;
    Ok(Config::of_one_group(
        listen,
        backends,
        backups,
        args.settings,
    ))
}

/// How a setting is spelled on a command line.
const FLAGS: Spelling = Spelling {
    spell: |flag, value| match value {
        // A switch has no value.
        Some("true") | None => format!("--{flag}"),
        Some(value) => format!("--{flag} {value}"),
    },
    joint: " ",
};

fn of_printing(args: &Args, given: &ArgMatches) -> Option<String> {
    let is_given = given.value_source("log") == Some(ValueSource::CommandLine);
    let is_story = matches!(args.settings.log, LogMode::Story);
    (is_given && is_story && args.quiet).then(|| {
        "--log story tells of each request, and --quiet prints only warnings; leave one of them \
         out, for example: lb 8080 localhost:5001 --quiet"
            .into()
    })
}

/// The backends one by one, and the backups; refuses one named twice and one that is the
/// balancer itself.
fn expand(args: &Args, listen: &Listen) -> Result<(Vec<Name>, Vec<Name>), clap::Error> {
    let mut seen = HashSet::new();
    let mut expand = |ranges: &[addresses::Range]| {
        let names = ranges.iter().flat_map(addresses::Range::names);
        names.map(|name| admit(name, listen, &mut seen)).collect()
    };
    let backends: Result<Vec<Name>, _> = expand(&args.backends);
    Ok((backends?, expand(&args.backup)?))
}

fn admit(name: Name, listen: &Listen, seen: &mut HashSet<Name>) -> Result<Name, clap::Error> {
    if !seen.insert(name.normalized()) {
        return Err(usage(format!(
            "backend {name} is named twice; name each backend once, for example: \
             lb 8080 localhost:5001 localhost:5002"
        )));
    }
    if listen.reaches(&name) {
        return Err(usage(format!(
            "backend {name} is the balancer itself, it would send requests to itself for \
             ever; give the backends other ports, for example: lb 8080 localhost:5001"
        )));
    }
    Ok(name)
}

#[cfg(test)]
mod tests;
