//! The part of a target that a route takes off before a backend gets the request. Must not know
//! routes: it says how many bytes go, and what stands in their place.

use super::target::Target;

/// What is left out at the start of [`Target::rest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StrippedPrefix {
    /// How many bytes go, as the client has spelled them. They end before a `/`, before a `?` or at
    /// the end of the target.
    pub bytes: usize,
    /// Whether a slash comes in front of the rest, which begins with none.
    pub adds_slash: bool,
}

/// Appends `target` in origin form, without what is stripped (RFC 9112 §3.2.1).
pub fn write_target(target: &Target<'_>, stripped: Option<StrippedPrefix>, out: &mut Vec<u8>) {
    let whole = StrippedPrefix {
        bytes: 0,
        adds_slash: target.lacks_slash,
    };
    let StrippedPrefix { bytes, adds_slash } = stripped.unwrap_or(whole);
    if adds_slash {
        out.push(b'/');
    }
    let rest = target.rest.as_bytes();
    out.extend_from_slice(rest.get(bytes..).unwrap_or_default());
}
