//! What happens to a request: the one list from which the story, the access log, the counters and
//! whatever else watches are made. Must not know who watches.
//!
//! The order for one request: accepted; then, for each attempt, begun, connected, ended, and
//! retried in between; answered, by a backend or by the balancer itself; ended. It may be held, or
//! wait in the queue, before any attempt, and be parked at any time. A session that is cut off, by
//! the end of a drain or by a panic, tells no end.

use crate::backends::Backend;
use crate::http::error::Error;
use crate::http::identity::Identity;
use crate::http::request::RequestHead;
use crate::http::response::ResponseHead;
use crate::net::conn::Conn;
use std::net::SocketAddr;
use std::time::Duration;

/// Something that has happened to a request. It borrows all that it tells, so it costs no allocation.
#[derive(Debug)]
pub enum Event<'e> {
    /// The head of a request has been read, and there is something to do for it.
    Accepted(&'e AcceptedRequest<'e>),
    /// No backend is up, so the request waits for one. Comes once.
    Held,
    /// Every backend that fits is at its limit, so the request enters the queue of its group.
    Queued {
        /// How many stand there before it.
        behind: usize,
    },
    /// It has left the queue.
    LeftQueue {
        /// How long it was in there.
        waited: Duration,
        /// Why it got nothing there, if it did not.
        error: Option<&'e Error>,
    },
    /// This backend was picked: on an idle connection if it is reused, else a new one is made.
    AttemptBegun {
        /// The backend.
        backend: &'e Backend<Conn>,
        /// Whether the connection has served before.
        is_reused: bool,
    },
    /// The connection of the attempt is open, and the request is about to be sent on it.
    Connected(&'e Backend<Conn>),
    /// The attempt is over.
    AttemptEnded(&'e AttemptEnd<'e>),
    /// The attempt that has just ended, or that is left alone, is followed by another.
    Retried(&'e Retry<'e>),
    /// It would wait for this, and is parked.
    Parked(Awaited),
    /// The final head of a response has come.
    Answered(&'e ResponseHead<'e, 'e>),
    /// Bytes of its body have come, framed as the backend frames them.
    Body(&'e [u8]),
    /// All of the response has come, and its last bytes are about to be written to the client, which
    /// may send its next request as soon as it has them. May come several times.
    LastBytes {
        /// The status.
        status: u16,
        /// Bytes of content.
        bytes: u64,
    },
    /// The balancer itself has answered, with this status.
    AnsweredHere(u16),
    /// It is over.
    Ended(&'e Ending<'e>),
}

/// What a parked request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// A backend that is up.
    Backend,
    /// Room at a backend, in the queue.
    Room,
    /// A descriptor or port of ours.
    Resources,
    /// The connection to its backend.
    Connection,
    /// The rest of the request, from the client or on its way to the backend.
    Request,
    /// The head of the response.
    Response,
    /// The rest of the response, from the backend or on its way to the client.
    Body,
}

/// A request as it was accepted.
#[derive(Clone, Copy, Debug)]
pub struct AcceptedRequest<'e> {
    /// Its head, as the client has sent it.
    pub head: &'e RequestHead<'e, 'e>,
    /// The peer of the connection.
    pub client: SocketAddr,
    /// The number of the connection, counted from 1 since the start.
    pub connection: u32,
    /// The name of the group of backends that it goes to; `None` if the balancer answers it itself.
    pub group: Option<&'e str>,
    /// How it is named.
    pub identity: &'e Identity,
    /// How long its head took to come, from the first byte to the last.
    pub reading: Duration,
}

/// An attempt that is over.
#[derive(Clone, Copy, Debug)]
pub struct AttemptEnd<'e> {
    /// Where it was.
    pub backend: &'e Backend<Conn>,
    /// What has come of it: the status of a complete response, or why there is none.
    pub outcome: Result<u16, &'e Error>,
    /// How long it took, with the making of the connection.
    pub took: Duration,
}

/// An attempt that follows another.
#[derive(Clone, Copy, Debug)]
pub struct Retry<'e> {
    /// Where the request was.
    pub from: &'e Backend<Conn>,
    /// Why it goes on.
    pub error: &'e Error,
    /// Where it goes; `None` if it has to wait for a backend first.
    pub to: Option<&'e Backend<Conn>>,
    /// Bytes of it had been sent.
    pub was_sent: bool,
}

/// How a request has ended.
#[derive(Clone, Copy, Debug)]
pub struct Ending<'e> {
    /// The status that the client got, or would have got.
    pub status: u16,
    /// Bytes of content that the client got.
    pub bytes: u64,
    /// All bytes that it got, or that are on their way, with the heads.
    pub sent: u64,
    /// What went wrong, if something did.
    pub error: Option<&'e Error>,
    /// How long it took, from the complete head to the last byte of the answer.
    pub took: Duration,
    /// What the balancer is doing besides.
    pub load: Load,
}

/// How much is under way besides the request that has just ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Open connections of clients, with its own.
    pub connections: usize,
    /// Requests in flight at the backends of the group.
    pub group: usize,
}
