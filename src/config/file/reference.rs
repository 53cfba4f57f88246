//! The reference page of the file in Markdown: every key with what it takes, its default, its flag and
//! its help. Made from the table of keys. Must not know how files are read.

use super::keys::{self, Key, Kind, Scope, TABLES};
use super::structure::{OF_BACKEND, OF_FILE, OF_GROUP, OF_ROUTE, OF_RULES, Part};
use crate::log::json;

const INTRODUCTION: &str = "\
# The configuration file

This page is printed by `lb reference`. A file is read by `lb --config FILE`; `lb check FILE` looks for
errors in it, `lb check --print FILE` shows all that follows from it, and `lb route FILE URL` where a
request goes. `lb schema` prints a schema for editors.

A file is TOML. It has no header deeper than `[group.NAME]`: tables below that are inline. A key has
the name of its flag, and takes what the flag takes: times (`\"500ms\"`, `\"10s\"`, `\"1m\"`, `\"1h\"`), sizes
(`\"32KiB\"`, `\"10MiB\"`) and words are texts in quotes, counts and ports are numbers. A flag that is
given wins over the file, in every group. What a group does not set comes from the same key at the
top, and what is set nowhere has its default.
";

/// The page.
#[must_use]
pub fn reference() -> String {
    let mut page = INTRODUCTION.to_string();
    parts("At the top", "", &OF_FILE, &mut page);
    parts(
        "In a group: `[group.NAME]`",
        "Beside these, every setting below whose scope is *group*.",
        &OF_GROUP,
        &mut page,
    );
    parts(
        "A backend that is a table",
        "As in `{ address = \"10.0.0.2:8001\", weight = 3 }`.",
        &OF_BACKEND,
        &mut page,
    );
    parts("In a route: `[[route]]`", "", &OF_ROUTE, &mut page);
    parts(
        "Rules for fields",
        "In `request-headers` and `response-headers`. Fields that frame a message or belong to one connection may not be named.",
        &OF_RULES,
        &mut page,
    );
    settings("Settings without a table", None, &mut page);
    for table in TABLES {
        settings(&format!("`[{table}]`"), Some(table), &mut page);
    }
    json_lines(&mut page);
    page
}

fn parts(title: &str, text: &str, parts: &[Part], page: &mut String) {
    page.push_str(&format!("\n## {title}\n\n"));
    if !text.is_empty() {
        page.push_str(&format!("{text}\n\n"));
    }
    page.push_str("| key | type | default | what it is |\n|---|---|---|---|\n");
    for part in parts {
        let Part {
            name,
            kind,
            default,
            help,
        } = part;
        page.push_str(&format!(
            "| `{name}` | {kind} | {default} | {} |\n",
            cell(help)
        ));
    }
}

/// The keys of a line about a request, which is no setting but has no other page.
fn json_lines(page: &mut String) {
    page.push_str(
        "\n## A line of `--log json`\n\nEvery line is an object with these keys, in this order; \
         what there is nothing to say of is `null`. Times in `…_ms` are milliseconds since the head \
         of the request was complete, but for `reading_ms`. Texts of others are cut to a kilobyte.\n\n\
         | key | what it is |\n|---|---|\n",
    );
    for (key, help) in json::KEYS {
        page.push_str(&format!("| `{key}` | {} |\n", cell(help)));
    }
}

fn settings(title: &str, table: Option<&str>, page: &mut String) {
    page.push_str(&format!("\n## {title}\n\n"));
    page.push_str(
        "| key | type | default | scope | flag | what it is |\n|---|---|---|---|---|---|\n",
    );
    for key in keys::all().iter().filter(|key| key.table == table) {
        page.push_str(&row(key));
    }
}

fn row(key: &Key) -> String {
    let scope = match key.scope {
        Scope::Process => "process",
        Scope::Group => "group",
    };
    let default = match (key.default(), key.fallback()) {
        (Some(default), _) => format!("`{default}`"),
        (None, Some(fallback)) => fallback.into(),
        (None, None) if key.kind == Kind::Switch => "`false`".into(),
        (None, None) => "not set".into(),
    };
    let (name, flag, kind) = (key.path(), &key.flag, kind_of(&key.kind));
    let (default, help) = (cell(&default), cell(&key.whole_help()));
    format!("| `{name}` | {kind} | {default} | {scope} | `--{flag}` | {help} |\n")
}

fn kind_of(kind: &Kind) -> String {
    match kind {
        Kind::Switch => "true or false".into(),
        Kind::Count => "whole number".into(),
        Kind::Duration => "time".into(),
        Kind::Size => "size".into(),
        Kind::Word(words) => {
            let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
            keys::in_words(&words)
        }
        Kind::Text => "text".into(),
        Kind::List => "texts".into(),
    }
}

/// A text as it may stand in a cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
        .replace('*', "\\*")
        .replace('\n', " ")
}
