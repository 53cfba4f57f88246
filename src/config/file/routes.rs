//! The routes of a file. Must not know which groups there are.

use super::draft::{Reader, RouteDraft};
use super::layer::{Entry, entries, unknown};
use super::structure::{OF_ROUTE, OF_RULES, names};
use crate::config::routing::{HostPattern, PathPrefix, RouteConfig};
use crate::http::field_rules::{FieldRuleError, FieldRules};
use std::ops::Range;
use toml::Spanned;
use toml::de::DeValue;

/// Many more than anyone writes by hand; a search among them takes a microsecond.
const MOST_ROUTES: usize = 10_000;

/// In the heads of one route; each field of a message is compared with each rule.
const MOST_RULES: usize = 100;

/// Reads every `[[route]]`.
pub(super) fn read(reader: &mut Reader<'_>, entry: Entry<'_, '_>) -> Vec<RouteDraft> {
    let Some(items) = entry.value.get_ref().as_array() else {
        let label = "write a header with two brackets for each route: [[route]]".into();
        reader.wrong_type(entry.name(), entry.value.span(), label);
        return Vec::new();
    };
    if let Some(first) = items.get(MOST_ROUTES) {
        let title = format!("there are more than {MOST_ROUTES} routes");
        reader.refuse(first.span(), title, "this one is too many");
        return Vec::new();
    }
    items
        .iter()
        .filter_map(|item| route(reader, item))
        .collect()
}

fn route(reader: &mut Reader<'_>, item: &Spanned<DeValue<'_>>) -> Option<RouteDraft> {
    let Some(table) = item.get_ref().as_table() else {
        let label = "write a table, for example { path = \"/api\", group = \"shop\" }".into();
        reader.wrong_type("route", item.span(), label);
        return None;
    };
    let mut route = RouteDraft {
        config: RouteConfig::default(),
        at: item.span(),
        group_at: None,
        is_readable: true,
    };
    for entry in entries(table) {
        route_entry(reader, &mut route, entry);
    }
    let entries = entries(table);
    let find = |name| entries.iter().find(|entry| entry.name() == name);
    if find("group").is_none() {
        let label = "write group = \"NAME\", the group that gets its requests";
        reader.refuse(item.span(), "a route has no group", label);
    }
    if let Some(entry) = find("strip-prefix")
        && route.config.strip_prefix
        && find("path").is_none()
    {
        let label = "write path = \"/PREFIX\" beside it, or leave it out";
        reader.refuse(entry.key.span(), "there is no path to strip", label);
    }
    Some(route)
}

fn route_entry(reader: &mut Reader<'_>, route: &mut RouteDraft, entry: Entry<'_, '_>) {
    match entry.name() {
        "host" => {
            route.config.host = parsed(reader, entry, "\"shop.example\"", HostPattern::parse);
            route.is_readable &= route.config.host.is_some();
        }
        "path" => {
            route.config.path = parsed(reader, entry, "\"/api\"", PathPrefix::parse);
            route.is_readable &= route.config.path.is_some();
        }
        "group" => {
            if let Some(name) = reader.text("group", entry.value, "\"shop\"") {
                route.group_at = Some(name.at);
                route.config.group = name.value;
            }
        }
        "strip-prefix" => route.config.strip_prefix = reader.switch(entry).unwrap_or_default(),
        "request-headers" => {
            route.config.request_headers = rules(reader, entry, FieldRules::of_requests);
        }
        "response-headers" => {
            route.config.response_headers = rules(reader, entry, FieldRules::of_responses);
        }
        _ => unknown(&mut reader.problems, entry, "[[route]]", &names(&OF_ROUTE)),
    }
}

/// A text that the rules of routes have to take.
fn parsed<T>(
    reader: &mut Reader<'_>,
    entry: Entry<'_, '_>,
    example: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Option<T> {
    let text = reader.text(entry.name(), entry.value, example)?;
    let parsed = parse(&text.value);
    parsed
        .map_err(|reason| {
            let title = format!("`{}` has a wrong value", entry.name());
            reader.refuse(text.at, title, reason);
        })
        .ok()
}

type Check = fn(Vec<(String, String)>, Vec<String>) -> Result<FieldRules, FieldRuleError>;

/// `{ set = { NAME = "VALUE" }, remove = ["NAME"] }`; each rule is checked by itself, so that each that
/// is wrong is shown.
fn rules(reader: &mut Reader<'_>, entry: Entry<'_, '_>, check: Check) -> FieldRules {
    let Some(table) = reader.inline_table(entry) else {
        return FieldRules::default();
    };
    let (mut set, mut remove) = (Vec::new(), Vec::new());
    for entry in entries(table) {
        match entry.name() {
            "set" => set = fields_to_set(reader, entry, check),
            "remove" => remove = fields_to_remove(reader, entry, check),
            _ => {
                let place = "the rules of headers";
                unknown(&mut reader.problems, entry, place, &names(&OF_RULES));
            }
        }
    }
    if set.len() + remove.len() > MOST_RULES {
        let title = format!("there are more than {MOST_RULES} rules for the fields of one head");
        reader.refuse(entry.key.span(), title, "here");
        return FieldRules::default();
    }
    let rules = check(set, remove);
    rules.unwrap_or_else(|error| {
        refuse_rule(reader, entry.key.span(), &error);
        FieldRules::default()
    })
}

fn fields_to_set(
    reader: &mut Reader<'_>,
    entry: Entry<'_, '_>,
    check: Check,
) -> Vec<(String, String)> {
    let Some(table) = reader.inline_table(entry) else {
        return Vec::new();
    };
    let mut all = Vec::new();
    for entry in entries(table) {
        let Some(value) = reader.text(entry.name(), entry.value, "\"1\"") else {
            continue;
        };
        let rule = (entry.name().to_string(), value.value);
        match check(vec![rule.clone()], Vec::new()) {
            Ok(_) => all.push(rule),
            Err(error) => refuse_rule(reader, entry.key.span().start..value.at.end, &error),
        }
    }
    all
}

fn fields_to_remove(reader: &mut Reader<'_>, entry: Entry<'_, '_>, check: Check) -> Vec<String> {
    let mut all = Vec::new();
    for name in reader.texts(entry, "[\"X-Debug\"]") {
        match check(Vec::new(), vec![name.value.clone()]) {
            Ok(_) => all.push(name.value),
            Err(error) => refuse_rule(reader, name.at, &error),
        }
    }
    all
}

fn refuse_rule(reader: &mut Reader<'_>, at: Range<usize>, error: &FieldRuleError) {
    let title = format!(
        "`{}` may not be touched in this way",
        super::layer::excerpt(&error.name)
    );
    reader.refuse(at, title, format!("it {}", error.why));
}
