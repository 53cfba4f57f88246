//! How many requests a story tells of at the same time, and so whether a line needs the number of its
//! connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The stories of one balancer that have begun and not ended. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Stories(Arc<AtomicUsize>);

/// One of them, until it ends or is dropped.
#[derive(Debug)]
pub(super) struct InFlight {
    stories: Stories,
    has_ended: bool,
}

impl Stories {
    pub(super) fn begin(&self) -> InFlight {
        // Only a count: nothing else is read by it.
        self.0.fetch_add(1, Relaxed);
        InFlight {
            stories: self.clone(),
            has_ended: false,
        }
    }
}

impl InFlight {
    /// Whether there is another one.
    pub(super) fn has_company(&self) -> bool {
        let Stories(count) = &self.stories;
        count.load(Relaxed) > usize::from(!self.has_ended)
    }

    /// It is over.
    pub(super) fn end(&mut self) {
        if !std::mem::replace(&mut self.has_ended, true) {
            let Stories(count) = &self.stories;
            count.fetch_sub(1, Relaxed);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.end();
    }
}
