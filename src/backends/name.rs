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

impl Name {
    /// What stands before and behind the host where the port follows.
    #[must_use]
    pub fn brackets(&self) -> [&'static str; 2] {
        match self.host.contains(':') {
            true => ["[", "]"],
            false => ["", ""],
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [before, behind] = self.brackets();
        write!(out, "{before}{}{behind}:{}", self.host, self.port)
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
