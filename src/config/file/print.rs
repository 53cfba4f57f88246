//! The whole configuration as TOML: each key with the value that holds, and where it comes from. What
//! is printed is again a file, with the same meaning. Must not know how files are read.

use super::draft::{Draft, GroupDraft};
use super::keys::{self, Key, Kind, Scope, TABLES};
use super::layer::{Layer, Overrides};
use super::links::{Effective, KEYS};
use super::problem::Lines;
use super::value::{quoted, spelled};
use crate::backends::{AdminState, Name};
use crate::config::routing::RouteConfig;
use crate::config::{BackendConfig, Listen, Settings, contradictions};
use crate::http::field_rules::FieldRules;

/// What a configuration is printed from.
pub(super) struct Printer<'p> {
    pub(super) draft: &'p Draft,
    pub(super) effective: &'p Effective,
    pub(super) overrides: &'p Overrides,
    pub(super) lines: &'p Lines,
}

impl Printer<'_> {
    /// The configuration as TOML.
    pub(super) fn print(&self) -> String {
        let mut out = String::new();
        self.top(&mut out);
        for (group, settings) in self.draft.groups.iter().zip(&self.effective.groups) {
            self.group(group, settings, &mut out);
        }
        for route in &self.draft.routes {
            let line = self.lines.of(route.at.start);
            out.push_str(&format!("\n[[route]]  # line {line}\n"));
            write_route(&route.config, &mut out);
        }
        out
    }

    fn top(&self, out: &mut String) {
        let listen = self.draft.listen.iter();
        let listen: Vec<_> = listen.map(|one| quoted(&address(&one.value))).collect();
        let at = self.draft.listen_at.as_ref();
        let line = at.map_or(1, |at| self.lines.of(at.start));
        out.push_str(&format!(
            "listen = [{}]  # line {line}\n",
            listen.join(", ")
        ));
        let idle = idle(&self.effective.process);
        for key in keys::all().iter().filter(|key| key.table.is_none()) {
            out.push_str(&self.at_top(key, &key.name, &idle));
        }
        for table in TABLES {
            out.push_str(&format!("\n[{table}]\n"));
            for key in keys::all().iter().filter(|key| key.table == Some(table)) {
                out.push_str(&self.at_top(key, &key.name, &idle));
            }
        }
    }

    /// The line of a key that holds for the whole process.
    fn at_top(&self, key: &Key, name: &str, idle: &[&str]) -> String {
        let is_idle = idle.contains(&key.flag.as_str());
        if let Some(value) = self.overrides.value(key) {
            return line(key, name, Some(value), "flag", Shown::AsKey);
        }
        if let Some(written) = self.draft.layer.get(key) {
            let origin = format!("line {}", self.lines.of(written.at.start));
            return line(key, name, Some(&written.value), &origin, Shown::AsKey);
        }
        line(key, name, None, "default", Shown::unless(is_idle))
    }

    fn group(&self, group: &GroupDraft, settings: &Settings, out: &mut String) {
        let line = self.lines.of(group.at.start);
        out.push_str(&format!(
            "\n[group.{}]  # line {line}\nbackends = [\n",
            group.name
        ));
        for backend in &group.backends {
            let line = self.lines.of(backend.at.start);
            let backend = backend_of(&backend.value);
            out.push_str(&format!("    {backend},  # line {line}\n"));
        }
        out.push_str("]\n");
        let idle = idle(settings);
        let keys = keys::all().iter();
        for key in keys.filter(|key| key.scope == Scope::Group) {
            out.push_str(&self.in_group(key, &group.layer, &idle));
        }
    }

    /// The line of a key that holds for a group. What it inherits without an effect is a comment.
    fn in_group(&self, key: &Key, layer: &Layer, idle: &[&str]) -> String {
        let name = key.path();
        let is_idle = idle.contains(&key.flag.as_str());
        let shown = Shown::unless(is_idle);
        if let Some(value) = self.overrides.value(key) {
            return line(key, &name, Some(value), "flag", shown);
        }
        if let Some(written) = layer.get(key) {
            let origin = format!("line {}", self.lines.of(written.at.start));
            return line(key, &name, Some(&written.value), &origin, Shown::AsKey);
        }
        let Some(written) = self.draft.layer.get(key) else {
            return line(key, &name, None, "default", shown);
        };
        let place = key.table.map_or("top".into(), |table| format!("[{table}]"));
        let origin = format!("{place}, line {}", self.lines.of(written.at.start));
        line(key, &name, Some(&written.value), &origin, shown)
    }
}

