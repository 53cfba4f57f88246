//! The cookies of a request, as far as a balancer looks at them: one value by its name
//! (RFC 6265 §5.4). Must not know what a value means.

use super::fields::named;
use super::list::trim;
use super::scan::is_token;
use httparse::Header;

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
}
