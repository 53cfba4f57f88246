//! The table of keys: each one is made from the flag of the same setting, with its help, its default
//! and its parser, so that nothing is written twice. The reader of the file, the printed
//! configuration, the schema and the reference page are made from this table. Must not know files.

use crate::config::{Settings, heading};
use clap::{Arg, Args as _, Command};
use std::error::Error as _;
use std::sync::LazyLock;

/// A key of the file.
#[derive(Debug)]
pub(crate) struct Key {
    /// The table that it stands in; a key without one stands above the first header, or in a group.
    pub(crate) table: Option<&'static str>,
    /// What it is called there.
    pub(crate) name: String,
    /// The flag without its hyphens.
    pub(crate) flag: String,
    /// What its values are.
    pub(crate) kind: Kind,
    /// Where it may be set.
    pub(crate) scope: Scope,
    arg: Arg,
    /// All that `lb --help` says of the flag.
    full_help: String,
}

/// What the values of a key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `true` or `false`.
    Switch,
    /// A whole number.
    Count,
    /// A text such as `10s`, or a word that stands for none.
    Duration,
    /// A text such as `32KiB`, or a word that stands for none.
    Size,
    /// One of these.
    Word(Vec<String>),
    /// Any text that the parser takes.
    Text,
    /// An array of texts; a single one may stand alone.
    List,
}

/// Where a key may be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// For the whole process only.
    Process,
    /// For the whole process, and for a group.
    Group,
}

/// The tables of keys, in the order in which they are printed.
pub(crate) const TABLES: [&str; 7] = [
    "timeouts", "limits", "queue", "health", "sockets", "log", "admin",
];

/// The flags whose value an exchange or the checks take from the group; see `GroupConfig::settings`.
const OF_GROUPS: [&str; 27] = [
    "algorithm",
    "hash-by",
    "cookie",
    "max-in-flight",
    "max-in-flight-total",
    "queue-length",
    "queue-timeout",
    "retry-budget",
    "tries",
    "hold",
    "rescue-after",
    "on-down",
    "abort-on-close",
    "eject-after",
    "slow-start",
    "connect-timeout",
    "response-timeout",
    "body-timeout",
    "backend-idle-timeout",
    "tunnel-timeout",
    "health-path",
    "health-interval",
    "health-timeout",
    "health-status",
    "health-match",
    "health-host",
    "health-port",
];

/// Flags of checks that do not begin with `health-`.
const OF_HEALTH: [&str; 2] = ["rise", "fall"];

/// Every key, in the order of the flags in `--help`.
pub(crate) fn all() -> &'static [Key] {
    static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
        let command = Settings::augment_args(Command::new("lb"));
        command.get_arguments().filter_map(Key::of).collect()
    });
    &KEYS
}

/// The key in this table, or without one.
pub(crate) fn find(table: Option<&str>, name: &str) -> Option<&'static Key> {
    let mut keys = all().iter();
    keys.find(|key| key.table == table && key.name == name)
}

/// The key of a flag, which is written without its hyphens.
pub(crate) fn of_flag(flag: &str) -> Option<&'static Key> {
    all().iter().find(|key| key.flag == flag)
}

impl Key {
    fn of(arg: &Arg) -> Option<Self> {
        let flag = arg.get_long()?;
        let (table, name) = place(flag, arg.get_help_heading());
        let is_of_groups = OF_GROUPS.contains(&flag) || OF_HEALTH.contains(&flag);
        let short = arg.get_help().map(ToString::to_string);
        let long = arg.get_long_help().map(ToString::to_string);
        Some(Self {
            table,
            name: name.into(),
            flag: flag.into(),
            kind: Kind::of(arg),
            scope: match is_of_groups {
                true => Scope::Group,
                false => Scope::Process,
            },
            arg: arg.clone(),
            full_help: long.or(short).unwrap_or_default(),
        })
    }

