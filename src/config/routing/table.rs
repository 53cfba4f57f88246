//! The table of routes, and the search in it. Must not know why a route is not taken, which is not
//! asked while requests are served.

use super::RouteConfig;
use super::hosts::Hosts;
use super::path::{check, path_of};
use super::tree::PathTree;
use crate::http::Refusal;
use crate::http::stripped_prefix::StrippedPrefix;
use std::collections::HashMap;
use std::fmt;

/// All routes, made ready for the search.
///
/// # Which route takes a request
///
/// Of all routes whose host and path both take it, the one with the best host: the whole name
/// before a wildcard, a longer wildcard before a shorter one, and no host last. Of the routes with
/// that host the one with the longest path; no path is the shortest. The order in the file never
/// matters.
///
/// A host does not keep requests from the routes of other hosts: if `shop.example` has a route for
/// `/api` only, another request for `shop.example` goes to a route of `*.example`, or to one
/// without a host. Traefik and the Kubernetes Gateway API choose in the same way among all rules
/// that match, and each route stands for itself here as it does there. In nginx, where locations lie
/// inside a `server`, such a request gets 404. For the same here, give the host a route without a
/// path.
#[derive(Clone, Debug)]
pub struct Routes {
    routes: Vec<RouteConfig>,
    hosts: Hosts,
    /// For each number of a host its routes.
    trees: Vec<PathTree>,
    has_paths: bool,
    /// The only route is one that takes every request.
    is_single: bool,
}

/// What a request comes to.
#[derive(Clone, Copy, Debug)]
pub enum Found<'r> {
    /// This route takes it.
    Route(RouteMatch<'r>),
    /// Its path can be understood in several ways, so that it may not be routed by it: 400.
    Refused(Refusal),
    /// No route takes it.
    None,
}

/// A route that takes a request.
#[derive(Clone, Copy, Debug)]
pub struct RouteMatch<'r> {
    /// The route.
    pub route: &'r RouteConfig,
    /// Its place in the file, from 0.
    pub index: usize,
    /// What it takes off the target; `None` if it strips nothing.
    pub stripped: Option<StrippedPrefix>,
}

/// Two routes with the same host and path: neither is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EqualRoutes {
    /// The place of the first one in the file, from 0.
    pub first: usize,
    /// The place of the other one.
    pub second: usize,
}

impl fmt::Display for EqualRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, second) = (self.first + 1, self.second + 1);
        write!(
            f,
            "routes {first} and {second} have the same host and the same path"
        )
    }
}

impl std::error::Error for EqualRoutes {}

/// All routes that are equal to an earlier one, each with the first of its kind.
#[must_use]
pub fn equal_routes(routes: &[RouteConfig]) -> Vec<EqualRoutes> {
    let mut firsts = HashMap::new();
    let mut equal = Vec::new();
    for (place, route) in routes.iter().enumerate() {
        let first = *firsts.entry((&route.host, &route.path)).or_insert(place);
        if first != place {
            equal.push(EqualRoutes {
                first,
                second: place,
            });
        }
    }
    equal
}

impl Routes {
    /// A table of these routes, of which no two may be equal.
    pub fn new(routes: Vec<RouteConfig>) -> Result<Self, EqualRoutes> {
        if let Some(equal) = equal_routes(&routes).first() {
            return Err(*equal);
        }
        let hosts = Hosts::new(routes.iter().filter_map(|route| route.host.as_ref()));
        let mut trees = vec![PathTree::default(); hosts.count()];
        for (place, route) in routes.iter().enumerate() {
            let host = hosts.number_of(route.host.as_ref());
            trees[host].insert(route.path.as_ref(), place);
        }
        let has_paths = routes.iter().any(|route| route.path.is_some());
        let is_single = routes.len() == 1 && hosts.count() == 1 && !has_paths;
        Ok(Self {
            routes,
            hosts,
            trees,
            has_paths,
            is_single,
        })
    }

    /// The routes, in the order in which they came.
    #[must_use]
    pub fn all(&self) -> &[RouteConfig] {
        &self.routes
    }

    /// The route that takes a request for this host, as `Host` or the target names it, and this
    /// target, in origin form or `*` ([`crate::http::target::Target::rest`]).
    #[must_use]
    pub fn find(&self, host: Option<&[u8]>, target: &str) -> Found<'_> {
        if self.is_single {
            return self.matched(0, None, target);
        }
        let path = (target != "*").then(|| path_of(target));
        if let Err(refusal) = self.check(target) {
            return Found::Refused(refusal);
        }
        let mut hosts = self.hosts.of(host);
        match hosts.find_map(|host| self.trees[host].find(path)) {
            Some(taken) => self.matched(taken.route, taken.end, target),
            None => Found::None,
        }
    }

    /// Refuses a target by whose path no route can be chosen. Where no route has a path, any will do.
    pub(super) fn check(&self, target: &str) -> Result<(), Refusal> {
        match self.has_paths {
            true => check(path_of(target)),
            false => Ok(()),
        }
    }

    fn matched(&self, index: usize, end: Option<usize>, target: &str) -> Found<'_> {
        let route = &self.routes[index];
        let end = end.filter(|_| route.strip_prefix);
        let stripped = end.map(|end| stripped(target, end));
        Found::Route(RouteMatch {
            route,
            index,
            stripped,
        })
    }
}

/// Takes off what ends at `end`, and all but one of the slashes behind it: a target that begins
/// with two looks like the authority of another host.
fn stripped(target: &str, end: usize) -> StrippedPrefix {
    let behind = target.as_bytes().iter().skip(end);
    let slashes = behind.take_while(|byte| **byte == b'/').count();
    StrippedPrefix {
        bytes: end + slashes.saturating_sub(1),
        adds_slash: slashes == 0,
    }
}
