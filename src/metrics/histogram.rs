//! Times by buckets, and quantiles that are estimated from them.

use super::counter::Counter;
use std::array;
use std::time::Duration;

/// The upper bounds of the buckets in microseconds: 0.5 ms, which a backend next door takes, up to 30 s,
/// the default timeout of a response. What takes longer has a bucket of its own.
pub const BOUNDS_MICROS: [u64; 15] = [
    500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000,
    2_000_000, 5_000_000, 10_000_000, 30_000_000,
];

/// One bucket more than there are bounds.
pub const BUCKETS: usize = BOUNDS_MICROS.len() + 1;

/// How many times there were in each bucket.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Counter; BUCKETS],
    /// Of all times, in nanoseconds. It has room for 584 years.
    sum: Counter,
}

/// What a histogram said at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistogramReading {
    /// How many times there were in each bucket.
    pub buckets: [u64; BUCKETS],
    /// Of all times.
    pub sum: Duration,
}

impl Histogram {
    /// Counts a time.
    pub fn observe(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_MICROS.partition_point(|bound| *bound < micros);
        self.buckets[bucket].count();
        self.sum
            .add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// What it says now.
    #[must_use]
    pub fn read(&self) -> HistogramReading {
        HistogramReading {
            buckets: array::from_fn(|bucket| self.buckets[bucket].read()),
            sum: Duration::from_nanos(self.sum.read()),
        }
    }

    /// How many times there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(Counter::read).sum()
    }
}

impl HistogramReading {
    /// How many times there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The bounds in seconds, each with the number of times in its bucket.
    #[must_use]
    pub fn in_seconds(&self) -> [(f64, u64); BUCKETS] {
        array::from_fn(|bucket| (bound(bucket), self.buckets[bucket]))
    }

    /// The time in seconds that a part of all times, such as 0.99, does not exceed; `None` without any.
    /// Within a bucket times are taken to be spread evenly, as Prometheus does. What is in the last
    /// bucket counts as its lower bound.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Option<f64> {
        let rank = part * self.count() as f64;
        let mut below = 0.0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            let count = *count as f64;
            if count > 0.0 && below + count >= rank {
                let (from, to) = (lower_bound(bucket), bound(bucket));
                let is_last = to == f64::INFINITY;
                let within = if is_last {
                    0.0
                } else {
                    (to - from) * ((rank - below) / count)
                };
                return Some(from + within.max(0.0));
            }
            below += count;
        }
        None
    }

    /// What came after `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &[u64; BUCKETS]) -> Self {
        let after = |bucket: usize| self.buckets[bucket].saturating_sub(earlier[bucket]);
        Self {
            buckets: array::from_fn(after),
            sum: self.sum,
        }
    }
}

/// The upper bound of a bucket in seconds.
fn bound(bucket: usize) -> f64 {
    let micros = BOUNDS_MICROS.get(bucket);
    micros.map_or(f64::INFINITY, |micros| *micros as f64 / 1e6)
}

fn lower_bound(bucket: usize) -> f64 {
    bucket.checked_sub(1).map_or(0.0, bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(millis: &[f64]) -> HistogramReading {
        let histogram = Histogram::default();
        let times = millis
            .iter()
            .map(|millis| Duration::from_secs_f64(millis / 1e3));
        times.for_each(|time| histogram.observe(time));
        histogram.read()
    }

    #[test]
    fn a_time_is_counted_in_the_bucket_whose_bound_it_does_not_exceed() {
        for (millis, bucket) in [
            (0.0, 0),
            (0.5, 0),
            (0.501, 1),
            (1.0, 1),
            (29_999.0, 14),
            (30_001.0, 15),
        ] {
            let reading = of(&[millis]);
            assert_eq!(
                (reading.buckets[bucket], reading.count()),
                (1, 1),
                "{millis}"
            );
            assert_eq!(reading.sum, Duration::from_secs_f64(millis / 1e3));
        }
        assert_eq!(of(&[1.0]).in_seconds()[1], (0.001, 1));
        assert_eq!(of(&[]).in_seconds()[15], (f64::INFINITY, 0));
    }

    #[test]
    fn quantiles_are_within_the_bucket_of_the_time_that_they_stand_for() {
        assert_eq!(of(&[]).quantile(0.5), None);
        let mixed = of(&[vec![3.0; 98], vec![700.0; 2]].concat());
        let [half, most] = [0.5, 0.99].map(|part| mixed.quantile(part).expect("there are some"));
        assert!((0.002..=0.005).contains(&half), "{half}");
        assert!((0.5..=1.0).contains(&most), "{most}");
        assert_eq!(of(&[90_000.0]).quantile(0.99), Some(30.0));
        let all = of(&[0.4, 0.4]);
        assert_eq!(
            (all.quantile(0.0), all.quantile(1.0)),
            (Some(0.0), Some(0.0005))
        );
    }

    #[test]
    fn what_came_later_is_separate_from_what_was_there_before() {
        let histogram = Histogram::default();
        histogram.observe(Duration::from_secs(7));
        let before = histogram.read();
        assert_eq!(before.since(&before.buckets).quantile(0.5), None);
        histogram.observe(Duration::from_millis(1));
        let after = histogram.read().since(&before.buckets);
        assert_eq!((after.count(), after.buckets[1]), (1, 1));
    }
}
