//! Which route takes which request, and why.

use super::*;
use crate::http::stripped_prefix::StrippedPrefix;

/// A route for `HOST PATH`, each of which may be `-`; its group is named like it.
fn route(text: &str) -> RouteConfig {
    let (host, path) = text.split_once(' ').expect("two parts");
    RouteConfig {
        host: (host != "-").then(|| HostPattern::parse(host).expect(host)),
        path: (path != "-").then(|| PathPrefix::parse(path).expect(path)),
        group: text.into(),
        ..RouteConfig::default()
    }
}

fn table(texts: &[&str]) -> Routes {
    Routes::new(texts.iter().map(|text| route(text)).collect()).expect("no two are equal")
}

/// The group that a request goes to, or the status that it gets.
fn group(routes: &Routes, host: &str, target: &str) -> String {
    match routes.find(Some(host.as_bytes()), target) {
        Found::Route(found) => {
            assert_eq!(&routes.all()[found.index], found.route);
            found.route.group.clone()
        }
        Found::Refused(refusal) => refusal.status.to_string(),
        Found::None => "none".into(),
    }
}

const SHOP: [&str; 8] = [
    "- -",
    "*.example -",
    "*.b.example /api",
    "shop.example /api",
    "shop.example /api/v1",
    "[::1] -",
    "- /health",
    "shop.example /",
];

#[test]
fn the_best_host_comes_first_and_then_the_longest_path_in_any_order_of_the_file() {
    let mut reversed = SHOP;
    reversed.reverse();
    for routes in [table(&SHOP), table(&reversed)] {
        for (host, target, expected) in [
            ("shop.example", "/api/v1/x", "shop.example /api/v1"),
            ("SHOP.example:80", "/api/v2", "shop.example /api"),
            ("shop.example.", "/apix?/api", "shop.example /"),
            ("shop.example", "", "shop.example /"),
            ("a.example", "/api", "*.example -"),
            ("a.b.example", "/api", "*.b.example /api"),
            ("a.b.example", "/x", "*.example -"),
            ("[0:0::1]:80", "/health", "[::1] -"),
            ("example", "/health/x", "- /health"),
            ("other", "/x", "- -"),
            ("", "/x", "- -"),
        ] {
            assert_eq!(group(&routes, host, target), expected, "{host} {target}");
        }
        let Found::Route(found) = routes.find(None, "/x") else {
            panic!("no route for a request without a host");
        };
        assert_eq!(found.route.group, "- -");
    }
}

#[test]
fn a_path_that_ends_between_two_routes_belongs_to_the_shorter_one() {
    let routes = table(&["a /x", "a /x/y/z"]);
    for target in ["/x/y", "/x/y/", "/x/y/zz", "/x/z"] {
        assert_eq!(group(&routes, "a", target), "a /x", "{target}");
    }
    assert_eq!(group(&routes, "a", "/x/y/z"), "a /x/y/z");
}

#[test]
fn without_a_fitting_path_the_routes_of_the_next_best_host_are_tried() {
    let routes = table(&["a.b.c /api", "*.b.c /b", "*.c /c", "- /d"]);
    for (target, expected) in [
        ("/api", "a.b.c /api"),
        ("/b", "*.b.c /b"),
        ("/c", "*.c /c"),
        ("/d", "- /d"),
        ("/e", "none"),
    ] {
        assert_eq!(group(&routes, "a.b.c", target), expected);
    }
    assert_eq!(group(&table(&[]), "a", "/"), "none");
}

#[test]
fn a_target_that_servers_read_in_different_ways_is_refused_where_any_route_has_a_path() {
    let (with, without) = (
        table(&["- -", "x.example /a"]),
        table(&["- -", "x.example -"]),
    );
    for target in [
        "/..", "/x/%2e/", "/a%2Fb", "/a%5Cb", "/a\\b", "/%00", "/%g0", "/..;a/b",
    ] {
        assert_eq!(group(&with, "a", target), "400", "{target}");
        assert_eq!(group(&without, "a", target), "- -", "{target}");
    }
    assert_eq!(group(&with, "a", "/?/../%2F%"), "- -");
}

