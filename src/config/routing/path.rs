//! Paths as a backend would understand them: segments, decoded. Must not know hosts and routes.
//!
//! Two spellings of one path have to come to one route, or a client chooses the route by the
//! spelling. So runs of slashes count as one, percent-encoded bytes count as what they stand for,
//! and a segment's name ends at a semicolon, behind which servers of Java expect parameters. What
//! servers understand in different ways is refused: see [`check`].

use crate::http::Refusal;
use std::cmp::Ordering;
use std::fmt;

/// The start of a path, on the boundaries of segments: `/api` takes `/api`, `/api/` and `/api/x`,
/// and not `/apix`. A slash at its end does not count.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathPrefix {
    /// Decoded, none of them empty.
    pub(super) segments: Vec<Vec<u8>>,
}

impl PathPrefix {
    /// `/api`, `/api/v1` or `/`, which is the start of every path. The error says what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.starts_with('/') {
            return Err("a path begins with a slash, for example /api".into());
        }
        let is_allowed = |byte: u8| byte.is_ascii_graphic() && !b"?#;\\".contains(&byte);
        if !text.bytes().all(is_allowed) {
            let what =
                "a path of a route has no query, no semicolons, no spaces and no special bytes";
            return Err(format!("{what}, for example /api"));
        }
        if let Err(refusal) = check(text.as_bytes()) {
            return Err(format!("{}; no request has such a path", refusal.why));
        }
        if text.to_ascii_lowercase().contains("%3b") {
            return Err("a path of a route has no semicolons, for example /api".into());
        }
        let segments = segments(text.as_bytes()).map(|segment| segment.name().collect());
        Ok(Self {
            segments: segments.collect(),
        })
    }

    /// Whether `path` begins with it.
    pub(super) fn takes(&self, path: &[u8]) -> bool {
        let mut in_path = segments(path);
        let mut own = self.segments.iter();
        own.all(|own| {
            in_path
                .next()
                .is_some_and(|segment| segment.compare(own).is_eq())
        })
    }
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.segments.is_empty() {
            return f.write_str("/");
        }
        for segment in &self.segments {
            f.write_str("/")?;
            for &byte in segment {
                match byte.is_ascii_graphic() && !b"%?#;".contains(&byte) {
                    true => write!(f, "{}", char::from(byte))?,
                    false => write!(f, "%{byte:02X}")?,
                }
            }
        }
        Ok(())
    }
}

/// The path of a target in origin form: what stands before the query.
pub(super) fn path_of(target: &str) -> &[u8] {
    let target = target.as_bytes();
    &target[..memchr::memchr(b'?', target).unwrap_or(target.len())]
}

const DOT_SEGMENT: Refusal = Refusal::bad("the path has a dot segment");
const BROKEN_PERCENT: Refusal = Refusal::bad("the path has a percent sign without two digits");
const BACKSLASH: Refusal = Refusal::bad("the path has a backslash");
const ENCODED_SLASH: Refusal = Refusal::bad("the path has an encoded slash");
const ENCODED_NUL: Refusal = Refusal::bad("the path has an encoded NUL");

/// Refuses a path that servers understand in different ways, so that a route would say nothing of
/// what a backend then does: dot segments, which some resolve and others do not; slashes and
/// backslashes that may be separators; a NUL, where some end the path; a broken escape.
pub(super) fn check(path: &[u8]) -> Result<(), Refusal> {
    let Some(first) = memchr::memchr3(b'%', b'\\', b'.', path) else {
        return Ok(());
    };
    for (place, &byte) in path.iter().enumerate().skip(first) {
        match byte {
            b'\\' => return Err(BACKSLASH),
            b'%' => check_escape(&path[place..])?,
            _ => {}
        }
    }
    match segments(path).any(|segment| segment.is_dots()) {
        true => Err(DOT_SEGMENT),
        false => Ok(()),
    }
}

/// Checks the escape at the start of `rest`.
fn check_escape(rest: &[u8]) -> Result<(), Refusal> {
    match rest.get(1..3).and_then(escaped) {
        None => Err(BROKEN_PERCENT),
        Some(0) => Err(ENCODED_NUL),
        Some(b'/') => Err(ENCODED_SLASH),
        Some(b'\\') => Err(BACKSLASH),
        Some(_) => Ok(()),
    }
}

/// The byte that two hexadecimal digits stand for.
fn escaped(digits: &[u8]) -> Option<u8> {
    let value = |digit: u8| char::from(digit).to_digit(16);
    let &[high, low] = digits else { return None };
    u8::try_from(value(high)? * 16 + value(low)?).ok()
}

/// A segment of a path, with its parameters, as it came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<'p> {
    raw: &'p [u8],
    /// Where it ends in the path.
    pub(super) end: usize,
}

