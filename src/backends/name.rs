//! What a backend is called.

use std::fmt;

/// Name and port of a backend, as the user wrote them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    /// A host name or an address, without brackets; empty for this machine (`:5001`).
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl Name {
    /// The host as it is written and printed.
    #[must_use]
    pub fn host(&self) -> &str {
        match self.host.as_str() {
            "" => "localhost",
            host => host,
        }
    }

    /// The one spelling of all names that mean the same backend: the case of a host does not count
    /// (RFC 3986 §3.2.2).
    #[must_use]
    pub fn normalized(&self) -> Self {
        Self {
            host: self.host().to_ascii_lowercase(),
            port: self.port,
        }
    }

    /// Whether both mean the same backend.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.normalized() == other.normalized()
    }

    /// What stands before and behind the host where the port follows.
    #[must_use]
    pub fn brackets(&self) -> [&'static str; 2] {
        match self.host.contains(':') {
            true => ["[", "]"],
            false => ["", ""],
        }
    }

    /// Host and port as `Host` has them: the zone of an address means nothing on another
    /// machine (RFC 6874 §1).
    #[must_use]
    pub fn authority(&self) -> String {
        let host = self.host().split('%').next().unwrap_or_default();
        let [before, behind] = self.brackets();
        format!("{before}{host}{behind}:{}", self.port)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [before, behind] = self.brackets();
        write!(out, "{before}{}{behind}:{}", self.host(), self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_addresses_are_and_a_zone_stays_here() {
        for (host, text, authority) in [
            ("a", "a:80", "a:80"),
            ("", "localhost:80", "localhost:80"),
            ("::1", "[::1]:80", "[::1]:80"),
            ("fe80::1%eth0", "[fe80::1%eth0]:80", "[fe80::1]:80"),
        ] {
            let name = Name {
                host: host.into(),
                port: 80,
            };
            assert_eq!(
                (name.to_string().as_str(), name.authority().as_str()),
                (text, authority)
            );
        }
    }
}
