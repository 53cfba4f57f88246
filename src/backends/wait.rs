//! A request that waits in its group's queue until a backend is free.

use super::awaited::{Awaited, WaitsFor};
use super::in_flight::Counted;
use super::key::Key;
use super::lease::Lease;
use super::pick::Picked;
use super::request_queue::{Answer, Place};
use super::shared::Backends;
use std::fmt;
use std::sync::Arc;

/// The place of a request in the queue. When it is dropped, the request leaves; what it was granted and
/// has not taken goes to the next one.
pub struct Waiting<C> {
    place: Arc<Place<Awaited<C>, Counted<C>>>,
    group: Arc<Backends<C>>,
}

/// As many requests wait as may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueFull;

impl<C> Backends<C> {
    /// Enters the queue, for a request that was given [`Picked::Full`], unless as many wait as may. If
    /// there is room by now, [`Waiting::take`] has it at once.
    pub fn wait(
        self: &Arc<Self>,
        key: Key,
        waits_for: WaitsFor<C>,
    ) -> Result<Waiting<C>, QueueFull> {
        let most = self.table.load().policy.queue_length;
        let awaited = Awaited { key, waits_for };
        let is_plain = awaited.is_plain();
        let answer = |awaited: &Awaited<C>| self.answer(awaited);
        let place = self.queue.enter((awaited, is_plain), most, answer);
        let (place, group) = (place.ok_or(QueueFull)?, Arc::clone(self));
        Ok(Waiting { place, group })
    }
}

impl<C> Waiting<C> {
    /// Has `wake` called once when there is an answer; now, if there is one already. It is called on the
    /// thread that brings the answer about, with no lock of the group held. A later call takes the place
    /// of an earlier one.
    pub fn on_grant(&self, wake: impl FnOnce() + Send + 'static) {
        self.place.on_answer(Box::new(wake));
    }

    /// The answer, once: a lease, or that no backend is live any more. `None` while there is none.
    #[must_use]
    pub fn take(&self) -> Option<Picked<C>> {
        match self.place.take()? {
            Answer::Granted(counted) => Some(Picked::Lease(Lease::new(counted, &self.group))),
            Answer::NoneLive | Answer::Full => Some(Picked::NoneLive),
        }
    }
}

impl<C> Drop for Waiting<C> {
    fn drop(&mut self) {
        if let Some(counted) = self.group.queue.leave(&self.place) {
            self.group.release(&counted);
        }
    }
}

impl<C> fmt::Debug for Waiting<C> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Waiting")
    }
}

#[cfg(test)]
mod tests;
