//! What happens to an exchange: the one list from which the story, the access log and whatever else
//! watches an exchange are made. Must not know who watches.

use crate::backends::Name;
use crate::http::error::Error;
use crate::http::response::ResponseHead;

/// Something that has happened.
#[derive(Debug)]
pub enum Event<'e> {
    /// The request is about to be sent to this backend, on a connection that is open.
    Attempt(&'e Name),
    /// The attempt has failed there, and the request goes elsewhere.
    Retried(&'e Name, &'e Error),
    /// The attempt has failed there, and the request goes nowhere else. Comes once for each backend
    /// that was tried.
    Failed(&'e Name, &'e Error),
    /// The exchange would wait, and is parked.
    Parked,
    /// The final head of a response has come.
    Answered(&'e ResponseHead<'e, 'e>),
    /// Bytes of its body have come, framed as the backend frames them.
    Body(&'e [u8]),
    /// The balancer itself has answered, with this status.
    AnsweredHere(u16),
}

/// How an exchange has ended.
#[derive(Clone, Copy, Debug)]
pub struct Ending<'e> {
    /// The status that the client got, or would have got.
    pub status: u16,
    /// Bytes of content that the client got.
    pub bytes: u64,
    /// What went wrong, if something did.
    pub error: Option<&'e Error>,
}
