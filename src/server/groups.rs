//! From the groups of a configuration to groups of backends: new ones, or those that are there already
//! with other members. A backend is known by its group and its name.

use crate::backends::health::Health;
use crate::backends::{Backend, Backends, Member, Name};
use crate::config::{BackendConfig, Config, Group, GroupConfig};
use crate::net::conn::Conn;
use std::collections::HashMap;
use std::sync::Arc;

/// What follows from a configuration, before it is in use.
pub(super) struct Plan {
    pub(super) groups: Vec<PlannedGroup>,
}

/// A group that is about to be used.
pub(super) struct PlannedGroup {
    pub(super) group: Arc<Group>,
    /// Its backends are there already, and become these.
    members: Option<Vec<Member<Conn>>>,
    /// The backends that are new in it.
    pub(super) added: Vec<Arc<Backend<Conn>>>,
    all: Vec<Arc<Backend<Conn>>>,
}

impl Plan {
    /// Every backend of every group.
    pub(super) fn backends(&self) -> Vec<Arc<Backend<Conn>>> {
        let all = self.groups.iter().flat_map(|group| &group.all);
        all.cloned().collect()
    }

    /// Gives the groups that remain their new members.
    pub(super) fn put_into_use(self) {
        for mut planned in self.groups {
            let group = &planned.group;
            let health = &group.settings.health;
            group.backends.set_thresholds(health.rise, health.fall);
            if let Some(members) = planned.members.take() {
                group
                    .backends
                    .replace(members, group.settings.choice.policy());
            }
        }
    }

    /// The groups themselves.
    pub(super) fn groups(&self) -> Vec<Arc<Group>> {
        let groups = self.groups.iter();
        groups.map(|planned| Arc::clone(&planned.group)).collect()
    }
}

/// What follows from `config` where these groups are in use. With `is_observed`, what happens in them is
/// counted.
pub(super) fn plan(config: &Config, old: &[Arc<Group>], is_observed: bool) -> Plan {
    let planned = |new: &GroupConfig| {
        let same = old.iter().find(|group| group.name == new.name);
        plan_group(new, same, is_observed)
    };
    Plan {
        groups: config.groups.iter().map(planned).collect(),
    }
}

fn plan_group(config: &GroupConfig, old: Option<&Arc<Group>>, is_observed: bool) -> PlannedGroup {
    let known = old.map(|old| old.backends.all());
    let known = known.iter().flat_map(|all| all.iter());
    let known: HashMap<Name, _> = known.map(|one| (one.name.normalized(), one)).collect();
    let mut added = Vec::new();
    let mut members = Vec::new();
    for configured in &config.backends {
        let backend = match known.get(&configured.name.normalized()) {
            Some(same) => Arc::clone(same),
            None => {
                let new = new_backend(configured, config, is_observed);
                added.push(Arc::clone(&new));
                new
            }
        };
        members.push(member(backend, configured));
    }
    let all = members.iter().map(|one| Arc::clone(&one.backend));
    let all = all.collect();
    let (backends, members) = match old {
        Some(old) => (Arc::clone(&old.backends), Some(members)),
        None => (
            Backends::new(members, config.settings.choice.policy()),
            None,
        ),
    };
    let group = Arc::new(Group {
        name: config.name.clone(),
        settings: config.settings.clone(),
        backends,
        metrics: match old {
            Some(old) => old.metrics.clone(),
            None => is_observed.then(Arc::default),
        },
    });
    PlannedGroup {
        group,
        members,
        added,
        all,
    }
}

fn new_backend(
    configured: &BackendConfig,
    group: &GroupConfig,
    is_observed: bool,
) -> Arc<Backend<Conn>> {
    let health = Health::new(group.settings.health.rise, group.settings.health.fall);
    let backend = Backend::new(configured.name.clone(), health);
    Arc::new(match is_observed {
        true => backend.observed(),
        false => backend,
    })
}

fn member(backend: Arc<Backend<Conn>>, configured: &BackendConfig) -> Member<Conn> {
    Member {
        backend,
        weight: configured.weight,
        is_backup: configured.is_backup,
        admin: configured.admin,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Listen, Settings};

    fn config(ports: &[u16]) -> Config {
        let name = |port: &u16| Name {
            host: "127.0.0.1".into(),
            port: *port,
        };
        let listen = Listen {
            address: None,
            port: 0,
        };
        let names = ports.iter().map(name).collect();
        Config::of_one_group(listen, names, Vec::new(), Settings::default())
    }

    #[test]
    fn what_is_counted_stays_with_its_group_and_its_backend_through_a_reload() {
        let groups = plan(&config(&[1, 2]), &[], true).groups();
        let counted = |group: &Group, place: usize| {
            let metrics = group.backends.all()[place].metrics.clone();
            metrics.expect("it is counted")
        };
        counted(&groups[0], 1).attempts.add(5);
        let ended = &groups[0].metrics.as_ref().expect("it is counted").ended;
        ended.add(7);
        let reloaded = plan(&config(&[2, 3]), &groups, true);
        let after = reloaded.groups();
        reloaded.put_into_use();
        assert_eq!(counted(&after[0], 0).attempts.read(), 5);
        assert_eq!(counted(&after[0], 1).attempts.read(), 0);
        let metrics = after[0].metrics.as_ref().expect("it is counted");
        assert_eq!(metrics.ended.read(), 7);
    }

    #[test]
    fn nothing_is_counted_unless_that_was_asked_for() {
        let groups = plan(&config(&[1]), &[], false).groups();
        assert!(groups[0].metrics.is_none() && groups[0].backends.all()[0].metrics.is_none());
    }
}
