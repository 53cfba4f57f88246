//! How a group spreads requests over its backends, and how many it takes at a time: plain values.

use super::{AdminState, Backend};
use std::sync::Arc;

/// How the next backend is chosen among those that are equally well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// One after the other, each as often as its weight says.
    #[default]
    RoundRobin,
    /// The one with the fewest requests in flight for its weight; equal ones take turns.
    LeastRequests,
    /// Of two at random, the one with fewer requests in flight for its weight.
    TwoChoices,
    /// At random, each as often as its weight says.
    Random,
    /// By what the request brings: the same key goes to the same backend.
    Hash,
    /// By a cookie that names the backend; the first time by turn.
    Sticky,
}

impl Algorithm {
    /// The values as they are written.
    pub const WORDS: [(&'static str, Self); 6] = [
        ("round-robin", Self::RoundRobin),
        ("least-requests", Self::LeastRequests),
        ("two-choices", Self::TwoChoices),
        ("random", Self::Random),
        ("hash", Self::Hash),
        ("sticky", Self::Sticky),
    ];
}

/// The heaviest weight, as in HAProxy. The schedule of a group is at most this long for each backend.
pub const MAX_WEIGHT: u32 = 256;

/// How a group treats requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupPolicy {
    /// How the next backend is chosen.
    pub algorithm: Algorithm,
    /// The most requests in flight at one backend.
    pub max_in_flight: Option<usize>,
    /// The most requests in flight at all backends together.
    pub max_in_flight_total: Option<usize>,
    /// The most requests that wait because of these two.
    pub queue_length: usize,
}

/// A backend in its group.
#[derive(Debug)]
pub struct Member<C> {
    /// The backend.
    pub backend: Arc<Backend<C>>,
    /// Its share beside the weights of the others, up to [`MAX_WEIGHT`]; 0 gets no new requests.
    pub weight: u32,
    /// Whether it is used only when no other is up.
    pub is_backup: bool,
    /// What the operator wants of it.
    pub admin: AdminState,
}

impl<C> Member<C> {
    /// A backend with an ordinary share.
    #[must_use]
    pub fn new(backend: Arc<Backend<C>>) -> Self {
        Self {
            backend,
            weight: 1,
            is_backup: false,
            admin: AdminState::default(),
        }
    }
}

/// What a request brings along for algorithms that look at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Key {
    /// Nothing: by turn.
    #[default]
    Absent,
    /// The hash of what decides.
    Hash(u64),
    /// The tag of the backend that it was sent to before.
    Tag(u64),
}
