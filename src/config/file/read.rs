//! From the text of a file to a draft: TOML first, then each key by the table of keys. All that is
//! wrong is collected, and reading goes on.

use super::draft::{Draft, Placed, Reader};
use super::keys::{self, Scope, TABLES};
use super::layer::{Entry, entries, names, unknown};
use super::problem::{Lines, Problem};
use super::structure::{OF_FILE, OF_ROUTE};
use super::{groups, routes, structure};
use crate::config::addresses;
use std::collections::HashSet;
use toml::de::DeTable;

/// Each is a socket that the accepting thread polls.
pub(super) const MOST_LISTENERS: usize = 100;

/// Reads a text. Where it is no TOML, what was found nevertheless is in the draft.
pub(super) fn read(text: &str) -> (Draft, Vec<Problem>, Syntax) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader {
        text,
        problems: Vec::new(),
    };
    let mut draft = Draft::default();
    for entry in entries(table.get_ref()) {
        root_entry(&mut reader, &mut draft, entry);
    }
    let syntax = errors.iter().map(|error| of_syntax(text, error));
    let lines = Lines::new(text);
    let syntax = first_in_lines(&lines, syntax);
    match syntax.is_empty() {
        true => (draft, reader.problems, Syntax::Valid),
        false => (
            draft,
            beside(&lines, syntax, reader.problems),
            Syntax::Broken,
        ),
    }
}

/// Whether a text is TOML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    Valid,
    Broken,
}

/// The first error of each line: those behind it mostly follow from it.
fn first_in_lines(lines: &Lines, errors: impl Iterator<Item = Problem>) -> Vec<Problem> {
    let mut seen = HashSet::new();
    let mut errors: Vec<_> = errors.collect();
    errors.sort_by_key(|error| error.at.as_ref().map(|at| at.start));
    errors.retain(|error| seen.insert(line(lines, error)));
    errors
}

fn line(lines: &Lines, problem: &Problem) -> Option<usize> {
    let at = problem.at.as_ref();
    at.map(|at| lines.of(at.start))
}

/// Errors of syntax, and those other ones that do not follow from them: what stands in the same line
/// may have been read wrongly.
fn beside(lines: &Lines, mut syntax: Vec<Problem>, others: Vec<Problem>) -> Vec<Problem> {
    let broken: HashSet<_> = syntax.iter().map(|problem| line(lines, problem)).collect();
    let counted = others.into_iter().take(super::problem::MOST_PICTURES);
    syntax.extend(counted.filter(|problem| !broken.contains(&line(lines, problem))));
    syntax
}

fn of_syntax(text: &str, error: &toml::de::Error) -> Problem {
    let at = error.span().unwrap_or(text.len()..text.len());
    let message = error.message();
    let rest = text.get(at.start..).unwrap_or_default();
    let is_end = rest.lines().next().unwrap_or_default().trim().is_empty();
    if at.is_empty() && is_end && message.starts_with("string values must be quoted") {
        return Problem::new(at, "a value is missing", "write one behind the `=`");
    }
    match message.split_once(", expected ") {
        Some((what, expected)) => Problem::new(at, what, format!("expected here: {expected}")),
        None => Problem::new(at, message, "here"),
    }
}

fn root_entry(reader: &mut Reader<'_>, draft: &mut Draft, entry: Entry<'_, '_>) {
    let name = entry.name();
    match name {
        "listen" => {
            draft.listen_at = Some(entry.key.span());
            let problems = reader.problems.len();
            draft.listen = listen(reader, entry);
            draft.has_wrong_listen = reader.problems.len() > problems;
        }
        "group" => draft.groups = groups::read(reader, entry),
        "route" => draft.routes = routes::read(reader, entry),
        _ => setting(reader, draft, entry),
    }
}

fn setting(reader: &mut Reader<'_>, draft: &mut Draft, entry: Entry<'_, '_>) {
    let (name, scope) = (entry.name(), Scope::Process);
    if let Some(table) = TABLES.into_iter().find(|table| *table == name) {
        if let Some(entries) = reader.table(entry) {
            draft
                .layer
                .take_table(table, entries, scope, &mut reader.problems);
        }
    } else if let Some(key) = keys::find(None, name) {
        draft.layer.take(key, entry, scope, &mut reader.problems);
    } else if let Some(place) = placed_elsewhere(name) {
        let title = format!("`{name}` stands in the wrong place");
        reader.refuse(entry.key.span(), title, place);
    } else {
        let known = structure::names(&OF_FILE)
            .into_iter()
            .chain(names(None))
            .chain(TABLES);
        unknown(&mut reader.problems, entry, "", &known.collect::<Vec<_>>());
    }
}

/// Where a name belongs that is known, and not at the top of a file.
fn placed_elsewhere(name: &str) -> Option<String> {
    match name {
        "backends" => Some("write it below a header with a name, for example [group.shop]".into()),
        "groups" => Some("write [group.NAME] for each group".into()),
        "routes" => Some("write [[route]] for each route".into()),
        "backend" => Some("write backends = [\"HOST:PORT\"] below [group.NAME]".into()),
        _ if structure::names(&OF_ROUTE).contains(&name) => Some("write it below [[route]]".into()),
        _ => None,
    }
}

fn listen(reader: &mut Reader<'_>, entry: Entry<'_, '_>) -> Vec<Placed<crate::config::Listen>> {
    let texts = reader.texts(entry, "[\"8080\"]");
    if let Some(first) = texts.get(MOST_LISTENERS) {
        let title = format!("there are more than {MOST_LISTENERS} addresses to listen on");
        reader.refuse(first.at.clone(), title, "this one is too many");
        return Vec::new();
    }
    let mut all = Vec::new();
    for text in texts {
        match addresses::listen(&text.value) {
            Ok(value) => all.push(Placed { value, at: text.at }),
            Err(reason) => reader.refuse(text.at, "`listen` has a wrong value", reason),
        }
    }
    all
}
