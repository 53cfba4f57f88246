//! The end of a request in flight, and the requests that wait for one to end.
//!
//! A request that ends gives its place straight to the first in the queue that may have it: the counters
//! do not change, so nothing can come between. Only where no request in the queue may have it, the place
//! becomes free.
//!
//! # No request waits while there is room
//!
//! Room is made in two ways, and each looks at the queue afterwards.
//!
//! * A request ends: it counts back, and then looks whether the queue is empty. A request that enters the
//!   queue is in its count before it looks for room itself, once more, as part of entering. All four
//!   steps are in one order for all threads (`SeqCst`). So either the request that ends sees that the
//!   queue is not empty, and serves it; or it looked before the other one was counted, and has counted
//!   back before that too: then the one that enters finds the room.
//! * A new table is put in place: then the queue is served under its lock, whatever its count. A request
//!   that enters holds that lock while it looks for room. If it does so earlier, it is in the queue when
//!   that is served; if later, it finds the new table.
//!
//! # No new request overtakes
//!
//! While a request waits that takes any backend, `pick` finds nothing for new ones, and these enter
//! behind it. A request that waits for certain backends only does not keep others from the rest; it is
//! not overtaken there, because what ends there goes to it directly.

use super::awaited::{Awaited, WaitsFor, is_among};
use super::backend::Backend;
use super::in_flight::{self, Counted};
use super::request_queue::Answer;
use super::select::{Missing, Reach, Search};
use super::shared::Backends;
use std::sync::Arc;

impl<C> Backends<C> {
    /// A request has ended.
    pub(super) fn release(&self, counted: &Counted<C>) {
        if !self.queue.is_empty() && self.hand_over(counted) {
            return;
        }
        in_flight::count_back(&counted.backend.in_flight);
        if counted.is_in_total {
            in_flight::count_back(&self.total.0);
        }
        self.load_changed(&counted.backend);
        self.serve_queue();
    }

    /// Gives what has become free to the requests that wait, if any does.
    pub(super) fn serve_queue(&self) {
        if !self.queue.is_empty() {
            self.serve_queue_now();
        }
    }

    /// The same after a new table.
    pub(super) fn serve_queue_now(&self) {
        self.queue.serve(|awaited| self.answer(awaited));
    }

    /// Gives the place of a request that ends to one that waits. Not if a reload has changed the limits:
    /// then it is counted in another way, or there may be too many.
    fn hand_over(&self, counted: &Counted<C>) -> bool {
        let table = self.table.load();
        let policy = &table.policy;
        let total = policy.max_in_flight_total;
        let is_as_before = counted.is_in_total == total.is_some()
            && !in_flight::is_exceeded(&self.total.0, total)
            && !in_flight::is_exceeded(&counted.backend.in_flight, policy.max_in_flight);
        let is_for = |awaited: &Awaited<C>| table.admits(&counted.backend, awaited);
        is_as_before && self.queue.hand_over(|| counted.clone(), is_for)
    }

    /// What there is for a request that waits. Called under the lock of the queue.
    pub(super) fn answer(&self, awaited: &Awaited<C>) -> Answer<Counted<C>> {
        let found = match &awaited.waits_for {
            WaitsFor::Only(backend) => self.count_only(backend),
            WaitsFor::AnyBut(tried) => {
                let search = Search {
                    key: awaited.key,
                    turn: None,
                    is_tried: &|backend: &Backend<C>| is_among(tried, backend),
                    reach: Reach::All,
                };
                self.search(&self.table.load(), &search)
            }
        };
        match found {
            Ok(counted) => Answer::Granted(counted),
            Err(Missing::Free) => Answer::Full,
            Err(Missing::Live) => Answer::NoneLive,
        }
    }

    /// Counts a request at this backend, where its client belongs.
    pub(super) fn count_only(&self, backend: &Arc<Backend<C>>) -> Result<Counted<C>, Missing> {
        match backend.keeps_clients() {
            true => self.count_in(backend).ok_or(Missing::Free),
            false => Err(Missing::Live),
        }
    }

    /// Counts a request at this backend and in the group, if there is room in both.
    pub(super) fn count_in(&self, backend: &Arc<Backend<C>>) -> Option<Counted<C>> {
        let policy = self.table.load().policy;
        let total = policy.max_in_flight_total;
        if total.is_some() && !in_flight::count(&self.total.0, total) {
            return None;
        }
        if !self.count_at(backend, policy.max_in_flight) {
            if total.is_some() {
                in_flight::count_back(&self.total.0);
            }
            return None;
        }
        Some(Counted {
            backend: Arc::clone(backend),
            is_in_total: total.is_some(),
        })
    }
}
