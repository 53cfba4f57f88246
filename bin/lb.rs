//! `lb`, the program: reads the command line, starts a balancer, stops it on a signal.
//!
//! Exit codes: 0 after an orderly stop, 1 if it could not start or was cut off, 2 for a
//! usage error.

#[path = "lb/signals.rs"]
mod signals;

use lb::config::cli::{self, Invocation};
use lb::log::LogMode;
use lb::log::dates::Dates;
use lb::log::writer::LogWriter;
use lb::server::{Ended, Server, StartError, Stop};
use log::Level;
use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    if std::env::args_os().len() < 2 {
        eprintln!("{}", cli::EXAMPLE);
        return ExitCode::from(2);
    }
    let invocation = cli::parse(std::env::args_os()).unwrap_or_else(|error| error.exit());
    match run(invocation) {
        Ok(Ended::Drained) => ExitCode::SUCCESS,
        Ok(Ended::Cut) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("lb: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(invocation: Invocation) -> Result<Ended, Box<dyn std::error::Error>> {
    signals::withstand().map_err(StartError::Resources)?;
    let (log, printer) = LogWriter::start().map_err(StartError::Resources)?;
    start_logging(&invocation, log.clone());
    // Before the start: as process 1 of a container nothing stops us but a handler of our own.
    let stop = Stop::new()?;
    let asked = stop.clone();
    signals::on_stop(move || request(&asked)).map_err(StartError::Resources)?;
    let server = match Server::start_until(stop, invocation.config, log) {
        Ok(server) => server,
        Err(error) => {
            printer.finish();
            return Err(error.into());
        }
    };
    let ended = server.run();
    log::info!("Load balancer has stopped.");
    printer.finish();
    Ok(ended)
}

/// Sends what is logged to the log as plain lines. Where no story is printed that people
/// watch, warnings begin with the time, as access lines have it.
fn start_logging(invocation: &Invocation, log: LogWriter) {
    let is_story =
        invocation.config.settings.log == LogMode::Story && invocation.level >= Level::Info;
    env_logger::Builder::new()
        .filter_level(invocation.level)
        .target(env_logger::Target::Pipe(Box::new(log)))
        .format(move |out, record| {
            if record.level() <= Level::Warn && !is_story {
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
