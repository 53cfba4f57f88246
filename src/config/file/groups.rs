//! The groups of a file and their backends. Must not know routes.

use super::draft::{GroupDraft, Placed, Reader};
use super::keys::{self, Scope, TABLES};
use super::layer::{Entry, Layer, entries, excerpt, names, unknown};
use super::problem::Problem;
use super::structure::{self, OF_BACKEND, OF_GROUP};
use crate::backends::member::MAX_WEIGHT;
use crate::backends::{AdminState, Name};
use crate::config::{BackendConfig, addresses};
use std::collections::HashMap;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// More groups than any one balancer serves; each has its checks and its settings.
const MOST_GROUPS: usize = 1000;

/// In all groups together: a check of each every five seconds is 2,000 a second.
const MOST_BACKENDS: usize = 10_000;

/// Names of groups are repeated in logs and metrics.
const LONGEST_GROUP_NAME: usize = 64;

/// How many more backends there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    Left(usize),
    Exceeded,
}

impl Room {
    /// The backends of a range, if there is room for them.
    fn take(&mut self, range: &addresses::Range) -> Option<Vec<Name>> {
        let Room::Left(left) = *self else {
            return None;
        };
        let names: Vec<_> = range.names().take(left + 1).collect();
        let rest = left.checked_sub(names.len());
        *self = rest.map_or(Room::Exceeded, Room::Left);
        rest.map(|_| names)
    }
}

pub(super) const STATES: [AdminState; 3] = [
    AdminState::Enabled,
    AdminState::Draining,
    AdminState::Disabled,
];

/// Reads `[group.NAME]` for every name.
pub(super) fn read(reader: &mut Reader<'_>, entry: Entry<'_, '_>) -> Vec<GroupDraft> {
    let Some(table) = reader.table(entry) else {
        return Vec::new();
    };
    let groups = entries(table);
    if let Some(first) = groups.get(MOST_GROUPS) {
        let title = format!("there are more than {MOST_GROUPS} groups");
        reader.refuse(first.key.span(), title, "this one is too many");
        return Vec::new();
    }
    let mut all = Vec::new();
    let mut room = Room::Left(MOST_BACKENDS);
    for entry in groups {
        all.extend(group(reader, entry, &mut room));
    }
    all
}

fn group(reader: &mut Reader<'_>, entry: Entry<'_, '_>, room: &mut Room) -> Option<GroupDraft> {
    let (name, at) = (entry.name(), entry.key.span());
    let is_of_group =
        structure::names(&OF_GROUP).contains(&name) || keys::find(None, name).is_some();
    if is_of_group && !entry.value.get_ref().is_table() {
        let title = format!("`{name}` stands outside of a group");
        reader.refuse(
            at,
            title,
            "write it below a header with a name, for example [group.shop]",
        );
        return None;
    }
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if name.is_empty() || name.len() > LONGEST_GROUP_NAME || !name.bytes().all(is_allowed) {
        let title = format!("`{}` is no name of a group", excerpt(name));
        let label = format!("write up to {LONGEST_GROUP_NAME} letters, digits, `-` and `_`");
        reader.refuse(at.clone(), title, label);
    }
    let table = reader.table(entry)?;
    let mut group = GroupDraft {
        name: name.into(),
        at,
        layer: Layer::default(),
        backends: Vec::new(),
        backends_at: None,
        has_wrong_backends: false,
    };
    for entry in entries(table) {
        group_entry(reader, &mut group, entry, room);
    }
    Some(group)
}

fn group_entry(
    reader: &mut Reader<'_>,
    group: &mut GroupDraft,
    entry: Entry<'_, '_>,
    room: &mut Room,
) {
    let name = entry.name();
    if name == "backends" {
        group.backends_at = Some(entry.key.span());
        let problems = reader.problems.len();
        group.backends = backends(reader, entry, room);
        group.has_wrong_backends = reader.problems.len() > problems;
    } else if let Some(table) = TABLES.into_iter().find(|table| *table == name) {
        if let Some(entries) = reader.inline_table(entry) {
            let scope = Scope::Group;
            group
                .layer
                .take_table(table, entries, scope, &mut reader.problems);
        }
    } else if let Some(key) = keys::find(None, name) {
        group
            .layer
            .take(key, entry, Scope::Group, &mut reader.problems);
    } else {
        unknown(&mut reader.problems, entry, &place_of(group), &known());
    }
}

fn place_of(group: &GroupDraft) -> String {
    format!("[group.{}]", excerpt(&group.name))
}

/// Every name that may stand in a group.
fn known() -> Vec<&'static str> {
    let of_groups =
        |name: &&str| keys::find(None, name).is_some_and(|key| key.scope == Scope::Group);
    let keys = names(None).into_iter().filter(of_groups);
    structure::names(&OF_GROUP)
        .into_iter()
        .chain(keys)
        .chain(TABLES)
        .collect()
}

