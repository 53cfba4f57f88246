//! What is sent, and what is to come of it: decided by reading the RFCs, not by running anything.
#![allow(unreachable_pub, missing_docs, reason = "a module of tests")]

pub mod answers;
pub mod hostile;
pub mod random;
pub mod valid;

/// What becomes of a request with another one, the marker, right behind it.
#[derive(Clone, Debug)]
pub enum Expected {
    /// Method, target and body as the backend reads them; the marker is answered after it.
    Passes(&'static str, &'static str, &'static str),
    /// The same, but the connection ends then: the marker is not read.
    Last(&'static str, &'static str, &'static str),
    /// This status and the end. The backend has no whole request, and never reads the marker.
    Refused(u16),
}

/// A request and what becomes of it.
#[derive(Clone, Debug)]
pub struct Case {
    pub bytes: Vec<u8>,
    pub expected: Expected,
}

pub fn all() -> Vec<Case> {
    [valid::cases(), hostile::cases()].concat()
}
