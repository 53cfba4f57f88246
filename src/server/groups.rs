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

/// What follows from `config` where these groups are in use.
pub(super) fn plan(config: &Config, old: &[Arc<Group>]) -> Plan {
    let planned = |new: &GroupConfig| {
        let same = old.iter().find(|group| group.name == new.name);
        plan_group(new, same)
    };
    Plan {
        groups: config.groups.iter().map(planned).collect(),
    }
}

fn plan_group(config: &GroupConfig, old: Option<&Arc<Group>>) -> PlannedGroup {
    let known = old.map(|old| old.backends.all());
    let known = known.iter().flat_map(|all| all.iter());
    let known: HashMap<Name, _> = known.map(|one| (one.name.normalized(), one)).collect();
    let mut added = Vec::new();
    let mut members = Vec::new();
    for configured in &config.backends {
        let backend = match known.get(&configured.name.normalized()) {
            Some(same) => Arc::clone(same),
            None => {
                let new = new_backend(configured, config);
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
    });
    PlannedGroup {
        group,
        members,
        added,
        all,
    }
}

fn new_backend(configured: &BackendConfig, group: &GroupConfig) -> Arc<Backend<Conn>> {
    let health = Health::new(group.settings.health.rise, group.settings.health.fall);
    Arc::new(Backend::new(configured.name.clone(), health))
}

fn member(backend: Arc<Backend<Conn>>, configured: &BackendConfig) -> Member<Conn> {
    Member {
        backend,
        weight: configured.weight,
        is_backup: configured.is_backup,
        admin: configured.admin,
    }
}
