//! How many requests may be sent again: so many percent of all requests of the group. When backends
//! fail, retries would otherwise multiply the load on those that are left, and make the outage worse.
//! As with Envoy's `retry_budget` and the Gateway API (GEP-3388), a few are always allowed, so that a
//! group with little traffic is not without retries.
//!
//! Requests are counted by the tickets that they draw anyway. The ticket is looked at only when a retry
//! is asked for; what it was ten seconds ago is worked out from the looks before and after.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Over this time requests and retries are counted: that of GEP-3388. Longer than a burst, and short
/// enough to follow the traffic.
const WINDOW: Duration = Duration::from_secs(10);

/// Looks closer to each other than this count as one, so that there are few of them.
const STEP: Duration = Duration::from_secs(1);

/// So many are allowed in that time, whatever the traffic: Envoy's default `min_retry_concurrency`.
const ALWAYS: usize = 3;

/// What was seen when a retry was asked for.
#[derive(Clone, Copy, Debug)]
struct Look {
    at: Instant,
    /// The ticket of the next request.
    ticket: usize,
    /// Retries that were allowed since.
    retries: usize,
}

/// The retries of one group.
#[derive(Debug)]
pub(super) struct RetryBudget(Mutex<VecDeque<Look>>);

impl RetryBudget {
    /// Nothing was asked of the group before `start`.
    pub(super) fn new(start: Instant) -> Self {
        let first = Look {
            at: start,
            ticket: 0,
            retries: 0,
        };
        Self(Mutex::new(VecDeque::from([first])))
    }

    /// Looks at the ticket of the next request without asking for a retry.
    pub(super) fn note(&self, now: Instant, ticket: usize) {
        look(&mut self.lock(), now, ticket);
    }

    /// Allows one more retry at `now`, if there are fewer than `percent` of the requests. `ticket` is
    /// that of the next request.
    pub(super) fn spend(&self, now: Instant, ticket: usize, percent: u32) -> bool {
        let mut looks = self.lock();
        look(&mut looks, now, ticket);
        let is_allowed = left(&looks, now, ticket, percent) > 0;
        if let Some(last) = looks.back_mut().filter(|_| is_allowed) {
            last.retries += 1;
        }
        is_allowed
    }

    /// How many more would be allowed at `now`.
    pub(super) fn left(&self, now: Instant, ticket: usize, percent: u32) -> usize {
        left(&self.lock(), now, ticket, percent)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Look>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Look {
    /// Whether the window at `now` begins after it, or with it.
    fn is_before(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) >= WINDOW
    }
}

/// Looks at the ticket, and forgets looks that are not needed any more. One from before the window stays,
/// to know the ticket at its beginning.
fn look(looks: &mut VecDeque<Look>, now: Instant, ticket: usize) {
    while looks.get(1).is_some_and(|look| look.is_before(now)) {
        looks.pop_front();
    }
    let is_new = |look: &Look| now.saturating_duration_since(look.at) < STEP;
    if !looks.back().is_some_and(is_new) {
        looks.push_back(Look {
            at: now,
            ticket,
            retries: 0,
        });
    }
}

/// How many more are allowed, as was seen.
fn left(looks: &VecDeque<Look>, now: Instant, ticket: usize, percent: u32) -> usize {
    let inside = looks.iter().filter(|look| !look.is_before(now));
    let retries: usize = inside.map(|look| look.retries).sum();
    let requests = ticket.wrapping_sub(ticket_at_start(looks, now, ticket));
    let allowed = requests.saturating_mul(percent as usize) / 100;
    allowed.max(ALWAYS).saturating_sub(retries)
}

/// The ticket at the beginning of the window, as if requests had come evenly between two looks.
fn ticket_at_start(looks: &VecDeque<Look>, now: Instant, ticket: usize) -> usize {
    let Some(before) = looks.front() else {
        return ticket;
    };
    // From the first look until the window begins.
    let time = now.saturating_duration_since(before.at);
    let until_start = time.saturating_sub(WINDOW).as_secs_f64();
    let (next_at, next_ticket) = match looks.get(1) {
        Some(next) => (next.at, next.ticket),
        None => (now, ticket),
    };
    let between = next_at.saturating_duration_since(before.at).as_secs_f64();
    let tickets = next_ticket.wrapping_sub(before.ticket) as f64;
    let part = if between > 0.0 {
        (until_start / between).min(1.0)
    } else {
        0.0
    };
    // Rounded down, and never more than all of them.
    before.ticket.wrapping_add((tickets * part) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many retries are allowed in a row at this time.
    fn allowed(budget: &RetryBudget, now: Instant, ticket: usize, percent: u32) -> usize {
        let asked = (0..10_000).take_while(|_| budget.spend(now, ticket, percent));
        asked.count()
    }

    #[test]
    fn so_many_percent_of_the_requests_and_a_few_in_any_case() {
        let start = Instant::now();
        let soon = start + Duration::from_secs(5);
        for (requests, percent, expected) in [
            (1000, 20, 200),
            (1000, 100, 1000),
            (1000, 1, 10),
            (1000, 0, 3),
            (10, 20, 3),
            (0, 20, 3),
            (19, 20, 3),
            (20, 20, 4),
        ] {
            let budget = RetryBudget::new(start);
            let allowed = allowed(&budget, soon, requests, percent);
            assert_eq!(allowed, expected, "{requests}, {percent} %");
        }
    }

    #[test]
    fn what_is_older_than_the_window_counts_no_more() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let budget = RetryBudget::new(start);
        assert_eq!(allowed(&budget, at(0), 1000, 20), 200);
        assert_eq!(allowed(&budget, at(9), 1000, 20), 0);
        // The requests of the beginning are out of the window, and their retries too.
        assert_eq!(allowed(&budget, at(19), 1100, 20), 20);
        assert_eq!(allowed(&budget, at(29), 1100, 20), 3);
    }

    #[test]
    fn after_a_long_time_without_retries_the_traffic_is_taken_to_have_been_even() {
        let start = Instant::now();
        let budget = RetryBudget::new(start);
        let later = start + Duration::from_secs(100);
        assert_eq!(allowed(&budget, later, 10_000, 20), 200);
        let mut ticket = 10_000;
        let mut sum = 0;
        for second in 1..=20 {
            ticket += 100;
            sum += allowed(&budget, later + Duration::from_secs(second), ticket, 20);
        }
        assert!((380..=420).contains(&sum), "{sum}");
    }

    #[test]
    fn few_looks_are_kept_however_often_a_retry_is_asked_for() {
        let start = Instant::now();
        let budget = RetryBudget::new(start);
        for step in 0..10_000_u32 {
            budget.spend(start + Duration::from_millis(10) * step, step as usize, 20);
        }
        assert!(budget.0.lock().expect("no panic").len() <= 12);
    }
}
