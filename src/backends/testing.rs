//! Groups of backends for the tests of this room.

use super::health::{Evidence, Health, Observation};
use super::*;
use std::sync::Arc;
use std::time::Instant;

pub(super) const BAD: Observation = Observation::Bad(Evidence::Gone);

/// A backend whose port is its index.
pub(super) fn member(index: usize) -> Member<()> {
    let name = Name {
        host: "x".into(),
        port: u16::try_from(index).expect("a port"),
    };
    Member::new(Arc::new(Backend::new(name, Health::new(1, 1))))
}

pub(super) fn index(backend: &Backend<()>) -> usize {
    usize::from(backend.name.port)
}

/// The policy with nothing but an algorithm.
pub(super) fn spread_by(algorithm: Algorithm) -> GroupPolicy {
    GroupPolicy {
        algorithm,
        ..GroupPolicy::default()
    }
}

/// These members, all up.
pub(super) fn group_of(members: Vec<Member<()>>, policy: GroupPolicy) -> Arc<Backends<()>> {
    let group = Backends::new(members, policy);
    (0..group.all().len()).for_each(|index| see(&group, index, Observation::Good));
    group
}

/// So many backends, all up.
pub(super) fn group(count: usize, policy: GroupPolicy) -> Arc<Backends<()>> {
    group_of((0..count).map(member).collect(), policy)
}

/// Backends with these weights, all up.
pub(super) fn weighted(weights: &[u32], policy: GroupPolicy) -> Arc<Backends<()>> {
    let new = |(index, weight): (usize, &u32)| member(index).with_weight(*weight);
    group_of(weights.iter().enumerate().map(new).collect(), policy)
}

pub(super) fn see(group: &Backends<()>, index: usize, observation: Observation) {
    let (backend, finding) = (&group.all()[index], Finding::default());
    group.observe(backend, observation, &finding, Instant::now());
}

pub(super) fn next_with(group: &Arc<Backends<()>>, key: Key) -> Option<usize> {
    let lease = group.pick(key, Wanted::Next).lease()?;
    Some(index(&lease))
}

pub(super) fn next(group: &Arc<Backends<()>>) -> Option<usize> {
    next_with(group, Key::Absent)
}

/// How many of so many requests each gets; request number `n` brings along the key `key(n)`.
pub(super) fn shares_with(
    group: &Arc<Backends<()>>,
    requests: usize,
    key: impl Fn(usize) -> Key,
) -> Vec<usize> {
    let mut shares = vec![0; group.all().len()];
    for request in 0..requests {
        shares[next_with(group, key(request)).expect("one is up")] += 1;
    }
    shares
}

pub(super) fn shares(group: &Arc<Backends<()>>, requests: usize) -> Vec<usize> {
    shares_with(group, requests, |_| Key::Absent)
}

/// A key for each number.
pub(super) fn key(number: usize) -> Key {
    Key::Hash(super::key::hash(&number.to_le_bytes()))
}
