//! What an operator has changed while the balancer runs, laid over the configuration that is written. It
//! holds until the written entry of that backend changes, or the balancer ends. Must not know who asks,
//! nor how a change is put into use.

use crate::backends::{AdminState, Name};
use crate::config::{BackendConfig, Config, GroupConfig};
use arc_swap::ArcSwap;
use std::sync::Arc;

/// A change of one backend of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackendChange {
    /// What the operator wants of it.
    State(AdminState),
    /// Its share beside the weights of the others; 0 gets no new requests.
    Weight(u32),
    /// A backend that is new in the group.
    Add {
        /// Its share.
        weight: u32,
        /// Whether it is used only when no other is up.
        is_backup: bool,
    },
    /// It is a backend of the group no more.
    Remove,
}

/// The overlay that is in use, for those who show it.
pub(super) type SharedOverlay = Arc<ArcSwap<Overlay>>;

/// All that an operator has changed.
#[derive(Clone, Debug, Default)]
pub(super) struct Overlay(Vec<Laid>);

/// One backend as the operator wants it; `None` is a backend that is taken away.
#[derive(Clone, Debug)]
struct Laid {
    group: String,
    name: Name,
    wanted: Option<BackendConfig>,
    /// As it is written; `None` for a backend that the configuration does not have.
    written: Option<BackendConfig>,
}

impl Laid {
    fn is_of(&self, group: &str, name: &Name) -> bool {
        self.group == group && self.name.is_same(name)
    }
}

impl Overlay {
    /// The written configuration with all this over it.
    pub(super) fn over(&self, written: &Config) -> Config {
        let mut config = written.clone();
        for group in &mut config.groups {
            for laid in self.0.iter().filter(|laid| laid.group == group.name) {
                lay(laid, &mut group.backends);
            }
        }
        config
    }

    fn laid(&self, group: &str, name: &Name) -> Option<&Laid> {
        self.0.iter().find(|laid| laid.is_of(group, name))
    }

    /// The weight that is written, where the backend is not as it is written.
    pub(super) fn written_weight(&self, group: &str, name: &Name) -> Option<u32> {
        let laid = self.laid(group, name)?;
        let entry = laid.written.as_ref().or(laid.wanted.as_ref())?;
        Some(entry.weight)
    }

    /// The same with another change, where `now` is the group as it is with what was changed before.
    /// Nothing is left of a change that leads back to what is written.
    pub(super) fn with(
        &self,
        written: &Config,
        now: &GroupConfig,
        name: &Name,
        change: &BackendChange,
    ) -> Self {
        let mut laid = self.0.clone();
        laid.retain(|laid| !laid.is_of(&now.name, name));
        let wanted = wanted(find(now, name), name, change);
        let written = in_config(written, &now.name, name);
        if wanted.as_ref() != written {
            laid.push(Laid {
                group: now.name.clone(),
                name: name.clone(),
                wanted,
                written: written.cloned(),
            });
        }
        Self(laid)
    }

    /// What is left of it where another configuration is written: a backend whose entry has changed is as
    /// it is written now.
    pub(super) fn kept(&self, old: &Config, new: &Config) -> Self {
        let has_group = |name: &str| new.groups.iter().any(|group| group.name == name);
        let is_kept = |laid: &&Laid| {
            let entry = |config| in_config(config, &laid.group, &laid.name);
            has_group(&laid.group) && entry(old) == entry(new)
        };
        Self(self.0.iter().filter(is_kept).cloned().collect())
    }
}

fn lay(laid: &Laid, backends: &mut Vec<BackendConfig>) {
    let place = backends.iter().position(|one| one.name.is_same(&laid.name));
    match (place, &laid.wanted) {
        (Some(place), Some(wanted)) => backends[place] = wanted.clone(),
        (Some(place), None) => drop(backends.remove(place)),
        (None, Some(wanted)) => backends.push(wanted.clone()),
        (None, None) => {}
    }
}

