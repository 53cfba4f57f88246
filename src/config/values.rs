//! How addresses, paths and other texts are written in a setting; numbers are in `quantities`. Each
//! error says what is wrong and shows a right one; `clap` adds the argument's name.

use super::OrNone;
use crate::http::scan::{is_token, is_token_byte};
use clap::builder::{PossibleValuesParser, TypedValueParser as _, ValueParser};
use ipnet::IpNet;
use std::net::IpAddr;

/// `10.0.0.0/8`, `fd00::/8`, or a single address.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let single = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse().or_else(|_| single()).map_err(|_| {
        "write an address or a network, for example 10.0.0.0/8, fd00::/8 or 192.0.2.7".into()
    })
}

/// A TCP port.
pub(super) fn port_of(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(format!(
            "`{text}` is no port from 1 to 65535, for example localhost:5001"
        )),
    }
}

/// The port that is checked.
pub(super) fn health_port(text: &str) -> Result<u16, String> {
    let port = text.parse().ok().filter(|port| *port > 0);
    port.ok_or_else(|| "write a port from 1 to 65535, for example 8081".into())
}

/// Something that can stand in a body.
pub(super) fn text(text: &str) -> Result<String, String> {
    match text.is_empty() {
        true => Err("there is nothing to look for, for example --health-match ok".into()),
        false => Ok(text.into()),
    }
}

/// What may stand in `Host`.
pub(super) fn host(text: &str) -> Result<String, String> {
    match crate::http::host::is_valid(text.as_bytes()) {
        true => Ok(text.into()),
        false => Err("write a host with or without a port, for example app.example:80".into()),
    }
}

/// One of the words of a type, with what it means.
pub(super) fn one_of<T: Copy + Send + Sync + 'static>(
    words: &'static [(&'static str, T)],
) -> ValueParser {
    let names = words.iter().map(|(word, _)| *word);
    let meant = |word: String| {
        let found = words.iter().find(|(one, _)| *one == word);
        found.map(|(_, meaning)| *meaning).ok_or("no such word")
    };
    ValueParser::from(PossibleValuesParser::new(names).try_map(meant))
}

/// Our name in `Via`, if there is to be such a field: a pseudonym or `HOST:PORT` (RFC 9110 §7.6.3), or `off`.
pub(super) fn via(text: &str) -> Result<OrNone<String>, String> {
    // A host could have a comma in it, which would end the entry in the field.
    let is_name_byte = |byte: u8| is_token_byte(byte) || b":[]".contains(&byte);
    let is_name = is_token(text.as_bytes()) || crate::http::host::is_valid(text.as_bytes());
    match text {
        // No name, however it is written: a proxy of this name would be a surprise.
        _ if text.eq_ignore_ascii_case("off") => Ok(None),
        _ if is_name && text.bytes().all(is_name_byte) => Ok(Some(text.into())),
        _ => Err(
            "write a name without spaces and commas, HOST:PORT or off, for example --via edge-1"
                .into(),
        ),
    }
}

/// A part of a hundred, or `off`: no limit.
pub(super) fn percent(text: &str) -> Result<OrNone<u32>, String> {
    match text.parse() {
        _ if text == "off" => Ok(None),
        Ok(percent) if percent <= 100 => Ok(Some(percent)),
        _ => Err("it must be a whole number from 0 to 100, for example 20; or off".into()),
    }
}

/// A path with an optional query, as it stands in a request line.
pub(super) fn path(text: &str) -> Result<String, String> {
    if !text.starts_with('/') {
        return Err("a path begins with a slash, for example /health".into());
    }
    if !text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'#')
    {
        return Err("a path has no spaces, `#` or other special bytes, for example /health".into());
    }
    Ok(text.into())
}

/// A path without a query.
pub(super) fn plain_path(text: &str) -> Result<String, String> {
    match text.contains('?') {
        true => Err("a query does not count here, for example /ready".into()),
        false => path(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_for_via_is_a_token_or_a_host_or_off_however_that_is_written() {
        for (text, name) in [
            ("off", None),
            ("OFF", None),
            ("edge-1", Some("edge-1")),
            ("[::1]:80", Some("[::1]:80")),
        ] {
            assert_eq!(via(text).expect(text).as_deref(), name);
        }
        for text in ["", "a b", "a,b", "a(b)"] {
            assert!(via(text).is_err(), "{text}");
        }
    }
}
