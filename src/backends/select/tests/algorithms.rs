//! What each algorithm promises, alone and beside ranks, limits and slow start.

use super::*;
use crate::backends::Lease;

/// A request for each key, so that all algorithms have something to look at.
fn shares_of(group: &Arc<Backends<()>>, requests: usize) -> Vec<usize> {
    shares_with(group, requests, key)
}

fn is_near(share: usize, expected: usize, percent: usize) -> bool {
    share.abs_diff(expected) * 100 <= expected * percent
}

#[test]
fn shares_are_those_of_the_weights_whatever_the_algorithm() {
    for (word, algorithm) in Algorithm::WORDS {
        let group = weighted(&[1, 2, 3], spread_by(algorithm));
        let shares = shares_of(&group, 24_000);
        for (share, expected) in shares.iter().zip([4_000, 8_000, 12_000]) {
            assert!(is_near(*share, expected, 6), "{word}: {shares:?}");
        }
    }
}

#[test]
fn the_others_share_equally_what_one_that_is_down_would_get_whatever_the_algorithm() {
    for (word, algorithm) in Algorithm::WORDS {
        let group = group(4, spread_by(algorithm));
        see(&group, 1, BAD);
        let shares = shares_of(&group, 30_000);
        assert_eq!(shares[1], 0, "{word}");
        let mut live = [0, 2, 3].map(|place| shares[place]).into_iter();
        assert!(
            live.all(|share| is_near(share, 10_000, 5)),
            "{word}: {shares:?}"
        );
    }
}

#[test]
fn the_others_share_what_one_that_is_full_would_get_whatever_the_algorithm() {
    for (word, algorithm) in Algorithm::WORDS {
        let policy = GroupPolicy {
            max_in_flight: Some(1),
            ..spread_by(algorithm)
        };
        let group = group(4, policy);
        let _lease = group.lease(&group.all()[1]);
        let shares = shares_of(&group, 30_000);
        assert_eq!(shares[1], 0, "{word}");
        let mut live = [0, 2, 3].map(|place| shares[place]).into_iter();
        assert!(
            live.all(|share| is_near(share, 10_000, 5)),
            "{word}: {shares:?}"
        );
    }
}

#[test]
fn ranks_hold_whatever_the_algorithm() {
    for (word, algorithm) in Algorithm::WORDS {
        let group = with_backups(2, 1, spread_by(algorithm));
        let served = || -> Vec<usize> {
            let shares = shares_of(&group, 100);
            (0..3).filter(|place| shares[*place] > 0).collect()
        };
        assert_eq!(served(), [0, 1], "{word}");
        see(&group, 0, Observation::Late);
        assert_eq!(served(), [1], "{word}");
        see(&group, 1, Observation::Late);
        assert_eq!(served(), [0, 1], "{word}");
        (0..2).for_each(|place| see(&group, place, BAD));
        assert_eq!(served(), [2], "{word}");
    }
}

#[test]
fn one_that_returns_slowly_leaves_most_of_its_turns_to_the_others_whatever_the_algorithm() {
    for (word, algorithm) in Algorithm::WORDS {
        let group = group(3, spread_by(algorithm));
        let returning = &group.all()[1];
        let long = Duration::from_secs(3600);
        returning.slow_start.begin(Instant::now(), long);
        let shares = shares_of(&group, 6_000);
        assert!((1..600).contains(&shares[1]), "{word}: {shares:?}");
        assert!(is_near(shares[0], shares[2], 12), "{word}: {shares:?}");
    }
}

/// Which backend has each of these keys.
fn owners(group: &Arc<Backends<()>>, keys: usize) -> Vec<Option<usize>> {
    (0..keys)
        .map(|number| next_with(group, key(number)))
        .collect()
}

/// How many keys have another owner, and how many of them did not belong to `gone`.
fn moved(before: &[Option<usize>], after: &[Option<usize>], gone: usize) -> (usize, usize) {
    let pairs = before
        .iter()
        .zip(after)
        .filter(|(before, after)| before != after);
    let moved: Vec<_> = pairs.map(|(before, _)| *before).collect();
    let others = moved.iter().filter(|before| **before != Some(gone));
    (moved.len(), others.count())
}

#[test]
fn when_one_of_ten_goes_only_its_tenth_of_the_keys_moves_and_back_when_it_returns() {
    const KEYS: usize = 50_000;
    let group = group(10, spread_by(Algorithm::Hash));
    let before = owners(&group, KEYS);
    assert_eq!(before, owners(&group, KEYS), "the same each time");
    see(&group, 3, BAD);
    let (count, of_others) = moved(&before, &owners(&group, KEYS), 3);
    assert_eq!(of_others, 0);
    assert!(is_near(count, KEYS / 10, 20), "{count}");
    see(&group, 3, Observation::Good);
    assert_eq!(moved(&before, &owners(&group, KEYS), 3), (0, 0));
}

#[test]
fn groups_agree_on_keys_whatever_the_order_of_their_members() {
    let one = group(10, spread_by(Algorithm::Hash));
    let mut members: Vec<_> = (0..10).map(member).collect();
    members.reverse();
    let other = group_of(members, spread_by(Algorithm::Hash));
    let names = |group| -> Vec<_> {
        let keys = (0..1000).map(key);
        let leases = keys.map(|key| Backends::pick(group, key, Wanted::Next).lease());
        leases.map(|lease| lease.map(|one| one.name.port)).collect()
    };
    assert_eq!(names(&one), names(&other));
}