#[test]
fn an_asterisk_is_taken_by_routes_without_a_path_only() {
    let routes = table(&["a /", "a.b -", "a.b /"]);
    assert_eq!(group(&routes, "a.b", "*"), "a.b -");
    assert_eq!(group(&routes, "a.b", "/*"), "a.b /");
    assert_eq!(group(&routes, "a", "*"), "none");
    assert_eq!(group(&table(&["- -"]), "a", "*"), "- -");
}

#[test]
fn equal_routes_are_found_however_they_are_spelled() {
    let texts = [
        "A.b /x",
        "a.b -",
        "- /x",
        "a.B. //%78/",
        "- -",
        "*.b /x",
        "- -",
        "- -",
    ];
    let routes: Vec<_> = texts.iter().map(|text| route(text)).collect();
    let pairs: Vec<_> = equal_routes(&routes)
        .iter()
        .map(|equal| (equal.first, equal.second))
        .collect();
    assert_eq!(pairs, [(0, 3), (4, 6), (4, 7)]);
    let error = Routes::new(routes).expect_err("two are equal");
    assert_eq!(
        error.to_string(),
        "routes 1 and 4 have the same host and the same path"
    );
}

fn stripped(path: &str, target: &str) -> Option<String> {
    let mut route = route(&format!("- {path}"));
    route.strip_prefix = true;
    let routes = Routes::new(vec![route]).expect("one route");
    let Found::Route(found) = routes.find(None, target) else {
        panic!("{target} is not under {path}");
    };
    let StrippedPrefix { bytes, adds_slash } = found.stripped?;
    let slash = if adds_slash { "/" } else { "" };
    Some(format!("{slash}{}", &target[bytes..]))
}

#[test]
fn a_prefix_is_stripped_as_it_was_spelled_and_one_slash_remains() {
    for (target, rest) in [
        ("/api", "/"),
        ("/api/", "/"),
        ("/api//", "/"),
        ("/api?x", "/?x"),
        ("/api?//x", "/?//x"),
        ("/api/?x", "/?x"),
        ("/api/x", "/x"),
        ("//api//x", "/x"),
        ("/api///x//y", "/x//y"),
        ("/%61pi/%78", "/%78"),
        ("/api;v=1/x", "/x"),
        ("/api;v=1", "/"),
        ("/;p/api/x", "/x"),
    ] {
        assert_eq!(stripped("/api", target).as_deref(), Some(rest), "{target}");
    }
    assert_eq!(stripped("/", "//x").as_deref(), Some("/x"));
    assert_eq!(stripped("/", "?x").as_deref(), Some("/?x"));
    assert_eq!(stripped("-", "//x"), None);
    assert_eq!(stripped("-", "*"), None);
}

#[test]
fn each_route_says_why_it_takes_a_request_or_not() {
    let routes = table(&SHOP);
    let explained = |host: Option<&str>, target: &str| -> Vec<String> {
        let verdicts = routes.explain(host.map(str::as_bytes), target);
        verdicts.iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        explained(Some("shop.example"), "/api/v1?x"),
        [
            "a better host takes it: shop.example",
            "a better host takes it: shop.example",
            "host is *.b.example",
            "a longer path takes it: /api/v1",
            "takes the request",
            "host is [::1]",
            "path /api/v1 is not under /health",
            "a longer path takes it: /api/v1",
        ]
    );
    let lines = explained(None, "*");
    assert_eq!(lines[0], "takes the request");
    assert_eq!(lines[6], "path * is not under /health");
    assert_eq!(
        explained(Some("a"), "/.."),
        ["400: the path has a dot segment"; 8]
    );
    let none = table(&["a /x", "b -"]);
    let verdicts = none.explain(Some(b"a"), "?q");
    let lines: Vec<_> = verdicts.iter().map(ToString::to_string).collect();
    assert_eq!(lines, ["path / is not under /x", "host is b"]);
}
