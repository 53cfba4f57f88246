//! The settings, groups and routes at one time, with their backends. A reload makes another snapshot;
//! every exchange holds the group with which it began.

use super::Settings;
use super::routing::{EqualRoutes, Found, RouteConfig, RouteMatch, Routes};
use crate::backends::Backends;
use crate::http::Refusal;
use crate::http::field_rules::FieldRules;
use crate::http::request::RequestHead;
use crate::metrics::GroupMetrics;
use crate::metrics::routes::{RouteId, RouteNames};
use crate::net::conn::Conn;
use std::fmt;
use std::sync::Arc;

/// What is configured at one time.
#[derive(Debug)]
pub struct Snapshot {
    /// The settings of the process.
    pub settings: Settings,
    /// The groups of backends, in the order of the configuration.
    pub groups: Vec<Arc<Group>>,
    routes: Routes,
    /// Where each route leads, in the order of the routes.
    destinations: Vec<Destination>,
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
    /// What is counted of it, if anything is. It stays the same too.
    pub metrics: Option<Arc<GroupMetrics>>,
}

/// Where a route leads.
#[derive(Clone, Debug)]
pub struct Destination {
    /// The group.
    pub group: Arc<Group>,
    /// What becomes of the fields of its responses, if there are rules.
    pub response_headers: Option<Arc<FieldRules>>,
    /// The number under which its requests are counted.
    pub route: RouteId,
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Routed<'s> {
    /// This route takes it, and leads there.
    To(RouteMatch<'s>, &'s Destination),
    /// It cannot be routed by its path.
    Refused(Refusal),
    /// No route takes it.
    Nowhere,
}

/// Why groups and routes do not fit together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoutingError {
    /// Two routes take the same requests.
    Equal(EqualRoutes),
    /// A route leads to a group that is not there.
    NoSuchGroup(String),
}

impl fmt::Display for RoutingError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equal(equal) => write!(out, "{equal}"),
            Self::NoSuchGroup(name) => write!(out, "a route leads to `{name}`, which is no group"),
        }
    }
}

impl std::error::Error for RoutingError {}

impl Snapshot {
    /// These groups, with the routes that lead to them.
    pub fn new(
        settings: Settings,
        groups: Vec<Arc<Group>>,
        routes: Vec<RouteConfig>,
    ) -> Result<Self, RoutingError> {
        let destination = |route: &RouteConfig| destination(route, &groups);
        let destinations = routes.iter().map(destination).collect::<Result<_, _>>()?;
        let routes = Routes::new(routes).map_err(RoutingError::Equal)?;
        Ok(Self {
            settings,
            groups,
            routes,
            destinations,
        })
    }

    /// Has the requests of each route counted under its name, which stays the same through a reload.
    pub fn count_by(&mut self, names: &RouteNames) {
        let routes = self.routes.all().iter();
        for (route, destination) in routes.zip(&mut self.destinations) {
            destination.route = names.id_of(&route.name());
        }
    }

    /// The route that takes a request, and where it leads.
    #[must_use]
    pub fn route(&self, head: &RequestHead<'_, '_>) -> Routed<'_> {
        match self.routes.find(head.host, head.target.rest) {
            Found::Route(found) => Routed::To(found, &self.destinations[found.index]),
            Found::Refused(refusal) => Routed::Refused(refusal),
            Found::None => Routed::Nowhere,
        }
    }
}

fn destination(route: &RouteConfig, groups: &[Arc<Group>]) -> Result<Destination, RoutingError> {
    let group = groups.iter().find(|group| group.name == route.group);
    let no_group = || RoutingError::NoSuchGroup(route.group.clone());
    let rules = &route.response_headers;
    Ok(Destination {
        group: Arc::clone(group.ok_or_else(no_group)?),
        response_headers: (!rules.is_empty()).then(|| Arc::new(rules.clone())),
        route: RouteId::default(),
    })
}

#[cfg(test)]
impl Snapshot {
    /// One group with these backends.
    #[must_use]
    pub fn of_one_group(settings: Settings, backends: Arc<Backends<Conn>>) -> Arc<Self> {
        let name = super::groups::ONLY_GROUP;
        let group = Group {
            name: name.into(),
            settings: settings.clone(),
            backends,
            metrics: None,
        };
        let routes = vec![RouteConfig::to_group(name)];
        let snapshot = Self::new(settings, vec![Arc::new(group)], routes);
        Arc::new(snapshot.expect("the route leads to the group"))
    }
}
