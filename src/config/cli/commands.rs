//! The commands beside the balancer itself, each with its own arguments: `lb check lb.toml`. A command
//! says what is to be printed, and the program prints it.

use super::simulate;
use crate::config::Settings;
use crate::config::file::trace::AskedRequest;
use crate::config::file::{self, Colors, FileErrors, Overrides};
use clap::{Args as _, CommandFactory, FromArgMatches, Parser};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What a command comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandOutput {
    /// For stdout.
    pub text: String,
    /// For stderr.
    pub errors: String,
    /// Exit code: 0, or 1 for a file with errors or a request that no backend gets.
    pub code: u8,
}

impl CommandOutput {
    /// A text for stdout, and no error.
    fn of_text(text: String) -> Self {
        Self {
            text,
            ..Self::default()
        }
    }
}

/// The names of the commands.
pub const NAMES: [&str; 5] = ["check", "route", "simulate", "schema", "reference"];

/// Runs the command that a command line names, program name first; `None` if it names none. The error
/// prints itself, as that of [`super::parse`].
pub fn run(line: &[OsString], colors: Colors) -> Option<Result<CommandOutput, clap::Error>> {
    let name = line.get(1)?.to_str()?;
    let arguments = &of_command(name, &line[2..]);
    Some(match name {
        "check" => check(arguments, colors),
        // `lb -t --config lb.toml` is a line like any other.
        "-t" if names_file(line.get(2)) => check(arguments, colors),
        "route" => route(arguments, colors),
        "simulate" => simulate::run(arguments).map(CommandOutput::of_text),
        "schema" => plain::<SchemaArgs>(arguments, file::schema),
        "reference" => plain::<ReferenceArgs>(arguments, file::reference),
        _ => return None,
    })
}

/// The arguments of a command, behind the words that its usage line begins with.
fn of_command(name: &str, arguments: &[OsString]) -> Vec<OsString> {
    let words = match name {
        "-t" => "lb check".into(),
        name => format!("lb {name}"),
    };
    std::iter::once(words.into())
        .chain(arguments.iter().cloned())
        .collect()
}

fn names_file(argument: Option<&OsString>) -> bool {
    let text = argument.map(|argument| argument.to_string_lossy());
    text.is_some_and(|text| !text.starts_with('-'))
}

const CHECK_MORE: &str = "\
Exit code: 0 if the file is valid, 1 if it has errors. All of them are shown. Options of lb may be
given too, as beside --config: they win over the file.";

/// Look for errors in a configuration file
#[derive(Debug, Parser)]
#[command(name = "lb check", after_help = CHECK_MORE, max_term_width = 100)]
struct CheckArgs {
    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Print all that holds, as a file, with the origin of each value
    #[arg(long)]
    print: bool,
}

fn check(arguments: &[OsString], colors: Colors) -> Result<CommandOutput, clap::Error> {
    let command = with_settings(CheckArgs::command());
    let is_setting = |arg: &clap::Arg| !["file", "print", "help"].contains(&arg.get_id().as_str());
    let command = command.mut_args(|arg| {
        let hides = is_setting(&arg);
        arg.hide(hides)
    });
    let given = command.try_get_matches_from(arguments)?;
    let args = CheckArgs::from_arg_matches(&given)?;
    let overrides = Overrides::of(&given);
    Ok(match args.print {
        true => print_file(&args.file, &overrides, colors),
        false => check_file(&args.file, &overrides, colors),
    })
}

/// The same command, which takes the settings too and keeps its own help.
fn with_settings(command: clap::Command) -> clap::Command {
    let about = command.get_about().cloned();
    let command = Settings::augment_args(command);
    match about {
        Some(about) => command.about(about.clone()).long_about(about),
        None => command,
    }
}

/// Whether a file is valid, as `lb check` says it.
#[must_use]
pub fn check_file(path: &Path, overrides: &Overrides, colors: Colors) -> CommandOutput {
    match file::check(path, overrides) {
        Ok(file) => CommandOutput::of_text(format!("{}\n", file.summary())),
        Err(errors) => refused(&errors, colors),
    }
}

fn print_file(path: &Path, overrides: &Overrides, colors: Colors) -> CommandOutput {
    match file::check(path, overrides) {
        Ok(file) => CommandOutput::of_text(format!("# {}\n{}", file.summary(), file.print())),
        Err(errors) => refused(&errors, colors),
    }
}

