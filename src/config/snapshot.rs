//! One state of the configuration, with the backends that follow from it. Every exchange holds the
//! snapshot with which it began.

use super::Config;
use crate::backends::Backends;
use crate::net::conn::Conn;

/// A configuration and its backends.
#[derive(Debug)]
pub struct Snapshot {
    /// What is configured.
    pub config: Config,
    /// The backends of this configuration.
    pub backends: Backends<Conn>,
}
