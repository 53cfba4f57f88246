//! Several groups behind routes, and the limits of each client.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use ::lb::config::routing::{HostPattern, PathPrefix, RouteConfig};
use ::lb::config::{Config, Settings};
use ::lb::http::field_rules::FieldRules;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;
use support::{Client, Lb, Origin, config_of};

/// Answers with the head of the request.
fn echo() -> Origin {
    Origin::scripted(|served| {
        while let Some(request) = served.request() {
            served.client.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nX-Powered-By: x\r\n\r\n{request}",
                request.len()
            ));
        }
    })
}

fn named(name: &'static str) -> Origin {
    Origin::answering(format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}",
        name.len()
    ))
}

fn route(host: Option<&str>, path: Option<&str>, group: &str) -> RouteConfig {
    RouteConfig {
        host: host.map(|host| HostPattern::parse(host).unwrap()),
        path: path.map(|path| PathPrefix::parse(path).unwrap()),
        group: group.into(),
        ..RouteConfig::default()
    }
}

/// A group for each address, with these names.
fn config(groups: &[(&str, SocketAddr)], routes: Vec<RouteConfig>) -> Config {
    let mut config = config_of(&[groups[0].1], |_| {});
    config.groups = groups
        .iter()
        .map(|(name, address)| {
            let mut group = config_of(&[*address], |_| {}).groups.remove(0);
            group.name = (*name).into();
            group
        })
        .collect();
    config.routes = routes;
    config
}

fn get(client: &mut Client, host: &str, target: &str) -> support::Response {
    client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    client.response()
}

#[test]
fn requests_go_to_the_group_of_their_route_and_404_where_there_is_none() {
    let [shop, api, rest] = ["shop", "api", "rest"].map(named);
    let lb = Lb::start(config(
        &[
            ("shop", shop.address),
            ("api", api.address),
            ("rest", rest.address),
        ],
        vec![
            route(Some("shop.example"), None, "shop"),
            route(Some("shop.example"), Some("/api"), "api"),
            route(Some("*.example"), None, "rest"),
        ],
    ));
    let mut client = lb.client();
    for (host, target, group) in [
        ("shop.example", "/", "shop"),
        ("SHOP.example:80", "/apix", "shop"),
        ("shop.example", "/api?x", "api"),
        ("shop.example", "/%61pi/x", "api"),
        ("a.b.example", "/api", "rest"),
    ] {
        assert_eq!(
            get(&mut client, host, target).text(),
            group,
            "{host}{target}"
        );
    }
    let missing = get(&mut client, "other", "/");
    assert_eq!(missing.status, 404);
    assert!(
        missing.text().contains("no route takes"),
        "{}",
        missing.text()
    );
    assert_eq!(
        get(&mut client, "shop.example", "/").text(),
        "shop",
        "it goes on"
    );
    for target in ["/api/../x", "/%2e%2E/x", "/a%2Fb", "/api/..;/x"] {
        assert_eq!(
            get(&mut lb.client(), "shop.example", target).status,
            400,
            "{target}"
        );
    }
}

#[test]
fn a_route_strips_its_prefix_and_edits_fields_both_ways() {
    let origin = echo();
    let set = vec![("X-Tier".into(), "1".into())];
    let edited = RouteConfig {
        strip_prefix: true,
        request_headers: FieldRules::of_requests(set, vec!["X-Debug".into()]).unwrap(),
        response_headers: FieldRules::of_responses(
            vec![("X-By".into(), "lb".into())],
            vec!["X-Powered-By".into()],
        )
        .unwrap(),
        ..route(None, Some("/api"), "a")
    };
    let lb = Lb::start(config(
        &[("a", origin.address)],
        vec![edited, route(None, None, "a")],
    ));
    let mut client = lb.client();
    let ask = |client: &mut Client, target: &str| {
        client.send(format!(
            "GET {target} HTTP/1.1\r\nHost: a\r\nX-Tier: 9\r\nx-debug: 1\r\nX_Tier: 8\r\n\r\n"
        ));
        client.response()
    };
    for (target, rest) in [
        ("/api", "/"),
        ("/api/x?y", "/x?y"),
        ("/api//x", "/x"),
        ("/api?y", "/?y"),
    ] {
        let response = ask(&mut client, target);
        let head = response.text();
        assert!(
            head.starts_with(&format!("GET {rest} HTTP/1.1\r\n")),
            "{head}"
        );
        assert!(
            head.contains("X-Tier: 1\r\n") && !head.contains("Tier: 9"),
            "{head}"
        );
        assert!(
            !head.contains("X_Tier") && !head.to_lowercase().contains("x-debug"),
            "{head}"
        );
        assert_eq!(response.field("X-By"), Some("lb"));
        assert_eq!(response.field("X-Powered-By"), None);
    }
    let plain = ask(&mut client, "/other");
    assert!(plain.text().contains("X-Tier: 9") && plain.field("X-By").is_none());
}