/// All that is wrong with a file, and last, in one line, what it comes to.
#[must_use]
pub fn refused(errors: &FileErrors, colors: Colors) -> CommandOutput {
    CommandOutput {
        errors: format!("{}\n\nlb: {}\n", errors.pictures(colors), errors.summary()),
        code: 1,
        ..CommandOutput::default()
    }
}

const ROUTE_MORE: &str = "\
Example: lb route lb.toml http://shop.example/api/x -H 'X-User: 7'
Exit code: 0 if a backend would get the request, 1 if none would, or if the file has errors.";

/// Which route takes a request, and what the backend would receive
///
/// Nothing is sent. Of each other route it says why it does not take the request.
#[derive(Debug, Parser)]
#[command(name = "lb route", after_help = ROUTE_MORE, max_term_width = 100)]
struct RouteArgs {
    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// What is asked for
    #[arg(value_name = "URL")]
    url: String,

    /// The method
    #[arg(long, value_name = "METHOD", default_value = "GET")]
    method: String,

    /// A field of the request
    ///
    /// May be given several times.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    fields: Vec<String>,
}

fn route(arguments: &[OsString], colors: Colors) -> Result<CommandOutput, clap::Error> {
    let args = RouteArgs::try_parse_from(arguments)?;
    let asked = AskedRequest {
        url: args.url,
        method: args.method,
        fields: args.fields,
    };
    let file = match file::check(&args.file, &Overrides::none()) {
        Ok(file) => file,
        Err(errors) => return Ok(refused(&errors, colors)),
    };
    match file.trace(&asked) {
        Ok(answer) => Ok(CommandOutput {
            text: answer.text,
            code: u8::from(!answer.is_taken),
            ..CommandOutput::default()
        }),
        Err(reason) => {
            let mut command = RouteArgs::command();
            Err(command.error(clap::error::ErrorKind::ValueValidation, reason))
        }
    }
}

/// Print the schema of the configuration file, for editors
///
/// JSON Schema, draft 2020-12.
#[derive(Debug, Parser)]
#[command(name = "lb schema")]
struct SchemaArgs {}

/// Print every key of the configuration file, as a page in Markdown
#[derive(Debug, Parser)]
#[command(name = "lb reference")]
struct ReferenceArgs {}

/// A command that takes nothing and prints a text.
fn plain<T: Parser>(
    arguments: &[OsString],
    text: impl Fn() -> String,
) -> Result<CommandOutput, clap::Error> {
    T::try_parse_from(arguments)?;
    Ok(CommandOutput::of_text(text()))
}

/// The command that a wrong LISTEN was probably meant for.
pub(super) fn meant(listen: &str) -> Option<&'static str> {
    file::nearest_name(listen, &NAMES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(line: &str) -> Option<Result<CommandOutput, clap::Error>> {
        let line: Vec<_> = line.split(' ').map(OsString::from).collect();
        run(&line, Colors::None)
    }

    #[test]
    fn the_parsers_are_consistent_and_fit_the_screen() {
        for command in [
            with_settings(CheckArgs::command()),
            RouteArgs::command(),
            simulate::SimulateArgs::command(),
            SchemaArgs::command(),
            ReferenceArgs::command(),
        ] {
            command.debug_assert();
        }
        for name in NAMES {
            let help = output(&format!("lb {name} --help")).expect(name);
            let help = help.expect_err(name).to_string();
            assert!(help.contains(&format!("lb {name}")), "{help}");
            assert!(!help.contains("--workers"), "{help}");
            assert!(
                help.lines().all(|line| line.chars().count() <= 100),
                "{help}"
            );
        }
    }

    #[test]
    fn a_line_without_a_command_is_for_the_balancer() {
        for line in [
            "lb",
            "lb 8080 :1",
            "lb -t --config lb.toml",
            "lb -t",
            "lb chek lb.toml",
        ] {
            assert!(output(line).is_none(), "{line}");
        }
        for line in [
            "lb check",
            "lb route x",
            "lb schema x",
            "lb check x --workers 0",
        ] {
            let error = output(line).expect(line).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
        }
        for line in ["lb check /no/such/file", "lb -t /no/such/file"] {
            let output = output(line).expect(line).expect(line);
            assert_eq!((output.code, output.text.as_str()), (1, ""), "{line}");
        }
    }
}
