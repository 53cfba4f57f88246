//! Where to listen and which backends there are, as they are written. Each error says what is
//! wrong and shows a right one; the reader of the command line or of the file adds which one it is.

use super::values::port_of;
use crate::backends::Name;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// An address or a name, without brackets, and of a name all addresses; `None` is every
    /// interface, IPv4 and IPv6.
    pub address: Option<String>,
    /// TCP port; 0 lets the system choose.
    pub port: u16,
}

impl fmt::Display for Listen {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Some(host) => {
                let (host, port) = (host.clone(), self.port);
                write!(out, "{}", Name { host, port })
            }
            None => write!(out, "port {}", self.port),
        }
    }
}

const LISTEN_EXAMPLE: &str = "write a port up to 65535 or an address with one, for example 8080, \
                              127.0.0.1:8080, [::1]:8080 or localhost:8080";

/// `PORT`, `:PORT`, `ADDRESS:PORT`, `[V6ADDRESS]:PORT` or `NAME:PORT`.
pub(super) fn listen(text: &str) -> Result<Listen, String> {
    if let Ok(port) = text.strip_prefix([':']).unwrap_or(text).parse() {
        return Ok(Listen {
            address: None,
            port,
        });
    }
    refuse_url(text)?;
    let Some((host, Ok(port))) = text
        .rsplit_once(':')
        .map(|(host, port)| (host, port.parse()))
    else {
        return Err(LISTEN_EXAMPLE.into());
    };
    Ok(Listen {
        address: Some(host_of(host)?),
        port,
    })
}

impl Listen {
    /// Whether a connection to `name` certainly comes back here. By which other names it may, the
    /// checks find out.
    pub(super) fn reaches(&self, name: &Name) -> bool {
        if self.port == 0 || self.port != name.port {
            return false;
        }
        let own = self.address.as_deref();
        let is_same = own.is_some_and(|own| own.eq_ignore_ascii_case(&name.host));
        let own = own.map_or(EVERYWHERE.into(), addresses_of);
        let reached = addresses_of(&name.host);
        let takes = |own: &IpAddr, reached: &IpAddr| {
            let is_any = own.is_unspecified() && own.is_ipv4() == reached.is_ipv4();
            own == reached || (is_any && reached.is_loopback())
        };
        is_same
            || own
                .iter()
                .any(|own| reached.iter().any(|one| takes(own, one)))
    }
}

const EVERYWHERE: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    IpAddr::V6(Ipv6Addr::UNSPECIFIED),
];

const HERE: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

/// The addresses of a host as far as no resolver is needed.
fn addresses_of(host: &str) -> Vec<IpAddr> {
    match host.parse::<IpAddr>() {
        Ok(address) => vec![address],
        Err(_) if host.is_empty() || host.eq_ignore_ascii_case("localhost") => HERE.into(),
        Err(_) => Vec::new(),
    }
}

/// One backend, or several on neighbouring ports.
#[derive(Clone, Debug)]
pub(super) struct Range {
    host: String,
    ports: RangeInclusive<u16>,
}

impl Range {
    /// Each of them.
    pub(super) fn names(&self) -> impl Iterator<Item = Name> + '_ {
        self.ports.clone().map(|port| Name {
            host: self.host.clone(),
            port,
        })
    }
}

/// One backend, and not a range of them.
pub(crate) fn one_backend(text: &str) -> Result<Name, String> {
    let range = backends(text)?;
    let mut names = range.names();
    match (names.next(), names.next()) {
        (Some(name), None) => Ok(name),
        _ => Err("name one backend, for example 10.0.0.4:8001".into()),
    }
}

/// `HOST:PORT`, `[V6]:PORT`, `:PORT`, `http://HOST:PORT`, each with `FIRST-LAST` for `PORT`.
pub(super) fn backends(text: &str) -> Result<Range, String> {
    let example = |all: &[&str]| all.join(" ");
    range(text, example)
}

/// The same behind `--backup`.
pub(super) fn backups(text: &str) -> Result<Range, String> {
    let example = |all: &[&str]| format!("--backup {}", all.join(" --backup "));
    range(text, example)
}

/// `separately` writes several backends as they should be.
fn range(text: &str, separately: impl Fn(&[&str]) -> String) -> Result<Range, String> {
    let parts = text.split([',', ';', ' ']).filter(|part| !part.is_empty());
    let parts: Vec<&str> = parts.collect();
    if parts.len() > 1 {
        return Err(format!(
            "these are several backends in one argument; write each by itself: {}",
            separately(&parts)
        ));
    }
    let authority = authority_of(text)?;
    if authority.starts_with('[') && authority.ends_with(']') {
        host_of(authority)?;
        return Err(format!("the port is missing, for example {authority}:5001"));
    }
    let Some((host, ports)) = authority.rsplit_once(':') else {
        return Err("the port is missing, for example localhost:5001".into());
    };
    let host = match host {
        "" => String::new(),
        host => host_of(host)?,
    };
    Ok(Range {
        host,
        ports: ports_of(ports)?,
    })
}

/// What stands between the scheme and the path, of which there may be none.
fn authority_of(text: &str) -> Result<&str, String> {
    let authority = match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
        Some((scheme, rest)) => {
            return Err(format!(
                "{scheme} to backends is not spoken, only http; write http://{rest} if the backend \
                 speaks that"
            ));
        }
        None => text,
    };
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    let (authority, path) = match authority.find(['/', '?', '#']) {
        Some(end) => authority.split_at(end),
        None => (authority, ""),
    };
    if let Some((_, rest)) = authority.rsplit_once('@') {
        return Err(format!(
            "there is no name and password for a backend: what clients send in Authorization is \
             passed on; write {rest}"
        ));
    }
    match path {
        "" => Ok(authority),
        _ => Err(format!(
            "a backend has no path: each request keeps its own, and {path} would be ignored; \
             write {authority}"
        )),
    }
}

