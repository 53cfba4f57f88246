//! Which backend is next. The group draws a ticket for each request from one atomic counter, and looks
//! it up in a `Table` that was computed when something changed last. There is no lock on the way.

use super::in_flight::InFlight;
use super::lease::Picked;
use super::policy::{GroupPolicy, Key, Member};
use super::retry_budget::RetryBudget;
use super::silence::Silence;
use super::table::{Rank, Table};
use super::waiting_line::WaitingLine;
use super::{AdminState, Backend, Lease};
use arc_swap::ArcSwap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

/// A group of backends. It stays the same through a reload, whatever becomes of its members.
#[derive(Debug)]
pub struct Backends<C> {
    /// What selection reads.
    pub(super) table: ArcSwap<Table<C>>,
    /// One a request: nothing else may draw from it, or the shares would drift apart.
    ticket: Ticket,
    /// One for each attempt that is not the request's first choice (another one failed, or has just come
    /// back and leaves its turn), so that these are spread evenly too.
    second_ticket: Ticket,
    /// Requests in flight at all of them.
    total: InFlight,
    /// Requests that wait because all backends have as many as they may.
    pub(super) line: WaitingLine<C>,
    budget: RetryBudget,
    /// One observation at a time, and one change of the table.
    pub(super) silence: Mutex<Silence>,
    /// Whether any backend is ejected, so that most requests need not look for one.
    pub(super) has_ejected: AtomicBool,
}

/// What kind of backend a request wants.
pub enum Wanted<'t, C> {
    /// The one whose turn it is, for a request that has been nowhere yet.
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

/// A counter on a cache line of its own: every worker draws from it.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Ticket(AtomicUsize);

impl Ticket {
    fn draw(&self) -> usize {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

impl<C> Backends<C> {
    /// A group of these members, in the order of their turns.
    #[must_use]
    pub fn new(members: Vec<Member<C>>, policy: GroupPolicy) -> Arc<Self> {
        let all = adopt(members);
        Arc::new(Self {
            table: ArcSwap::from_pointee(Table::new(all, policy)),
            ticket: Ticket::default(),
            second_ticket: Ticket::default(),
            total: InFlight::default(),
            line: WaitingLine::default(),
            budget: RetryBudget::default(),
            silence: Mutex::default(),
            has_ejected: AtomicBool::new(false),
        })
    }

    /// Backends that take turns, each with the same share.
    #[must_use]
    pub fn of(all: Vec<Arc<Backend<C>>>) -> Arc<Self> {
        let members = all.into_iter().map(Member::new).collect();
        Self::new(members, GroupPolicy::default())
    }

    /// From now on it has these members. A backend that is no member any more gets nothing new,
    /// finishes what it has, and keeps no connections.
    pub fn replace(self: &Arc<Self>, members: Vec<Member<C>>, policy: GroupPolicy) {
        let lock = self.silence();
        let before = Arc::clone(&self.table.load().all);
        let all = adopt(members);
        let is_gone = |one: &&Arc<Backend<C>>| !all.iter().any(|new| Arc::ptr_eq(new, one));
        let gone: Vec<_> = before.iter().filter(is_gone).cloned().collect();
        self.table.store(Arc::new(Table::new(all, policy)));
        drop(lock);
        gone.iter()
            .for_each(|one| one.set_admin(AdminState::Disabled));
        self.serve_line(None);
    }

    /// Sets what the operator wants of one of them.
    pub fn set_admin(self: &Arc<Self>, backend: &Backend<C>, admin: AdminState) {
        let lock = self.silence();
        backend.set_admin(admin);
        self.refresh(&lock);
        drop(lock);
        self.serve_line(None);
    }

    /// Computes the table anew, if something has changed since. `lock` keeps others from doing the
    /// same.
    pub(super) fn refresh(&self, _lock: &MutexGuard<'_, Silence>) {
        let table = self.table.load();
        if table.is_stale() {
            let new = Table::new(Arc::clone(&table.all), table.policy);
            self.table.store(Arc::new(new));
        }
    }

    /// Every backend, up or down.
    #[must_use]
    pub fn all(&self) -> Arc<[Arc<Backend<C>>]> {
        Arc::clone(&self.table.load().all)
    }

    /// How many are up.
    #[must_use]
    pub fn count_up(&self) -> usize {
        self.all().iter().filter(|backend| backend.is_up()).count()
    }

    /// Whether any of them gets requests.
    #[must_use]
    pub fn is_any_live(&self) -> bool {
        !self.table.load().is_empty()
    }

    /// How many requests are in flight at all of them.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.total.count()
    }

    /// How many requests it has got.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.ticket.0.load(Ordering::Relaxed)
    }

    /// Picks a backend. `key` is what the request brings along for algorithms that depend on it.
    #[must_use]
    // spine 19
    pub fn pick(self: &Arc<Self>, key: Key, wanted: Wanted<'_, C>) -> Picked<C> {
        match wanted {
            Wanted::Next => self.next(key),
            Wanted::Untried(tried) => self.other(key, |one| match tried(one) {
                true => None,
                false => one.rank(),
            }),
            Wanted::Clear {
                tried,
                may_be_backup,
            } => self.other(key, |one| match tried(one) {
                true => None,
                false => one.rank_if_clear(may_be_backup),
            }),
        }
    }

