//! What changed in the last minute, and why: health, reloads, what operators did. A bounded list, which
//! is written to only when something changes.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Changes older than this are of no interest.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// In an outage of many backends, the newest ones are kept.
const MOST_CHANGES: usize = 200;

/// Bytes of a text that are kept: the longest reasons quote what a backend has sent.
const MOST_BYTES: usize = 400;

/// Something that has changed.
#[derive(Clone, Debug)]
pub struct Noted {
    /// When, by the clock that never jumps.
    pub at: Instant,
    /// When, by the time of day.
    pub time: SystemTime,
    /// The group that it concerns; empty for the whole balancer.
    pub group: String,
    /// The backend that it concerns; empty for more than one.
    pub backend: String,
    /// What, and why.
    pub text: String,
}

/// What changed of late.
#[derive(Debug, Default)]
pub struct ChangeLog(Mutex<VecDeque<Noted>>);

impl ChangeLog {
    /// Notes a change.
    pub fn note(&self, group: &str, backend: &str, mut text: String) {
        if let Some((end, _)) = text.char_indices().nth(MOST_BYTES) {
            text.truncate(end);
        }
        let noted = Noted {
            at: Instant::now(),
            time: SystemTime::now(),
            group: group.into(),
            backend: backend.into(),
            text,
        };
        let mut changes = self.lock();
        if changes.len() == MOST_CHANGES {
            changes.pop_front();
        }
        changes.push_back(noted);
    }

    /// The changes of the minute before `now`, newest first.
    #[must_use]
    pub fn last_minute(&self, now: Instant) -> Vec<Noted> {
        let mut changes = self.lock();
        let is_old = |noted: &Noted| now.saturating_duration_since(noted.at) > KEPT_FOR;
        while changes.front().is_some_and(is_old) {
            changes.pop_front();
        }
        changes.iter().rev().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Noted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_come_first_and_only_so_many_of_the_last_minute() {
        let changes = ChangeLog::default();
        for number in 0..MOST_CHANGES + 3 {
            changes.note("g", "b", number.to_string());
        }
        let now = Instant::now();
        let kept = changes.last_minute(now);
        assert_eq!((kept.len(), kept[0].text.as_str()), (MOST_CHANGES, "202"));
        assert_eq!(kept[MOST_CHANGES - 1].text, "3");
        assert!(changes.last_minute(now + KEPT_FOR * 2).is_empty());
        changes.note("", "", "é".repeat(1000));
        assert_eq!(changes.last_minute(now)[0].text.chars().count(), MOST_BYTES);
    }
}