#[test]
fn each_group_has_its_own_settings_and_health() {
    let (slow, quick) = (
        Origin::scripted(|served| {
            served.request();
            thread::sleep(Duration::from_secs(3));
        }),
        named("quick"),
    );
    let mut config = config(
        &[("slow", slow.address), ("quick", quick.address)],
        vec![
            route(None, Some("/slow"), "slow"),
            route(None, None, "quick"),
        ],
    );
    let timeout = |settings: &mut Settings| settings.timeouts.response = Duration::from_millis(100);
    timeout(&mut config.groups[0].settings);
    let lb = Lb::start(config);
    assert_eq!(lb.client().get("/slow").status, 504);
    assert_eq!(lb.client().get("/").text(), "quick");
    slow.set_healthy(false);
    let status = lb.status();
    assert_eq!(status.groups.len(), 2);
    assert!(status.groups[1].backends[0].is_up);
}

#[test]
fn a_client_gets_429_beyond_its_rate_and_goes_on_afterwards() {
    let origin = named("x");
    let lb = Lb::with(&[origin.address], |setup| {
        setup.limits.requests_per_second = Some(5);
        setup.limits.burst = Some(3);
        setup.ready_path = Some("/ready".into());
    });
    let mut client = lb.client();
    assert!((0..3).all(|_| client.get("/").status == 200));
    let refused = client.get("/");
    assert_eq!(
        (refused.status, refused.field("Retry-After")),
        (429, Some("1"))
    );
    assert_eq!(origin.count(), 3, "no backend was asked");
    assert_eq!(client.get("/ready").status, 200);
    support::eventually("it may again", || client.get("/").status == 200);
}

#[test]
fn a_client_gets_429_beyond_its_connections_until_it_closes_one() {
    let origin = named("x");
    let lb = Lb::with(&[origin.address], |setup| {
        setup.limits.connections_per_client = Some(2);
    });
    let (mut first, mut second) = (lb.client(), lb.client());
    assert_eq!((first.get("/").status, second.get("/").status), (200, 200));
    let mut third = lb.client();
    let refused = third.get("/");
    assert_eq!(
        (refused.status, refused.field("Connection")),
        (429, Some("close"))
    );
    assert!(refused.field("Retry-After").is_some());
    assert_eq!(first.get("/").status, 200);
    drop(first);
    support::eventually("there is room", || lb.client().get("/").status == 200);
}

#[test]
fn behind_a_trusted_proxy_each_client_counts_for_itself() {
    let origin = named("x");
    let lb = Lb::with(&[origin.address], |setup| {
        setup.limits.requests_per_second = Some(1);
        setup.limits.burst = Some(1);
        setup.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    });
    let mut proxy = lb.client();
    let mut from = |address: &str| {
        let fields = format!("X-Forwarded-For: 6.6.6.6, {address}\r\n");
        proxy.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        proxy.response().status
    };
    assert_eq!([from("192.0.2.1"), from("192.0.2.2")], [200, 200]);
    assert_eq!(from("192.0.2.1"), 429);
    // One network of version 6 is one client.
    assert_eq!([from("2001:db8::1"), from("2001:db8::2")], [200, 429]);
}
