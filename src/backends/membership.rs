//! Which backends there are, and what follows when that changes: everything that decides where requests
//! go changes under one lock, and then the table is made anew. Whatever changes it needs a `Stale` to
//! note that in, and `Backends::change` has the only one.

use super::admin_state::AdminState;
use super::backend::{Backend, Stale};
use super::in_flight::Total;
use super::member::Member;
use super::policy::{Algorithm, GroupPolicy};
use super::request_queue::RequestQueue;
use super::retry_budget::RetryBudget;
use super::shared::{Backends, Configured, Ticket};
use super::silence::Silence;
use super::table::Table;
use arc_swap::ArcSwap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

impl<C> Backends<C> {
    /// A group with these members, in the order of their turns.
    #[must_use]
    pub fn new(members: Vec<Member<C>>, policy: GroupPolicy) -> Arc<Self> {
        let members: Arc<[Member<C>]> = members.into();
        // The table is made with what this says.
        adopt(&members, &mut Stale::default());
        let table = Arc::new(Table::new(Arc::clone(&members), policy));
        Arc::new(Self {
            has_tournament: AtomicBool::new(policy.algorithm == Algorithm::LeastRequests),
            table: ArcSwap::new(table),
            configured: Mutex::new(Configured {
                members,
                policy,
                silence: Silence::default(),
            }),
            ticket: Ticket::default(),
            second_ticket: Ticket::default(),
            has_ejected: AtomicBool::new(false),
            total: Total::default(),
            queue: RequestQueue::default(),
            retries: RetryBudget::new(Instant::now()),
        })
    }

    /// Backends that take turns, each with the same share.
    #[must_use]
    pub fn of(all: Vec<Arc<Backend<C>>>) -> Arc<Self> {
        let members = all.into_iter().map(Member::new).collect();
        Self::new(members, GroupPolicy::default())
    }

    /// Exchanges the members and the policy. A backend that is a member before and after stays as it is,
    /// with what is in flight there. One that is none any more is disabled: it finishes what it has, and
    /// its idle connections are closed.
    pub fn replace(&self, members: Vec<Member<C>>, policy: GroupPolicy) {
        let stays = |old: &Member<C>| {
            let mut new = members.iter();
            new.any(|new| Arc::ptr_eq(&new.backend, &old.backend))
        };
        self.change(|configured, stale| {
            let gone = configured.members.iter().filter(|old| !stays(old));
            gone.for_each(|old| old.backend.set_admin(AdminState::Disabled, stale));
            adopt(&members, stale);
            configured.members = members.as_slice().into();
            configured.policy = policy;
            stale.set();
        });
    }

    /// Sets what the operator wants of a backend.
    pub fn set_admin(&self, backend: &Backend<C>, admin: AdminState) {
        self.change(|_, stale| backend.set_admin(admin, stale));
    }

    /// From now on each backend goes up after `rise` good checks in a row and down after `fall` bad ones.
    pub fn set_thresholds(&self, rise: u32, fall: u32) {
        self.change(|configured, stale| {
            let all = configured.members.iter();
            all.for_each(|one| one.backend.set_thresholds(rise, fall, stale));
        });
    }

    /// Every member, up or down, in order.
    #[must_use]
    pub fn members(&self) -> Arc<[Member<C>]> {
        Arc::clone(&self.table.load().members)
    }

    /// The backends of all members.
    #[must_use]
    pub fn all(&self) -> Arc<[Arc<Backend<C>>]> {
        Arc::clone(&self.table.load().backends)
    }

    /// How requests are spread, and how many there may be.
    #[must_use]
    pub fn policy(&self) -> GroupPolicy {
        self.table.load().policy
    }

    /// How many are up.
    #[must_use]
    pub fn count_up(&self) -> usize {
        let table = self.table.load();
        table.backends.iter().filter(|one| one.is_up()).count()
    }

    /// Changes something under the group's lock, and makes the table anew if it has become stale by
    /// that.
    pub(super) fn change<R>(&self, with: impl FnOnce(&mut Configured<C>, &mut Stale) -> R) -> R {
        let (mut configured, mut stale) = (self.lock(), Stale::default());
        let result = with(&mut configured, &mut stale);
        let is_ejected = |one: &Member<C>| one.backend.state().health.is_ejected();
        let has_ejected = configured.members.iter().any(is_ejected);
        self.has_ejected.store(has_ejected, Ordering::Relaxed);
        let is_stale = stale.take();
        if is_stale {
            self.put(Arc::clone(&configured.members), configured.policy);
        }
        // A request that is woken may want to change something too.
        drop(configured);
        if is_stale {
            self.serve_queue_now();
        }
        result
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Configured<C>> {
        let configured = self.configured.lock();
        configured.unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a new table in place. A request that is counted meanwhile may have noted its load in the old
    /// one, so that loads are read again afterwards. What is counted later is noted in the new one.
    fn put(&self, members: Arc<[Member<C>]>, policy: GroupPolicy) {
        let is_needed = policy.algorithm == Algorithm::LeastRequests;
        if is_needed {
            self.has_tournament.store(true, Ordering::SeqCst);
        }
        let table = Arc::new(Table::new(members, policy));
        self.table.store(Arc::clone(&table));
        table.refresh_loads();
        self.has_tournament.store(is_needed, Ordering::SeqCst);
    }
}

/// Does what is configured for each member.
fn adopt<C>(members: &[Member<C>], stale: &mut Stale) {
    let all = members.iter();
    all.for_each(|one| one.backend.set_admin(one.admin, stale));
}

#[cfg(test)]
mod tests;
