//! A group of backends, as all that use it share it. What is done with it is in the other files.

use super::awaited::Awaited;
use super::in_flight::{Counted, Total};
use super::member::Member;
use super::policy::GroupPolicy;
use super::request_queue::RequestQueue;
use super::retry_budget::RetryBudget;
use super::silence::Silence;
use super::table::Table;
use arc_swap::ArcSwap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A group of backends. It is the same as long as the process lives; its members, their weights and its
/// policy may be exchanged.
pub struct Backends<C> {
    /// What selection reads.
    pub(super) table: ArcSwap<Table<C>>,
    /// What the table is made from. One change at a time: see `membership`.
    pub(super) configured: Mutex<Configured<C>>,
    /// One a request: nothing else may draw from it, or the shares would drift apart.
    pub(super) ticket: Ticket,
    /// One for each attempt that does not take the turn of its request (another one failed, is full, or
    /// has just come back and leaves its turn), so that these are spread evenly too.
    pub(super) second_ticket: Ticket,
    /// Whether any backend is ejected, so that most requests need not look for one.
    pub(super) has_ejected: AtomicBool,
    /// Whether a table has a tournament, so that its loads have to be kept up to date.
    pub(super) has_tournament: AtomicBool,
    /// Requests in flight, if there is a limit.
    pub(super) total: Total,
    /// Requests that wait for a backend to be free.
    pub(super) queue: RequestQueue<Awaited<C>, Counted<C>>,
    /// How many may be sent again.
    pub(super) retries: RetryBudget,
}

/// What is configured, and what was seen of all together.
pub(super) struct Configured<C> {
    pub(super) members: Arc<[Member<C>]>,
    pub(super) policy: GroupPolicy,
    pub(super) silence: Silence,
}

/// A counter on a cache line of its own: every worker draws from it.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Ticket(AtomicUsize);

impl Ticket {
    /// The next ticket.
    pub(super) fn draw(&self) -> usize {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    /// How many were drawn.
    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl<C> fmt::Debug for Backends<C> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.table.load();
        let names = table.backends.iter().map(|backend| &backend.name);
        out.debug_list().entries(names).finish()
    }
}
