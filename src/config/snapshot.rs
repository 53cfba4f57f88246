//! The settings and groups at one time, with their backends. A reload makes another snapshot; every
//! exchange holds the group with which it began.

use super::Settings;
use crate::backends::Backends;
use crate::net::conn::Conn;
use std::sync::Arc;

/// What is configured at one time.
#[derive(Debug)]
pub struct Snapshot {
    /// The settings of the process.
    pub settings: Settings,
    /// The groups of backends, in the order of the configuration.
    pub groups: Vec<Arc<Group>>,
}

/// A group of backends, as an exchange needs it.
#[derive(Debug)]
pub struct Group {
    /// What it is called.
    pub name: String,
    /// The settings that hold for it.
    pub settings: Settings,
    /// Its backends. They stay the same through a reload, whatever becomes of their number.
    pub backends: Arc<Backends<Conn>>,
}

#[cfg(test)]
impl Snapshot {
    /// One group with these backends.
    #[must_use]
    pub fn of_one_group(settings: Settings, backends: Arc<Backends<Conn>>) -> Arc<Self> {
        let group = Group {
            name: super::groups::ONLY_GROUP.into(),
            settings: settings.clone(),
            backends,
        };
        Arc::new(Self {
            settings,
            groups: vec![Arc::new(group)],
        })
    }
}
