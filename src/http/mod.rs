//! HTTP/1.1 messages as values: bytes in, values and bytes out.
//!
//! Nothing here knows a socket, a clock or a thread, so every rule can be tested at every
//! split point of its input. What comes in is untrusted; what goes out is always strictly
//! well-formed (RFC 9112), whatever came in.
//!
//! | file | duty |
//! |---|---|
//! | [`scan`] | where a head ends, and the line structure that `httparse` is lenient about |
//! | [`request`], [`response`] | a complete head as a value |
//! | [`request_line`], [`method`], [`target`], [`host`] | what is asked for, and which host is asked |
//! | [`fields`], [`connection`] | which fields are for us and which for the other end |
//! | [`cookies`] | one value of `Cookie` |
//! | [`list`] | comma-separated lists, in time linear in their bytes |
//! | [`framing`] | where a body ends: RFC 9112 §6.3, one function for each direction |
//! | [`chunked`], [`chunk_writer`], [`body`] | a body, piece by piece, in and out |
//! | [`auth`] | authentication that belongs to a connection |
//! | [`forward`], [`forwarded`] | the head as we send it on, and what it says of the client |
//! | [`identity`], [`request_id`], [`trace_context`] | how a request is named |
//! | [`client_address`] | who the client is behind proxies |
//! | [`field_rules`], [`stripped_prefix`] | what a route changes in a head |
//! | [`write`](mod@write) | the smallest parts of what is sent |
//! | [`reply`], [`accept`] | the answers that we give ourselves, and in which form |

pub mod accept;
pub mod auth;
pub mod body;
pub mod chunk_writer;
pub mod chunked;
pub mod client_address;
pub mod conformance;
pub mod connection;
pub mod cookies;
pub mod delivery;
pub mod error;
pub mod field_rules;
pub mod fields;
pub mod forward;
pub mod forwarded;
pub mod framing;
pub mod host;
pub mod identity;
pub mod interim_rate;
pub mod list;
pub mod method;
pub mod reply;
pub mod request;
pub mod request_id;
pub mod request_line;
pub mod response;
pub mod scan;
pub mod stripped_prefix;
pub mod target;
pub mod trace_context;
pub mod write;

/// The two versions that we speak with clients. Backends are always spoken to in 1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0: one exchange a connection unless asked otherwise, no chunks, no 1xx.
    Http10,
    /// HTTP/1.1.
    Http11,
}

impl Version {
    /// The version as `Via` names it: `1.0` or `1.1`.
    #[must_use]
    pub fn number(self) -> &'static str {
        match self {
            Version::Http10 => "1.0",
            Version::Http11 => "1.1",
        }
    }
}

/// Why a message is not accepted.
///
/// For a request, `status` is what the client gets. For a response the client gets 502 and
/// only `why` is of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Status code of the answer, 4xx or 5xx.
    pub status: u16,
    /// The rule that was broken, in a few words.
    pub why: &'static str,
}

impl Refusal {
    /// A 400: the message has no single reading.
    #[must_use]
    pub const fn bad(why: &'static str) -> Self {
        Self { status: 400, why }
    }

    /// A refusal with a status of its own.
    #[must_use]
    pub const fn with_status(status: u16, why: &'static str) -> Self {
        Self { status, why }
    }
}
