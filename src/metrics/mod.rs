//! What is counted and noted for those who look: counters, times, which requests run, what each worker
//! does, what changed of late. Plain atomics: a request takes no lock and allocates nothing for any of
//! it, and the thread that reads it holds up no worker.
//!
//! Nothing of it is there unless it was asked for. Must not know what is counted beyond its name, nor
//! how it is shown.
//!
//! | file | what it is |
//! |---|---|
//! | [`counter`] | a number that only grows |
//! | [`histogram`] | times by buckets, and quantiles from them |
//! | [`codes`] | responses by status code, of a bounded number of codes |
//! | [`routes`] | the same by route, of a bounded number of routes |
//! | [`backend`], [`group`] | all that is counted of one backend, of one group |
//! | [`checks`] | the last checks of a backend |
//! | [`recent`] | the last minute, second by second |
//! | [`changes`] | what changed in the last minute, and why |
//! | [`lanes`] | what each worker does at this moment |
//! | [`live`] | the sessions: which request each serves, and what that waits for |
//! | [`observed`] | what there is of all this for the whole process |
//!
//! # Atomic orders
//!
//! Each counter stands for itself, so all of them are `Relaxed`: what is read may be a moment old, and
//! two counters may be from different moments. Only the text of a live request has to be whole; see
//! [`live`].

pub mod backend;
pub mod changes;
pub mod checks;
pub mod codes;
pub mod counter;
pub mod group;
pub mod histogram;
pub mod lanes;
pub mod live;
pub mod observed;
pub mod recent;
pub mod routes;

pub use backend::BackendMetrics;
pub use counter::Counter;
pub use group::GroupMetrics;
pub use histogram::{Histogram, HistogramReading};
pub use observed::Observed;