#[test]
fn the_next_choice_takes_over_where_the_first_is_full_tried_or_down_and_is_the_same_one() {
    let policy = GroupPolicy {
        max_in_flight: Some(1),
        ..spread_by(Algorithm::Hash)
    };
    let group = group(10, policy);
    for number in 0..200 {
        let key = key(number);
        let first = group.pick(key, Wanted::Next).lease().expect("it is free");
        let second = next_with(&group, key);
        let place = index(&first);
        drop(first);
        let tried = |one: &Backend<()>| index(one) == place;
        let untried = group.pick(key, Wanted::Untried(&tried)).lease();
        assert_eq!(untried.map(|one| index(&one)), second);
        see(&group, place, BAD);
        assert_eq!(next_with(&group, key), second);
        see(&group, place, Observation::Good);
        assert_ne!(Some(place), second);
    }
}

#[test]
fn with_hash_one_that_returns_slowly_takes_the_same_keys_each_time() {
    let group = group(3, spread_by(Algorithm::Hash));
    let before = owners(&group, 10_000);
    let half = Duration::from_secs(3600);
    let began = Instant::now().checked_sub(half).expect("an hour ago");
    group.all()[1].slow_start.begin(began, half * 2);
    let during = owners(&group, 10_000);
    let (count, of_others) = moved(&before, &during, 1);
    assert!(is_near(count, 10_000 / 6, 12) && of_others == 0, "{count}");
    let (flapping, _) = moved(&during, &owners(&group, 10_000), 1);
    assert!(flapping < 10, "{flapping}");
}

fn hold(group: &Arc<Backends<()>>, place: usize, count: usize) -> Vec<Lease<()>> {
    let only = |_| group.lease(&group.all()[place]);
    (0..count).filter_map(only).collect()
}

#[test]
fn the_fewest_requests_for_its_weight_get_the_next_one() {
    let group = weighted(&[1, 2, 4], spread_by(Algorithm::LeastRequests));
    let mut leases: Vec<_> = (0..70)
        .filter_map(|_| group.pick(Key::Absent, Wanted::Next).lease())
        .collect();
    let counts: Vec<_> = group.all().iter().map(|one| one.in_flight()).collect();
    assert_eq!(counts, [10, 20, 40]);
    leases.retain(|lease| index(lease) != 1);
    leases.extend(hold(&group, 2, 10));
    for _ in 0..20 {
        let lease = group.pick(Key::Absent, Wanted::Next).lease().expect("up");
        assert_eq!(index(&lease), 1);
        leases.push(lease);
    }
    let is_second = |one: &Backend<()>| index(one) == 1;
    let untried = group.pick(Key::Absent, Wanted::Untried(&is_second)).lease();
    assert_eq!(untried.map(|one| index(&one)), Some(0));
}

#[test]
fn of_two_choices_the_busier_one_is_never_taken() {
    let group = group(3, spread_by(Algorithm::TwoChoices));
    let _busy = hold(&group, 0, 2);
    let shares = shares(&group, 3_000);
    assert_eq!(shares[0], 0);
    assert!(is_near(shares[1], 1_500, 12), "{shares:?}");
    let _alone = hold(&group, 1, 1);
    let shares = self::shares(&group, 3_000);
    assert!(
        shares[0] == 0 && is_near(shares[1], 1_000, 12),
        "{shares:?}"
    );
}

#[test]
fn a_client_stays_where_its_cookie_says_also_while_that_drains() {
    let group = weighted(&[1, 1, 0], spread_by(Algorithm::Sticky));
    let all = group.all();
    let at = |place: usize| next_with(&group, Key::Tag(all[place].tag));
    assert_eq!([0, 1, 2].map(at), [0, 1, 2].map(Some));
    group.set_admin(&all[0], AdminState::Draining);
    assert_eq!(at(0), Some(0));
    see(&group, 1, Observation::Late);
    assert_eq!(at(1), Some(1), "suspicion alone moves no client");
    group.set_admin(&all[0], AdminState::Disabled);
    assert_eq!(at(0), Some(1));
    see(&group, 2, BAD);
    assert_eq!(at(2), Some(1));
}

#[test]
fn a_client_without_a_cookie_or_with_an_unknown_one_takes_its_turn() {
    let group = group(2, spread_by(Algorithm::Sticky));
    let known = group.all()[0].tag;
    for key in [Key::Tag(1), Key::Hash(1), Key::Absent] {
        // Every other request has a cookie, which takes no turn away.
        let key = |number| {
            if number % 2 == 0 {
                Key::Tag(known)
            } else {
                key
            }
        };
        assert_eq!(shares_with(&group, 400, key), [300, 100]);
    }
}

#[test]
fn a_client_moves_on_where_its_backend_is_full_was_tried_or_is_only_a_last_resort() {
    let policy = GroupPolicy {
        max_in_flight: Some(1),
        ..spread_by(Algorithm::Sticky)
    };
    let group = group(3, policy);
    let key = Key::Tag(group.all()[0].tag);
    let is_first = |one: &Backend<()>| index(one) == 0;
    let untried = group.pick(key, Wanted::Untried(&is_first)).lease();
    assert!(untried.is_some_and(|one| index(&one) != 0));
    let full = hold(&group, 0, 1);
    assert!(next_with(&group, key).is_some_and(|one| one != 0));
    drop(full);
    assert_eq!(next_with(&group, key), Some(0));
    let silent = Observation::Bad(Evidence::Silent);
    see(&group, 1, silent);
    see(&group, 0, silent);
    see(&group, 1, BAD);
    see(&group, 0, silent);
    let standing = group.all()[0].standing();
    assert_eq!(standing, crate::backends::Standing::LastResort);
    assert_eq!(next_with(&group, key), Some(2));
    see(&group, 2, BAD);
    assert_eq!(next_with(&group, key), Some(0), "there is no better one");
}
