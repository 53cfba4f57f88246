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
    /// What a line begins with that is all there is to say of a request: the number of its connection
    /// while another request is in flight.
    pub(in crate::log) fn prefix(&self, number: u32) -> String {
        let Self(count) = self;
        match count.load(Relaxed) {
            0 => String::new(),
            _ => format!("#{number} "),
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_story_has_company_while_another_one_has_not_ended() {
        let stories = Stories::default();
        assert_eq!(stories.prefix(7), "");
        let mut first = stories.begin();
        assert!(!first.has_company());
        assert_eq!(stories.prefix(7), "#7 ");
        let second = stories.begin();
        assert!(first.has_company() && second.has_company());
        first.end();
        assert!(first.has_company() && !second.has_company());
        first.end();
        drop(first);
        assert!(!second.has_company());
        drop(second);
        assert_eq!(stories.prefix(7), "");
    }
}
