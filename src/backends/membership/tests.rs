//! Reloads: what stays, what goes, and that nothing is picked from an old table.

use super::*;
use crate::backends::testing::*;
use crate::backends::{Key, Wanted};

#[test]
fn a_reload_exchanges_the_members_and_keeps_what_is_known_of_those_that_stay() {
    let group = group(3, GroupPolicy::default());
    let lease = group.pick(Key::Absent, Wanted::Next).lease().expect("up");
    assert_eq!(index(&lease), 0);
    let [kept, gone] = [0, 1].map(|place| group.members()[place].clone());
    let idle = &gone.backend.idle;
    idle.put((), idle.generation(), Instant::now());
    group.replace(vec![member(7), kept.clone()], GroupPolicy::default());
    let ports: Vec<usize> = group.all().iter().map(|one| index(one)).collect();
    assert_eq!(ports, [7, 0]);
    assert_eq!(
        (kept.backend.in_flight(), kept.backend.is_live()),
        (1, true)
    );
    assert_eq!(gone.backend.state().admin, AdminState::Disabled);
    assert!(gone.backend.idle.is_empty() && !gone.backend.is_live());
    assert_eq!(next(&group), Some(0), "the new one was not checked yet");
    drop(lease);
    assert_eq!((kept.backend.in_flight(), group.in_flight()), (0, 0));
}

#[test]
fn what_the_operator_and_the_weights_say_holds_at_once() {
    let group = weighted(&[1, 2], GroupPolicy::default());
    assert_eq!(shares(&group, 30), [10, 20]);
    let first = Arc::clone(&group.all()[0]);
    for (admin, expected) in [
        (AdminState::Draining, [0, 30]),
        (AdminState::Enabled, [10, 20]),
        (AdminState::Disabled, [0, 30]),
    ] {
        group.set_admin(&first, admin);
        assert_eq!(shares(&group, 30), expected, "{admin:?}");
    }
    group.set_admin(&first, AdminState::Enabled);
    let members = group.members();
    let reweighted = members.iter().cloned().map(|one| one.with_weight(3));
    group.replace(reweighted.collect(), GroupPolicy::default());
    assert_eq!(shares(&group, 30), [15, 15]);
    let none = members.iter().cloned().map(|one| one.with_weight(0));
    group.replace(none.collect(), GroupPolicy::default());
    assert!(next(&group).is_none() && !group.is_any_live() && group.count_up() == 2);
}

#[test]
fn lower_thresholds_can_take_one_down_to_the_last_resort() {
    use crate::backends::health::{Evidence, Health, Observation};
    let name = |port| crate::backends::Name {
        host: "x".into(),
        port,
    };
    let new = |port| Member::new(Arc::new(Backend::<()>::new(name(port), Health::new(1, 3))));
    let group = group_of(vec![new(0), new(1)], GroupPolicy::default());
    for _ in 0..2 {
        see(&group, 0, Observation::Late);
        see(&group, 0, Observation::Bad(Evidence::Silent));
        see(&group, 1, Observation::Late);
    }
    assert_eq!(shares(&group, 10), [5, 5], "both are suspect");
    group.set_thresholds(1, 2);
    assert_eq!(shares(&group, 10), [0, 10]);
    assert_eq!(group.policy(), GroupPolicy::default());
}

#[test]
fn loads_are_right_in_the_new_table_whatever_is_counted_while_it_is_made() {
    let by_load = spread_by(Algorithm::LeastRequests);
    let group = group(3, by_load);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..20_000).for_each(|_| drop(group.pick(Key::Absent, Wanted::Next))));
        }
        for round in 0..300 {
            let policy = match round % 3 {
                0 => spread_by(Algorithm::Random),
                _ => by_load,
            };
            group.replace(group.members().to_vec(), policy);
        }
    });
    assert_eq!(group.in_flight(), 0);
    let table = group.table.load();
    let tournament = table.tiers[0].tournament.as_ref().expect("by load");
    assert!((0..3).all(|seat| tournament.is_least(seat)), "all are idle");
}
