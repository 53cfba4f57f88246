//! Responses by route and status code. A route keeps its number as long as the process lives, so that
//! what was counted survives a reload. Of a bounded number of routes: those beyond it are counted
//! together.

use super::codes::CodeCounters;
use std::array;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Routes in one block of counters, and blocks. A configuration with more than a thousand routes, of
/// all reloads together, is counted without a difference between the rest of them.
const BLOCK: usize = 16;
const BLOCKS: usize = 64;
const MOST_ROUTES: usize = BLOCK * BLOCKS;

/// The name under which the rest of them are counted.
const OTHERS: &str = "other routes";

/// The number of a route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouteId(u16);

/// The names of all routes that there were.
#[derive(Debug, Default)]
pub struct RouteNames(Mutex<Vec<Arc<str>>>);

impl RouteNames {
    /// The number of the route with this name, a new one if it is new.
    #[must_use]
    pub fn id_of(&self, name: &str) -> RouteId {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = names.iter().position(|known| **known == *name);
        let place = known.unwrap_or_else(|| {
            // The last number is that of all others.
            if names.len() < MOST_ROUTES - 1 {
                names.push(name.into());
                return names.len() - 1;
            }
            MOST_ROUTES - 1
        });
        // `MOST_ROUTES` is far below this.
        RouteId(u16::try_from(place).unwrap_or(u16::MAX))
    }

    /// All names in the order of their numbers.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<str>> {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.clone()
    }
}

/// Counters of responses by route and status code. Room for a route is made when its first response
/// comes, and for most pairs of a route and a backend none ever does.
pub struct RouteCounters([OnceLock<Box<RouteBlock>>; BLOCKS]);

type RouteBlock = [OnceLock<Box<CodeCounters>>; BLOCK];

impl Default for RouteCounters {
    fn default() -> Self {
        Self([const { OnceLock::new() }; BLOCKS])
    }
}

impl RouteCounters {
    /// Counts a response with this status.
    pub fn count(&self, route: RouteId, status: u16) {
        let number = usize::from(route.0).min(MOST_ROUTES - 1);
        let empty = || Box::new(array::from_fn(|_| OnceLock::new()));
        let block = self.0[number / BLOCK].get_or_init(empty);
        block[number % BLOCK]
            .get_or_init(Box::default)
            .count(status);
    }

    /// Calls `look` for each route that has any, with its name.
    pub fn for_each(&self, names: &[Arc<str>], mut look: impl FnMut(&str, &CodeCounters)) {
        for (number, counters) in self.numbered() {
            let name = names.get(number).map_or(OTHERS, |name| &**name);
            look(name, counters);
        }
    }

    /// How many were counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.numbered().map(|(_, counters)| counters.total()).sum()
    }

    fn numbered(&self) -> impl Iterator<Item = (usize, &CodeCounters)> {
        let blocks = self.0.iter().enumerate();
        let blocks = blocks.filter_map(|(place, block)| Some((place * BLOCK, block.get()?)));
        blocks.flat_map(|(first, block)| {
            let counters = block.iter().enumerate();
            counters.filter_map(move |(place, one)| Some((first + place, &**one.get()?)))
        })
    }
}

impl std::fmt::Debug for RouteCounters {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_tuple("RouteCounters")
            .field(&self.total())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(counters: &RouteCounters, names: &RouteNames) -> Vec<(String, u64)> {
        let mut found = Vec::new();
        counters.for_each(&names.all(), |name, codes| {
            found.push((name.into(), codes.total()))
        });
        found
    }

    #[test]
    fn a_route_keeps_its_number_and_what_was_counted_for_it() {
        let (names, counters) = (RouteNames::default(), RouteCounters::default());
        let [first, second] = ["a", "b"].map(|name| names.id_of(name));
        assert_eq!(names.id_of("a"), first);
        assert_ne!(first, second);
        counters.count(second, 200);
        assert_eq!(counted(&counters, &names), [("b".into(), 1)]);
        counters.count(names.id_of("b"), 503);
        assert_eq!(counted(&counters, &names), [("b".into(), 2)]);
    }

    #[test]
    fn routes_beyond_the_bound_are_counted_together() {
        let (names, counters) = (RouteNames::default(), RouteCounters::default());
        for number in 0..MOST_ROUTES + 5 {
            counters.count(names.id_of(&number.to_string()), 200);
        }
        let found = counted(&counters, &names);
        assert_eq!(found.len(), MOST_ROUTES);
        assert_eq!(found.last(), Some(&(OTHERS.into(), 6)));
        assert_eq!(counters.total(), MOST_ROUTES as u64 + 5);
    }
}
