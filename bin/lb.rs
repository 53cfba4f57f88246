//! `lb`, the program: reads the command line, runs a command, or starts a balancer and stops it on a
//! signal.
//!
//! Exit codes: 0 after an orderly stop, 1 if it could not start, was cut off, or found errors in a file,
//! 2 for a usage error.

#[path = "lb/signals.rs"]
mod signals;
#[path = "lb/watched_file.rs"]
mod watched_file;

use lb::admin::commands as operator;
use lb::admin::{AdminPorts, Subject};
use lb::config::Config;
use lb::config::cli::commands::{self, CommandOutput};
use lb::config::cli::{self, ConfigSource};
use lb::config::file::Colors;
use lb::log::dates::Dates;
use lb::log::writer::{LogWriter, Printer};
use lb::log::{LogMode, STATE};
use lb::server::{Ended, Reload, Server, StartError, Stop};
use log::{Level, LevelFilter};
use std::io::{IsTerminal as _, Write};
use std::process::ExitCode;
use std::time::Instant;
use watched_file::WatchedFile;

fn main() -> ExitCode {
    if std::env::args_os().len() < 2 {
        eprintln!("{}", cli::EXAMPLE);
        return ExitCode::from(2);
    }
    let line: Vec<_> = std::env::args_os().collect();
    let command = commands::run(&line, colors()).or_else(|| operator::run(&line));
    if let Some(output) = command {
        return finish(&output.unwrap_or_else(|error| error.exit()));
    }
    let invocation = cli::parse(line).unwrap_or_else(|error| error.exit());
    if let ConfigSource::File(file) = &invocation.source
        && file.is_only_checked
    {
        return finish(&commands::check_file(&file.path, &file.overrides, colors()));
    }
    let file = match &invocation.source {
        ConfigSource::File(file) => Some(WatchedFile::new(file)),
        ConfigSource::CommandLine(_) => None,
    };
    let config = match invocation.source.load() {
        Ok(config) => config,
        Err(errors) => return finish(&commands::refused(&errors, colors())),
    };
    match run(config, file, invocation.level) {
        Ok(Ended::Drained) => ExitCode::SUCCESS,
        Ok(Ended::Cut) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("lb: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints what a command comes to. A reader that has gone has seen enough.
fn finish(output: &CommandOutput) -> ExitCode {
    let _ = std::io::stdout().write_all(output.text.as_bytes());
    let _ = std::io::stderr().write_all(output.errors.as_bytes());
    ExitCode::from(output.code)
}

/// Whether errors are shown on a terminal whose user has nothing against colours.
fn colors() -> Colors {
    let is_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    match std::io::stderr().is_terminal() && !is_plain {
        true => Colors::Ansi,
        false => Colors::None,
    }
}

fn run(
    config: Config,
    file: Option<WatchedFile>,
    level: LevelFilter,
) -> Result<Ended, Box<dyn std::error::Error>> {
    let file = file.map(reload_on_hup).transpose()?;
    signals::withstand().map_err(StartError::Resources)?;
    let (log, printer) = start_log(&config)?;
    start_logging(&config, level, log.clone());
    // Before the start: as process 1 of a container nothing stops us but a handler of our own.
    let stop = Stop::new()?;
    let asked = stop.clone();
    signals::on_stop(move || request(&asked)).map_err(StartError::Resources)?;
    let served = serve(stop, config, file, log);
    if served.is_ok() {
        log::info!("Load balancer has stopped.");
    }
    printer.finish();
    served
}

/// A balancer from its start to its end. The operator's ports are taken first, and answered until the
/// last request has ended.
fn serve(
    stop: Stop,
    config: Config,
    file: Option<(WatchedFile, Reload)>,
    log: LogWriter,
) -> Result<Ended, Box<dyn std::error::Error>> {
    let ports = AdminPorts::bind(&config.settings.admin)?;
    let server = reloading(Server::start_until(stop, config, log)?, file)?;
    let admin = ports.serve(&Subject {
        status: server.status_handle(),
        steering: server.steering(),
    })?;
    let ended = server.run();
    admin.end();
    Ok(ended)
}

/// Starts what prints. `USR1` has the file for lines about requests opened anew.
fn start_log(config: &Config) -> Result<(LogWriter, Printer), StartError> {
    let Some(path) = &config.settings.log_file else {
        return LogWriter::start().map_err(StartError::Resources);
    };
    let started = LogWriter::start_with_file(path);
    let (log, printer) = started.map_err(|error| StartError::LogFile(path.clone(), error))?;
    let reopened = log.clone();
    signals::on_usr1(move || reopened.reopen());
    Ok((log, printer))
}

/// Has `HUP` ask for a reload of the file.
fn reload_on_hup(file: WatchedFile) -> Result<(WatchedFile, Reload), StartError> {
    let reload = Reload::new()?;
    let asked = reload.clone();
    signals::on_hup(move || asked.request());
    Ok((file, reload))
}

/// The same balancer, which reads its file again when that is asked for.
fn reloading(
    mut server: Server,
    file: Option<(WatchedFile, Reload)>,
) -> Result<Server, StartError> {
    if let Some((file, reload)) = file {
        server.reload_from(file.source(), &reload)?;
    }
    Ok(server)
}

/// Sends what is logged to the log as plain lines. What changes in the state of a backend begins with
/// the time, as access lines have it; so do all warnings where no story is printed that people watch.
fn start_logging(config: &Config, level: LevelFilter, log: LogWriter) {
    let is_story = config.settings.log == LogMode::Story && level >= Level::Info;
    env_logger::Builder::new()
        .filter_level(level)
        .target(env_logger::Target::Pipe(Box::new(log)))
        .format(move |out, record| {
            let is_dated = record.target() == STATE || !is_story;
            if record.level() <= Level::Warn && is_dated {
                write!(out, "{} ", Dates::default().logged(Instant::now()))?;
            }
            writeln!(out, "{}", record.args())
        })
        .init();
}

/// The first signal asks for an orderly stop, the second cuts off what is in flight.
fn request(stop: &Stop) {
    match stop.request() {
        0 => log::info!("Stopping: finishing what is in flight; once more to stop at once."),
        1 => {}
        // Should even cutting off take too long.
        _ => std::process::exit(1),
    }
}