    /// The backend whose turn it is, or one that stands in for it.
    // spine 20
    fn next(self: &Arc<Self>, key: Key) -> Picked<C> {
        let ticket = self.ticket.draw();
        let table = self.table.load();
        let tagged = table.tagged(key);
        let Some(choice) = tagged.or_else(|| table.choose(ticket, key)) else {
            return Picked::NoneLive;
        };
        // No request overtakes those that wait.
        if self.line.is_any_waiting() {
            return Picked::Full;
        }
        let choice = match tagged {
            None if choice.slow_start.skips_a_turn() => self.stand_in(choice, key, &table),
            _ => choice,
        };
        match self.try_lease(choice, &table) {
            Some(lease) => Picked::Lease(lease),
            None if tagged.is_some() => Picked::Full,
            None => self.any_with_room(key, &table),
        }
    }

    /// Takes the turn of one that has just come back: of its rank, and longer there, if there is one.
    fn stand_in<'t>(
        &self,
        choice: &'t Arc<Backend<C>>,
        key: Key,
        table: &'t Table<C>,
    ) -> &'t Arc<Backend<C>> {
        let is_returning = |one: &Backend<C>| one.slow_start.share() < 1.0;
        let rank = choice.rank();
        let others = table.preferred(key, self.second_ticket.draw(), |one| {
            one.rank()
                .filter(|_| one.rank() == rank && !is_returning(one))
        });
        others.first().copied().unwrap_or(choice)
    }

    /// Any backend that may stand in for one that is full.
    pub(super) fn any_with_room(self: &Arc<Self>, key: Key, table: &Table<C>) -> Picked<C> {
        let turn = self.second_ticket.draw();
        let all = table.preferred(key, turn, |one| match table.may_take_over(one) {
            true => one.rank(),
            false => None,
        });
        self.first_with_room(&all, table)
    }

    /// One that is not the first choice.
    // spine 21
    fn other(self: &Arc<Self>, key: Key, rank: impl Fn(&Backend<C>) -> Option<Rank>) -> Picked<C> {
        let table = self.table.load();
        let all = table.preferred(key, self.second_ticket.draw(), rank);
        self.first_with_room(&all, &table)
    }

    fn first_with_room(self: &Arc<Self>, all: &[&Arc<Backend<C>>], table: &Table<C>) -> Picked<C> {
        if all.is_empty() {
            return Picked::NoneLive;
        }
        let leased = all.iter().find_map(|one| self.try_lease(one, table));
        leased.map_or(Picked::Full, Picked::Lease)
    }

    /// Counts a request as in flight at `backend`, if that is not more than it may have.
    pub(super) fn try_lease(
        self: &Arc<Self>,
        backend: &Arc<Backend<C>>,
        table: &Table<C>,
    ) -> Option<Lease<C>> {
        let policy = &table.policy;
        if !self.total.try_take(policy.max_in_flight_total) {
            return None;
        }
        if !backend.in_flight.try_take(policy.max_in_flight) {
            self.total.give_back();
            return None;
        }
        table.note_load(backend);
        Some(Lease::of(backend, self))
    }

    /// Leases a backend that the caller has chosen itself; `None` if it has as many requests as it may.
    #[must_use]
    pub fn lease(self: &Arc<Self>, backend: &Arc<Backend<C>>) -> Option<Lease<C>> {
        self.try_lease(backend, &self.table.load())
    }

    /// A lease is over: another request may have its place.
    pub(super) fn give_back(self: &Arc<Self>, backend: &Arc<Backend<C>>) {
        backend.in_flight.give_back();
        self.total.give_back();
        self.table.load().note_load(backend);
        self.serve_line(Some(backend));
    }

    /// Whether [`Wanted::Clear`] would find a backend other than `this`. Draws no ticket.
    pub fn has_clear_beside(&self, this: &Backend<C>, may_be_backup: bool) -> bool {
        let all = self.all();
        let mut others = all.iter().filter(|one| !std::ptr::eq(&***one, this));
        others.any(|one| one.rank_if_clear(may_be_backup).is_some())
    }

    /// An ejected backend that is to be tried with this request. No other request tries it until the
    /// trial is over. `is_safe` says that the request can be repeated elsewhere.
    pub fn claim_trial(self: &Arc<Self>, is_safe: bool, now: Instant) -> Option<Lease<C>> {
        if !self.has_ejected.load(Ordering::Relaxed) {
            return None;
        }
        let table = self.table.load();
        let mut due = table
            .all
            .iter()
            .filter(|one| one.failures.may_be_tried(now));
        let claimed = due.find(|one| {
            // A backup gets requests, and so a trial, only while no other does.
            let is_needed = !one.is_backup() || !table.is_regular_live();
            is_needed && one.is_to_be_tried() && one.failures.claim_trial(is_safe, now)
        })?;
        let lease = self.try_lease(claimed, &table);
        if lease.is_none() {
            claimed.failures.release_trial();
        }
        lease
    }

    /// Notes the time for the retry budget, about once a second.
    pub fn note_time(&self, now: Instant) {
        self.budget.note(self.requests(), now);
    }

    /// Whether what may have reached a backend may be sent again: such retries are at most so many
    /// percent of the requests of the last seconds. Counts it, if it may.
    #[must_use]
    pub fn may_send_again(&self, percent: u32, now: Instant) -> bool {
        self.budget.try_take(percent, self.requests(), now)
    }
}

/// Takes over what is configured for each member.
fn adopt<C>(members: Vec<Member<C>>) -> Arc<[Arc<Backend<C>>]> {
    let adopted = members.into_iter().map(|member| {
        let Member {
            backend,
            weight,
            is_backup,
            admin,
        } = member;
        backend.set_role(weight, is_backup);
        backend.set_admin(admin);
        backend
    });
    adopted.collect()
}

#[cfg(test)]
mod tests;
