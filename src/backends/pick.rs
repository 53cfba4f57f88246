//! A backend for a request, or why there is none.

use super::backend::Backend;
use super::key::Key;
use super::lease::Lease;
use super::select::{Missing, Reach, Search};
use super::shared::Backends;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// What kind of backend a request wants.
pub enum Wanted<'t, C> {
    /// The one whose turn it is, for a request that has been nowhere yet. Each request asks for this
    /// once: it counts them.
    Next,
    /// One that is live and for which the function is false, for a request that failed elsewhere.
    Untried(&'t dyn Fn(&Backend<C>) -> bool),
    /// The same, free of suspicion, for a request that could also go on waiting.
    Clear {
        /// Whether it was tried.
        tried: &'t dyn Fn(&Backend<C>) -> bool,
        /// Whether it may be a backup.
        may_be_backup: bool,
    },
}

/// What was found.
#[derive(Debug)]
#[must_use]
pub enum Picked<C> {
    /// A backend. The request counts there until the lease is dropped.
    Lease(Lease<C>),
    /// There are backends for it, but all have as many requests as they may, or others wait for them:
    /// see [`Backends::wait`].
    Full,
    /// There is none: none is live, or all that are were tried.
    NoneLive,
}

impl<C> Picked<C> {
    /// The lease, if there is one.
    #[must_use]
    pub fn lease(self) -> Option<Lease<C>> {
        match self {
            Self::Lease(lease) => Some(lease),
            Self::Full | Self::NoneLive => None,
        }
    }
}

impl<C> Backends<C> {
    /// Picks a backend. `key` is what the request brings along for the algorithms that look at it.
    // spine 19
    pub fn pick(self: &Arc<Self>, key: Key, wanted: Wanted<'_, C>) -> Picked<C> {
        let reach = Reach::All;
        match wanted {
            Wanted::Next => self.next(key),
            Wanted::Untried(is_tried) => self.look_for(&Search {
                key,
                turn: None,
                is_tried,
                reach,
            }),
            Wanted::Clear {
                tried: is_tried,
                may_be_backup,
            } => self.look_for(&Search {
                key,
                turn: None,
                is_tried,
                reach: Reach::Clear { may_be_backup },
            }),
        }
    }

    /// For a request that has been nowhere yet. It draws its ticket whatever comes of it.
    fn next(self: &Arc<Self>, key: Key) -> Picked<C> {
        let turn = Some(self.ticket.draw());
        if self.queue.has_plain() {
            // They were here first. None would wait if no backend was live.
            return Picked::Full;
        }
        self.look_for(&Search {
            key,
            turn,
            is_tried: &|_| false,
            reach: Reach::All,
        })
    }

    fn look_for(self: &Arc<Self>, search: &Search<'_, C>) -> Picked<C> {
        let found = self.search(&self.table.load(), search);
        match found {
            Ok(counted) => Picked::Lease(Lease::new(counted, self)),
            Err(missing) => self.without(missing),
        }
    }

    /// Nothing was found. The search may have been counted in the group for a moment, and another one
    /// may have found that full because of it, and waits now.
    fn without(&self, missing: Missing) -> Picked<C> {
        self.serve_queue();
        match missing {
            Missing::Free => Picked::Full,
            Missing::Live => Picked::NoneLive,
        }
    }

    /// Whether [`Wanted::Clear`] would look at a backend other than `this`. Draws no ticket.
    #[must_use]
    pub fn has_clear_beside(&self, this: &Backend<C>, may_be_backup: bool) -> bool {
        let (table, reach) = (self.table.load(), Reach::Clear { may_be_backup });
        let is_this = |one: &Backend<C>| std::ptr::eq(one, this);
        let mut tiers = table.tiers.iter().filter(|tier| reach.includes(tier.rank));
        tiers.any(|tier| tier.has_other_than(is_this))
    }

    /// Whether any that is not among the tried ones gets requests. Draws no ticket.
    #[must_use]
    pub fn has_untried(&self, is_tried: impl Fn(&Backend<C>) -> bool) -> bool {
        let table = self.table.load();
        let mut tiers = table.tiers.iter();
        tiers.any(|tier| tier.has_other_than(&is_tried))
    }

    /// An ejected backend that is to be tried with this request. No other request tries it until the
    /// trial is over. `is_safe` says that the request can be repeated elsewhere.
    #[must_use]
    pub fn claim_trial(self: &Arc<Self>, is_safe: bool, now: Instant) -> Option<Lease<C>> {
        if !self.has_ejected.load(Ordering::Relaxed) {
            return None;
        }
        let table = self.table.load();
        let is_regular_live = table.tiers.iter().any(|tier| !tier.is_backup());
        let due = table.members.iter();
        let mut due = due.filter(|one| one.backend.failures.may_be_tried(now));
        let claimed = due.find(|one| {
            let backend = &one.backend;
            // A backup gets requests, and so a trial, only while no other does.
            let is_needed = one.weight > 0 && (!one.is_backup || !is_regular_live);
            is_needed && backend.is_to_be_tried() && backend.failures.claim_trial(is_safe, now)
        });
        let backend = &claimed?.backend;
        let lease = self.lease(backend);
        if lease.is_none() {
            backend.failures.release_trial();
        }
        lease
    }

    /// Whether any of them gets requests.
    #[must_use]
    pub fn is_any_live(&self) -> bool {
        !self.table.load().tiers.is_empty()
    }

    /// Leases a backend that the caller has chosen itself, also if it drains; `None` if it has as many
    /// requests as it may.
    #[must_use]
    pub fn lease(self: &Arc<Self>, backend: &Arc<Backend<C>>) -> Option<Lease<C>> {
        let counted = self.count_in(backend);
        if counted.is_none() {
            self.serve_queue();
        }
        Some(Lease::new(counted?, self))
    }

    /// How many requests it has got.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.ticket.count()
    }

    /// Notes the time for the retry budget: the more often, the better it knows when requests came.
    pub fn note_time(&self, now: Instant) {
        self.retries.note(now, self.requests());
    }

    /// Whether what may have reached a backend may be sent again: such retries are at most so many
    /// percent of the requests of the last seconds. Counts it, if it may.
    #[must_use]
    pub fn may_send_again(&self, percent: u32, now: Instant) -> bool {
        self.retries.spend(now, self.requests(), percent)
    }

    /// How many more may be sent again now.
    #[must_use]
    pub fn retries_left(&self, percent: u32, now: Instant) -> usize {
        self.retries.left(now, self.requests(), percent)
    }

    /// How many requests wait for a backend to be free.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// How many requests are in flight, at all backends that are members now.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        let table = self.table.load();
        table.backends.iter().map(|one| one.in_flight()).sum()
    }
}

#[cfg(test)]
mod tests;