/// How a line is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    AsKey,
    /// It has no effect where it stands, which a file may not say.
    AsComment,
}

impl Shown {
    fn unless(is_idle: bool) -> Self {
        match is_idle {
            true => Self::AsComment,
            false => Self::AsKey,
        }
    }
}

/// The flags that have no effect beside these settings, were they set.
fn idle(settings: &Settings) -> Vec<&'static str> {
    let found = contradictions::find(settings, &|_| true, &KEYS).into_iter();
    let idle = found.filter(|found| found.is_idle);
    idle.map(|found| found.flags[0]).collect()
}

/// The line of a key. Without a value it has its default, or is not set.
fn line(key: &Key, name: &str, value: Option<&str>, origin: &str, shown: Shown) -> String {
    let default = key.default();
    let nothing = match key.kind {
        Kind::Switch => Some("false"),
        Kind::List => Some(""),
        _ => None,
    };
    let Some(value) = value.or(default.as_deref()).or(nothing) else {
        let fallback = key.fallback().unwrap_or("not set");
        return format!("# {name}: {fallback}  # {origin}\n");
    };
    let value = spelled(key, value);
    match shown {
        Shown::AsKey => format!("{name} = {value}  # {origin}\n"),
        Shown::AsComment => format!("# {name} = {value}  # {origin}, without effect here\n"),
    }
}

/// Where to listen, as it is written in a file.
fn address(listen: &Listen) -> String {
    match listen.address {
        Some(_) => listen.to_string(),
        None => listen.port.to_string(),
    }
}

fn backend_of(backend: &BackendConfig) -> String {
    let mut all = format!("{{ address = {}", quoted(&name_of(&backend.name)));
    if backend.weight != 1 {
        all.push_str(&format!(", weight = {}", backend.weight));
    }
    if backend.is_backup {
        all.push_str(", backup = true");
    }
    if backend.admin != AdminState::Enabled {
        all.push_str(&format!(", state = {}", quoted(backend.admin.word())));
    }
    all.push_str(" }");
    all
}

/// A backend's name, as it was written: an empty host stays one, which takes no look-up.
fn name_of(name: &Name) -> String {
    match name.host.is_empty() {
        true => format!(":{}", name.port),
        false => name.to_string(),
    }
}

fn write_route(route: &RouteConfig, out: &mut String) {
    let mut line = |name: &str, value: String| {
        out.push_str(&format!("{name} = {value}\n"));
    };
    if let Some(host) = &route.host {
        line("host", quoted(&host.to_string()));
    }
    if let Some(path) = &route.path {
        line("path", quoted(&path.to_string()));
    }
    line("group", quoted(&route.group));
    line("strip-prefix", route.strip_prefix.to_string());
    for (name, rules) in [
        ("request-headers", &route.request_headers),
        ("response-headers", &route.response_headers),
    ] {
        if !rules.is_empty() {
            line(name, rules_of(rules));
        }
    }
}

fn rules_of(rules: &FieldRules) -> String {
    let set = rules
        .set()
        .map(|(name, value)| format!("{} = {}", quoted(name), quoted(value)));
    let set: Vec<_> = set.collect();
    let remove: Vec<_> = rules.removed().map(quoted).collect();
    let (set, remove) = (set.join(", "), remove.join(", "));
    format!("{{ set = {{ {set} }}, remove = [{remove}] }}")
}
