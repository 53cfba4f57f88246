//! The line of requests that wait for room, because all backends have as many requests as they may.
//! First in, first out.
//!
//! A request that leaves makes room for the first in the line, and hands the room over: the lease is
//! taken for the waiting request before that one knows of it. So no other request can come between,
//! and the count never shows room that is promised already.
//!
//! No wake-up is lost. A request that begins to wait is first counted, and then looks for room once
//! more. A request that leaves first gives its room back, and then looks whether any request waits. All of that is
//! `SeqCst`, so at least one of the two sees the other.
//!
//! Must not know what a request is, nor how it waits: it is woken by a function that it brings.

use super::lease::Picked;
use super::policy::Key;
use super::table::Table;
use super::{Backend, Backends, Lease};
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Wakes a request that has got what it waited for.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// The requests that wait at one group.
#[derive(Debug)]
pub(super) struct WaitingLine<C> {
    /// How many there are, so that nobody needs the lock when there are none.
    count: AtomicUsize,
    waiters: Mutex<VecDeque<Arc<Waiter<C>>>>,
}

impl<C> Default for WaitingLine<C> {
    fn default() -> Self {
        Self {
            count: AtomicUsize::new(0),
            waiters: Mutex::default(),
        }
    }
}

impl<C> WaitingLine<C> {
    /// Whether any request waits.
    pub(super) fn is_any_waiting(&self) -> bool {
        self.count.load(Ordering::SeqCst) > 0
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Waiter<C>>>> {
        // No code that could panic runs under the lock.
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which backends a waiting request may be given.
#[derive(Debug)]
pub enum WaitsFor<C> {
    /// Any but these, where it has failed.
    AnyBut(Vec<Arc<Backend<C>>>),
    /// This one, on which the client depends.
    Only(Arc<Backend<C>>),
}

/// One request in the line.
#[derive(Debug)]
struct Waiter<C> {
    key: Key,
    waits_for: WaitsFor<C>,
    state: Mutex<State<C>>,
}

enum State<C> {
    /// It waits, and is woken by this function, if it has brought one.
    Waiting(Option<Wake>),
    /// It has room.
    Granted(Lease<C>),
    /// No backend is live any more.
    NoneLive,
    /// It has left the line, or taken what it got.
    Gone,
}

impl<C> fmt::Debug for State<C> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            State::Waiting(_) => "Waiting",
            State::Granted(_) => "Granted",
            State::NoneLive => "NoneLive",
            State::Gone => "Gone",
        })
    }
}

impl<C> Waiter<C> {
    fn state(&self) -> MutexGuard<'_, State<C>> {
        // No code that could panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives it what it waits for. If it has left meanwhile, `new` is dropped: a lease then goes to
    /// the next one.
    fn end(&self, new: State<C>) {
        let mut state = self.state();
        let wake = match &mut *state {
            State::Waiting(wake) => wake.take(),
            _ => {
                drop(state);
                drop(new);
                return;
            }
        };
        *state = new;
        drop(state);
        if let Some(wake) = wake {
            wake();
        }
    }
}

/// The place of a request in the line. Dropping it leaves the line.
pub struct Waiting<C> {
    waiter: Arc<Waiter<C>>,
    group: Arc<Backends<C>>,
}

impl<C> fmt::Debug for Waiting<C> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.waiter.state();
        out.debug_tuple("Waiting").field(&*state).finish()
    }
}

/// The line is as long as it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineFull;

impl<C> Waiting<C> {
    /// Has `wake` called once when there is something to take; at once, if there is already.
    pub fn on_grant(&self, wake: Wake) {
        let mut state = self.waiter.state();
        match &mut *state {
            State::Waiting(waker) => *waker = Some(wake),
            _ => {
                drop(state);
                wake();
            }
        }
    }

    /// Takes what it has got; `None` while it waits.
    #[must_use]
    pub fn take(&self) -> Option<Picked<C>> {
        let mut state = self.waiter.state();
        if let State::Waiting(_) = &*state {
            return None;
        }
        match std::mem::replace(&mut *state, State::Gone) {
            State::Granted(lease) => Some(Picked::Lease(lease)),
            State::Waiting(_) | State::NoneLive | State::Gone => Some(Picked::NoneLive),
        }
    }
}

