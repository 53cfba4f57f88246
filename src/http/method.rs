//! The method of a request, as far as a proxy must know it.

/// The methods that a proxy treats differently. Names are case-sensitive (RFC 9110 §9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `HEAD`: its answer has no body, whatever its fields say.
    Head,
    /// `GET`
    Get,
    /// `OPTIONS`
    Options,
    /// `TRACE`
    Trace,
    /// `PUT` and `DELETE`: idempotent, though not safe.
    PutOrDelete,
    /// `CONNECT`: refused, we are no forward proxy.
    Connect,
    /// `POST`, `PATCH` and every method that we do not know: may change something each time.
    Other,
}

impl Method {
    /// Recognises a method by its exact name.
    #[must_use]
    pub fn of(name: &str) -> Self {
        match name {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "OPTIONS" => Method::Options,
            "TRACE" => Method::Trace,
            "PUT" | "DELETE" => Method::PutOrDelete,
            "CONNECT" => Method::Connect,
            _ => Method::Other,
        }
    }

    /// Whether doing it twice is the same as doing it once (RFC 9110 §9.2.2).
    #[must_use]
    pub fn is_idempotent(self) -> bool {
        !matches!(self, Method::Connect | Method::Other)
    }
}
