//! `X-Request-Id`: the name of one request, by which the logs of client, proxies and backend are
//! matched. Must not know where randomness comes from, nor who is trusted.

use super::fields::{Field, values};
use super::write::write_hex;
use httparse::Header;

/// The longest id that is taken: a UUID has 36 bytes, and some programs join two of them. It is kept
/// until the request is answered, and stands in every log.
pub const MAX_ID_BYTES: usize = 128;

/// The id of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestId {
    /// Made here: 32 hexadecimal digits.
    Made([u8; 16]),
    /// Taken from the request.
    Taken(Box<str>),
}

impl RequestId {
    /// An id of these random bits.
    #[must_use]
    pub fn made(random: u128) -> Self {
        Self::Made(random.to_be_bytes())
    }

    /// The id that a request brings, if it brings one, and that is well-formed.
    #[must_use]
    pub fn taken(fields: &[Header<'_>]) -> Option<Self> {
        let mut found = values(fields, Field::RequestId);
        let (value, others) = (found.next()?, found.next());
        let text = std::str::from_utf8(value).ok()?;
        (others.is_none() && is_well_formed(value)).then(|| Self::Taken(text.into()))
    }

    /// Appends it.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Made(bits) => write_hex(bits, out),
            Self::Taken(text) => out.extend_from_slice(text.as_bytes()),
        }
    }

    /// Appends it as a field.
    pub fn write_field(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"X-Request-Id: ");
        self.write(out);
        out.extend_from_slice(b"\r\n");
    }
}

/// Letters, digits, and what UUIDs, ULIDs, base64 and paths of names are written with. Nothing among
/// them means anything to a shell's quotes, a log, a URL's end or HTML.
fn is_well_formed(value: &[u8]) -> bool {
    let is_fine = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~:@+/=".contains(byte);
    (1..=MAX_ID_BYTES).contains(&value.len()) && value.iter().all(is_fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(values: &[&str]) -> Option<String> {
        let field = |value: &&'static str| Header {
            name: "x-request-ID",
            value: value.as_bytes(),
        };
        let values: Vec<&'static str> = values.iter().map(|v| &*String::from(*v).leak()).collect();
        let fields: Vec<_> = values.iter().map(field).collect();
        let mut out = Vec::new();
        RequestId::taken(&fields)?.write(&mut out);
        String::from_utf8(out).ok()
    }

    #[test]
    fn an_id_is_taken_only_if_it_is_one_and_short_and_plain() {
        let long = "x".repeat(MAX_ID_BYTES);
        for good in [
            "7d4f3c2a-5b1e-4a6f-9c8d-0e1f2a3b4c5d",
            "a.b_c~d:e@f+g/h=",
            &long,
        ] {
            assert_eq!(taken(&[good]).as_deref(), Some(good));
        }
        let longer = format!("{long}x");
        for bad in [
            "", "a b", "a\"b", "a\\b", "a,b", "a;b", "<a>", "\u{e4}", "a'", &longer,
        ] {
            assert_eq!(taken(&[bad]), None, "{bad}");
        }
        assert_eq!(taken(&[]), None);
        assert_eq!(taken(&["a", "b"]), None, "which one is it?");
    }

    #[test]
    fn a_made_id_is_32_digits() {
        let mut out = Vec::new();
        RequestId::made(0xab).write_field(&mut out);
        let text = String::from_utf8(out).expect("ASCII");
        assert_eq!(text, format!("X-Request-Id: {}ab\r\n", "0".repeat(30)));
    }
}
