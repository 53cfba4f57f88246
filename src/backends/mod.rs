//! Which backends there are, which of them are up, which one is next, and their idle connections.
//!
//! Names no HTTP and no socket: a connection is any `C`.
//!
//! | file | duty |
//! |---|---|
//! | [`pick`] | a backend for a request, or why there is none |
//! | [`select`] | which one that is: ranks, algorithms, limits |
//! | `table` | what selection reads: made anew at each change, never written by a request |
//! | `schedule`, `tournament`, `rendezvous` | whose turn it is; which one has the fewest requests; which one has a key |
//! | [`key`] | what a request brings along for the choice |
//! | [`Lease`], `in_flight` | a request in flight, counted exactly |
//! | [`wait`], `request_queue`, `dispatch` | requests that wait until a backend is free |
//! | `retry_budget` | how many requests may be sent again |
//! | [`membership`], [`member`], [`policy`] | which backends there are, with which weights, limits and algorithm |
//! | `shared` | what all of that shares |
//! | [`group`], `silence` | what an observation means for the group: how many may be out for silence |
//! | [`backend`], [`name`], [`addresses`] | one backend: what it is called, and where it can be reached |
//! | [`AdminState`] | what the operator wants of it |
//! | [`health`], `standing` | up, suspect or down, from observations: a pure state machine |
//! | [`failures`] | requests that fail in a row, and the trial after an ejection |
//! | [`heard`], `epoch` | when it said something last |
//! | [`slow_start`] | the share of a backend that has just returned |
//! | [`idle`] | connections that rest between requests |

pub mod addresses;
mod admin_state;
pub mod awaited;
pub mod backend;
mod dispatch;
mod epoch;
pub mod failures;
pub mod group;
pub mod health;
pub mod heard;
pub mod idle;
mod in_flight;
pub mod key;
mod lease;
pub mod member;
pub mod membership;
pub mod name;
pub mod pick;
pub mod policy;
mod rendezvous;
mod request_queue;
mod retry_budget;
mod schedule;
pub mod select;
mod shared;
mod silence;
pub mod slow_start;
mod standing;
mod table;
mod tournament;
pub mod wait;

pub use admin_state::AdminState;
pub use awaited::WaitsFor;
pub use backend::{Backend, BackendState, Finding};
pub use key::Key;
pub use lease::Lease;
pub use member::Member;
pub use name::Name;
pub use pick::{Picked, Wanted};
pub use policy::{Algorithm, GroupPolicy};
pub use shared::Backends;
pub use standing::Standing;
pub use wait::{QueueFull, Waiting};

#[cfg(test)]
mod testing;