    /// The table and the name: `timeouts.head`.
    pub(crate) fn path(&self) -> String {
        match self.table {
            Some(table) => format!("{table}.{}", self.name),
            None => self.name.clone(),
        }
    }

    /// The identity of its flag in what `clap` has read.
    pub(crate) fn id(&self) -> &str {
        self.arg.get_id().as_str()
    }

    /// The default as it would be written behind the flag.
    pub(crate) fn default(&self) -> Option<String> {
        let default = self.arg.get_default_values().first()?;
        match self.kind {
            Kind::Switch => None,
            _ => default.to_str().map(String::from),
        }
    }

    /// What happens when it is not set and has no default: as its help says.
    pub(crate) fn fallback(&self) -> Option<&str> {
        let (_, rest) = self.full_help.split_once("[default: ")?;
        rest.split(']').next()
    }

    /// What it is for, in one line.
    pub(crate) fn help(&self) -> String {
        let help = self.arg.get_help().map(ToString::to_string);
        let help = help.unwrap_or_default();
        help.split(" [default").next().unwrap_or_default().into()
    }

    /// All its help, in sentences.
    pub(crate) fn whole_help(&self) -> String {
        let more = self.more_help().map(|more| format!(" {more}"));
        format!("{}.{}", self.help(), more.unwrap_or_default())
    }

    /// The rest of its help.
    fn more_help(&self) -> Option<String> {
        let (_, more) = self.full_help.split_once("\n\n")?;
        let more = more.split(" [default").next().unwrap_or_default();
        let is_default = more.starts_with("[default");
        (!is_default && !more.is_empty()).then(|| more.replace('\n', " "))
    }

    /// Whether the flag takes this value; the error says why not, and shows a right one.
    pub(crate) fn check(&self, value: &str) -> Result<(), String> {
        let command = Command::new("lb").no_binary_name(true);
        let given = command.arg(self.arg.clone());
        let given = given.try_get_matches_from([self.argument(value)]);
        given.map(|_| ()).map_err(|error| self.reason(&error))
    }

    /// The flag with this value, as one argument.
    pub(crate) fn argument(&self, value: &str) -> String {
        match self.kind {
            Kind::Switch => format!("--{}", self.flag),
            _ => format!("--{}={value}", self.flag),
        }
    }

    fn reason(&self, error: &clap::Error) -> String {
        if let Kind::Word(words) = &self.kind {
            return format!("write {}", in_words(words));
        }
        let Some(reason) = error.source() else {
            return "this is no value of it".into();
        };
        let reason = reason.to_string();
        match reason.split_once(&format!("--{} ", self.flag)) {
            Some((before, example)) => format!("{before}{} = \"{example}\"", self.name),
            None => reason,
        }
    }
}

/// The table and the name of a flag's key.
fn place<'f>(flag: &'f str, heading: Option<&str>) -> (Option<&'static str>, &'f str) {
    let of_table = |table: &'static str| {
        let prefix = flag.strip_prefix(table);
        prefix.and_then(|rest| rest.strip_prefix('-'))
    };
    if let Some(name) = of_table("health") {
        return (Some("health"), name);
    }
    if let Some(name) = of_table("queue") {
        return (Some("queue"), name);
    }
    if let Some(name) = of_table("admin") {
        return (Some("admin"), name);
    }
    if let Some(name) = of_table("log") {
        return (Some("log"), name);
    }
    if let Some(name) = flag.strip_suffix("-timeout") {
        return (Some("timeouts"), name);
    }
    match heading {
        _ if OF_HEALTH.contains(&flag) => (Some("health"), flag),
        _ if flag == "log" => (Some("log"), "mode"),
        _ if flag == "admin" => (Some("admin"), "address"),
        Some(heading::ADMIN) => (Some("admin"), flag),
        Some(heading::LOGGING) => (Some("log"), flag),
        Some(heading::LIMITS) => (Some("limits"), flag),
        Some(heading::SOCKETS) => (Some("sockets"), flag),
        _ => (None, flag),
    }
}

