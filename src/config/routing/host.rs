//! The hosts that a route takes, as they are written and compared. Must not know paths.

use crate::http::host::is_valid;
use std::cmp::Ordering;
use std::fmt;
use std::net::Ipv6Addr;

/// One host, or all that are below one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPattern(pub(super) Pattern);

/// What a pattern is made of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Pattern {
    /// A name or an IPv4 address, in small letters and without a dot at its end.
    Name(String),
    /// The name below which every host fits: `example` of `*.example`.
    Below(String),
    /// An IPv6 address, which can be spelled in several ways.
    V6(Ipv6Addr),
}

const EXAMPLE: &str = "write a host without a port, for example shop.example, *.example or [::1]";

impl HostPattern {
    /// `shop.example`, `*.example`, `192.0.2.7`, `[::1]` or `::1`. The error says what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bare = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'));
        if let Ok(address) = bare.unwrap_or(text).parse() {
            return Ok(Self(Pattern::V6(address)));
        }
        if text == "*" {
            return Err("leave the host out: such a route takes every host".into());
        }
        let name = text.strip_prefix("*.").unwrap_or(text);
        let lower = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let is_name = !lower.starts_with('.') && !lower.contains(['*', ':']);
        if !is_name || !is_valid(lower.as_bytes()) {
            return Err(EXAMPLE.into());
        }
        Ok(Self(match name.len() == text.len() {
            true => Pattern::Name(lower),
            false => Pattern::Below(lower),
        }))
    }

    /// Whether it takes this host.
    pub(super) fn takes(&self, host: Host<'_>) -> bool {
        match (&self.0, host) {
            (Pattern::Name(own), Host::Name(name)) => compare(name, own).is_eq(),
            (Pattern::Below(own), Host::Name(name)) => {
                let mut suffixes = suffixes(name);
                suffixes.any(|suffix| compare(suffix, own).is_eq())
            }
            (Pattern::V6(own), Host::V6(address)) => *own == address,
            _ => false,
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Pattern::Name(name) => f.write_str(name),
            Pattern::Below(name) => write!(f, "*.{name}"),
            Pattern::V6(address) => write!(f, "[{address}]"),
        }
    }
}

/// The host of a request, as it is compared: without its port and a dot at its end.
#[derive(Clone, Copy, Debug)]
pub(super) enum Host<'h> {
    Name(&'h [u8]),
    V6(Ipv6Addr),
    /// There is none, or it is no host.
    Unknown,
}

impl<'h> Host<'h> {
    /// Reads a `Host` field or the authority of a target.
    pub(super) fn of(host: Option<&'h [u8]>) -> Self {
        match host {
            None | Some([]) => Host::Unknown,
            Some([b'[', rest @ ..]) => v6(rest).map_or(Host::Unknown, Host::V6),
            Some(host) => {
                let end = memchr::memchr(b':', host).unwrap_or(host.len());
                let name = &host[..end];
                Host::Name(name.strip_suffix(b".").unwrap_or(name))
            }
        }
    }
}

/// The address before the closing bracket.
fn v6(text: &[u8]) -> Option<Ipv6Addr> {
    let end = memchr::memchr(b']', text)?;
    std::str::from_utf8(&text[..end]).ok()?.parse().ok()
}

/// What follows each dot in `name`, the longest first: the names that it is below.
pub(super) fn suffixes(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let dots = memchr::memchr_iter(b'.', name).filter(|dot| *dot > 0);
    dots.map(|dot| &name[dot + 1..])
}

/// The order of `name`, as a client spells it, and `own`, in small letters. By length first: most
/// pairs of names differ in it.
pub(super) fn compare(name: &[u8], own: &str) -> Ordering {
    let small = |byte: &u8| byte.to_ascii_lowercase();
    let by_bytes = || name.iter().map(small).cmp(own.bytes());
    name.len().cmp(&own.len()).then_with(by_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(pattern: &str, host: &str) -> bool {
        let pattern = HostPattern::parse(pattern).expect(pattern);
        pattern.takes(Host::of(Some(host.as_bytes())))
    }

    #[test]
    fn case_port_and_one_dot_at_the_end_do_not_count() {
        for host in [
            "shop.example",
            "SHOP.Example:8080",
            "shop.example.",
            "shop.example.:1",
        ] {
            assert!(takes("Shop.Example", host), "{host}");
            assert!(takes("shop.example.", host), "{host}");
        }
        for host in [
            "shop.example..",
            "xshop.example",
            "shop.exampl",
            "a.shop.example",
            "",
        ] {
            assert!(!takes("shop.example", host), "{host}");
        }
        assert!(takes("192.0.2.7", "192.0.2.7:80"));
    }

    #[test]
    fn a_wildcard_takes_what_is_below_it_at_any_depth_and_not_the_name_itself() {
        for host in ["a.example", "a.b.EXAMPLE:80", "a.example."] {
            assert!(takes("*.example", host), "{host}");
        }
        for host in [
            "example",
            ".example",
            "aexample",
            "a.example.org",
            "example.",
        ] {
            assert!(!takes("*.example", host), "{host}");
        }
    }

    #[test]
    fn addresses_of_version_6_are_compared_as_addresses() {
        for host in ["[2001:db8::1]", "[2001:DB8:0:0::1]:8080"] {
            assert!(takes("[2001:db8::1]", host), "{host}");
            assert!(takes("2001:db8:0::1", host), "{host}");
        }
        for host in ["[2001:db8::2]", "[2001:db8::1", "2001:db8::1", "[x]"] {
            assert!(!takes("[2001:db8::1]", host), "{host}");
        }
    }

    #[test]
    fn what_is_no_host_is_an_error_and_the_others_are_shown_in_one_form() {
        for text in [
            "",
            "a:80",
            "[::1]:80",
            "*",
            "a.*",
            "*a.example",
            "*.*.a",
            "a b",
            ".a",
            "*.",
        ] {
            assert!(HostPattern::parse(text).is_err(), "{text}");
        }
        for (text, shown) in [("A.b.", "a.b"), ("*.A", "*.a"), ("0::1", "[::1]")] {
            assert_eq!(HostPattern::parse(text).expect(text).to_string(), shown);
        }
    }
}