impl<C> Drop for Waiting<C> {
    fn drop(&mut self) {
        let state = std::mem::replace(&mut *self.waiter.state(), State::Gone);
        let line = &self.group.line;
        if let State::Waiting(_) = state {
            let mut waiters = line.lock();
            let place = waiters
                .iter()
                .position(|one| Arc::ptr_eq(one, &self.waiter));
            if place.and_then(|place| waiters.remove(place)).is_some() {
                line.count.fetch_sub(1, Ordering::SeqCst);
            }
        }
        // A lease that was not taken goes to the next one: not under a lock.
        drop(state);
    }
}

impl<C> Backends<C> {
    /// Puts a request into the line, unless that is full. It is served at once if there is room by now.
    pub fn wait(
        self: &Arc<Self>,
        key: Key,
        waits_for: WaitsFor<C>,
    ) -> Result<Waiting<C>, LineFull> {
        let waiter = Arc::new(Waiter {
            key,
            waits_for,
            state: Mutex::new(State::Waiting(None)),
        });
        let length = self.table.load().policy.queue_length;
        let mut waiters = self.line.lock();
        if waiters.len() >= length {
            return Err(LineFull);
        }
        waiters.push_back(Arc::clone(&waiter));
        self.line.count.fetch_add(1, Ordering::SeqCst);
        drop(waiters);
        let group = Arc::clone(self);
        self.serve_line(None);
        Ok(Waiting { waiter, group })
    }

    /// How many requests wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.line.count.load(Ordering::SeqCst)
    }

    /// Gives room to the requests that wait, as far as there is some. `freed` is where it may be.
    pub(super) fn serve_line(self: &Arc<Self>, freed: Option<&Arc<Backend<C>>>) {
        while self.line.is_any_waiting() {
            let table = self.table.load();
            let Some((waiter, state)) = self.serve_one(freed, &table) else {
                return;
            };
            waiter.end(state);
        }
    }

    /// Takes the first request out of the line that can be given something.
    fn serve_one(
        self: &Arc<Self>,
        freed: Option<&Arc<Backend<C>>>,
        table: &Table<C>,
    ) -> Option<(Arc<Waiter<C>>, State<C>)> {
        let mut waiters = self.line.lock();
        let (mut place, mut found) = (0, None);
        while let Some(waiter) = waiters.get(place) {
            found = self.found_for(waiter, freed, table);
            // When one that may go anywhere finds no room, the ones behind it shall not overtake it.
            if found.is_some() || waiter.may_go_anywhere() {
                break;
            }
            place += 1;
        }
        let found = found?;
        let waiter = waiters.remove(place)?;
        self.line.count.fetch_sub(1, Ordering::SeqCst);
        Some((waiter, found))
    }

    fn found_for(
        self: &Arc<Self>,
        waiter: &Waiter<C>,
        freed: Option<&Arc<Backend<C>>>,
        table: &Table<C>,
    ) -> Option<State<C>> {
        let only = match &waiter.waits_for {
            WaitsFor::Only(only) if only.is_up() && !only.is_disabled() => Some(only),
            WaitsFor::Only(_) => return Some(State::NoneLive),
            WaitsFor::AnyBut(_) => table.tagged(waiter.key),
        };
        if let Some(only) = only {
            return self.try_lease(only, table).map(State::Granted);
        }
        if table.is_empty() {
            return Some(State::NoneLive);
        }
        let fits = |one: &Backend<C>| table.may_take_over(one) && !waiter.has_failed_at(one);
        let quick = freed.filter(|freed| fits(freed));
        if let Some(lease) = quick.and_then(|freed| self.try_lease(freed, table)) {
            return Some(State::Granted(lease));
        }
        let rank = |one: &Backend<C>| one.rank().filter(|_| fits(one));
        let all = table.preferred(waiter.key, 0, rank);
        if all.is_empty() {
            return Some(State::NoneLive);
        }
        let leased = all.iter().find_map(|one| self.try_lease(one, table));
        leased.map(State::Granted)
    }
}

impl<C> Waiter<C> {
    fn has_failed_at(&self, backend: &Backend<C>) -> bool {
        match &self.waits_for {
            WaitsFor::AnyBut(failed) => failed.iter().any(|one| std::ptr::eq(&**one, backend)),
            WaitsFor::Only(_) => false,
        }
    }

    /// Whether it would take room wherever there is some.
    fn may_go_anywhere(&self) -> bool {
        let has_failed = |failed: &Vec<_>| !failed.is_empty();
        let is_bound = matches!(self.key, Key::Tag(_));
        !is_bound && matches!(&self.waits_for, WaitsFor::AnyBut(failed) if !has_failed(failed))
    }
}

#[cfg(test)]
mod tests;