/// The backend after a change.
fn wanted(
    now: Option<&BackendConfig>,
    name: &Name,
    change: &BackendChange,
) -> Option<BackendConfig> {
    let mut wanted = now
        .cloned()
        .unwrap_or_else(|| BackendConfig::new(name.clone()));
    match *change {
        BackendChange::State(admin) => wanted.admin = admin,
        BackendChange::Weight(weight) => wanted.weight = weight,
        BackendChange::Add { weight, is_backup } => {
            (wanted.weight, wanted.is_backup) = (weight, is_backup);
        }
        BackendChange::Remove => return None,
    }
    Some(wanted)
}

/// The entry of a backend in a group.
pub(super) fn find<'g>(group: &'g GroupConfig, name: &Name) -> Option<&'g BackendConfig> {
    let mut backends = group.backends.iter();
    backends.find(|one| one.name.is_same(name))
}

fn in_config<'c>(config: &'c Config, group: &str, name: &Name) -> Option<&'c BackendConfig> {
    let group = config.groups.iter().find(|one| one.name == group)?;
    find(group, name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Listen, Settings};

    fn name(host: &str) -> Name {
        Name {
            host: host.into(),
            port: 80,
        }
    }

    fn config(hosts: &[&str]) -> Config {
        let listen = Listen {
            address: None,
            port: 0,
        };
        let names = hosts.iter().map(|host| name(host)).collect();
        Config::of_one_group(listen, names, Vec::new(), Settings::default())
    }

    /// The overlay after these changes.
    fn changed(written: &Config, changes: &[(&str, BackendChange)]) -> Overlay {
        changes
            .iter()
            .fold(Overlay::default(), |overlay, (host, change)| {
                let now = overlay.over(written);
                overlay.with(written, &now.groups[0], &name(host), change)
            })
    }

    fn backends(config: &Config) -> Vec<(String, u32, AdminState)> {
        let all = config.groups[0].backends.iter();
        all.map(|one| (one.name.host.clone(), one.weight, one.admin))
            .collect()
    }

    const DRAIN: BackendChange = BackendChange::State(AdminState::Draining);

    #[test]
    fn changes_add_up_and_one_that_leads_back_is_none() {
        let written = config(&["a", "b"]);
        let overlay = changed(
            &written,
            &[
                ("A", DRAIN),
                ("a", BackendChange::Weight(3)),
                ("b", BackendChange::Remove),
                (
                    "c",
                    BackendChange::Add {
                        weight: 2,
                        is_backup: false,
                    },
                ),
            ],
        );
        let expected = [
            ("a".into(), 3, AdminState::Draining),
            ("c".into(), 2, AdminState::Enabled),
        ];
        assert_eq!(backends(&overlay.over(&written)), expected);
        assert!(
            overlay.laid("default", &name("a")).is_some()
                && overlay.laid("default", &name("b")).is_some()
        );
        let written_weight = |host: &str| overlay.written_weight("default", &name(host));
        assert_eq!(
            ["a", "c", "d"].map(written_weight),
            [Some(1), Some(2), None]
        );
        let back = changed(
            &written,
            &[
                ("a", DRAIN),
                ("a", BackendChange::State(AdminState::Enabled)),
            ],
        );
        assert!(back.laid("default", &name("a")).is_none());
    }

    #[test]
    fn a_reload_keeps_what_was_changed_of_backends_whose_entry_is_the_same() {
        let written = config(&["a", "b"]);
        let overlay = changed(&written, &[("a", DRAIN), ("b", BackendChange::Weight(5))]);
        let mut new = config(&["c", "b", "a"]);
        new.groups[0].backends[1].weight = 2;
        let kept = overlay.kept(&written, &new);
        let expected = [
            ("c".into(), 1, AdminState::Enabled),
            ("b".into(), 2, AdminState::Enabled),
            ("a".into(), 1, AdminState::Draining),
        ];
        assert_eq!(backends(&kept.over(&new)), expected);
        new.groups[0].name = "other".into();
        assert!(
            overlay
                .kept(&written, &new)
                .laid("default", &name("a"))
                .is_none()
        );
    }
}
