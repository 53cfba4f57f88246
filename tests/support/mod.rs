//! What the tests share: a balancer on a port of its own, backends that follow a script, and
//! a client that speaks raw bytes. Nothing here uses the code that is tested, except to start
//! it.
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    clippy::unwrap_used,
    reason = "each test file uses a part of this"
)]

mod client;
mod lb;
mod origin;
mod programs;
mod waiting;

pub use self::lb::{Lb, Setup, config_of, name_of, nobody, observed};
pub use client::{Client, Response, find};
pub use origin::{Origin, Served, answer_check};
pub use programs::{
    LbProgram, Program, lb_command, lb_output, lines_of, open_descriptors, said, threads,
};
pub use waiting::{PATIENCE, eventually};
