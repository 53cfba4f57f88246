//! Routes: which group of backends a request goes to, by its host and its path. Values only, made
//! from a file or by a program; must not know groups beyond their names, sessions or sockets.
//!
//! | file | duty |
//! |---|---|
//! | this one | a route as it is configured |
//! | `host`, `path` | what a route takes, how it is written, and how it is compared |
//! | `hosts`, `tree` | the same for many routes, so that a search is short |
//! | `table` | all routes, and which of them takes a request |
//! | `explain` | why each route takes a request or does not |
//!
//! A search allocates nothing and takes no lock. Its time grows with the length of the host and of
//! the path, and with the logarithm of the number of routes.

mod explain;
mod host;
mod hosts;
mod path;
mod table;
mod tree;

pub use explain::RouteVerdict;
pub use host::HostPattern;
pub use path::PathPrefix;
pub use table::{EqualRoutes, Found, RouteMatch, Routes, equal_routes};

use crate::http::field_rules::FieldRules;
use std::fmt;

/// One route. Without a host it takes every host; without a path it takes every path, and `*` too,
/// which an `OPTIONS` asks for that concerns the whole server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteConfig {
    /// The hosts that it takes.
    pub host: Option<HostPattern>,
    /// The paths that it takes.
    pub path: Option<PathPrefix>,
    /// The name of the group that its requests go to.
    pub group: String,
    /// Whether backends get the target without [`Self::path`]. Without a path there is nothing to
    /// strip.
    pub strip_prefix: bool,
    /// What becomes of fields on the way to backends.
    pub request_headers: FieldRules,
    /// What becomes of fields on the way to clients.
    pub response_headers: FieldRules,
}

impl RouteConfig {
    /// One that sends every request to this group.
    #[must_use]
    pub fn to_group(group: &str) -> Self {
        Self {
            group: group.into(),
            ..Self::default()
        }
    }

    /// What it is called where its requests are counted: its host and its path, or `*` for one that
    /// takes all.
    #[must_use]
    pub fn name(&self) -> String {
        let host = self.host.as_ref().map(ToString::to_string);
        let path = self.path.as_ref().map(ToString::to_string);
        match (host, path) {
            (None, None) => "*".into(),
            (host, path) => host.unwrap_or_default() + &path.unwrap_or_default(),
        }
    }
}

/// `shop.example/api -> shop`: what it takes, and for which group.
impl fmt::Display for RouteConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.host, &self.path) {
            (None, None) => f.write_str("*")?,
            (Some(host), None) => write!(f, "{host}")?,
            (None, Some(path)) => write!(f, "*{path}")?,
            (Some(host), Some(path)) => write!(f, "{host}{path}")?,
        }
        write!(f, " -> {}", self.group)
    }
}

#[cfg(test)]
mod tests;
