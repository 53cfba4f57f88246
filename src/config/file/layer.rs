//! The settings that one scope of a file gives, the process or a group, and the settings that follow
//! from them. Must not know groups, backends and routes.

use super::keys::{self, Key, Kind, Scope};
use super::nearest::did_you_mean;
use super::problem::{MOST_PICTURES, Problem};
use super::value::value;
use crate::config::Settings;
use clap::{Args as _, Command, FromArgMatches as _};
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The values that one scope gives, by their flags.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer(BTreeMap<&'static str, Written>);

/// A value as it was written.
#[derive(Clone, Debug)]
pub(super) struct Written {
    /// As it would be written behind the flag; of a switch `true` or `false`.
    pub(super) value: String,
    /// Where it stands.
    pub(super) at: Range<usize>,
}

/// The flags that were written on the command line. They win over the file, in every group.
#[derive(Clone, Debug, Default)]
pub struct Overrides(BTreeMap<&'static str, String>);

impl Overrides {
    /// No flags at all.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The flags among `given` that were written, and not taken from a default.
    #[must_use]
    pub fn of(given: &clap::ArgMatches) -> Self {
        let is_written = |key: &&Key| {
            let source = given.value_source(key.id());
            source == Some(clap::parser::ValueSource::CommandLine)
        };
        let written = keys::all().iter().filter(is_written);
        Self(
            written
                .map(|key| (key.flag.as_str(), raw(given, key)))
                .collect(),
        )
    }

    /// Whether this flag was written.
    pub(in crate::config) fn has(&self, flag: &str) -> bool {
        self.0.contains_key(flag)
    }

    /// The value of a flag that was written.
    pub(super) fn value(&self, key: &Key) -> Option<&str> {
        self.0.get(key.flag.as_str()).map(String::as_str)
    }
}

fn raw(given: &clap::ArgMatches, key: &Key) -> String {
    if key.kind == Kind::Switch {
        return given.get_flag(key.id()).to_string();
    }
    let values = given.get_raw(key.id()).into_iter().flatten();
    let values: Vec<_> = values.map(|value| value.to_string_lossy()).collect();
    values.join(",")
}

impl Layer {
    /// Whether it gives a value for this flag.
    pub(super) fn has(&self, flag: &str) -> bool {
        self.0.contains_key(flag)
    }

    /// What it gives for this key.
    pub(super) fn get(&self, key: &Key) -> Option<&Written> {
        self.0.get(key.flag.as_str())
    }

    /// Takes an entry of a table of keys, or of a scope itself, if it is one. The scope in which the
    /// table stands is that of `scope`.
    pub(super) fn take(
        &mut self,
        key: &'static Key,
        entry: Entry<'_, '_>,
        scope: Scope,
        problems: &mut Vec<Problem>,
    ) {
        if scope == Scope::Group && key.scope == Scope::Process {
            let title = format!("`{}` cannot be set for a group", key.path());
            problems.push(Problem::new(entry.key.span(), title, belongs_to(key)));
            return;
        }
        match value(key, entry.value) {
            Ok(value) => {
                let at = entry.key.span().start..entry.value.span().end;
                self.0.insert(&key.flag, Written { value, at });
            }
            Err(problem) => problems.push(problem),
        }
    }

    /// Takes all entries of a table of keys.
    pub(super) fn take_table(
        &mut self,
        name: &'static str,
        table: &DeTable<'_>,
        scope: Scope,
        problems: &mut Vec<Problem>,
    ) {
        for entry in entries(table) {
            match keys::find(Some(name), entry.name()) {
                Some(key) => self.take(key, entry, scope, problems),
                None => unknown(problems, entry, &format!("[{name}]"), &names(Some(name))),
            }
        }
    }
}

/// The names of all keys in a table.
pub(super) fn names(table: Option<&str>) -> Vec<&'static str> {
    let keys = keys::all().iter().filter(|key| key.table == table);
    keys.map(|key| key.name.as_str()).collect()
}

/// A key and its value, with their places.
#[derive(Clone, Copy)]
pub(super) struct Entry<'t, 's> {
    pub(super) key: &'t Spanned<toml::de::DeString<'s>>,
    pub(super) value: &'t Spanned<DeValue<'s>>,
}

impl Entry<'_, '_> {
    pub(super) fn name(&self) -> &str {
        self.key.get_ref()
    }
}

/// The entries of a table, in the order of the file.
pub(super) fn entries<'t, 's>(table: &'t DeTable<'s>) -> Vec<Entry<'t, 's>> {
    let entries = table.iter().map(|(key, value)| Entry { key, value });
    let mut entries: Vec<_> = entries.collect();
    entries.sort_by_key(|entry| entry.key.span().start);
    entries
}

/// Refuses a key that is not known in `place`, where `known` are.
pub(super) fn unknown(
    problems: &mut Vec<Problem>,
    entry: Entry<'_, '_>,
    place: &str,
    known: &[&str],
) {
    let name = entry.name();
    let title = format!("unknown key `{}` {}", excerpt(name), in_place(place));
    if problems.len() > MOST_PICTURES {
        // It is only counted.
        problems.push(Problem::new(entry.key.span(), title, ""));
        return;
    }
    let elsewhere = || match keys::of_flag(name).or_else(|| anywhere(name)) {
        Some(key) => belongs_to(key),
        None => format!("known are {}", list(known)),
    };
    let label = match keys::of_flag(name) {
        Some(key) => belongs_to(key),
        None => did_you_mean(name, known.iter().copied(), elsewhere),
    };
    problems.push(Problem::new(entry.key.span(), title, label));
}

fn in_place(place: &str) -> String {
    match place {
        "" => "at the top of the file".into(),
        place => format!("in {place}"),
    }
}

/// A name that could be long.
pub(super) fn excerpt(name: &str) -> String {
    match name.char_indices().nth(LONGEST_NAME) {
        Some((end, _)) => format!("{}…", name[..end].escape_debug()),
        None => name.escape_debug().to_string(),
    }
}

/// As much of a name as is repeated in an error.
const LONGEST_NAME: usize = 64;

/// The first of some names.
fn list(known: &[&str]) -> String {
    let mut shown: Vec<_> = known.iter().take(12).copied().collect();
    if shown.len() < known.len() {
        shown.push("…");
    }
    shown.join(", ")
}

/// A key of this name in any table.
fn anywhere(name: &str) -> Option<&'static Key> {
    let mut keys = keys::all().iter();
    keys.find(|key| key.name == name)
}

