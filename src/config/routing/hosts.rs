//! All hosts of a table of routes: which of them is the best for a request, and which is the next
//! best. Must not know what belongs to a host.

use super::host::{Host, HostPattern, Pattern, compare, suffixes};
use std::collections::BTreeSet;
use std::net::Ipv6Addr;

/// The hosts, numbered. The last number stands for routes without a host, which take every request.
#[derive(Clone, Debug, Default)]
pub(super) struct Hosts {
    names: Names,
    below: Names,
    v6: Vec<(Ipv6Addr, usize)>,
    /// For each number the one that is tried after it.
    next: Vec<Option<usize>>,
}

/// Names with their numbers, in the order of [`compare`].
#[derive(Clone, Debug, Default)]
struct Names(Vec<(String, usize)>);

impl Names {
    fn find(&self, name: &[u8]) -> Option<usize> {
        let place = self
            .0
            .binary_search_by(|(own, _)| compare(name, own).reverse());
        place.ok().map(|place| self.0[place].1)
    }

    fn sort(&mut self) {
        self.0
            .sort_by(|(one, _), (other, _)| compare(one.as_bytes(), other));
    }

    fn longest(&self) -> usize {
        self.0.last().map_or(0, |(name, _)| name.len())
    }
}

impl Hosts {
    /// The hosts of some routes, each once.
    pub(super) fn new<'p>(patterns: impl Iterator<Item = &'p HostPattern>) -> Self {
        let mut hosts = Self::default();
        let mut known = BTreeSet::new();
        let distinct: Vec<_> = patterns
            .filter(|pattern| known.insert(pattern.to_string()))
            .collect();
        for (number, HostPattern(pattern)) in distinct.iter().enumerate() {
            match pattern {
                Pattern::Name(name) => hosts.names.0.push((name.clone(), number)),
                Pattern::Below(name) => hosts.below.0.push((name.clone(), number)),
                Pattern::V6(address) => hosts.v6.push((*address, number)),
            }
        }
        hosts.names.sort();
        hosts.below.sort();
        hosts.v6.sort_unstable();
        let count = distinct.len();
        let next = distinct.iter().map(|HostPattern(pattern)| match pattern {
            Pattern::Name(name) | Pattern::Below(name) => {
                hosts.above(name.as_bytes()).or(Some(count))
            }
            Pattern::V6(_) => Some(count),
        });
        hosts.next = next.chain([None]).collect();
        hosts
    }

    /// How many numbers there are.
    pub(super) fn count(&self) -> usize {
        self.next.len()
    }

    /// The number of the routes with this host, which is one of them or none.
    pub(super) fn number_of(&self, pattern: Option<&HostPattern>) -> usize {
        let own = pattern.and_then(|HostPattern(pattern)| match pattern {
            Pattern::Name(name) => self.names.find(name.as_bytes()),
            Pattern::Below(name) => self.below.find(name.as_bytes()),
            Pattern::V6(address) => self.find_v6(*address),
        });
        own.unwrap_or(self.count() - 1)
    }

    /// The numbers of the hosts that take `host`, the best first.
    pub(super) fn of(&self, host: Option<&[u8]>) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(self.best(host)), |number| self.next[*number])
    }

    fn best(&self, host: Option<&[u8]>) -> usize {
        let any = self.count() - 1;
        if any == 0 {
            return any;
        }
        let found = match Host::of(host) {
            Host::Name(name) => self.names.find(name).or_else(|| self.above(name)),
            Host::V6(address) => self.find_v6(address),
            Host::Unknown => None,
        };
        found.unwrap_or(any)
    }

    /// The longest wildcard that takes `name`.
    fn above(&self, name: &[u8]) -> Option<usize> {
        let longest = self.below.longest();
        // Where there is no wildcard, no name is long enough.
        let mut suffixes = suffixes(name).filter(|suffix| suffix.len() <= longest);
        suffixes.find_map(|suffix| self.below.find(suffix))
    }

    fn find_v6(&self, address: Ipv6Addr) -> Option<usize> {
        let place = self.v6.binary_search_by_key(&address, |(own, _)| *own);
        place.ok().map(|place| self.v6[place].1)
    }
}
