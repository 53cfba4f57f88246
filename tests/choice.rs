//! Which backend a request goes to, by each algorithm, over real sockets.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use ::lb::backends::{AdminState, Algorithm};
use ::lb::config::{Config, HashBy};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};
use support::{Client, Lb, Origin, Setup, config_of};

/// Backends that say which one they are.
fn numbered(count: usize) -> Vec<Origin> {
    let answer = |number| format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}");
    let origin = |number| Origin::answering(answer(number));
    (0..count).map(origin).collect()
}

fn addresses(origins: &[Origin]) -> Vec<SocketAddr> {
    origins.iter().map(|origin| origin.address).collect()
}

fn with(origins: &[Origin], algorithm: Algorithm, change: impl FnOnce(&mut Setup)) -> Lb {
    Lb::with(&addresses(origins), |setup| {
        setup.choice.algorithm = algorithm;
        change(setup);
    })
}

/// Which backend answers a request with these fields.
fn answers(client: &mut Client, target: &str, fields: &str) -> String {
    client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
    let response = client.response();
    assert_eq!(response.status, 200);
    response.text()
}

#[test]
fn weights_share_requests_exactly() {
    let origins = numbered(3);
    let mut config = config_of(&addresses(&origins), |_| {});
    for (backend, weight) in config.groups[0].backends.iter_mut().zip([5, 2, 0]) {
        backend.weight = weight;
    }
    let lb = Lb::start(config);
    thread::scope(|scope| {
        for _ in 0..7 {
            scope.spawn(|| {
                let mut client = lb.client();
                (0..100).for_each(|_| assert_eq!(client.get("/").status, 200));
            });
        }
    });
    let counts: Vec<usize> = origins.iter().map(Origin::count).collect();
    assert_eq!(counts, [500, 200, 0]);
}

#[test]
fn the_same_key_goes_to_the_same_backend_and_others_elsewhere() {
    let origins = numbered(4);
    for (by, same, other) in [
        (
            HashBy::Header("X-User".into()),
            ("/", "X-User: anne\r\n"),
            None,
        ),
        (
            HashBy::Cookie("id".into()),
            ("/", "Cookie: a=b; id=7\r\n"),
            None,
        ),
        (HashBy::Path, ("/a?b", ""), Some("/a?c")),
    ] {
        let lb = with(&origins, Algorithm::Hash, |setup| {
            setup.choice.hash_by = Some(by.clone());
        });
        let first = answers(&mut lb.client(), same.0, same.1);
        for _ in 0..8 {
            let target = other.unwrap_or(same.0);
            assert_eq!(answers(&mut lb.client(), target, same.1), first, "{by:?}");
        }
        let mut seen = std::collections::HashSet::new();
        for number in 0..60 {
            let fields = format!("X-User: {number}\r\nCookie: id={number}\r\n");
            seen.insert(answers(&mut lb.client(), &format!("/{number}"), &fields));
        }
        assert_eq!(seen.len(), 4, "{by:?}");
        // What has no key takes turns.
        if by != HashBy::Path {
            let turns: std::collections::HashSet<_> =
                (0..4).map(|_| answers(&mut lb.client(), "/", "")).collect();
            assert_eq!(turns.len(), 4);
        }
    }
}

#[test]
fn clients_are_told_apart_by_their_address_behind_a_trusted_proxy() {
    let origins = numbered(4);
    let lb = with(&origins, Algorithm::Hash, |setup| {
        setup.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    });
    let from = |address: &str| {
        let fields = format!("X-Forwarded-For: 6.6.6.6, {address}\r\n");
        answers(&mut lb.client(), "/", &fields)
    };
    assert!((0..5).all(|_| from("192.0.2.1") == from("192.0.2.1")));
    let seen: std::collections::HashSet<_> = (0..60)
        .map(|last| from(&format!("192.0.2.{last}")))
        .collect();
    assert_eq!(seen.len(), 4);
}

