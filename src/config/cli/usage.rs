//! From a command line to the arguments, and the usage errors on the way. `clap` says
//! what is wrong; where it shows no right example, one is added.

use super::args::Args;
use super::commands;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgMatches, Command, CommandFactory, Error, FromArgMatches};
use std::ffi::OsString;

/// Kinds of values of which none begins with a hyphen. So in `--hold -10s` it is the value that is
/// wrong, and not an option `-1` that does not exist.
const NEVER_HYPHENED: [&str; 8] = [
    "TIME", "SIZE", "N", "PERCENT", "PORT", "LIST", "CIDR", "PATH",
];

/// A right value of a flag, or of each kind.
const EXAMPLES: [(&str, &str); 18] = [
    ("log-file", "access.log"),
    ("TIME", "10s"),
    ("SIZE", "32KiB"),
    ("N", "4"),
    ("PORT", "8081"),
    ("LIST", "2xx"),
    ("CIDR", "10.0.0.0/8"),
    ("PATH", "/ready"),
    ("HOST", "app.example"),
    ("TEXT", "ok"),
    ("NAME", "edge-1"),
    ("ALGORITHM", "least-requests"),
    ("KEY", "cookie:session"),
    ("PERCENT", "20"),
    ("FILE", "lb.toml"),
    ("ADDRESS", "127.0.0.1:9090"),
    ("HOSTS", "lb.example"),
    ("HOST:PORT", "localhost:5001"),
];

/// The options, and which of them were written.
pub(super) fn read(line: impl IntoIterator<Item = OsString>) -> Result<(Args, ArgMatches), Error> {
    let mut command = command();
    let given = command
        .try_get_matches_from_mut(line)
        .map_err(|error| with_example(error, &command))?;
    let args = Args::from_arg_matches(&given).map_err(|error| error.format(&mut command))?;
    Ok((args, given))
}

/// A usage error with this text.
pub(super) fn usage(text: String) -> Error {
    Args::command().error(ErrorKind::ValueValidation, text)
}

fn command() -> Command {
    Args::command().mut_args(|arg| match kind(&arg) {
        Some(name) if NEVER_HYPHENED.contains(&name) => arg.allow_hyphen_values(true),
        _ => arg,
    })
}

/// What kind of value it takes: `TIME` of `TIME|off`.
fn kind(arg: &Arg) -> Option<&str> {
    arg.get_value_names()?.first()?.split('|').next()
}

/// The same error, with what to write.
fn with_example(error: Error, command: &Command) -> Error {
    match error.kind() {
        ErrorKind::ValueValidation => match meant_command(&error) {
            Some(name) => usage(format!(
                "there is no such command and no such LISTEN; did you mean `lb {name}`?"
            )),
            None => error,
        },
        ErrorKind::InvalidValue => match missing_value(&error, command) {
            Some(text) => usage(text),
            None => error,
        },
        ErrorKind::MissingRequiredArgument if needs_file(&error) => {
            usage("--watch and -t need a file, for example: lb --config lb.toml --watch".into())
        }
        ErrorKind::MissingRequiredArgument => missing(),
        _ => error,
    }
}

/// The command that was probably meant, if the value of LISTEN is wrong.
fn meant_command(error: &Error) -> Option<&'static str> {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let is_listen = context(ContextKind::InvalidArg)?.contains("LISTEN");
    let value = context(ContextKind::InvalidValue)?;
    is_listen.then(|| commands::meant(value)).flatten()
}

/// Whether it is the file only that is missing.
fn needs_file(error: &Error) -> bool {
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(missing)) => missing.iter().all(|arg| arg.contains("--config")),
        _ => false,
    }
}

/// What is said where there is nothing to listen on, or no backend.
pub(super) fn missing() -> Error {
    usage(
        "LISTEN or BACKEND is missing: the port to listen on, and the backends to send requests \
         to, for example: lb 8080 localhost:5001 localhost:5002"
            .into(),
    )
}

/// For an option at the end, or before another one.
fn missing_value(error: &Error, command: &Command) -> Option<String> {
    let Some(ContextValue::String(shown)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let is_missing = match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(value)) => value.is_empty(),
        _ => true,
    };
    let name = shown.split([' ', '=']).next()?.strip_prefix("--")?;
    let arg = command
        .get_arguments()
        .find(|arg| arg.get_long() == Some(name))?;
    let kind = kind(arg)?;
    let (_, example) = EXAMPLES.iter().find(|(of, _)| *of == name || *of == kind)?;
    is_missing.then(|| format!("--{name} needs a value, for example: --{name} {example}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_with_a_value_has_an_example_or_a_list_of_values_and_the_example_is_right() {
        for arg in command()
            .get_arguments()
            .filter(|arg| arg.get_long().is_some())
        {
            let takes_value = arg.get_action().takes_values();
            let is_listed = !arg.get_possible_values().is_empty();
            let name = arg.get_long().expect("a long name");
            if !takes_value || is_listed {
                continue;
            }
            let kind = kind(arg).expect("a value name");
            let example = EXAMPLES.iter().find(|(of, _)| *of == kind);
            let (_, example) = example.unwrap_or_else(|| panic!("--{name}: no example of {kind}"));
            let words = ["lb", "8080", "a:1", &format!("--{name}"), example];
            let read = read(words.map(OsString::from));
            assert!(read.is_ok(), "--{name} {example}: {:?}", read.err());
        }
    }
}
