//! The retry budget of a group: what was sent and failed is sent again only for a part of all
//! requests, so that an outage is not multiplied. As Envoy's `retry_budget`, counted over the last
//! seconds as the Gateway API has it (GEP-3388).
//!
//! Costs a request nothing: the group counts its requests anyway, and their number is looked at once a
//! second and at each retry.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Over this time requests and retries are counted: the interval of GEP-3388's example.
const WINDOW: Duration = Duration::from_secs(10);

/// The window moves in steps of this time.
const STEP: Duration = Duration::from_secs(1);

/// So many are allowed in a window, however few requests there are: Envoy's `min_retry_concurrency`.
const LEAST: usize = 3;

/// The budget of one group.
#[derive(Debug, Default)]
pub(super) struct RetryBudget(Mutex<VecDeque<Step>>);

/// A part of the window.
#[derive(Debug)]
struct Step {
    began: Instant,
    /// The requests that the group had got until then.
    requests: usize,
    /// Retries since then.
    retries: usize,
}

impl RetryBudget {
    /// Notes that the group has got so many requests until `now`.
    pub(super) fn note(&self, requests: usize, now: Instant) {
        let mut steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        advance(&mut steps, requests, now);
    }

    /// Whether another retry is within `percent` of the requests of the window; counts it if it is.
    pub(super) fn try_take(&self, percent: u32, requests: usize, now: Instant) -> bool {
        let mut steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        advance(&mut steps, requests, now);
        let retries: usize = steps.iter().map(|step| step.retries).sum();
        let before = steps.front().map_or(requests, |first| first.requests);
        let recent = requests.wrapping_sub(before);
        let allowed = (recent.saturating_mul(percent as usize) / 100).max(LEAST);
        let is_allowed = retries < allowed;
        if let Some(last) = steps.back_mut() {
            last.retries += usize::from(is_allowed);
        }
        is_allowed
    }
}

/// Begins a new step if it is time, and forgets those that are over.
fn advance(steps: &mut VecDeque<Step>, requests: usize, now: Instant) {
    let age = |step: &Step| now.saturating_duration_since(step.began);
    while steps.front().is_some_and(|step| age(step) >= WINDOW + STEP) {
        steps.pop_front();
    }
    if steps.back().is_none_or(|step| age(step) >= STEP) {
        steps.push_back(Step {
            began: now,
            requests,
            retries: 0,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of 1000 retries are allowed at once.
    fn allowed(budget: &RetryBudget, percent: u32, requests: usize, now: Instant) -> usize {
        let tries = 0..1000;
        tries
            .filter(|_| budget.try_take(percent, requests, now))
            .count()
    }

    #[test]
    fn a_part_of_the_requests_of_the_last_seconds_may_be_sent_again() {
        let (budget, start) = (RetryBudget::default(), Instant::now());
        budget.note(0, start);
        let second = |count| start + STEP * count;
        assert_eq!(allowed(&budget, 20, 1000, second(1)), 200);
        assert_eq!(allowed(&budget, 20, 1000, second(2)), 0);
        assert_eq!(allowed(&budget, 20, 1050, second(3)), 10);
        assert_eq!(allowed(&budget, 20, usize::MAX / 2, second(4)), 1000);
    }

    #[test]
    fn some_are_always_allowed_and_more_when_the_window_has_passed() {
        let (budget, start) = (RetryBudget::default(), Instant::now());
        assert_eq!(allowed(&budget, 20, 0, start), LEAST);
        assert_eq!(allowed(&budget, 20, 1, start + WINDOW / 2), 0);
        assert_eq!(allowed(&budget, 0, 5, start + WINDOW + STEP), LEAST);
    }

    #[test]
    fn a_window_has_a_bounded_number_of_steps() {
        let (budget, start) = (RetryBudget::default(), Instant::now());
        (0..10_000).for_each(|step| budget.note(step, start + STEP / 3 * step as u32));
        let steps = budget.0.lock().expect("no panic");
        assert!(steps.len() <= 12, "{}", steps.len());
    }
}
