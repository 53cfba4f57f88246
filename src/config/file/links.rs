//! Whether what stands in a file fits together: each check looks at values that are right by
//! themselves. Must not know how they are written.

use super::draft::{Draft, GroupDraft, Placed};
use super::keys::{self, Scope};
use super::layer::{Layer, Overrides};
use super::nearest::did_you_mean;
use super::problem::Problem;
use super::value::spelled;
use crate::config::contradictions::{self, Contradiction, Spelling};
use crate::config::routing::{RouteConfig, equal_routes};
use crate::config::{BackendConfig, Listen, Settings};
use std::collections::{HashMap, HashSet};

/// Everything in the draft that does not fit together.
pub(super) fn check(draft: &Draft, settings: &Effective, overrides: &Overrides) -> Vec<Problem> {
    let checks: [fn(&Draft) -> Vec<Problem>; 6] =
        [listeners, groups, group_names, unused_groups, routes, loops];
    let found = checks.iter().flat_map(|check| check(draft));
    let contradictions = contradictions(draft, settings, overrides);
    found.chain(contradictions).collect()
}

/// The settings that follow from a draft.
#[derive(Debug)]
pub(super) struct Effective {
    pub(super) process: Settings,
    /// Of each group, in order.
    pub(super) groups: Vec<Settings>,
}

fn listeners(draft: &Draft) -> Vec<Problem> {
    if draft.listen.is_empty() && draft.has_wrong_listen {
        return Vec::new();
    }
    if draft.listen.is_empty() {
        let title = "there is nothing to listen on";
        let label = "write the port in quotes, for example listen = [\"8080\"]";
        return vec![match &draft.listen_at {
            Some(at) => Problem::new(at.clone(), title, label),
            None => Problem::missing(title, format!("{label}, above the first [header]")),
        }];
    }
    let mut problems = Vec::new();
    for (place, one) in draft.listen.iter().enumerate() {
        let mut earlier = draft.listen[..place].iter();
        if let Some(first) = earlier.find(|first| overlap(&first.value, &one.value)) {
            let title = format!("{} is listened on twice", one.value);
            let problem = Problem::new(one.at.clone(), title, "leave it out");
            problems.push(problem.beside(first.at.clone(), "it is here already"));
        }
    }
    problems
}

