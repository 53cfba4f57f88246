//! What a request brings along for the choice of a backend, and what stands for a backend in a cookie.
//!
//! The hash is XXH3-64 without a seed: published, and the same on every machine, so that several
//! balancers send the same key to the same backend, and honour each other's cookies.

use super::name::Name;
use xxhash_rust::xxh3::xxh3_64;

/// What a request brings along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Key {
    /// Nothing: it takes its turn.
    #[default]
    Absent,
    /// The [`hash`] of what requests to the same backend have in common. Only `Algorithm::Hash` looks at
    /// it.
    Hash(u64),
    /// The [`tag`] of the backend that its client was sent to before. Only `Algorithm::Sticky` looks at
    /// it.
    Tag(u64),
}

/// The hash of what a request brings along: a path, an address, the value of a field.
#[must_use]
pub fn hash(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// What stands for the backend with this name in a cookie, in whatever case it is written.
#[must_use]
pub fn tag(name: &Name) -> u64 {
    hash(lowercase(name).as_bytes())
}

/// The name as it is hashed.
pub(super) fn lowercase(name: &Name) -> String {
    name.to_string().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        // From the test vectors of xxHash: XXH3-64 of nothing.
        assert_eq!(hash(b""), 0x2d06_8005_38d3_94c2);
    }

    #[test]
    fn the_case_of_a_name_does_not_matter_and_the_port_does() {
        let tag = |host: &str, port| {
            let host = host.into();
            super::tag(&Name { host, port })
        };
        assert_eq!(tag("shop", 80), hash(b"shop:80"));
        assert_eq!(tag("SHOP", 80), tag("shop", 80));
        assert_ne!(tag("shop", 81), tag("shop", 80));
        assert_eq!(tag("", 80), hash(b"localhost:80"));
    }
}
