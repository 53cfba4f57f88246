//! What a backend is called.

use std::fmt;

/// Name and port of a backend, as the user wrote them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    /// A host name or an address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(out, "[{}]:{}", self.host, self.port)
        } else {
            write!(out, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_addresses_are() {
        let name = |host: &str| {
            Name {
                host: host.into(),
                port: 80,
            }
            .to_string()
        };
        assert_eq!((name("a"), name("::1")), ("a:80".into(), "[::1]:80".into()));
    }
}
