//! The admin listener: where it listens, and who may use it.

use super::{Listen, addresses, heading, values};
use clap::Args;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Connections of one listener at a time. A page has two, a scraper one; further ones are closed.
pub const MOST_CONNECTIONS: usize = 32;

/// The admin listener.
#[derive(Clone, Debug, Default, PartialEq, Args)]
pub struct AdminSettings {
    /// Listen here for the operator [default: nowhere]
    ///
    /// With a page, metrics, what runs now, and how to drain a backend. A port of this machine,
    /// ADDRESS:PORT or unix:PATH.
    #[arg(long, value_name = "ADDRESS", value_parser = admin_address,
          help_heading = heading::ADMIN)]
    pub admin: Option<AdminAddress>,

    /// File with the token that the operator sends [default: no token]
    ///
    /// One line of at least 16 characters, sent as Authorization: Bearer TOKEN.
    #[arg(long, value_name = "FILE", help_heading = heading::ADMIN, hide_short_help = true)]
    pub admin_token_file: Option<PathBuf>,

    /// Let --admin be an address that other machines reach
    ///
    /// It needs --admin-token-file too. There is no TLS: what is sent can be read on the way.
    #[arg(long, help_heading = heading::ADMIN, hide_short_help = true)]
    pub admin_allow_remote: bool,

    /// Names that the admin listener may be called by
    ///
    /// Several with commas; beside localhost and addresses. A request with another Host is refused: a
    /// page in a browser might have sent it.
    #[arg(long, value_name = "HOSTS", value_delimiter = ',', value_parser = values::host,
          help_heading = heading::ADMIN, hide_short_help = true)]
    pub admin_host: Vec<String>,

    /// Listen here for probes and Prometheus [default: nowhere]
    ///
    /// /livez, /readyz and /metrics and nothing else, without a token. Written as LISTEN is.
    #[arg(long, value_name = "ADDRESS", value_parser = addresses::listen,
          help_heading = heading::ADMIN, hide_short_help = true)]
    pub probes: Option<Listen>,
}

impl AdminSettings {
    /// Whether anything is shown, so that it has to be counted.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.admin.is_some() || self.probes.is_some()
    }

    /// Descriptors that it may take: its listeners, their wakers, and their connections.
    #[must_use]
    pub fn most_descriptors(&self) -> usize {
        let listeners = [self.admin.is_some(), self.probes.is_some()];
        let listeners = listeners.into_iter().filter(|is_there| *is_there);
        listeners.count() * (MOST_CONNECTIONS + 3)
    }
}

/// Where the admin listener listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminAddress {
    /// An address; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

impl AdminAddress {
    /// Whether only this machine reaches it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl fmt::Display for AdminAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A port, which is one of this machine only; an address with a port; or a path.
pub fn admin_address(text: &str) -> Result<AdminAddress, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        return match path.starts_with('/') {
            true => Ok(AdminAddress::Unix(path.into())),
            false => Err("write the whole path, for example unix:/run/lb.sock".into()),
        };
    }
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let port = text.strip_prefix("localhost").unwrap_or(text);
    if let Ok(port) = port.strip_prefix(':').unwrap_or(port).parse() {
        return Ok(AdminAddress::Tcp(SocketAddr::new(local, port)));
    }
    text.parse().map(AdminAddress::Tcp).map_err(|_| {
        "write a port of this machine, an address with a port, or a path, for example 9090, \
         127.0.0.1:9090, [::1]:9090 or unix:/run/lb.sock"
            .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_one_of_this_machine_and_a_path_is_whole() {
        for (text, address, is_local) in [
            ("9090", "127.0.0.1:9090", true),
            (":9090", "127.0.0.1:9090", true),
            ("localhost:9090", "127.0.0.1:9090", true),
            ("127.9.9.9:1", "127.9.9.9:1", true),
            ("[::1]:9090", "[::1]:9090", true),
            ("0.0.0.0:9090", "0.0.0.0:9090", false),
            ("[::]:9090", "[::]:9090", false),
            ("192.0.2.7:9090", "192.0.2.7:9090", false),
            ("unix:/run/lb.sock", "unix:/run/lb.sock", true),
        ] {
            let found = admin_address(text).expect(text);
            assert_eq!(
                (found.to_string().as_str(), found.is_local()),
                (address, is_local)
            );
        }
        for text in [
            "",
            "x",
            "unix:",
            "unix:lb.sock",
            "65536",
            "lb.example:9090",
            "127.0.0.1",
        ] {
            assert!(admin_address(text).expect_err(text).contains("for example"));
        }
    }
}
