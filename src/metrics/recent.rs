//! The last minute, second by second: what was counted in each, and what the histogram said before it.
//! A thread reads the counters once a second, so that a request pays nothing for it.

use super::histogram::{BUCKETS, HistogramReading};
use std::collections::VecDeque;

/// So many seconds are kept.
pub const SECONDS: usize = 60;

/// Rates are means of so many seconds: long enough to be steady, short enough to follow.
const RATE_SECONDS: usize = 5;

/// The histogram is kept every so many seconds, so that quantiles are those of the last 60 to 70.
const HISTOGRAM_STEP: u64 = 10;
const HISTOGRAMS: usize = SECONDS / HISTOGRAM_STEP as usize + 1;

/// What had been counted by a time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// Requests.
    pub requests: u64,
    /// Those of them that went wrong.
    pub errors: u64,
}

/// The last minute.
#[derive(Debug, Default)]
pub struct Recent {
    /// The second at which it was looked at last.
    looked: Option<u64>,
    totals: Totals,
    /// Oldest first.
    seconds: VecDeque<[u32; 2]>,
    /// What the histogram said then, oldest first.
    histograms: VecDeque<[u64; BUCKETS]>,
}

impl Recent {
    /// Notes what had been counted by this second. Seconds at which nobody looked have nothing; what
    /// came in them is in the last one.
    pub fn note(
        &mut self,
        second: u64,
        totals: Totals,
        histogram: impl FnOnce() -> [u64; BUCKETS],
    ) {
        let missed = match self.looked {
            Some(looked) if second <= looked => return,
            Some(looked) => second - looked - 1,
            None => 0,
        };
        let last = self.looked.replace(second);
        (0..missed.min(SECONDS as u64)).for_each(|_| self.push([0, 0]));
        let since = |now: u64, before: u64| u32::try_from(now - before).unwrap_or(u32::MAX);
        let (requests, errors) = (self.totals.requests, self.totals.errors);
        self.push([
            since(totals.requests, requests),
            since(totals.errors, errors),
        ]);
        self.totals = totals;
        if last.is_none_or(|last| last / HISTOGRAM_STEP != second / HISTOGRAM_STEP) {
            keep(&mut self.histograms, HISTOGRAMS, histogram());
        }
    }

    fn push(&mut self, counted: [u32; 2]) {
        keep(&mut self.seconds, SECONDS, counted);
    }

    /// Requests and errors of each of the last seconds, oldest first.
    #[must_use]
    pub fn history(&self) -> Vec<[u64; 2]> {
        let empty = SECONDS - self.seconds.len();
        let seconds = self.seconds.iter().map(|counted| counted.map(u64::from));
        std::iter::repeat_n([0, 0], empty).chain(seconds).collect()
    }

    /// Requests in a second, of late.
    #[must_use]
    pub fn rate(&self) -> f64 {
        let last = self.seconds.iter().rev().take(RATE_SECONDS);
        let (count, seconds) = (last.clone().map(|one| f64::from(one[0])), last.len());
        count.sum::<f64>() / seconds.max(1) as f64
    }

    /// Requests of all of these seconds.
    #[must_use]
    pub fn requests(&self) -> u64 {
        let seconds = self.seconds.iter();
        seconds.map(|counted| u64::from(counted[0])).sum()
    }

    /// What came in the last minute of what the histogram says now.
    #[must_use]
    pub fn times(&self, now: HistogramReading) -> HistogramReading {
        match self.histograms.front() {
            Some(earlier) if self.histograms.len() == HISTOGRAMS => now.since(earlier),
            _ => now,
        }
    }
}

/// Appends one to a list of at most so many.
fn keep<T>(list: &mut VecDeque<T>, most: usize, one: T) {
    if list.len() == most {
        list.pop_front();
    }
    list.push_back(one);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Histogram;
    use std::time::Duration;

    fn totals(requests: u64, errors: u64) -> Totals {
        Totals { requests, errors }
    }

    #[test]
    fn each_second_has_what_came_in_it_and_the_oldest_one_is_forgotten() {
        let mut recent = Recent::default();
        for second in 0..100 {
            recent.note(second, totals(second * 10, second), || [0; BUCKETS]);
            recent.note(second, totals(0, 0), || {
                unreachable!("it was looked at already")
            });
        }
        let history = recent.history();
        assert_eq!(
            (history.len(), history[0], history[59]),
            (60, [10, 1], [10, 1])
        );
        assert_eq!((recent.rate(), recent.requests()), (10.0, 600));
    }

    #[test]
    fn before_a_minute_is_over_the_rest_of_it_is_empty() {
        let mut recent = Recent::default();
        assert_eq!(recent.rate(), 0.0);
        recent.note(7, totals(3, 1), || [0; BUCKETS]);
        let history = recent.history();
        assert_eq!(
            (history.len(), history[58], history[59]),
            (60, [0, 0], [3, 1])
        );
        assert_eq!(recent.rate(), 3.0);
    }

    #[test]
    fn seconds_that_were_missed_are_empty_however_many_they_are() {
        let mut recent = Recent::default();
        recent.note(0, totals(5, 0), || [0; BUCKETS]);
        recent.note(3, totals(9, 0), || [0; BUCKETS]);
        assert_eq!(recent.history()[56..], [[5, 0], [0, 0], [0, 0], [4, 0]]);
        recent.note(1_000_000, totals(10, 0), || [0; BUCKETS]);
        assert_eq!((recent.requests(), recent.history()[59]), (1, [1, 0]));
    }

    #[test]
    fn times_are_those_of_the_last_minute() {
        let (mut recent, histogram) = (Recent::default(), Histogram::default());
        histogram.observe(Duration::from_secs(8));
        recent.note(0, totals(1, 0), || histogram.read().buckets);
        assert_eq!(
            recent.times(histogram.read()).count(),
            1,
            "it was a moment ago"
        );
        (1..70).for_each(|second| recent.note(second, totals(1, 0), || histogram.read().buckets));
        histogram.observe(Duration::from_millis(1));
        let times = recent.times(histogram.read());
        assert_eq!((times.count(), times.buckets[1]), (1, 1));
    }
}
