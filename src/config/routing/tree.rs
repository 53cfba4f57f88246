//! The routes of one host by their paths: a tree of segments, so that a search takes as long as the
//! path has segments, however many routes there are. Must not know hosts.

use super::path::{PathPrefix, segments};

/// The routes of one host, by their numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct PathTree {
    root: Node,
    /// The route without a path.
    pathless: Option<usize>,
}

/// A segment of some routes' paths.
#[derive(Clone, Debug, Default)]
struct Node {
    /// The route whose path ends here.
    route: Option<usize>,
    /// The next segments, in order of their names.
    children: Vec<(Vec<u8>, Node)>,
}

/// A route that takes a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) route: usize,
    /// Where its prefix ends in the path; `None` if the route has no path.
    pub(super) end: Option<usize>,
}

impl PathTree {
    /// Adds a route. The first one with a path keeps it.
    pub(super) fn insert(&mut self, path: Option<&PathPrefix>, route: usize) {
        let end = match path {
            None => &mut self.pathless,
            Some(path) => {
                let names = path.segments.iter();
                let leaf = names.fold(&mut self.root, |node, name| node.child(name));
                &mut leaf.route
            }
        };
        end.get_or_insert(route);
    }

    /// The route with the longest path that takes `path`; `None` stands for `*`.
    pub(super) fn find(&self, path: Option<&[u8]>) -> Option<Taken> {
        let longest = path.and_then(|path| self.longest(path));
        let pathless = || self.pathless.map(|route| Taken { route, end: None });
        longest.or_else(pathless)
    }

    fn longest(&self, path: &[u8]) -> Option<Taken> {
        let taken = |node: &Node, end| {
            node.route.map(|route| Taken {
                route,
                end: Some(end),
            })
        };
        let (mut node, mut longest) = (&self.root, taken(&self.root, 0));
        for segment in segments(path) {
            let children = &node.children;
            let place = children.binary_search_by(|(own, _)| segment.compare(own).reverse());
            let Ok(place) = place else { break };
            node = &children[place].1;
            longest = taken(node, segment.end).or(longest);
        }
        longest
    }
}

impl Node {
    /// The node of the next segment, which is made if there is none.
    fn child(&mut self, name: &[u8]) -> &mut Node {
        let place = self
            .children
            .binary_search_by(|(own, _)| own.as_slice().cmp(name));
        let place = place.unwrap_or_else(|place| {
            self.children.insert(place, (name.into(), Node::default()));
            place
        });
        &mut self.children[place].1
    }
}