/// The backends of a group, ranges spread out; none twice.
fn backends(
    reader: &mut Reader<'_>,
    entry: Entry<'_, '_>,
    room: &mut Room,
) -> Vec<Placed<BackendConfig>> {
    let Some(items) = entry.value.get_ref().as_array() else {
        let label = "write an array, for example [\"10.0.0.1:8001\", \"10.0.0.2:8001\"]";
        reader.wrong_type(entry.name(), entry.value.span(), label.into());
        return Vec::new();
    };
    let mut all = Vec::new();
    let mut seen = HashMap::new();
    for item in items.iter() {
        if *room == Room::Exceeded {
            break;
        }
        for backend in spread(reader, item, room) {
            let name = backend.value.name.normalized();
            match seen.get(&name) {
                Some(first) => reader.problems.push(twice(&backend, first)),
                None => {
                    seen.insert(name, backend.at.clone());
                    all.push(backend);
                }
            }
        }
    }
    all
}

fn twice(backend: &Placed<BackendConfig>, first: &Range<usize>) -> Problem {
    let title = format!("backend {} is twice in its group", backend.value.name);
    let problem = Problem::new(backend.at.clone(), title, "leave it out");
    match *first == backend.at {
        true => problem,
        false => problem.beside(first.clone(), "it is here already"),
    }
}

/// The backends that one item of the array stands for.
fn spread(
    reader: &mut Reader<'_>,
    item: &Spanned<DeValue<'_>>,
    room: &mut Room,
) -> Vec<Placed<BackendConfig>> {
    let (template, address) = match item.get_ref() {
        DeValue::Table(_) if reader.has_header(item) => {
            let label = "write backends = [{ address = … }, …], without headers of their own";
            reader.refuse(item.span(), "the header of a backend is too deep", label);
            return Vec::new();
        }
        DeValue::Table(table) => {
            let Some(read) = backend_table(reader, item.span(), table) else {
                return Vec::new();
            };
            read
        }
        _ => match reader.text("backends", item, "\"10.0.0.1:8001\"") {
            Some(address) => (template(), address),
            None => return Vec::new(),
        },
    };
    let range = match addresses::backends(&address.value) {
        Ok(range) => range,
        Err(reason) => {
            let title = format!("`{}` is no backend", excerpt(&address.value));
            reader.refuse(address.at, title, reason);
            return Vec::new();
        }
    };
    let Some(names) = room.take(&range) else {
        let title = format!("there are more than {MOST_BACKENDS} backends");
        reader.refuse(address.at, title, "here it becomes too many");
        return Vec::new();
    };
    let placed = |name| Placed {
        value: BackendConfig {
            name,
            ..template.clone()
        },
        at: address.at.clone(),
    };
    names.into_iter().map(placed).collect()
}

/// A backend whose name is still to come.
fn template() -> BackendConfig {
    BackendConfig::new(Name {
        host: String::new(),
        port: 0,
    })
}

/// `{ address = "…", weight = 3, backup = true, state = "draining" }`.
fn backend_table(
    reader: &mut Reader<'_>,
    at: Range<usize>,
    table: &DeTable<'_>,
) -> Option<(BackendConfig, Placed<String>)> {
    let mut backend = template();
    let (mut address, mut has_address) = (None, false);
    for entry in entries(table) {
        match entry.name() {
            "address" => {
                has_address = true;
                address = reader.text("address", entry.value, "\"10.0.0.1:8001\"");
            }
            "weight" => backend.weight = weight(reader, entry).unwrap_or(backend.weight),
            "backup" => backend.is_backup = reader.switch(entry).unwrap_or_default(),
            "state" => backend.admin = state(reader, entry).unwrap_or_default(),
            _ => unknown(
                &mut reader.problems,
                entry,
                "a backend",
                &structure::names(&OF_BACKEND),
            ),
        }
    }
    if !has_address {
        let label = "write address = \"HOST:PORT\", for example { address = \"10.0.0.1:8001\" }";
        reader.refuse(at, "a backend has no address", label);
    }
    address.map(|address| (backend, address))
}

fn weight(reader: &mut Reader<'_>, entry: Entry<'_, '_>) -> Option<u32> {
    let DeValue::Integer(number) = entry.value.get_ref() else {
        let label = "write a whole number without quotes, for example 3".into();
        reader.wrong_type("weight", entry.value.span(), label);
        return None;
    };
    let weight = u32::from_str_radix(number.as_str(), number.radix()).ok();
    let weight = weight.filter(|weight| *weight <= MAX_WEIGHT);
    if weight.is_none() {
        let label = format!("write a whole number from 0 to {MAX_WEIGHT}, for example 3");
        reader.refuse(entry.value.span(), "`weight` has a wrong value", label);
    }
    weight
}

fn state(reader: &mut Reader<'_>, entry: Entry<'_, '_>) -> Option<AdminState> {
    let word = reader.text("state", entry.value, "\"draining\"")?;
    let state = STATES.into_iter().find(|state| state.word() == word.value);
    if state.is_none() {
        let label = "write enabled, draining or disabled";
        reader.refuse(word.at, "`state` has a wrong value", label);
    }
    state
}
