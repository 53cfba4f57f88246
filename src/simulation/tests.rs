//! What a simulation finds is what the algorithms promise, and no request is lost.

use super::*;
use crate::backends::{Algorithm, GroupPolicy};
use std::time::Duration;

/// Three backends, 16 clients, and no limit.
fn scenario(algorithm: Algorithm) -> Scenario {
    Scenario {
        policy: GroupPolicy {
            algorithm,
            max_in_flight: None,
            max_in_flight_total: None,
            queue_length: 1000,
        },
        queue_timeout: Duration::from_secs(5),
        weights: vec![1; 3],
        down: 0,
        slow: Vec::new(),
        requests: 3000,
        arrivals: Arrivals::Clients(16),
        service_time: Duration::from_millis(10),
        pace: Pace::Random,
        keys: 1000,
        seed: 1,
    }
}

fn shares(scenario: Scenario) -> Vec<usize> {
    let report = simulate(scenario);
    let backends = report.measures.backends.iter();
    backends.map(|backend| backend.requests).collect()
}

/// All that became of the requests.
fn outcomes(report: &SimulationReport) -> usize {
    let of = &report.measures;
    of.answers.count() + of.refused + of.timed_out + of.without_backend
}

#[test]
fn shares_of_round_robin_are_exact_with_weights_and_with_one_that_is_down() {
    let exact = Scenario {
        weights: vec![1; 4],
        down: 1,
        requests: 12_000,
        ..scenario(Algorithm::RoundRobin)
    };
    assert_eq!(shares(exact), [4000, 4000, 4000, 0]);
    let weighted = Scenario {
        weights: vec![5, 1, 0, 3],
        requests: 900,
        ..scenario(Algorithm::RoundRobin)
    };
    assert_eq!(shares(weighted), [500, 100, 0, 300]);
}

#[test]
fn a_slow_backend_spoils_fewer_answers_where_the_fewest_requests_decide() {
    let p99 = |algorithm| {
        let one_slow = Scenario {
            slow: vec![(2, 10)],
            arrivals: Arrivals::Rate {
                per_second: 50,
                burst: 1,
            },
            ..scenario(algorithm)
        };
        simulate(one_slow).measures.answers.percentile(99)
    };
    assert!(p99(Algorithm::LeastRequests) < p99(Algorithm::RoundRobin));
}

#[test]
fn limits_hold_and_requests_wait_in_their_order() {
    let one_at_a_time = Scenario {
        policy: GroupPolicy {
            max_in_flight: Some(1),
            ..scenario(Algorithm::RoundRobin).policy
        },
        weights: vec![1; 2],
        arrivals: Arrivals::Clients(10),
        pace: Pace::Steady,
        requests: 100,
        ..scenario(Algorithm::RoundRobin)
    };
    let report = simulate(one_at_a_time);
    assert!(
        report
            .measures
            .backends
            .iter()
            .all(|one| one.most_in_flight == 1)
    );
    // Two are answered every 10 ms, in their order: the last two of the first ten wait for 40.
    let longest = report.measures.waits.percentile(100);
    assert_eq!(longest, Duration::from_millis(40));
    assert_eq!(report.measures.answers.count(), 100);
}

#[test]
fn every_request_comes_to_something() {
    for (down, queue_length, timeout) in [(0, 0, 5000), (0, 5, 15), (2, 3, 30), (3, 10, 10)] {
        for algorithm in Algorithm::WORDS.map(|(_, algorithm)| algorithm) {
            for (clients, burst) in [(40, None), (1, Some(50))] {
                let hard = Scenario {
                    policy: GroupPolicy {
                        algorithm,
                        max_in_flight: Some(2),
                        max_in_flight_total: None,
                        queue_length,
                    },
                    queue_timeout: Duration::from_millis(timeout),
                    down,
                    arrivals: match burst {
                        None => Arrivals::Clients(clients),
                        Some(burst) => Arrivals::Rate {
                            per_second: 1000,
                            burst,
                        },
                    },
                    ..scenario(algorithm)
                };
                let report = simulate(hard);
                assert_eq!(outcomes(&report), 3000, "{report}");
            }
        }
    }
}

#[test]
fn what_is_too_much_for_the_queue_is_refused_or_has_waited_too_long() {
    let crowded = |queue_length, queue_timeout| {
        let crowded = Scenario {
            policy: GroupPolicy {
                max_in_flight: Some(1),
                queue_length,
                ..scenario(Algorithm::RoundRobin).policy
            },
            queue_timeout,
            arrivals: Arrivals::Clients(50),
            ..scenario(Algorithm::RoundRobin)
        };
        simulate(crowded).measures
    };
    let short = crowded(10, Duration::from_secs(5));
    assert!(short.refused > 0 && short.timed_out == 0);
    let impatient = crowded(1000, Duration::from_millis(20));
    assert!(impatient.refused == 0 && impatient.timed_out > 0);
    let down = simulate(Scenario {
        down: 3,
        ..scenario(Algorithm::RoundRobin)
    });
    assert_eq!(down.measures.without_backend, 3000);
}

#[test]
fn the_same_seed_is_the_same_simulation() {
    for algorithm in Algorithm::WORDS.map(|(_, algorithm)| algorithm) {
        let text = |seed| {
            let seeded = Scenario {
                seed,
                ..scenario(algorithm)
            };
            simulate(seeded).to_string()
        };
        assert_eq!(text(7), text(7));
        assert_ne!(text(7), text(8));
    }
}

#[test]
fn a_client_keeps_its_backend_where_its_key_or_its_cookie_decides() {
    for algorithm in [Algorithm::Hash, Algorithm::Sticky] {
        let one_client = Scenario {
            keys: 1,
            arrivals: Arrivals::Clients(1),
            ..scenario(algorithm)
        };
        let mut shares = shares(one_client);
        shares.sort_unstable();
        assert_eq!(shares, [0, 0, 3000]);
    }
}
