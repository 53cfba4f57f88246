//! Which settings differ between two configurations, by the headings of `lb --help`. Must not know what
//! the answer is for.

use super::{Settings, heading};

/// The headings under which `old` and `new` differ, in the order of `lb --help`, without what some have
/// in brackets.
#[must_use]
pub fn changed_headings(old: &Settings, new: &Settings) -> Vec<&'static str> {
    let differs = [
        (heading::LISTENING, of_threads(old) != of_threads(new)),
        (heading::CHOICE, old.choice != new.choice),
        (heading::LIMITS, old.limits != new.limits),
        (heading::TIMEOUTS, old.timeouts != new.timeouts),
        (heading::STOPPING, of_stopping(old) != of_stopping(new)),
        (heading::SOCKETS, old.sockets != new.sockets),
        (heading::FAILURES, of_failures(old) != of_failures(new)),
        (heading::HEALTH, old.health != new.health),
        (heading::NAMES, old.resolve_interval != new.resolve_interval),
        (
            heading::FORWARDING,
            of_forwarding(old) != of_forwarding(new),
        ),
        (heading::LOGGING, of_logging(old) != of_logging(new)),
        (heading::ADMIN, old.admin != new.admin),
    ];
    let differs = differs.into_iter().filter(|(_, differs)| *differs);
    let short = |heading: &'static str| heading.split(" (").next().unwrap_or(heading);
    differs.map(|(heading, _)| short(heading)).collect()
}

fn of_threads(of: &Settings) -> impl PartialEq {
    let most = (of.max_connections, of.max_memory);
    (of.workers, of.cores, most, of.scheduling)
}

fn of_stopping(of: &Settings) -> impl PartialEq {
    (of.lame_duck, of.ready_path.clone())
}

fn of_failures(of: &Settings) -> impl PartialEq {
    let retries = (of.hold, of.tries, of.retry_budget, of.rescue_after);
    (retries, of.on_down, of.abort_on_close)
}

fn of_forwarding(of: &Settings) -> impl PartialEq {
    let fields = (of.forwarded, of.add_forwarded, of.via.clone());
    (fields, of.trusted_proxies.clone())
}

fn of_logging(of: &Settings) -> impl PartialEq {
    let ids = (of.request_id, of.traceparent);
    (of.log, of.log_file.clone(), ids)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file::keys::{self, Key};
    use clap::{Args as _, Command, FromArgMatches as _};

    /// A value that is not the default.
    fn another(key: &Key) -> &'static str {
        let values = ["7", "17s", "17KiB", "/x7", "x7", "10.0.0.0/8", "204"];
        let words = [
            "path", "hash", "batch", "close", "append", "access", "haproxy", ":7", "off",
        ];
        let mut all = values.into_iter().chain(words);
        let fits =
            |value: &&str| key.check(value).is_ok() && key.default().as_deref() != Some(value);
        all.find(fits).expect("one of them is right")
    }

    #[test]
    fn every_flag_makes_one_difference() {
        let command = Settings::augment_args(Command::new("lb").no_binary_name(true));
        for key in keys::all() {
            let given = command
                .clone()
                .try_get_matches_from([key.argument(another(key))]);
            let changed = Settings::from_arg_matches(&given.expect("right")).expect("right");
            let headings = changed_headings(&Settings::default(), &changed);
            assert_eq!(headings.len(), 1, "{}: {headings:?}", key.path());
        }
        let same = changed_headings(&Settings::default(), &Settings::default());
        assert_eq!(same, [""; 0]);
    }
}
