//! How a group spreads its requests, and how many it takes.

/// Which of the backends that are equally fit gets a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// Each in its turn, by weight.
    #[default]
    RoundRobin,
    /// The one with the fewest requests in flight for its weight; of several, the one whose turn it is.
    LeastRequests,
    /// Of two that are drawn by weight, the one with fewer requests in flight for its weight. As good as
    /// `LeastRequests` where several balancers send to the same backends: they do not all rush to the
    /// same one.
    TwoChoices,
    /// Drawn by weight.
    Random,
    /// The one that has the key of the request, by weighted rendezvous hashing.
    Hash,
    /// The one that the client's cookie names; without one, each in its turn.
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

    /// It as it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        let mut words = Self::WORDS.iter();
        let found = words.find(|(_, one)| *one == self);
        // All of them are there.
        found.map_or("", |(word, _)| word)
    }
}

/// How a group spreads its requests, and how many it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupPolicy {
    /// Which backend gets a request.
    pub algorithm: Algorithm,
    /// The most requests in flight at one backend; `None` is any number.
    pub max_in_flight: Option<usize>,
    /// The most requests in flight in the group; `None` is any number. Requests that began while there
    /// was no such limit are not counted in.
    pub max_in_flight_total: Option<usize>,
    /// The most requests that wait until a backend is free; 0: none waits.
    pub queue_length: usize,
}
