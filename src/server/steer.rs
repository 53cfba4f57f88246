//! What an operator changes while the balancer serves: states and weights of backends, backends that
//! come and go. Each change goes the way of a reload, one at a time. Must not know how an operator asks.

use super::StartError;
use super::overlay::{BackendChange, find};
use super::reload::{LookUps, Reloader, SharedReloader, lock};
use crate::backends::{Backend, Name};
use crate::config::{BackendConfig, GroupConfig};
use crate::net::conn::Conn;
use std::fmt;
use std::sync::Arc;

/// Changes the backends of a balancer. Cheap to clone, usable from any thread.
#[derive(Clone, Debug)]
pub struct Steering(SharedReloader);

/// A backend after a change, to be watched until it is empty.
#[derive(Clone, Debug)]
pub struct Steered(Arc<Backend<Conn>>);

impl Steered {
    /// Requests and tunnels that are under way there.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.0.in_flight()
    }
}

/// Why nothing was changed.
#[derive(Debug)]
pub enum SteerError {
    /// There is no such group. The names are those that there are.
    UnknownGroup(Vec<String>),
    /// There is no such backend in the group. The names are those that there are.
    UnknownBackend(Vec<String>),
    /// It makes no sense as the group is now.
    Conflict(String),
    /// Something that the change needs is not there.
    Failed(StartError),
    /// The balancer is about to end.
    Stopping,
}

impl fmt::Display for SteerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownGroup(names) => {
                write!(f, "there is no such group; there are {}", names.join(", "))
            }
            Self::UnknownBackend(names) => write!(
                f,
                "the group has no such backend; it has {}",
                names.join(", ")
            ),
            Self::Conflict(text) => f.write_str(text),
            Self::Failed(error) => write!(f, "{error}"),
            Self::Stopping => f.write_str("the balancer is about to end"),
        }
    }
}

impl Steering {
    pub(super) fn new(reloader: &SharedReloader) -> Self {
        Self(Arc::clone(reloader))
    }

    /// Changes a backend of a group, at once and for all requests from now on; what is under way there
    /// ends by itself. `by` is logged: who asks.
    pub fn change(
        &self,
        group: &str,
        backend: &Name,
        change: &BackendChange,
        by: &str,
    ) -> Result<Steered, SteerError> {
        let mut reloader = lock(&self.0);
        let now = group_of(&reloader.config.groups, group)?;
        check(now, backend, change)?;
        let overlay = reloader
            .overlay
            .load()
            .with(&reloader.written, now, backend, change);
        let config = overlay.over(&reloader.written);
        let before = reloader.backend(group, backend);
        if config.groups == reloader.config.groups {
            return before.map(Steered).ok_or(SteerError::Stopping);
        }
        let look_ups = match change {
            BackendChange::Add { .. } => LookUps::All,
            _ => LookUps::None,
        };
        let prepared = reloader
            .prepare(config, look_ups)
            .map_err(SteerError::Failed)?
            .ok_or(SteerError::Stopping)?;
        reloader.commit(&format!("Changed by {by}"), prepared, overlay);
        let after = reloader.backend(group, backend);
        after.or(before).map(Steered).ok_or(SteerError::Stopping)
    }
}

impl Reloader {
    /// A backend that is in use.
    fn backend(&self, group: &str, name: &Name) -> Option<Arc<Backend<Conn>>> {
        let snapshot = self.engine.shared.snapshot();
        let group = snapshot.groups.iter().find(|one| one.name == group)?;
        let all = group.backends.all();
        let mut same = all.iter().filter(|one| one.name.is_same(name));
        same.next().cloned()
    }
}

fn group_of<'g>(groups: &'g [GroupConfig], name: &str) -> Result<&'g GroupConfig, SteerError> {
    let found = groups.iter().find(|group| group.name == name);
    let names = || groups.iter().map(|group| group.name.clone()).collect();
    found.ok_or_else(|| SteerError::UnknownGroup(names()))
}

/// Whether the change makes sense.
fn check(group: &GroupConfig, name: &Name, change: &BackendChange) -> Result<(), SteerError> {
    let known = find(group, name);
    if let BackendChange::Add { .. } = change {
        return match known {
            Some(_) => conflict(format!("{name} is a backend of the group already")),
            None => Ok(()),
        };
    }
    let known = known.ok_or_else(|| {
        let names = group.backends.iter();
        SteerError::UnknownBackend(names.map(|one| one.name.to_string()).collect())
    })?;
    let mut others = group.backends.iter().filter(|one| one.name != known.name);
    let has_weight = |one: &BackendConfig| one.weight > 0;
    match change {
        BackendChange::Remove if group.backends.len() == 1 => conflict(format!(
            "{name} is the last backend of its group: disable it instead"
        )),
        BackendChange::Weight(0) | BackendChange::Remove if !others.any(has_weight) => conflict(
            format!("no other backend of the group has a weight: drain {name} instead"),
        ),
        _ => Ok(()),
    }
}

fn conflict(text: String) -> Result<(), SteerError> {
    Err(SteerError::Conflict(text))
}