fn cookie_in(response: &support::Response) -> Option<String> {
    let cookie = response.field("Set-Cookie")?;
    Some(cookie.split(';').next().unwrap().to_string())
}

#[test]
fn a_sticky_client_stays_at_its_backend_while_that_is_up_or_drains() {
    let origins = numbered(3);
    let lb = with(&origins, Algorithm::Sticky, |setup| {
        setup.health.interval = Duration::from_millis(50);
        setup.health.fall = 1;
    });
    let first = lb.client().get("/");
    let cookie = cookie_in(&first).expect("a new client");
    let flags = first.field("Set-Cookie").unwrap();
    assert!(
        flags.ends_with("; Path=/; HttpOnly; SameSite=Lax"),
        "{flags}"
    );
    let place: usize = first.text().parse().unwrap();
    let fields = format!("Cookie: x=1; {cookie}\r\n");
    let ask = || {
        let mut client = lb.client();
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        client.response()
    };
    for _ in 0..6 {
        let again = ask();
        assert_eq!((again.text(), cookie_in(&again)), (first.text(), None));
    }
    let backend = lb.backend(place);
    lb.backends().set_admin(&backend, AdminState::Draining);
    assert_eq!(ask().text(), first.text());
    assert!((0..6).all(|_| lb.client().get("/").text() != first.text()));
    lb.backends().set_admin(&backend, AdminState::Enabled);
    origins[place].set_healthy(false);
    support::eventually("it is down", || !backend.is_up());
    let moved = ask();
    assert_ne!(moved.text(), first.text());
    assert!(cookie_in(&moved).is_some_and(|new| new != cookie));
}

#[test]
fn an_unknown_cookie_is_ignored_and_replaced_and_one_that_came_by_tls_stays_there() {
    let origins = numbered(2);
    let lb = with(&origins, Algorithm::Sticky, |setup| {
        setup.choice.cookie = Some("seat".into());
        setup.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    });
    for cookie in ["seat=nonsense", "seat=0123456789abcdef", "lb=1"] {
        let mut client = lb.client();
        client.send(format!(
            "GET / HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n"
        ));
        let response = client.response();
        assert_eq!(response.status, 200);
        assert!(
            cookie_in(&response).unwrap().starts_with("seat="),
            "{cookie}"
        );
        assert!(!response.field("Set-Cookie").unwrap().contains("Secure"));
    }
    let mut client = lb.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\n\r\n");
    assert!(
        client
            .response()
            .field("Set-Cookie")
            .unwrap()
            .ends_with("; Secure")
    );
}

/// The 99th percentile of 16 clients' waits, when one of four backends takes ten times as long.
fn p99(algorithm: Algorithm) -> Duration {
    let origin = |takes: u64| {
        Origin::scripted(move |served| {
            while served.request().is_some() {
                thread::sleep(Duration::from_millis(takes));
                served
                    .client
                    .send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            }
        })
    };
    let origins = [40, 4, 4, 4].map(origin);
    let lb = with(&origins, algorithm, |_| {});
    let times = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let mut client = lb.client();
                for _ in 0..50 {
                    let began = Instant::now();
                    assert_eq!(client.get("/").status, 200);
                    times.lock().unwrap().push(began.elapsed());
                }
            });
        }
    });
    let mut times = times.into_inner().unwrap();
    times.sort();
    // Nine in ten: with turns every fourth request meets the slow one.
    times[times.len() * 90 / 100]
}

#[test]
fn least_requests_are_answered_sooner_than_turns_when_one_backend_is_slow() {
    let (turns, least) = (p99(Algorithm::RoundRobin), p99(Algorithm::LeastRequests));
    assert!(least < turns, "{least:?} {turns:?}");
}

#[test]
fn a_backend_that_is_disabled_from_the_start_gets_nothing() {
    let origins = numbered(2);
    let mut config: Config = config_of(&addresses(&origins), |_| {});
    config.groups[0].backends[1].admin = AdminState::Disabled;
    let lb = Lb::start(config);
    assert!((0..6).all(|_| lb.client().get("/").text() == "0"));
}