/// Where to listen is an address, not a URL.
fn refuse_url(text: &str) -> Result<(), String> {
    let Some((_, rest)) = text.split_once("://") else {
        return Ok(());
    };
    let rest = rest.split('/').next().unwrap_or(rest);
    Err(format!(
        "this is a URL, and what to listen on is an address and a port; write {rest}"
    ))
}

/// A host name or an address, without brackets.
fn host_of(text: &str) -> Result<String, String> {
    if let Some(inside) = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return match is_v6(inside) {
            true => Ok(inside.into()),
            false => Err("no IPv6 address stands in the brackets, for example [::1]:5001".into()),
        };
    }
    let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    match text {
        _ if !text.is_empty() && text.bytes().all(is_name_byte) => Ok(text.into()),
        _ if text.contains(':') => {
            Err("an IPv6 address stands in brackets, for example [::1]:5001".into())
        }
        _ => Err("this is no host name; write HOST:PORT, for example localhost:5001".into()),
    }
}

/// With the zone of an address that is only valid on one link: `fe80::1%eth0`.
fn is_v6(text: &str) -> bool {
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (text, None),
    };
    let is_zone_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte);
    let is_zone = |zone: &str| !zone.is_empty() && zone.bytes().all(is_zone_byte);
    address.parse::<Ipv6Addr>().is_ok() && zone.is_none_or(is_zone)
}

fn ports_of(text: &str) -> Result<RangeInclusive<u16>, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    if first.is_empty() != last.is_empty() {
        return Err(format!(
            "`{text}` is half a range; write one port or two, for example localhost:5001-5004"
        ));
    }
    match (port_of(first)?, port_of(last)?) {
        (first, last) if first <= last => Ok(first..=last),
        (first, last) => Err(format!(
            "the range runs backwards; write the smaller port first: {last}-{first}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_to_listen_is_a_port_an_address_or_a_name() {
        for (text, address, port) in [
            ("8080", None, 8080),
            (":8080", None, 8080),
            ("0", None, 0),
            ("127.0.0.1:80", Some("127.0.0.1"), 80),
            ("[::1]:80", Some("::1"), 80),
            ("[fe80::1%eth0]:80", Some("fe80::1%eth0"), 80),
            ("localhost:80", Some("localhost"), 80),
        ] {
            let listen = listen(text).expect(text);
            assert_eq!(
                (listen.address.as_deref(), listen.port),
                (address, port),
                "{text}"
            );
        }
        for text in [
            "x",
            "",
            "::1:80",
            "[::1%]:80",
            "[a]:80",
            "a b:80",
            "a:x",
            "a:",
            "70000",
        ] {
            assert!(listen(text).is_err(), "{text}");
        }
        let url = listen("http://localhost:80/").expect_err("a URL");
        assert!(url.ends_with("write localhost:80"), "{url}");
    }

    #[test]
    fn the_balancer_itself_is_known_where_no_resolver_is_needed() {
        let reaches = |own: &str, name: &str| {
            let name = backends(name).expect("valid").names().next().expect("one");
            listen(own).expect("valid").reaches(&name)
        };
        for (own, name) in [
            ("80", ":80"),
            ("80", "localhost:80"),
            ("80", "127.0.0.9:80"),
            ("80", "[::1]:80"),
            ("127.0.0.1:80", "localhost:80"),
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("10.0.0.1:80", "10.0.0.1:80"),
            ("app:80", "APP:80"),
        ] {
            assert!(reaches(own, name), "{own} {name}");
        }
        for (own, name) in [
            ("80", "127.0.0.1:81"),
            ("0", "127.0.0.1:80"),
            ("[::1]:80", "127.0.0.1:80"),
            ("127.0.0.1:80", "127.0.0.2:80"),
            ("0.0.0.0:80", "[::1]:80"),
            ("80", "app:80"),
        ] {
            assert!(!reaches(own, name), "{own} {name}");
        }
    }

    #[test]
    fn what_is_no_backend_is_answered_with_what_to_write() {
        for (text, right) in [
            (":7101,:7102", "write each by itself: :7101 :7102"),
            ("a:1, b:2", "write each by itself: a:1 b:2"),
            ("a:1 b:2", "write each by itself: a:1 b:2"),
            ("user:pw@host:80", "write host:80"),
            ("http://user:pw@host:80/x", "write host:80"),
            ("http://h:1/app", "write h:1"),
            ("h:1?x", "write h:1"),
            ("https://h:1", "write http://h:1 if"),
            ("http://h", "for example localhost:5001"),
            ("h", "for example localhost:5001"),
            ("fe80::1:80", "for example [::1]:5001"),
            ("[a]", "no IPv6 address stands in the brackets"),
            ("[fe80::1]", "port is missing, for example [fe80::1]:5001"),
            ("h:2-1", "write the smaller port first: 1-2"),
            ("h:5001-", "`5001-` is half a range"),
            ("h:-5001", "`-5001` is half a range"),
            ("h:-", "is no port from 1"),
        ] {
            let error = backends(text).expect_err(text);
            assert!(error.contains(right), "{text}: {error}");
        }
        let error = backups("a:1,b:2").expect_err("two");
        assert!(error.ends_with("--backup a:1 --backup b:2"), "{error}");
    }
}
