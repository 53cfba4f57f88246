//! One metric of the text with its series. Must not know which metrics there are.

use crate::metrics::HistogramReading;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use std::fmt;

/// The text that is being written.
pub(super) struct Text<'t>(pub(super) DescriptorEncoder<'t>);

/// The labels of one series.
pub(super) type Labels<'l> = &'l [(&'l str, &'l str)];

/// The series of one metric.
pub(super) struct Series<'s>(MetricEncoder<'s>);

impl Text<'_> {
    /// A number that only grows. `_total` is added to the name.
    pub(super) fn counter(
        &mut self,
        name: &str,
        help: &str,
        write: impl FnOnce(&mut Series<'_>) -> fmt::Result,
    ) -> fmt::Result {
        self.metric(name, help, MetricType::Counter, write)
    }

    /// A number that goes up and down.
    pub(super) fn gauge(
        &mut self,
        name: &str,
        help: &str,
        write: impl FnOnce(&mut Series<'_>) -> fmt::Result,
    ) -> fmt::Result {
        self.metric(name, help, MetricType::Gauge, write)
    }

    /// Times by buckets.
    pub(super) fn histogram(
        &mut self,
        name: &str,
        help: &str,
        write: impl FnOnce(&mut Series<'_>) -> fmt::Result,
    ) -> fmt::Result {
        self.metric(name, help, MetricType::Histogram, write)
    }

    fn metric(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        write: impl FnOnce(&mut Series<'_>) -> fmt::Result,
    ) -> fmt::Result {
        write(&mut Series(
            self.0.encode_descriptor(name, help, None, kind)?,
        ))
    }
}

impl Series<'_> {
    /// How much was counted under these labels.
    pub(super) fn count(&mut self, labels: Labels<'_>, count: u64) -> fmt::Result {
        let mut family = self.0.encode_family(&labels)?;
        family.encode_counter::<NoLabelSet, _, u64>(&count, None)
    }

    /// What it is now under these labels.
    pub(super) fn value(&mut self, labels: Labels<'_>, value: f64) -> fmt::Result {
        self.0.encode_family(&labels)?.encode_gauge(&value)
    }

    /// The times under these labels.
    pub(super) fn times(&mut self, labels: Labels<'_>, times: &HistogramReading) -> fmt::Result {
        let (sum, count) = (times.sum.as_secs_f64(), times.count());
        let mut family = self.0.encode_family(&labels)?;
        family.encode_histogram::<NoLabelSet>(sum, count, &times.in_seconds(), None)
    }
}