/// Whether both cannot be listened on: a port alone is that port of every address. For each port 0 the
/// system chooses another one.
fn overlap(one: &Listen, other: &Listen) -> bool {
    let is_same_host = match (&one.address, &other.address) {
        (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
        _ => true,
    };
    one.port == other.port && one.port != 0 && is_same_host
}

fn groups(draft: &Draft) -> Vec<Problem> {
    if draft.groups.is_empty() {
        let label = "write a header with a name and its backends below it, for example [group.shop] \
                     and backends = [\"10.0.0.1:8001\"]";
        return vec![Problem::missing("there is no group of backends", label)];
    }
    draft.groups.iter().filter_map(without_backends).collect()
}

fn without_backends(group: &GroupDraft) -> Option<Problem> {
    let at = group.backends_at.clone().unwrap_or(group.at.clone());
    if group.has_wrong_backends {
        return None;
    }
    if group.backends.is_empty() {
        let label = "write backends = [\"HOST:PORT\"], for example backends = [\"10.0.0.1:8001\"]";
        let title = format!("group {} has no backends", group.name);
        return Some(Problem::new(at, title, label));
    }
    let has_share = |one: &Placed<BackendConfig>| one.value.weight > 0;
    let title = format!("all backends of group {} have weight 0", group.name);
    let label = "give at least one of them a weight, so that requests go somewhere";
    (!group.backends.iter().any(has_share)).then(|| Problem::new(at, title, label))
}

/// TOML knows no two tables of one name; names that differ in case only are mixed up by people.
fn group_names(draft: &Draft) -> Vec<Problem> {
    let mut seen: HashMap<String, &GroupDraft> = HashMap::new();
    let mut problems = Vec::new();
    for group in &draft.groups {
        let first = seen.entry(group.name.to_ascii_lowercase()).or_insert(group);
        if first.at != group.at {
            let title = format!(
                "groups {} and {} differ in case only",
                first.name, group.name
            );
            let problem = Problem::new(group.at.clone(), title, "give it another name");
            problems.push(problem.beside(first.at.clone(), "the other one is here"));
        }
    }
    problems
}

fn unused_groups(draft: &Draft) -> Vec<Problem> {
    if draft.routes.is_empty() {
        let Some(second) = draft.groups.get(1) else {
            return Vec::new();
        };
        let title = format!("there are {} groups and no route", draft.groups.len());
        let label = "write [[route]] with host or path, and group, for each of them";
        return vec![Problem::new(second.at.clone(), title, label)];
    }
    if draft.routes.iter().any(|route| route.group_at.is_none()) {
        // That route may be the one that goes there.
        return Vec::new();
    }
    let used: HashSet<_> = draft
        .routes
        .iter()
        .map(|route| &route.config.group)
        .collect();
    let unused = draft
        .groups
        .iter()
        .filter(|group| !used.contains(&group.name));
    let problem = |group: &GroupDraft| {
        let title = format!("no route goes to group {}", group.name);
        let label = format!(
            "write [[route]] with group = \"{}\", or leave it out",
            group.name
        );
        Problem::new(group.at.clone(), title, label)
    };
    unused.map(problem).collect()
}

fn routes(draft: &Draft) -> Vec<Problem> {
    let names: HashSet<_> = draft
        .groups
        .iter()
        .map(|group| group.name.as_str())
        .collect();
    let mut problems = Vec::new();
    for route in &draft.routes {
        let group = route.config.group.as_str();
        if let Some(at) = &route.group_at
            && !names.contains(group)
        {
            let known = draft.groups.iter().take(MOST_COMPARED);
            let known = known.map(|group| group.name.as_str());
            let none = || "write a header [group.NAME] for it".to_string();
            let label = match problems.len() < super::problem::MOST_PICTURES {
                true => did_you_mean(group, known, none),
                false => none(),
            };
            let title = format!("there is no group `{}`", super::layer::excerpt(group));
            problems.push(Problem::new(at.clone(), title, label));
        }
    }
    problems.extend(equal(draft));
    problems
}

/// Names of groups among which the nearest one is looked for.
const MOST_COMPARED: usize = 100;

fn equal(draft: &Draft) -> Vec<Problem> {
    let readable: Vec<_> = draft
        .routes
        .iter()
        .filter(|route| route.is_readable)
        .collect();
    let configs: Vec<RouteConfig> = readable.iter().map(|route| route.config.clone()).collect();
    let equal = equal_routes(&configs).into_iter().map(|equal| {
        let (first, second) = (readable[equal.first], readable[equal.second]);
        let title = "two routes have the same host and the same path";
        let label = "neither is better: change it or leave it out";
        let problem = Problem::new(second.at.clone(), title, label);
        problem.beside(first.at.clone(), "the other one is here")
    });
    equal.collect()
}

/// Backends that are the balancer itself.
fn loops(draft: &Draft) -> Vec<Problem> {
    let backends = draft.groups.iter().flat_map(|group| &group.backends);
    let mut problems = Vec::new();
    for backend in backends {
        let name = &backend.value.name;
        let own = draft.listen.iter().find(|own| own.value.reaches(name));
        if let Some(own) = own {
            let title = format!("backend {name} is the balancer itself");
            let label = "it would send requests to itself for ever; write another port";
            let problem = Problem::new(backend.at.clone(), title, label);
            problems.push(problem.beside(own.at.clone(), "it listens here"));
        }
    }
    problems
}

/// How a setting is spelled in a file.
pub(super) const KEYS: Spelling = Spelling {
    spell: |flag, value| match (keys::of_flag(flag), value) {
        (Some(key), Some(value)) => format!("{} = {}", key.path(), spelled(key, value)),
        (Some(key), None) => format!("`{}`", key.path()),
        (None, _) => format!("--{flag}"),
    },
    joint: ", ",
};

/// Settings that make no sense together. One that has only no effect is fine where a group inherits
/// it, as long as another group uses it.
fn contradictions(draft: &Draft, settings: &Effective, overrides: &Overrides) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut add = |layers: &[&Layer], found: &Contradiction| {
        let at = found.flags.iter().find_map(|flag| place(layers, flag));
        let is_new = |problem: &Problem| at.is_none() || problem.at != at;
        if problems.iter().all(is_new) && (at.is_some() || problems.is_empty()) {
            problems.push(problem_of(at, found));
        }
    };
    let is_at_top = |flag: &str| overrides.has(flag) || draft.layer.has(flag);
    for found in contradictions::find(&settings.process, &is_at_top, &KEYS) {
        if scope_of(&found) == Scope::Process {
            add(&[&draft.layer], &found);
        }
    }
    let mut idle_everywhere: Option<Vec<Contradiction>> = None;
    for (group, settings) in draft.groups.iter().zip(&settings.groups) {
        let is_set = |flag: &str| is_at_top(flag) || group.layer.has(flag);
        let found = contradictions::find(settings, &is_set, &KEYS).into_iter();
        let (of_group, inherited) = found
            .filter(|found| scope_of(found) == Scope::Group)
            .partition::<Vec<_>, _>(|found| !found.is_idle || group.layer.has(found.flags[0]));
        for found in &of_group {
            add(&[&group.layer, &draft.layer], found);
        }
        idle_everywhere = Some(match idle_everywhere {
            None => inherited,
            Some(earlier) => in_both(earlier, &inherited),
        });
    }
    for found in idle_everywhere.into_iter().flatten() {
        add(&[&draft.layer], &found);
    }
    problems
}

fn in_both(earlier: Vec<Contradiction>, later: &[Contradiction]) -> Vec<Contradiction> {
    let is_there = |one: &Contradiction| later.iter().any(|other| other.flags == one.flags);
    earlier.into_iter().filter(is_there).collect()
}

/// Where a flag's key is set: the first layer wins.
fn place(layers: &[&Layer], flag: &str) -> Option<std::ops::Range<usize>> {
    let key = keys::of_flag(flag)?;
    let mut written = layers.iter().filter_map(|layer| layer.get(key));
    written.next().map(|written| written.at.clone())
}

fn scope_of(found: &Contradiction) -> Scope {
    let scope = keys::of_flag(found.flags[0]).map(|key| key.scope);
    scope.unwrap_or(Scope::Process)
}

fn problem_of(at: Option<std::ops::Range<usize>>, found: &Contradiction) -> Problem {
    let title = "settings contradict each other";
    match at {
        Some(at) => Problem::new(at, title, found.text.as_str()),
        None => Problem::missing(title, found.text.as_str()),
    }
}
