//! What a request asks for: the four forms of RFC 9112 §3.2, and the one that a backend gets.

use super::method::Method;
use super::{Refusal, host};
use memchr::memchr2;

/// Who sends a request, as far as it may speak of connections that are not its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// A client: what it says of TLS means nothing here.
    Anyone,
    /// A proxy of ours, which may have taken the request over TLS.
    TrustedProxy,
}

/// How the client has spoken, by the target: `ws` is spoken as `http`, `wss` as `https`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `http`, `ws`, or a target without a scheme.
    Http,
    /// `https` or `wss`.
    Https,
}

impl Scheme {
    /// As `X-Forwarded-Proto` names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

/// The schemes of absolute targets, with what separates them from the authority.
const SCHEMES: [(&str, Scheme); 4] = [
    ("http://", Scheme::Http),
    ("https://", Scheme::Https),
    ("ws://", Scheme::Http),
    ("wss://", Scheme::Https),
];

/// Path and query of a request, never decoded or normalised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'b> {
    /// How the client has spoken.
    pub scheme: Scheme,
    /// The authority of an absolute-form target.
    pub authority: Option<&'b str>,
    /// An absolute form may leave out the slash that the origin form needs.
    pub lacks_slash: bool,
    /// The rest: path and query, or `*`.
    pub rest: &'b str,
}

impl<'b> Target<'b> {
    /// Reads the four forms of RFC 9112 §3.2.
    pub fn of(text: &'b str, method: Method, sender: Sender) -> Result<Self, Refusal> {
        if method == Method::Connect {
            return Err(Refusal::with_status(501, "CONNECT is for forward proxies"));
        }
        if text.starts_with('/') || (text == "*" && method == Method::Options) {
            return Ok(Self {
                scheme: Scheme::Http,
                authority: None,
                lacks_slash: false,
                rest: text,
            });
        }
        match scheme_of(text) {
            Some((Scheme::Https, _)) if sender == Sender::Anyone => Err(Refusal::bad(
                "an https target from a client that is no trusted proxy",
            )),
            Some((scheme, rest)) => Self::absolute(scheme, rest, method),
            None => Err(Refusal::bad("the target is neither a path nor an http URI")),
        }
    }

    /// `authority [path] [?query]`, what follows the scheme.
    fn absolute(scheme: Scheme, text: &'b str, method: Method) -> Result<Self, Refusal> {
        let end = memchr2(b'/', b'?', text.as_bytes()).unwrap_or(text.len());
        let (authority, rest) = text.split_at(end);
        if !host::is_valid(authority.as_bytes()) {
            return Err(Refusal::bad("the target's authority is not a host"));
        }
        let asks_server = rest.is_empty() && method == Method::Options;
        Ok(Self {
            scheme,
            authority: Some(authority),
            lacks_slash: !rest.starts_with('/') && !asks_server,
            rest: if asks_server { "*" } else { rest },
        })
    }
}

/// The scheme of an absolute target, and what follows it.
fn scheme_of(text: &str) -> Option<(Scheme, &str)> {
    SCHEMES.iter().find_map(|(name, scheme)| {
        let (start, rest) = text.split_at_checked(name.len())?;
        start.eq_ignore_ascii_case(name).then_some((*scheme, rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_of_tls_is_for_trusted_proxies_and_plain_ones_are_for_anyone() {
        let scheme = |text: &str, sender| {
            let target = Target::of(text, Method::Get, sender);
            target.map(|target| target.scheme).ok()
        };
        for (text, anyone, proxy) in [
            ("/", Some(Scheme::Http), Some(Scheme::Http)),
            ("http://a/", Some(Scheme::Http), Some(Scheme::Http)),
            ("WS://a/", Some(Scheme::Http), Some(Scheme::Http)),
            ("https://a/", None, Some(Scheme::Https)),
            ("HTTPS://a", None, Some(Scheme::Https)),
            ("wSs://a:443/b", None, Some(Scheme::Https)),
            ("https:///", None, None),
            ("https://u@a/", None, None),
            ("wsss://a/", None, None),
            ("ftp://a/", None, None),
            ("https:/a", None, None),
        ] {
            assert_eq!(scheme(text, Sender::Anyone), anyone, "{text}");
            assert_eq!(scheme(text, Sender::TrustedProxy), proxy, "{text}");
        }
    }
}
