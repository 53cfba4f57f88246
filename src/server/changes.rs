//! What a reload has changed, in a few lines for people: which backends of which group, which
//! listeners, and what cannot change without a restart. Must not know how it is put into use.

use crate::config::{Config, GroupConfig, Settings, changed_headings};

/// The differences between two configurations.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// One line each.
    pub(super) done: Vec<String>,
    /// Settings that keep their old values.
    pub(super) kept: Vec<String>,
}

impl Changes {
    /// What is different in `new`.
    pub(super) fn between(old: &Config, new: &Config) -> Self {
        let mut changes = Self::default();
        changes.of_listeners(old, new);
        changes.of_groups(old, new);
        changes.of_routes(old, new);
        changes.of_settings(&old.settings, &new.settings);
        changes
    }

    fn of_listeners(&mut self, old: &Config, new: &Config) {
        let parts = difference(&old.listen, &new.listen, ToString::to_string);
        if !parts.is_empty() {
            self.done.push(format!("listen: {}", parts.join(", ")));
        }
    }

    fn of_groups(&mut self, old: &Config, new: &Config) {
        let common = changed_headings(&old.settings, &new.settings);
        for group in &new.groups {
            match old.groups.iter().find(|one| one.name == group.name) {
                Some(before) => self.of_group(before, group, &common),
                None => {
                    let names = names(group).join(", ");
                    self.done
                        .push(format!("group {}: new: {names}", group.name));
                }
            }
        }
        let is_gone = |group: &&GroupConfig| new.groups.iter().all(|one| one.name != group.name);
        for group in old.groups.iter().filter(is_gone) {
            self.done.push(format!("group {}: removed", group.name));
        }
    }

    /// What has changed for all groups alike, as `common` has it, is not said of each.
    fn of_group(&mut self, old: &GroupConfig, new: &GroupConfig, common: &[&str]) {
        let mut parts = difference(&names(old), &names(new), Clone::clone);
        for backend in &new.backends {
            let same = old.backends.iter().find(|one| one.name == backend.name);
            let Some(before) = same else { continue };
            let name = &backend.name;
            if before.weight != backend.weight {
                parts.push(format!(
                    "{name} weight {} -> {}",
                    before.weight, backend.weight
                ));
            }
            if before.admin != backend.admin {
                parts.push(format!("{name} {}", backend.admin.word()));
            }
            if before.is_backup != backend.is_backup {
                let role = ["no backup", "a backup"][usize::from(backend.is_backup)];
                parts.push(format!("{name} is {role}"));
            }
        }
        let mut settings = changed_headings(&old.settings, &new.settings);
        settings.retain(|heading| !common.contains(heading));
        parts.extend(settings.into_iter().map(String::from));
        if !parts.is_empty() {
            let name = &new.name;
            self.done
                .push(format!("group {name}: {}", parts.join(", ")));
        }
    }

    fn of_routes(&mut self, old: &Config, new: &Config) {
        let labels = |config: &Config| -> Vec<String> {
            config.routes.iter().map(ToString::to_string).collect()
        };
        let (before, after) = (labels(old), labels(new));
        let mut parts = difference(&before, &after, Clone::clone);
        for (route, label) in new.routes.iter().zip(&after) {
            if before.contains(label) && !old.routes.contains(route) {
                parts.push(format!("{label} has other rules"));
            }
        }
        if !parts.is_empty() {
            self.done.push(format!("routes: {}", parts.join(", ")));
        }
    }

    fn of_settings(&mut self, old: &Settings, new: &Settings) {
        let changed = changed_headings(old, new);
        if !changed.is_empty() {
            self.done.push(format!("settings: {}", changed.join(", ")));
        }
        self.of_start(old, new);
    }

    /// What is decided when threads are started and memory is counted out.
    fn of_start(&mut self, old: &Settings, new: &Settings) {
        self.keep("workers", &old.workers, &new.workers);
        self.keep("cores", &old.cores, &new.cores);
        self.keep("scheduling", &old.scheduling, &new.scheduling);
        self.keep(
            "max-connections",
            &old.max_connections,
            &new.max_connections,
        );
        self.keep("max-memory", &old.max_memory, &new.max_memory);
        self.keep("the admin listener", &old.admin, &new.admin);
        let (before, after) = (old.sockets.of_clients(), new.sockets.of_clients());
        self.keep("log-file", &old.log_file, &new.log_file);
        self.keep("the sockets of clients", &before, &after);
    }

    fn keep<T: PartialEq>(&mut self, name: &str, old: &T, new: &T) {
        if old != new {
            self.kept.push(name.into());
        }
    }
}

/// The names of a group's backends.
fn names(group: &GroupConfig) -> Vec<String> {
    let all = group.backends.iter();
    all.map(|backend| backend.name.to_string()).collect()
}

/// `+` what is only in `new`, `-` what is only in `old`.
fn difference<T: PartialEq>(old: &[T], new: &[T], name: impl Fn(&T) -> String) -> Vec<String> {
    let missing = |these: &[T], those: &[T], sign: char| -> Vec<String> {
        let missing = those.iter().filter(|one| !these.contains(one));
        missing.map(|one| format!("{sign}{}", name(one))).collect()
    };
    let mut parts = missing(old, new, '+');
    parts.extend(missing(new, old, '-'));
    parts
}

/// Logs them: `what` was done. Returns what was logged of what has changed.
pub(super) fn log(what: &str, changes: &Changes) -> String {
    let text = match changes.done.as_slice() {
        [] => format!("{what}."),
        lines => format!("{what}: {}", lines.join("; ")),
    };
    log::warn!("{text}");
    if !changes.kept.is_empty() {
        let kept = changes.kept.join(", ");
        log::warn!("Not changed without a restart: {kept}.");
    }
    text
}