fn belongs_to(key: &Key) -> String {
    match (key.table, key.scope) {
        (Some(table), Scope::Process) => format!("write `{}` in [{table}]", key.name),
        (Some(table), Scope::Group) => {
            format!(
                "write `{0}` in [{table}], or `{table} = {{ {0} = … }}` in a group",
                key.name
            )
        }
        (None, Scope::Process) => format!("`{}` stands above the first [header]", key.name),
        (None, Scope::Group) => {
            format!(
                "`{}` stands above the first [header], or in a group",
                key.name
            )
        }
    }
}

/// Turns layers into settings.
pub(super) struct Settler(Command);

impl Settler {
    pub(super) fn new() -> Self {
        let command = Command::new("lb").no_binary_name(true);
        Self(Settings::augment_args(command))
    }

    /// The settings that follow from layers, of which an earlier one wins over a later one, and flags
    /// over all. What is nowhere has its default.
    pub(super) fn settle(&mut self, overrides: &Overrides, layers: &[&Layer]) -> Settings {
        let arguments = keys::all().iter().filter_map(|key| {
            let mut written = layers.iter().filter_map(|layer| layer.get(key));
            let written = || written.next().map(|written| written.value.as_str());
            let value = overrides.value(key).or_else(written)?;
            let is_off = match key.kind {
                Kind::Switch => value == "false",
                Kind::List => value.is_empty(),
                _ => false,
            };
            (!is_off).then(|| key.argument(value))
        });
        let arguments: Vec<_> = arguments.collect();
        let given = self.0.try_get_matches_from_mut(arguments);
        let settings = given.and_then(|given| Settings::from_arg_matches(&given));
        settings.expect("each value was checked by the parser of its flag")
    }
}
