//! t
#![allow(missing_docs)]
pub mod backends;
pub mod checker;
pub mod cli;
pub mod client;
pub mod config;
pub mod error;
pub mod exchange;
pub mod gate;
pub mod http;
pub mod jobs;
pub mod journal;
pub mod lot;
pub mod net;
pub mod resolver;
pub mod server;
pub mod session;
pub mod turn;
pub mod workers;
