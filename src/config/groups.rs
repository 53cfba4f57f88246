//! A whole configuration: where to listen, and which groups of backends there are. Must not know
//! whether it was written on a command line or in a file.

use super::routing::{EqualRoutes, RouteConfig, Routes};
use super::{Listen, Settings};
use crate::backends::{AdminState, Name};
use std::path::PathBuf;

/// The name of the group that a command line describes.
pub const ONLY_GROUP: &str = "default";

/// A whole configuration.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Where to listen.
    pub listen: Vec<Listen>,
    /// The settings of the process. A group has its own copy of those that it may set for itself.
    pub settings: Settings,
    /// The groups of backends, at least one.
    pub groups: Vec<GroupConfig>,
    /// Which group a request goes to, as it is written; see [`Self::effective_routes`].
    pub routes: Vec<RouteConfig>,
    /// The file in which all this is written; `None` if a command line says it.
    pub file: Option<PathBuf>,
}

/// A group of backends.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupConfig {
    /// What it is called; each name is there once.
    pub name: String,
    /// The backends, in the order of their turns.
    pub backends: Vec<BackendConfig>,
    /// The settings that hold for this group.
    pub settings: Settings,
}

/// One backend of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendConfig {
    /// Host and port.
    pub name: Name,
    /// Its share of the requests, beside the weights of the others; 0 gets no new requests.
    pub weight: u32,
    /// Whether it is used only when no other of its group is up.
    pub is_backup: bool,
    /// What the operator wants of it.
    pub admin: AdminState,
}

impl BackendConfig {
    /// A backend with an ordinary share.
    #[must_use]
    pub fn new(name: Name) -> Self {
        Self {
            name,
            weight: 1,
            is_backup: false,
            admin: AdminState::default(),
        }
    }

    /// The same as a backup.
    #[must_use]
    pub fn as_backup(self) -> Self {
        Self {
            is_backup: true,
            ..self
        }
    }
}

impl Config {
    /// What a command line says: one group, with these backends and backups.
    #[must_use]
    pub fn of_one_group(
        listen: Listen,
        backends: Vec<Name>,
        backups: Vec<Name>,
        settings: Settings,
    ) -> Self {
        let regular = backends.into_iter().map(BackendConfig::new);
        let backups = backups.into_iter().map(BackendConfig::new);
        let group = GroupConfig {
            name: ONLY_GROUP.into(),
            backends: regular
                .chain(backups.map(BackendConfig::as_backup))
                .collect(),
            settings: settings.clone(),
        };
        Self {
            listen: vec![listen],
            settings,
            groups: vec![group],
            routes: Vec::new(),
            file: None,
        }
    }

    /// The routes; where none is written, one that sends every request to the first group.
    #[must_use]
    pub fn effective_routes(&self) -> Vec<RouteConfig> {
        if !self.routes.is_empty() {
            return self.routes.clone();
        }
        let first = self.groups.first();
        first
            .map(|group| RouteConfig::to_group(&group.name))
            .into_iter()
            .collect()
    }

    /// The same, ready for the search.
    pub fn route_table(&self) -> Result<Routes, EqualRoutes> {
        Routes::new(self.effective_routes())
    }

    /// Whether metrics, live requests and what each worker does are gathered. Otherwise a request pays
    /// nothing for them.
    #[must_use]
    pub fn is_observed(&self) -> bool {
        self.settings.admin.is_any()
    }

    /// Every backend of every group.
    pub fn backends(&self) -> impl Iterator<Item = &BackendConfig> {
        self.groups.iter().flat_map(|group| &group.backends)
    }
}