impl Segment<'_> {
    /// The bytes that the name stands for, up to a semicolon. A broken escape stands for itself.
    fn name(&self) -> impl Iterator<Item = u8> {
        let mut rest = self.raw;
        let decoded = std::iter::from_fn(move || {
            let (&first, behind) = rest.split_first()?;
            let escape = (first == b'%').then(|| behind.get(..2).and_then(escaped));
            let (byte, length) = escape.flatten().map_or((first, 1), |byte| (byte, 3));
            rest = &rest[length..];
            Some(byte)
        });
        decoded.take_while(|byte| *byte != b';')
    }

    /// The order of its name and `own`.
    pub(super) fn compare(&self, own: &[u8]) -> Ordering {
        match memchr::memchr2(b'%', b';', self.raw) {
            None => self.raw.cmp(own),
            Some(_) => self.name().cmp(own.iter().copied()),
        }
    }

    fn is_dots(&self) -> bool {
        self.name().eq(*b".") || self.name().eq(*b"..")
    }
}

/// The segments of a path that have a name. One without, between two slashes or with nothing but
/// parameters, is as good as none.
pub(super) fn segments(path: &[u8]) -> impl Iterator<Item = Segment<'_>> {
    let mut start = 0;
    let all = std::iter::from_fn(move || {
        let rest = path.get(start..)?;
        let end = start + memchr::memchr(b'/', rest).unwrap_or(rest.len());
        let raw = &path[start..end];
        start = end + 1;
        Some(Segment { raw, end })
    });
    all.filter(|segment| segment.name().next().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> PathPrefix {
        PathPrefix::parse(text).expect(text)
    }

    /// Where in `path` the segments of the prefix end, if it begins with them.
    fn end_in(prefix: &PathPrefix, path: &str) -> Option<usize> {
        let taken = prefix.takes(path.as_bytes());
        let mut in_path = segments(path.as_bytes()).take(prefix.segments.len());
        let last = in_path.try_fold(0, |_, segment| Some(segment.end));
        last.filter(|_| taken)
    }

    #[test]
    fn a_prefix_ends_where_a_segment_ends_however_that_is_spelled() {
        for (path, end) in [
            ("/api", Some(4)),
            ("/api/", Some(4)),
            ("/api/x", Some(4)),
            ("//api//x", Some(5)),
            ("/%61p%69/x", Some(8)),
            ("/api;v=1/x", Some(8)),
            ("/;x/api", Some(7)),
            ("/api%3bx/y", Some(8)),
            ("/apix", None),
            ("/ap", None),
            ("/API", None),
            ("/x/api", None),
            ("/", None),
            ("", None),
        ] {
            for text in ["/api", "/api/", "//api", "/%61pi"] {
                assert_eq!(end_in(&prefix(text), path), end, "{text} {path}");
            }
        }
        assert_eq!(end_in(&prefix("/a/b"), "/a//b/c"), Some(5));
        assert_eq!(end_in(&prefix("/a/b"), "/a/c"), None);
        assert_eq!(end_in(&prefix("/"), "/x"), Some(0));
    }

    #[test]
    fn encoded_bytes_are_what_they_stand_for_in_either_spelling() {
        assert!(prefix("/@a").takes(b"/%40a") && prefix("/%40a").takes(b"/@a"));
        assert!(prefix("/%c3%a4").takes(b"/%C3%A4"));
        assert!(prefix("/100%25").takes(b"/100%25") && !prefix("/100%25").takes(b"/100"));
    }

    #[test]
    fn what_servers_understand_in_different_ways_is_refused() {
        for (path, refusal) in [
            ("/.", DOT_SEGMENT),
            ("/a/../b", DOT_SEGMENT),
            ("/%2e/b", DOT_SEGMENT),
            ("/a/.%2E", DOT_SEGMENT),
            ("/..;x/b", DOT_SEGMENT),
            ("/%2e%2e%3bx", DOT_SEGMENT),
            ("/a%2fb", ENCODED_SLASH),
            ("/a%2Fb", ENCODED_SLASH),
            ("/a%5cb", BACKSLASH),
            ("/a\\b", BACKSLASH),
            ("/a%00", ENCODED_NUL),
            ("/a%", BROKEN_PERCENT),
            ("/a%4", BROKEN_PERCENT),
            ("/a%zz", BROKEN_PERCENT),
            ("/a%+1", BROKEN_PERCENT),
            ("/a;%2f", ENCODED_SLASH),
        ] {
            assert_eq!(check(path.as_bytes()), Err(refusal), "{path}");
        }
        for path in [
            "/",
            "",
            "/a.b/.c/...",
            "/a%20b",
            "/a..",
            "/..a",
            "/;.",
            "/%252e",
        ] {
            assert_eq!(check(path.as_bytes()), Ok(()), "{path}");
        }
        assert_eq!(path_of("/a?/../%"), b"/a");
    }

    #[test]
    fn a_prefix_that_no_request_can_have_is_an_error_and_others_are_shown_in_one_form() {
        for text in [
            "", "api", "/a?b", "/a;b", "/a%3Bb", "/a b", "/a/..", "/%2F", "/%", "/\u{e4}",
        ] {
            assert!(PathPrefix::parse(text).is_err(), "{text}");
        }
        for (text, shown) in [("//a//b/", "/a/b"), ("/", "/"), ("/%61%20%25", "/a%20%25")] {
            assert_eq!(prefix(text).to_string(), shown);
            assert_eq!(prefix(shown), prefix(text));
        }
    }
}
