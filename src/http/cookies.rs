//! The cookies of a request, as far as a balancer looks at them: one value by its name
//! (RFC 6265 §5.4). Must not know what a value means.

use super::fields::named;
use super::list::trim;
use super::scan::is_token;
use httparse::Header;
use std::io::Write as _;

/// The value of the cookie `name`; of several the first, which is the most specific one.
#[must_use]
pub fn value<'b>(fields: &[Header<'b>], name: &str) -> Option<&'b [u8]> {
    named(fields, "Cookie").find_map(|field| value_in(field, name.as_bytes()))
}

/// The value in one field: `name=value` pairs, a semicolon between them.
fn value_in<'b>(field: &'b [u8], name: &[u8]) -> Option<&'b [u8]> {
    let pairs = field.split(|&byte| byte == b';').map(trim);
    pairs.into_iter().find_map(|pair| {
        let rest = pair.strip_prefix(name)?.strip_prefix(b"=")?;
        Some(without_quotes(rest))
    })
}

/// A value may stand in double quotes, which do not belong to it (RFC 6265 §4.1.1).
fn without_quotes(value: &[u8]) -> &[u8] {
    let inside = value
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""));
    inside.unwrap_or(value)
}

/// Whether `name` can be the name of a cookie: a token (RFC 6265 §4.1.1).
#[must_use]
pub fn is_name(name: &str) -> bool {
    is_token(name.as_bytes())
}

/// The cookie of a sticky session: it names a backend by the hash of its name, and means nothing
/// to others.
#[derive(Clone, Copy, Debug)]
pub struct StickyCookie<'c> {
    /// What it is called.
    pub name: &'c str,
    /// The hash of the backend's name.
    pub tag: u64,
    /// Whether the client may send it over TLS only: it has come so.
    pub is_secure: bool,
}

impl StickyCookie<'_> {
    /// Appends the field that sets it. Scripts do not see it, and other sites' requests do not carry it,
    /// but for links (RFC 6265bis §4.1.2).
    pub fn write(&self, out: &mut Vec<u8>) {
        let secure = if self.is_secure { "; Secure" } else { "" };
        let (name, tag) = (self.name, self.tag);
        // Writing to a Vec cannot fail.
        let _ = write!(
            out,
            "Set-Cookie: {name}={tag:016x}; Path=/; HttpOnly; SameSite=Lax{secure}\r\n"
        );
    }
}

/// The hash in the value of such a cookie; `None` if it is none of ours.
#[must_use]
pub fn tag_in(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?;
    let is_digit = |byte: u8| byte.is_ascii_hexdigit();
    let is_tag = text.len() == 16 && text.bytes().all(is_digit);
    is_tag.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value_of(cookies: &[&'static str], name: &str) -> Option<&'static str> {
        let field = |value: &&'static str| Header {
            name: "cookie",
            value: value.as_bytes(),
        };
        let fields: Vec<Header<'static>> = cookies.iter().map(field).collect();
        let found = value(&fields, name);
        found.map(|value| std::str::from_utf8(value).expect("ASCII"))
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name_wherever_it_stands() {
        for (cookies, expected) in [
            (&["lb=1"][..], Some("1")),
            (&["a=2; lb=1"], Some("1")),
            (&["a=2;lb=1 ;b=3"], Some("1")),
            (&["a=2", "lb=1"], Some("1")),
            (&["lb=1; lb=2"], Some("1")),
            (&["lb=\"1\""], Some("1")),
            (&["lb="], Some("")),
            (&["lb=a=b"], Some("a=b")),
            (&["xlb=1", "lbx=2", "LB=3", "lb", " =lb"], None),
            (&["a=lb=1"], None),
            (&[""], None),
            (&[], None),
        ] {
            assert_eq!(value_of(cookies, "lb"), expected, "{cookies:?}");
        }
    }

    #[test]
    fn a_name_is_a_token() {
        assert!(is_name("lb") && is_name("__Host-lb"));
        assert!(!is_name("") && !is_name("a b") && !is_name("a=b") && !is_name("a;"));
    }

    #[test]
    fn a_sticky_cookie_comes_back_as_it_was_set() {
        let cookie = |is_secure| {
            let mut out = Vec::new();
            let name = "lb";
            let tag = 0xab;
            StickyCookie {
                name,
                tag,
                is_secure,
            }
            .write(&mut out);
            String::from_utf8(out).expect("ASCII")
        };
        assert_eq!(
            cookie(false),
            "Set-Cookie: lb=00000000000000ab; Path=/; HttpOnly; SameSite=Lax\r\n"
        );
        assert!(cookie(true).ends_with("; SameSite=Lax; Secure\r\n"));
        assert_eq!(tag_in(b"00000000000000ab"), Some(0xab));
        for other in [
            "",
            "ab",
            "00000000000000AG",
            "+0000000000000ab",
            "00000000000000abc",
        ] {
            assert_eq!(tag_in(other.as_bytes()), None, "{other}");
        }
    }
}
