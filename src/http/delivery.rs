//! How a message goes to the client. Must not know what the message is.

use super::Version;
use super::method::Method;

/// What of a request and of its connection decides how the answer is written.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The client's version; 1.1 if its head could not be read.
    pub version: Version,
    /// The method of the request: an answer to `HEAD` has no content.
    pub method: Method,
    /// Whether the connection stays open afterwards.
    pub keep_alive: bool,
    /// The current time as `Date` has it.
    pub date: &'a str,
}
