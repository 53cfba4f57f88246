//! Where a body ends: RFC 9112 §6.3, one function for requests and one for responses.
//!
//! This is the place where two parsers must agree; whatever could be read in two ways is
//! refused instead of repaired.

use super::fields::{Field, values};
use super::list::trim;
use super::method::Method;
use super::scan::is_token;
use super::{Refusal, Version};
use httparse::Header;

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    Empty,
    /// Exactly this many bytes, more than none.
    Length(u64),
    /// A sequence of chunks, closed by an empty one.
    Chunked,
    /// All until the sender closes. Responses only.
    UntilClose,
}

/// The largest body that a `Content-Length` may announce: 2^63-1, what a signed counter holds
/// at the other end.
pub const MAX_LENGTH: u64 = i64::MAX as u64;

/// The digits of [`MAX_LENGTH`].
const MAX_DIGITS: usize = 19;

/// The framing of a request with these fields.
// spine 30
pub fn of_request(version: Version, fields: &[Header<'_>]) -> Result<Framing, Refusal> {
    let length = content_length(fields)?;
    let coding = transfer_coding(fields)?;
    match (coding, length) {
        (Some(_), Some(_)) => Err(Refusal::bad("both Transfer-Encoding and Content-Length")),
        (Some(_), None) if version == Version::Http10 => {
            Err(Refusal::bad("Transfer-Encoding in HTTP/1.0"))
        }
        (Some(Coding::Chunked), None) => Ok(Framing::Chunked),
        (Some(Coding::Other), None) => Err(Refusal::with_status(
            501,
            "a transfer coding other than chunked",
        )),
        (None, Some(0) | None) => Ok(Framing::Empty),
        (None, Some(length)) => Ok(Framing::Length(length)),
    }
}

/// The framing of a response to `method` with this status and these fields.
// spine 31
pub fn of_response(
    method: Method,
    status: u16,
    version: Version,
    fields: &[Header<'_>],
) -> Result<Framing, Refusal> {
    let length = content_length(fields)?;
    let coding = transfer_coding(fields)?;
    let has_none = method == Method::Head || is_bodyless(status);
    match (coding, length) {
        (Some(_), Some(_)) => Err(Refusal::bad("both Transfer-Encoding and Content-Length")),
        (Some(_), None) if version == Version::Http10 => {
            Err(Refusal::bad("Transfer-Encoding in HTTP/1.0"))
        }
        (Some(Coding::Other), None) => Err(Refusal::bad("a transfer coding other than chunked")),
        _ if has_none => Ok(Framing::Empty),
        (Some(Coding::Chunked), None) => Ok(Framing::Chunked),
        (None, Some(0)) => Ok(Framing::Empty),
        (None, Some(length)) => Ok(Framing::Length(length)),
        (None, None) => Ok(Framing::UntilClose),
    }
}

/// Whether a response with this status never has a body: 1xx, 204, 304.
#[must_use]
pub fn is_bodyless(status: u16) -> bool {
    matches!(status, 100..=199 | 204 | 304)
}

/// Whether the fields announce content, whatever method and status say of it.
#[must_use]
pub fn announces_content(fields: &[Header<'_>]) -> bool {
    let has_coding = values(fields, Field::TransferEncoding).next().is_some();
    has_coding || matches!(content_length(fields), Ok(Some(1..)))
}

/// What all the `Content-Length` fields say. Equal repetitions are one (RFC 9110 §8.6).
pub fn content_length(fields: &[Header<'_>]) -> Result<Option<u64>, Refusal> {
    let mut length = None;
    for value in values(fields, Field::ContentLength) {
        let said = decimal(value).ok_or(Refusal::bad("Content-Length is not a length"))?;
        if length.is_some_and(|before| before != said) {
            return Err(Refusal::bad("two different Content-Length"));
        }
        length = Some(said);
    }
    Ok(length)
}

/// Digits only, at least one, at most [`MAX_LENGTH`]. A list (`5, 5`) is refused too.
#[must_use]
pub fn decimal(value: &[u8]) -> Option<u64> {
    let mut digits = value;
    // Of leading zeros there may be any number: by sixteens first.
    while let Some((part, behind)) = digits.split_first_chunk()
        && part == &[b'0'; 16]
    {
        digits = behind;
    }
    let start = digits.iter().position(|&digit| digit != b'0');
    let digits = &digits[start.unwrap_or(digits.len())..];
    if value.is_empty() || digits.len() > MAX_DIGITS || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    digits
        .iter()
        .try_fold(0u64, |sum, digit| {
            sum.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
        })
        .filter(|&length| length <= MAX_LENGTH)
}

#[derive(Clone, Copy, PartialEq)]
enum Coding {
    Chunked,
    Other,
}

/// No coding has a longer name.
const MAX_CODING_BYTES: usize = 100;

/// What the `Transfer-Encoding` field says. One field, one coding, or it is refused.
fn transfer_coding(fields: &[Header<'_>]) -> Result<Option<Coding>, Refusal> {
    let mut codings = values(fields, Field::TransferEncoding);
    let Some(value) = codings.next() else {
        return Ok(None);
    };
    if codings.next().is_some() {
        return Err(Refusal::bad("two Transfer-Encoding fields"));
    }
    if trim(value).eq_ignore_ascii_case(b"chunked") {
        return Ok(Some(Coding::Chunked));
    }
    // A coding that we do not know is 501; a list or a look-alike round `chunked` is a bad
    // message, because another parser might take it for chunked.
    let is_name = value.len() <= MAX_CODING_BYTES && is_token(trim(value));
    let resembles = || {
        let mut parts = value.windows(5);
        parts.any(|part| part.eq_ignore_ascii_case(b"chunk"))
    };
    if is_name && !resembles() {
        Ok(Some(Coding::Other))
    } else {
        Err(Refusal::bad("Transfer-Encoding is not exactly chunked"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(version: Version, fields: &[(&str, &str)]) -> Result<Framing, u16> {
        of_request(version, &headers(fields)).map_err(|refusal| refusal.status)
    }

    fn headers<'b>(fields: &[(&'b str, &'b str)]) -> Vec<Header<'b>> {
        fields
            .iter()
            .map(|&(name, value)| Header {
                name,
                value: value.as_bytes(),
            })
            .collect()
    }

    #[test]
    fn a_request_is_framed_by_one_rule() {
        use Version::Http11 as V11;
        assert_eq!(request(V11, &[]), Ok(Framing::Empty));
        assert_eq!(request(V11, &[("Content-Length", "0")]), Ok(Framing::Empty));
        assert_eq!(
            request(V11, &[("content-length", "007")]),
            Ok(Framing::Length(7))
        );
        assert_eq!(
            request(V11, &[("Content-Length", "5"), ("CONTENT-LENGTH", "5")]),
            Ok(Framing::Length(5))
        );
        assert_eq!(
            request(V11, &[("Transfer-Encoding", " Chunked\t")]),
            Ok(Framing::Chunked)
        );
        assert_eq!(
            request(V11, &[("Content-Length", "9223372036854775807")]),
            Ok(Framing::Length(MAX_LENGTH))
        );
    }

    #[test]
    fn a_length_is_digits_and_nothing_else() {
        for value in [
            "",
            "+5",
            "-5",
            "0x5",
            "5_0",
            "5 5",
            "5,5",
            "5, 5",
            "5.0",
            "9223372036854775808",
            "18446744073709551621",
            "\u{ff15}",
            "5;",
            "5\u{b}",
        ] {
            assert_eq!(
                request(Version::Http11, &[("Content-Length", value)]),
                Err(400),
                "{value}"
            );
        }
        let two = [("Content-Length", "5"), ("Content-Length", "6")];
        assert_eq!(request(Version::Http11, &two), Err(400));
        let empty_twin = [("Content-Length", "5"), ("Content-Length", "")];
        assert_eq!(request(Version::Http11, &empty_twin), Err(400));
    }

    #[test]
    fn a_transfer_coding_is_exactly_chunked_or_refused() {
        for value in [
            "",
            "chunked, chunked",
            "gzip, chunked",
            "chunked, gzip",
            "chunked;q=1",
            "xchunked",
            "chunked,",
            "\u{b}chunked",
            "chun\u{212a}ed",
            "\"chunked\"",
            "chunked chunked",
        ] {
            let fields = [("Transfer-Encoding", value)];
            assert_eq!(request(Version::Http11, &fields), Err(400), "{value}");
        }
        assert_eq!(
            request(Version::Http11, &[("Transfer-Encoding", "gzip")]),
            Err(501)
        );
        assert_eq!(
            request(Version::Http11, &[("Transfer-Encoding", "identity")]),
            Err(501)
        );
        let twice = [
            ("Transfer-Encoding", "chunked"),
            ("Transfer-Encoding", "chunked"),
        ];
        assert_eq!(request(Version::Http11, &twice), Err(400));
        assert_eq!(request(Version::Http10, &twice[..1]), Err(400));
        let both = [("Transfer-Encoding", "chunked"), ("Content-Length", "5")];
        assert_eq!(request(Version::Http11, &both), Err(400));
    }

    #[test]
    fn a_response_is_framed_by_method_status_and_fields() {
        let framing = |method, status, fields: &[(&str, &str)]| {
            of_response(method, status, Version::Http11, &headers(fields)).ok()
        };
        let five = [("Content-Length", "5")];
        assert_eq!(framing(Method::Get, 200, &five), Some(Framing::Length(5)));
        assert_eq!(framing(Method::Head, 200, &five), Some(Framing::Empty));
        assert_eq!(framing(Method::Get, 304, &five), Some(Framing::Empty));
        assert_eq!(framing(Method::Get, 204, &five), Some(Framing::Empty));
        assert_eq!(framing(Method::Get, 200, &[]), Some(Framing::UntilClose));
        assert_eq!(
            framing(Method::Get, 200, &[("Transfer-Encoding", "gzip")]),
            None
        );
        let both = [("Transfer-Encoding", "chunked"), ("Content-Length", "5")];
        for (method, status) in [(Method::Get, 200), (Method::Head, 200), (Method::Get, 304)] {
            assert_eq!(framing(method, status, &both), None, "{method:?} {status}");
        }
    }

    #[test]
    fn content_is_announced_by_a_coding_or_by_a_length_that_is_not_nothing() {
        let announces = |name, value: &'static str| {
            let value = value.as_bytes();
            announces_content(&[Header { name, value }])
        };
        assert!(announces("Transfer-Encoding", "chunked"));
        assert!(announces("Content-Length", "1"));
        assert!(!announces("Content-Length", "0"));
        assert!(!announces("Content-Type", "1"));
    }

    #[test]
    fn a_response_of_http_1_0_has_no_transfer_coding() {
        let fields = [Header {
            name: "Transfer-Encoding",
            value: b"chunked",
        }];
        for (version, is_right) in [(Version::Http10, false), (Version::Http11, true)] {
            let framing = of_response(Method::Get, 200, version, &fields);
            assert_eq!(framing.is_ok(), is_right, "{version:?}");
        }
    }
}
