//! What a request asks for: the four forms of RFC 9112 §3.2, and the one that a backend gets.

use super::request::Method;
use super::{Refusal, host};

/// Path and query of a request, never decoded or normalised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'b> {
    /// The authority of an absolute-form target.
    pub authority: Option<&'b str>,
    /// An absolute form may leave out the slash that the origin form needs.
    pub lacks_slash: bool,
    /// The rest: path and query, or `*`.
    pub rest: &'b str,
}

impl<'b> Target<'b> {
    /// Reads the four forms of RFC 9112 §3.2.
    pub fn of(text: &'b str, method: Method) -> Result<Self, Refusal> {
        if method == Method::Connect {
            return Err(Refusal::with_status(501, "CONNECT is for forward proxies"));
        }
        if text.starts_with('/') || (text == "*" && method == Method::Options) {
            return Ok(Self {
                authority: None,
                lacks_slash: false,
                rest: text,
            });
        }
        match text.split_at_checked("http://".len()) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http://") => {
                Self::absolute(rest, method)
            }
            _ => Err(Refusal::bad("the target is neither a path nor an http URI")),
        }
    }

    /// `authority [path] [?query]`, what follows `http://`.
    fn absolute(text: &'b str, method: Method) -> Result<Self, Refusal> {
        let end = text.find(['/', '?']).unwrap_or(text.len());
        let (authority, rest) = text.split_at(end);
        if !host::is_valid(authority.as_bytes()) {
            return Err(Refusal::bad("the target's authority is not a host"));
        }
        let asks_server = rest.is_empty() && method == Method::Options;
        Ok(Self {
            authority: Some(authority),
            lacks_slash: !rest.starts_with('/') && !asks_server,
            rest: if asks_server { "*" } else { rest },
        })
    }
}
