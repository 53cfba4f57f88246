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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_known_by_its_exact_name_and_repeated_only_if_idempotent() {
        for (name, method, is_idempotent) in [
            ("GET", Method::Get, true),
            ("HEAD", Method::Head, true),
            ("OPTIONS", Method::Options, true),
            ("TRACE", Method::Trace, true),
            ("PUT", Method::PutOrDelete, true),
            ("DELETE", Method::PutOrDelete, true),
            ("POST", Method::Other, false),
            ("PATCH", Method::Other, false),
            ("get", Method::Other, false),
            ("CONNECT", Method::Connect, false),
        ] {
            assert_eq!(Method::of(name), method, "{name}");
            assert_eq!(method.is_idempotent(), is_idempotent, "{name}");
        }
    }
}
