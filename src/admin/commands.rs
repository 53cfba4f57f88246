//! `lb status`, `lb requests`, `lb drain`, `lb enable` and `lb disable`: what an operator asks a balancer
//! that runs, from a terminal or a script. Must not know how the balancer answers.

use super::client::{Answered, Client};
use super::table;
use crate::backends::Name;
use crate::config::addresses::one_backend;
use crate::config::admin::{AdminAddress, admin_address};
use crate::config::cli::commands::CommandOutput;
use crate::config::file::nearest_name;
use crate::config::quantities::duration_or_none;
use clap::{Args, Parser};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

const CODES: &str = "\
Exit code: 0 if it is done, 1 if the backend is not empty in time, 2 if there is no such backend or no
answer.";

/// Where to ask.
#[derive(Debug, Args)]
struct Asked {
    /// Where lb listens for the operator: its --admin
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9090",
          value_parser = admin_address)]
    admin: AdminAddress,

    /// The file with the token: its --admin-token-file
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl Asked {
    fn client(self) -> Result<Client, String> {
        Client::new(self.admin, self.token_file.as_deref())
    }
}

/// Show the groups and backends of a balancer that runs
#[derive(Debug, Parser)]
#[command(name = "lb status", after_help = CODES, max_term_width = 100)]
struct StatusArgs {
    /// As JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    asked: Asked,
}

/// Show the requests that run now, oldest first
#[derive(Debug, Parser)]
#[command(name = "lb requests", after_help = CODES, max_term_width = 100)]
struct RequestsArgs {
    /// Only those that are older
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration_or_none)]
    older: Duration,

    /// As JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    asked: Asked,
}

/// A backend of a balancer that runs.
#[derive(Debug, Args)]
struct Target {
    /// The backend, as the configuration names it
    #[arg(value_name = "BACKEND", value_parser = one_backend)]
    backend: Name,

    /// Its group, if several groups have it
    #[arg(long, value_name = "NAME")]
    group: Option<String>,

    #[command(flatten)]
    asked: Asked,
}

/// Give a backend no new requests; what it has, it finishes
#[derive(Debug, Parser)]
#[command(name = "lb drain", after_help = CODES, max_term_width = 100)]
struct DrainArgs {
    /// Wait until it is empty, or for this time
    #[arg(long, value_name = "TIME", value_parser = duration_or_none)]
    wait: Option<Duration>,

    #[command(flatten)]
    target: Target,
}

/// Give a backend requests again
#[derive(Debug, Parser)]
#[command(name = "lb enable", after_help = CODES, max_term_width = 100)]
struct EnableArgs {
    #[command(flatten)]
    target: Target,
}

/// Give a backend nothing at all, not even checks
#[derive(Debug, Parser)]
#[command(name = "lb disable", after_help = CODES, max_term_width = 100)]
struct DisableArgs {
    #[command(flatten)]
    target: Target,
}

/// The names of the commands.
pub const NAMES: [&str; 5] = ["status", "requests", "drain", "enable", "disable"];

/// Runs the command that a command line names, program name first; `None` if it names none. The error
/// prints itself.
pub fn run(line: &[OsString]) -> Option<Result<CommandOutput, clap::Error>> {
    let name = line.get(1)?.to_str()?;
    let arguments = std::iter::once(OsString::from(format!("lb {name}")));
    let arguments = arguments.chain(line[2..].iter().cloned());
    Some(match name {
        "status" => StatusArgs::try_parse_from(arguments).map(|args| shown(status(args))),
        "requests" => RequestsArgs::try_parse_from(arguments).map(|args| shown(requests(args))),
        "drain" => DrainArgs::try_parse_from(arguments)
            .map(|args| shown(steer(args.target, "drain", args.wait))),
        "enable" => {
            EnableArgs::try_parse_from(arguments).map(|args| shown(steer(args.target, name, None)))
        }
        "disable" => {
            DisableArgs::try_parse_from(arguments).map(|args| shown(steer(args.target, name, None)))
        }
        _ => return None,
    })
}

/// What is wrong is printed in one line, and is exit code 2.
fn shown(result: Result<CommandOutput, String>) -> CommandOutput {
    result.unwrap_or_else(|error| CommandOutput {
        errors: format!("lb: {error}\n"),
        code: 2,
        ..CommandOutput::default()
    })
}

