//! What is counted and noted for the whole process.

use super::changes::ChangeLog;
use super::codes::CodeCounters;
use super::lanes::Lanes;
use super::live::LiveTable;
use super::routes::RouteNames;
use std::sync::Arc;

/// What is counted and noted for the whole process, if it is observed at all.
#[derive(Debug)]
pub struct Observed {
    /// What each worker does.
    pub lanes: Arc<Lanes>,
    /// The sessions.
    pub live: Arc<LiveTable>,
    /// What changed of late.
    pub changes: Arc<ChangeLog>,
    /// The routes by number.
    pub routes: RouteNames,
    /// Responses by code to requests that were refused before they had a route, or that the balancer
    /// answers itself.
    pub unrouted: CodeCounters,
}

impl Observed {
    /// Nothing is counted yet. There are so many workers, and at most so many sessions.
    #[must_use]
    pub fn new(workers: usize, sessions: usize) -> Arc<Self> {
        Arc::new(Self {
            lanes: Arc::new(Lanes::new(workers)),
            live: Arc::new(LiveTable::new(sessions)),
            changes: Arc::default(),
            routes: RouteNames::default(),
            unrouted: CodeCounters::default(),
        })
    }
}
