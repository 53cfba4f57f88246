//! Options that are each right and make no sense together. Each is refused with the reason and
//! with what to write: what is accepted silently is taken to have an effect.

use super::args::Args;
use super::usage::usage;
use crate::config::quantities::written;
use crate::http::forwarded::ForwardedFields;
use crate::log::LogMode;
use clap::ArgMatches;
use clap::parser::ValueSource;

/// Refuses `args` if some of them contradict each other. `given` knows which were written.
pub(super) fn check(args: &Args, given: &ArgMatches) -> Result<(), clap::Error> {
    let found = of_forwarding(args)
        .or_else(|| of_checks(args))
        .or_else(|| of_limits(args))
        .or_else(|| of_stopping(args))
        .or_else(|| of_printing(args, given));
    match found {
        Some(text) => Err(usage(text)),
        None => Ok(()),
    }
}

fn of_forwarding(args: &Args) -> Option<String> {
    let trusts = !args.settings.trusted_proxies.is_empty();
    let text = match args.settings.forwarded {
        ForwardedFields::Off if trusts => {
            "--trusted-proxies says whose word on clients counts, and --forwarded off that \
             nothing is said of clients; leave one of them out, for example: \
             lb 8080 localhost:5001 --trusted-proxies 10.0.0.0/8"
        }
        ForwardedFields::Off if args.settings.add_forwarded => {
            "--add-forwarded says more of clients, and --forwarded off nothing; leave one of \
             them out, for example: lb 8080 localhost:5001 --add-forwarded"
        }
        ForwardedFields::Append if trusts => {
            "--forwarded append believes every client, and --trusted-proxies only some; leave \
             one of them out, for example: lb 8080 localhost:5001 --trusted-proxies 10.0.0.0/8"
        }
        _ => return None,
    };
    Some(text.into())
}

fn of_checks(args: &Args) -> Option<String> {
    let is_slow = |timeout| timeout >= args.settings.health.interval;
    if args.settings.health.timeout.is_some_and(is_slow) {
        let text = "--health-timeout is not shorter than --health-interval, so that one check would \
                    run into the next; for example: --health-interval 5s --health-timeout 2s";
        return Some(text.into());
    }
    let has_no_body = |status| matches!(status, 204 | 304);
    let mut good = args.settings.health.statuses.0.iter().cloned().flatten();
    if args.settings.health.matches.is_some() && good.all(has_no_body) {
        let text = "--health-match looks for a text in the body, and answers with the statuses of \
                    --health-status have none; for example: --health-status 2xx --health-match ok";
        return Some(text.into());
    }
    None
}

fn of_limits(args: &Args) -> Option<String> {
    let workers = args.settings.workers;
    if let Some(cores) = args.settings.cores.filter(|cores| *cores > workers) {
        return Some(format!(
            "--cores {cores} says how many of the --workers {workers} work side by side, and there \
             are no more than that; for example: --workers {cores} --cores {cores}"
        ));
    }
    let head = args.settings.limits.max_head;
    let line = args
        .settings
        .limits
        .max_request_line
        .filter(|line| *line > head)?;
    let (line, head) = (written(line as u64), written(head as u64));
    Some(format!(
        "--max-request-line {line} is more than --max-head {head}, and the line is a part of the \
         head; for example: --max-head {line} --max-request-line {line}"
    ))
}

fn of_stopping(args: &Args) -> Option<String> {
    let is_unseen = !args.settings.lame_duck.is_zero() && args.settings.ready_path.is_none();
    is_unseen.then(|| {
        "--lame-duck serves on while --ready-path says that no more clients should come, and there \
         is no --ready-path; for example: --ready-path /ready --lame-duck 10s"
            .into()
    })
}

fn of_printing(args: &Args, given: &ArgMatches) -> Option<String> {
    let is_given = given.value_source("log") == Some(ValueSource::CommandLine);
    let is_story = matches!(args.settings.log, LogMode::Story);
    (is_given && is_story && args.quiet).then(|| {
        "--log story tells of each request, and --quiet prints only warnings; leave one of them \
         out, for example: lb 8080 localhost:5001 --quiet"
            .into()
    })
}