fn text(text: String, code: u8) -> CommandOutput {
    CommandOutput {
        text,
        code,
        ..CommandOutput::default()
    }
}

/// An answer that is no error.
fn accepted(answered: Answered) -> Result<Answered, String> {
    match answered.error() {
        Some(error) => Err(error.into()),
        None => Ok(answered),
    }
}

fn status(args: StatusArgs) -> Result<CommandOutput, String> {
    let answered = accepted(args.asked.client()?.get("/status")?)?;
    Ok(match args.json {
        true => text(answered.text, 0),
        false => text(table::of_status(&answered.value), 0),
    })
}

fn requests(args: RequestsArgs) -> Result<CommandOutput, String> {
    let path = format!("/requests?older={}ms", args.older.as_millis());
    let answered = accepted(args.asked.client()?.get(&path)?)?;
    Ok(match args.json {
        true => text(answered.text, 0),
        false => text(table::of_requests(&answered.value), 0),
    })
}

fn steer(target: Target, state: &str, wait: Option<Duration>) -> Result<CommandOutput, String> {
    let client = target.asked.client()?;
    let status = accepted(client.get("/status")?)?.value;
    let group = match target.group {
        Some(group) => group,
        None => only_group(&status, &target.backend)?,
    };
    let (backend, waited) = (&target.backend, wait.unwrap_or_default());
    let path = format!(
        "/groups/{}/backends/{}/state?wait={}ms",
        escaped(&group),
        escaped(&backend.to_string()),
        waited.as_millis()
    );
    let answered = accepted(client.post(&path, &json!({ "state": state }), waited)?)?;
    let in_flight = answered.value.get("in_flight").and_then(Value::as_u64);
    let in_flight = in_flight.unwrap_or_default();
    let what = match state {
        "drain" => "drains",
        "disable" => "is disabled",
        _ => "is enabled",
    };
    let left = match (state, in_flight) {
        ("enable", _) => String::new(),
        (_, 0) => ", and is empty".into(),
        (_, 1) => "; 1 request is under way there".into(),
        (_, count) => format!("; {count} requests are under way there"),
    };
    let is_late = wait.is_some() && in_flight > 0;
    Ok(text(format!("{backend} {what}{left}\n"), u8::from(is_late)))
}

/// The only group that has the backend.
fn only_group(status: &Value, backend: &Name) -> Result<String, String> {
    let all = table::backends(status);
    let is_it = |name: &str| one_backend(name).is_ok_and(|one| one.is_same(backend));
    let having = all.iter().filter(|(_, name)| is_it(name));
    let groups: Vec<&str> = having.map(|(group, _)| *group).collect();
    match groups.as_slice() {
        [only] => Ok((*only).into()),
        [first, ..] => Err(format!(
            "{backend} is in the groups {}: say which one, for example: --group {first}",
            groups.join(", ")
        )),
        [] => {
            let names: Vec<&str> = all.iter().map(|(_, name)| *name).collect();
            let asked = backend.to_string();
            let hint = match nearest_name(&asked, &names) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("there are {}", names.join(", ")),
            };
            Err(format!("there is no backend {backend}; {hint}"))
        }
    }
}

/// As a segment of a path.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b':' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_parsers_are_consistent() {
        for command in [
            StatusArgs::command(),
            RequestsArgs::command(),
            DrainArgs::command(),
            EnableArgs::command(),
            DisableArgs::command(),
        ] {
            command.debug_assert();
        }
        let line: Vec<OsString> = ["lb", "8080", ":1"].map(OsString::from).into();
        assert!(run(&line).is_none());
    }

    #[test]
    fn a_backend_is_found_in_its_only_group() {
        let status = json!({ "groups": [
            { "name": "a", "backends": [{ "name": "x:80" }, { "name": "y:80" }] },
            { "name": "b", "backends": [{ "name": "y:80" }] },
        ]});
        let group = |backend| only_group(&status, &one_backend(backend).expect(backend));
        assert_eq!(group("X:80"), Ok("a".into()));
        assert!(group("y:80").expect_err("two").ends_with("--group a"));
        assert!(
            group("z:80")
                .expect_err("none")
                .ends_with("did you mean x:80?")
        );
        assert_eq!(escaped("[::1]:80/ä"), "%5B::1%5D:80%2F%C3%A4");
    }
}
