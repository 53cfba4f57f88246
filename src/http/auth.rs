//! Authentication that belongs to a connection, not to a request: NTLM and Negotiate.
//!
//! With these two a server authenticates the connection once, and takes every later request on it for
//! one of that user (RFC 4559 §6). A connection on which they were
//! offered or used must not carry another client's request.

use super::fields::named;
use super::list::members;
use httparse::Header;

/// The schemes, in any case of their letters (RFC 9110 §11.1).
const SCHEMES: [&[u8]; 2] = [b"NTLM", b"Negotiate"];

/// Whether a response with this status offers one of them.
#[must_use]
pub fn is_offered(status: u16, fields: &[Header<'_>]) -> bool {
    matches!(status, 401 | 407)
        && ["WWW-Authenticate", "Proxy-Authenticate"]
            .iter()
            .any(|name| named(fields, name).any(names_scheme))
}

/// Whether a request carries credentials of one of them.
#[must_use]
pub fn is_used(fields: &[Header<'_>]) -> bool {
    ["Authorization", "Proxy-Authorization"]
        .iter()
        .any(|name| named(fields, name).any(names_scheme))
}

/// Whether any member of the list begins with one of the schemes. Quotes are not looked at: a
/// comma in a quoted realm can at worst make one connection private that need not be.
fn names_scheme(value: &[u8]) -> bool {
    let scheme = |member: &[u8]| {
        let mut words = member.split(|byte| matches!(byte, b' ' | b'\t'));
        let word = words.next().unwrap_or_default();
        SCHEMES.iter().any(|one| one.eq_ignore_ascii_case(word))
    };
    members(value).any(scheme)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header<'b>(name: &'b str, value: &'b str) -> Header<'b> {
        Header {
            name,
            value: value.as_bytes(),
        }
    }

    #[test]
    fn a_scheme_is_found_in_any_case_and_any_member() {
        for value in [
            "NTLM",
            "negotiate",
            "Basic realm=\"a\", nTlM",
            "Negotiate TlRMTVNTUAAC==",
            "Digest realm=\"a\", nonce=\"b\",\tNegotiate",
        ] {
            let fields = [header("x", "y"), header("www-AUTHENTICATE", value)];
            assert!(is_offered(401, &fields), "{value}");
            assert!(!is_offered(200, &fields), "{value}");
            assert!(is_used(&[header("authorization", value)]), "{value}");
        }
        let two = ["Basic realm=\"a\"", "NTLM"].map(|value| header("Proxy-Authenticate", value));
        assert!(is_offered(407, &two));
        assert!(is_used(&[header("Proxy-Authorization", "NTLM a==")]));
    }

    #[test]
    fn another_scheme_is_none_of_them() {
        for value in [
            "Basic TlRMTQ==",
            "NTLMv2",
            "Bearer ntlm",
            "X-Negotiate",
            "ntlm=1",
            "",
        ] {
            assert!(
                !is_offered(401, &[header("WWW-Authenticate", value)]),
                "{value}"
            );
            assert!(!is_used(&[header("Authorization", value)]), "{value}");
        }
    }
}
