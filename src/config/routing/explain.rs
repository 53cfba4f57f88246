//! Why a route takes a request or does not: for a person who asks, one line for each route.

use super::RouteConfig;
use super::host::{Host, HostPattern};
use super::path::{PathPrefix, path_of};
use super::table::{Found, Routes};
use crate::http::Refusal;
use std::fmt;

/// What becomes of a request at one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteVerdict<'r> {
    /// The route takes it.
    Takes,
    /// The route is for this host, and the request for another one.
    OtherHost(&'r HostPattern),
    /// The path of the request does not begin with that of the route.
    OtherPath {
        /// The path of the request, or `*`.
        path: &'r str,
        /// The path of the route.
        prefix: &'r PathPrefix,
    },
    /// It would, but a route with the same host and this longer path does.
    LongerPath(&'r PathPrefix),
    /// It would, but a route with this host does, which fits better.
    BetterHost(&'r HostPattern),
    /// No route takes it: its path has no single reading.
    Unreadable(Refusal),
}

impl fmt::Display for RouteVerdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Takes => f.write_str("takes the request"),
            Self::OtherHost(host) => write!(f, "host is {host}"),
            Self::OtherPath { path, prefix } => write!(f, "path {path} is not under {prefix}"),
            Self::LongerPath(path) => write!(f, "a longer path takes it: {path}"),
            Self::BetterHost(host) => write!(f, "a better host takes it: {host}"),
            Self::Unreadable(refusal) => write!(f, "{}: {}", refusal.status, refusal.why),
        }
    }
}

impl Routes {
    /// What becomes of a request at each route, in the order in which they came. The arguments are
    /// those of [`Self::find`].
    #[must_use]
    pub fn explain<'r>(&'r self, host: Option<&[u8]>, target: &'r str) -> Vec<RouteVerdict<'r>> {
        let taker = match self.find(host, target) {
            Found::Refused(refusal) => {
                return vec![RouteVerdict::Unreadable(refusal); self.all().len()];
            }
            Found::Route(found) => Some(found.index),
            Found::None => None,
        };
        let host = Host::of(host);
        let verdict = |(index, route): (usize, &'r RouteConfig)| {
            let obstacle = route.obstacle(host, target);
            obstacle.unwrap_or_else(|| match taker {
                Some(taker) if taker != index => route.beaten_by(&self.all()[taker]),
                _ => RouteVerdict::Takes,
            })
        };
        self.all().iter().enumerate().map(verdict).collect()
    }
}

impl RouteConfig {
    /// What keeps the route from taking a request, whatever other routes there are.
    fn obstacle<'r>(&'r self, host: Host<'_>, target: &'r str) -> Option<RouteVerdict<'r>> {
        if let Some(own) = &self.host
            && !own.takes(host)
        {
            return Some(RouteVerdict::OtherHost(own));
        }
        let prefix = self.path.as_ref()?;
        let path = path_of(target);
        let is_under = target != "*" && prefix.takes(path);
        let path = match path.len() {
            0 => "/",
            length => &target[..length],
        };
        (!is_under).then_some(RouteVerdict::OtherPath { path, prefix })
    }

    /// How the other route, which takes a request that this one would take too, is better.
    fn beaten_by<'r>(&self, other: &'r Self) -> RouteVerdict<'r> {
        match (&other.host, &other.path) {
            (host, Some(path)) if *host == self.host => RouteVerdict::LongerPath(path),
            (Some(host), _) => RouteVerdict::BetterHost(host),
            // No route is worse than one without a host, but by its path.
            (None, _) => RouteVerdict::Takes,
        }
    }
}
