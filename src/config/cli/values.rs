//! The values that can stand on the command line: addresses, paths and other texts; numbers are
//! in `quantities`. Each error says what is wrong and shows a
//! right one; `clap` adds the argument's name.

use crate::config::Statuses;
use crate::http::scan::{is_token, is_token_byte};
use ipnet::IpNet;
use std::net::IpAddr;
use std::ops::RangeInclusive;

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

/// Statuses and classes of them, one by one or from one to another: `200,204`, `2xx-3xx`.
pub(super) fn statuses(text: &str) -> Result<Statuses, String> {
    let ranges: Option<Vec<_>> = text
        .split(',')
        .map(|part| status_range(part.trim()))
        .collect();
    let ranges = ranges.filter(|ranges| !ranges.is_empty());
    ranges.map(Statuses).ok_or_else(|| {
        "write statuses from 200 to 599 or classes of them, for example 200,204 or 2xx-3xx".into()
    })
}

fn status_range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (status_class(first)?, status_class(last)?);
    (first.start() <= last.end()).then(|| *first.start()..=*last.end())
}

/// `2xx`, or a single status.
fn status_class(text: &str) -> Option<RangeInclusive<u16>> {
    if let Some(class) = text.strip_suffix("xx") {
        let class: u16 = class.parse().ok()?;
        return (2..=5)
            .contains(&class)
            .then(|| class * 100..=class * 100 + 99);
    }
    let status: u16 = text.parse().ok()?;
    (200..=599).contains(&status).then_some(status..=status)
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

/// Our name in `Via`, if there is to be such a field.
#[derive(Clone, Debug)]
pub(super) struct Via(pub(super) Option<String>);

/// A pseudonym or `HOST:PORT` (RFC 9110 §7.6.3), or `off`.
pub(super) fn via(text: &str) -> Result<Via, String> {
    // A host could have a comma in it, which would end the entry in the field.
    let is_name_byte = |byte: u8| is_token_byte(byte) || b":[]".contains(&byte);
    let is_name = is_token(text.as_bytes()) || crate::http::host::is_valid(text.as_bytes());
    match text {
        // No name, however it is written: a proxy of this name would be a surprise.
        _ if text.eq_ignore_ascii_case("off") => Ok(Via(None)),
        _ if is_name && text.bytes().all(is_name_byte) => Ok(Via(Some(text.into()))),
        _ => Err(
            "write a name without spaces and commas, HOST:PORT or off, for example --via edge-1"
                .into(),
        ),
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
            assert_eq!(via(text).expect(text).0.as_deref(), name);
        }
        for text in ["", "a b", "a,b", "a(b)"] {
            assert!(via(text).is_err(), "{text}");
        }
    }
}
