//! The grammar of `Host` and of a target's authority: `uri-host [":" port]`, RFC 9110 §7.2
//! and RFC 3986 §3.2.2. User information, which a URI may carry, is refused here.

use super::scan::letters_digits_and;

/// The longest host: a name in the DNS has 253 bytes, which may all be written as `%41`, and a port
/// has six with its colon. It is written into several fields.
const MAX_BYTES: usize = 1024;

/// Whether `value` is a host with an optional port, and nothing else.
///
/// An empty host is refused: RFC 9110 §4.2.1 makes an `http` URI without one invalid.
#[must_use]
pub fn is_valid(value: &[u8]) -> bool {
    if value.len() > MAX_BYTES {
        return false;
    }
    let (host_is_valid, rest) = match value.first() {
        Some(b'[') => bracketed(value),
        _ => named(value),
    };
    host_is_valid && port_is_valid(rest)
}

/// An IP literal in brackets, and what follows it.
fn bracketed(value: &[u8]) -> (bool, &[u8]) {
    let Some(close) = value.iter().position(|&byte| byte == b']') else {
        return (false, b"");
    };
    let (inside, rest) = (&value[1..close], &value[close + 1..]);
    let is_v6 =
        std::str::from_utf8(inside).is_ok_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok());
    (is_v6, rest)
}

/// A registered name or an IPv4 address, and what follows it.
fn named(value: &[u8]) -> (bool, &[u8]) {
    let end = value
        .iter()
        .position(|&byte| byte == b':')
        .unwrap_or(value.len());
    let (host, rest) = value.split_at(end);
    (!host.is_empty() && is_reg_name(host), rest)
}

/// `*( unreserved / pct-encoded / sub-delims )`
fn is_reg_name(host: &[u8]) -> bool {
    let mut bytes = host.iter();
    while let Some(&byte) = bytes.next() {
        let mut is_escaped = || {
            let digits = [bytes.next(), bytes.next()];
            digits
                .iter()
                .all(|digit| digit.is_some_and(u8::is_ascii_hexdigit))
        };
        let fits = match byte {
            b'%' => is_escaped(),
            _ => STANDS_FOR_ITSELF[usize::from(byte)],
        };
        if !fits {
            return false;
        }
    }
    true
}

/// unreserved / sub-delims
const STANDS_FOR_ITSELF: [bool; 256] = letters_digits_and(b"-._~!$&'()*+,;=");

/// Nothing, or `:` and a number up to 65535. The grammar allows no digits at all (`host:`).
fn port_is_valid(rest: &[u8]) -> bool {
    let Some((colon, digits)) = rest.split_first() else {
        return true;
    };
    *colon == b':'
        && digits.len() <= 5
        && digits.iter().all(u8::is_ascii_digit)
        && digits
            .iter()
            .fold(0, |port, digit| port * 10 + u32::from(digit - b'0'))
            <= 65_535
}

#[cfg(test)]
mod tests {
    use super::{MAX_BYTES, is_valid};

    #[test]
    fn hosts_of_the_grammar_pass() {
        for host in [
            "a",
            "localhost:8080",
            "127.0.0.1",
            "[::1]",
            "[::1]:80",
            "a:",
            "x_y.example",
            "%41b",
            "a.b.",
            "[::ffff:1.2.3.4]:1",
        ] {
            assert!(is_valid(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let long = "a".repeat(MAX_BYTES + 1);
        assert!(is_valid(&long.as_bytes()[1..]));
        for host in [
            &long,
            "",
            ":80",
            "a b",
            "user@a",
            "a/b",
            "a:b",
            "a:65536",
            "a:080808",
            "[::1",
            "::1",
            "[::1]x",
            "[a]",
            "[]",
            "a:-1",
            "a:80:80",
            "a?b",
            "a#b",
            "a\\b",
            "%4",
            "%zz",
            "a,b c",
            "\u{e4}",
            "a\t",
            "[::1%25eth0]",
        ] {
            assert!(!is_valid(host.as_bytes()), "{host}");
        }
    }
}
