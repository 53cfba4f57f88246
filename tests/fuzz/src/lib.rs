//! What the fuzz targets share: readers of HTTP that are written independently of `lb`'s, ways
//! to cut an input into pieces, and a stage where whole sessions are played.
//!
//! The readers here know nothing of `lb`'s code. They are slower and plainer than it is, so
//! that a mistake is not made twice in the same way.
//!
//! | file | what it is |
//! |---|---|
//! | [`wire`] | lines, fields and framing, as the RFC has them |
//! | [`body`] | bodies of every framing |
//! | [`strict`] | what `lb` may write: to a backend, to a client |
//! | [`sent`] | what a client has sent, as a backend behind `lb` should see it |
//! | [`said`] | what a backend has answered, as a client before `lb` should see it |
//! | [`splits`] | an input in pieces |
//! | [`glue`] | the only place that names types of `lb` with fields that may grow |
//! | [`stage`] | a balancer, two backends and a client over real sockets |

pub mod body;
pub mod glue;
pub mod said;
pub mod sent;
pub mod splits;
pub mod stage;
pub mod strict;
pub mod wire;