impl Kind {
    fn of(arg: &Arg) -> Self {
        let words = arg.get_possible_values();
        let names = arg.get_value_names().and_then(<[_]>::first);
        let name = names.map_or("", |name| name.split('|').next().unwrap_or_default());
        match name {
            _ if !arg.get_action().takes_values() => Self::Switch,
            _ if !words.is_empty() => {
                Self::Word(words.iter().map(|word| word.get_name().into()).collect())
            }
            "N" | "PERCENT" | "PORT" => Self::Count,
            "TIME" => Self::Duration,
            "SIZE" => Self::Size,
            "LIST" | "CIDR" | "HOSTS" => Self::List,
            _ => Self::Text,
        }
    }
}

/// `a`, `a or b`, `a, b or c`.
pub(crate) fn in_words(words: &[String]) -> String {
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn keys_have_the_names_of_flags_and_each_name_is_there_once() {
        for (flag, path) in [
            ("head-timeout", "timeouts.head"),
            ("backend-idle-timeout", "timeouts.backend-idle"),
            ("drain-timeout", "timeouts.drain"),
            ("health-timeout", "health.timeout"),
            ("rise", "health.rise"),
            ("max-head", "limits.max-head"),
            ("burst", "limits.burst"),
            ("tcp-keep-alive", "sockets.tcp-keep-alive"),
            ("log", "log.mode"),
            ("admin", "admin.address"),
            ("admin-token-file", "admin.token-file"),
            ("probes", "admin.probes"),
            ("log-file", "log.file"),
            ("request-id", "log.request-id"),
            ("queue-timeout", "queue.timeout"),
            ("trusted-proxies", "trusted-proxies"),
            ("max-connections", "max-connections"),
        ] {
            let key = of_flag(flag).expect(flag);
            assert_eq!(key.path(), path);
            assert_eq!(find(key.table, &key.name).map(Key::path), Some(path.into()));
        }
        let paths: HashSet<_> = all().iter().map(Key::path).collect();
        assert_eq!(paths.len(), all().len());
        let tables: HashSet<_> = all().iter().filter_map(|key| key.table).collect();
        assert_eq!(tables, TABLES.into());
    }

    #[test]
    fn every_flag_of_a_group_is_one_and_every_default_is_a_value() {
        for flag in OF_GROUPS.iter().chain(&OF_HEALTH) {
            assert_eq!(of_flag(flag).expect(flag).scope, Scope::Group);
        }
        for key in all() {
            assert!(!key.help().is_empty() && !key.help().contains('['));
            match key.default() {
                Some(default) => assert_eq!(key.check(&default), Ok(()), "{}", key.path()),
                None => assert!(
                    key.kind == Kind::Switch
                        || key.kind == Kind::List
                        || key.fallback().is_some()
                        || key.arg.get_help().is_some(),
                    "{}: what holds when it is left out?",
                    key.path()
                ),
            }
        }
    }

    #[test]
    fn no_key_takes_numbers_in_quotes() {
        for key in all().iter().filter(|key| key.kind == Kind::Text) {
            let takes_words = ["/x", "path", "off", "x", "localhost:7"];
            let is_number = !takes_words.iter().any(|word| key.check(word).is_ok());
            assert!(!is_number, "{} is a number", key.path());
        }
    }

    #[test]
    fn a_wrong_value_is_refused_as_the_flag_refuses_it() {
        for (flag, value, reason) in [
            (
                "head-timeout",
                "10",
                "a time needs a unit (ms, s, m, h), for example 10s",
            ),
            ("on-down", "drop", "write keep or close"),
            ("via", "a,b", "via = \"edge-1\""),
            ("health-status", "99", "200,204 or 2xx-3xx"),
        ] {
            let error = of_flag(flag).expect(flag).check(value).expect_err(value);
            assert!(error.ends_with(reason), "{error}");
        }
    }
}
