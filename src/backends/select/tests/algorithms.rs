//! What each algorithm gives to whom.

use super::*;
use crate::backends::Algorithm;
use crate::backends::rendezvous::hash;

/// Backends that are up, of these weights.
fn weighted(weights: &[u32], algorithm: Algorithm) -> Arc<Backends<()>> {
    let member = |(index, weight): (usize, &u32)| Member {
        weight: *weight,
        ..backend(index)
    };
    let members = weights.iter().enumerate().map(member).collect();
    let policy = GroupPolicy {
        algorithm,
        ..GroupPolicy::default()
    };
    let backends = Backends::new(members, policy);
    (0..weights.len()).for_each(|index| see(&backends, index, Observation::Good));
    backends
}

fn counts(backends: &Arc<Backends<()>>, keys: impl Iterator<Item = Key>) -> Vec<usize> {
    let mut counts = vec![0; backends.all().len()];
    for key in keys {
        let lease = backends.pick(key, Wanted::Next).lease().expect("up");
        counts[index(&lease)] += 1;
    }
    counts
}

#[test]
fn weighted_shares_are_exact_over_one_length_also_when_one_is_down() {
    let backends = weighted(&[5, 3, 2, 0], Algorithm::RoundRobin);
    assert_eq!(shares(&backends, 10), [5, 3, 2, 0]);
    assert_eq!(shares(&backends, 1000), [500, 300, 200, 0]);
    see(&backends, 1, BAD);
    // One length, wherever the counter stands.
    assert_eq!(shares(&backends, 700), [500, 0, 200, 0]);
}

#[test]
fn every_algorithm_is_fair_to_equal_backends_also_when_one_is_down() {
    for (word, algorithm) in Algorithm::WORDS {
        let backends = weighted(&[1; 4], algorithm);
        let keys = || (0_u64..12_000).map(|key| Key::Hash(hash(&key.to_le_bytes())));
        for up in [4, 3] {
            let counts = counts(&backends, keys());
            let fair = 12_000 / up;
            let live = counts.iter().filter(|count| **count > 0);
            assert_eq!(live.clone().count(), up, "{word}: {counts:?}");
            assert!(
                live.clone().all(|count| count.abs_diff(fair) < fair / 10),
                "{word}: {counts:?}"
            );
            see(&backends, 1, BAD);
        }
    }
}

#[test]
fn least_requests_go_where_fewest_are_in_flight_for_the_weight() {
    for algorithm in [Algorithm::LeastRequests, Algorithm::TwoChoices] {
        let backends = weighted(&[1, 1], algorithm);
        let all = backends.all();
        let held: Vec<_> = (0..3).map(|_| backends.lease(&all[0])).collect();
        let next: Vec<_> = (0..3)
            .map(|_| backends.pick(Key::Absent, Wanted::Next))
            .collect();
        assert_eq!(all[1].in_flight(), 3, "{algorithm:?}");
        drop((held, next));
    }
    let backends = weighted(&[3, 1], Algorithm::LeastRequests);
    let held: Vec<_> = (0..400)
        .map(|_| backends.pick(Key::Absent, Wanted::Next))
        .collect();
    let in_flight: Vec<_> = backends.all().iter().map(|one| one.in_flight()).collect();
    assert_eq!(in_flight, [300, 100]);
    drop(held);
}

#[test]
fn equally_loaded_ones_take_turns() {
    let backends = weighted(&[1; 5], Algorithm::LeastRequests);
    assert_eq!(shares(&backends, 100), [20; 5]);
}

#[test]
fn a_backend_that_leaves_takes_only_its_own_keys_along() {
    let backends = weighted(&[1; 10], Algorithm::Hash);
    let key = |number: u64| Key::Hash(hash(&number.to_le_bytes()));
    let place = |number| {
        let lease = backends.pick(key(number), Wanted::Next).lease();
        index(&lease.expect("up"))
    };
    let before: Vec<_> = (0..20_000).map(place).collect();
    assert!((0..20_000).all(|number| place(number as u64) == before[number]));
    see(&backends, 3, BAD);
    let moved = (0..20_000).filter(|number| place(*number as u64) != before[*number]);
    let moved: Vec<_> = moved.collect();
    assert!(moved.iter().all(|number| before[*number] == 3));
    assert!((1600..2400).contains(&moved.len()), "{}", moved.len());
}

#[test]
fn balancers_agree_on_keys_whatever_the_order_of_the_backends() {
    let all = weighted(&[1; 5], Algorithm::Hash);
    let reversed = weighted(&[1; 5], Algorithm::Hash);
    let members = reversed
        .all()
        .iter()
        .rev()
        .cloned()
        .map(Member::new)
        .collect();
    let policy = GroupPolicy {
        algorithm: Algorithm::Hash,
        ..GroupPolicy::default()
    };
    reversed.replace(members, policy);
    for number in 0..1000_u64 {
        let key = Key::Hash(hash(&number.to_le_bytes()));
        let places = [&all, &reversed].map(|group| {
            let lease = group.pick(key, Wanted::Next).lease().expect("up");
            index(&lease)
        });
        assert_eq!(places[0], places[1]);
    }
}

#[test]
fn a_sticky_client_stays_while_its_backend_is_up_or_drains() {
    let backends = weighted(&[1; 3], Algorithm::Sticky);
    let all = backends.all();
    let place = |tag| {
        let lease = backends.pick(Key::Tag(tag), Wanted::Next).lease();
        index(&lease.expect("up"))
    };
    assert!((0..10).all(|_| place(all[2].tag) == 2));
    backends.set_admin(&all[2], AdminState::Draining);
    assert!((0..10).all(|_| place(all[2].tag) == 2));
    assert_eq!(shares(&backends, 100), [50, 50, 0], "no new ones");
    backends.set_admin(&all[2], AdminState::Disabled);
    assert!((0..10).all(|_| place(all[2].tag) != 2));
    backends.set_admin(&all[2], AdminState::Enabled);
    see(&backends, 2, BAD);
    assert!((0..10).all(|_| place(all[2].tag) != 2));
    let others: Vec<_> = (0..4).map(|_| place(7)).collect();
    assert!(others.contains(&0) && others.contains(&1), "an unknown tag");
}

#[test]
fn a_reload_keeps_what_remains_and_gives_nothing_to_what_is_gone() {
    let backends = backends(&[true, true]);
    let all = backends.all();
    let held = backends.lease(&all[1]);
    let members = vec![Member::new(Arc::clone(&all[1])), backend(2)];
    backends.replace(members, GroupPolicy::default());
    assert_eq!(
        shares_of_ports(&backends, 10),
        [1; 10],
        "2 is not checked yet"
    );
    assert!(all[1].is_up() && all[1].in_flight() == 1);
    assert!(all[0].is_disabled() && !all[0].is_live());
    see(&backends, 1, Observation::Good);
    let mut ports = shares_of_ports(&backends, 10);
    ports.sort_unstable();
    assert_eq!(ports, [1, 1, 1, 1, 1, 2, 2, 2, 2, 2]);
    drop(held);
    assert_eq!(all[1].in_flight(), 0);
}

fn shares_of_ports(backends: &Arc<Backends<()>>, requests: usize) -> Vec<usize> {
    (0..requests).map(|_| next(backends).expect("up")).collect()
}
