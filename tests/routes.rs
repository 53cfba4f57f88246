//! What holds for every table of routes and every request: the search finds what a plain reading of
//! the rules finds, and every spelling of a path comes to one route.
#![allow(missing_docs, clippy::unwrap_used)]

use lb::config::routing::{Found, HostPattern, PathPrefix, RouteConfig, RouteVerdict, Routes};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::string::string_regex;
use std::collections::HashSet;

/// Few labels and few segments, so that routes and requests meet often.
const HOSTS: [&str; 9] = [
    "a",
    "b.a",
    "c.b.a",
    "d.c.b.a",
    "*.a",
    "*.b.a",
    "*.c.b.a",
    "192.0.2.7",
    "[::1]",
];
const SEGMENTS: [&str; 5] = ["x", "y", "xy", "x.y", "@"];

fn config() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok();
    let cases = asked.and_then(|text| text.parse().ok()).unwrap_or(1000);
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

/// A route, as it is written: `HOST` and `/PATH`.
type Written = (Option<&'static str>, Option<Vec<&'static str>>);

fn written() -> impl Strategy<Value = Written> {
    let host = option::of(select(&HOSTS[..]));
    (host, option::of(vec(select(&SEGMENTS[..]), 0..4)))
}

/// Some routes, no two of them equal.
fn routes() -> impl Strategy<Value = Vec<Written>> {
    let distinct = |routes: Vec<Written>| {
        let mut seen = HashSet::new();
        let mut routes = routes;
        routes.retain(|route| seen.insert(route.clone()));
        routes
    };
    vec(written(), 0..12).prop_map(distinct)
}

fn joined(segments: &[&str]) -> String {
    format!("/{}", segments.join("/"))
}

fn table(routes: &[Written]) -> Routes {
    let route = |(host, path): &Written| RouteConfig {
        host: host.map(|host| HostPattern::parse(host).unwrap()),
        path: path
            .as_ref()
            .map(|path| PathPrefix::parse(&joined(path)).unwrap()),
        strip_prefix: true,
        ..RouteConfig::default()
    };
    Routes::new(routes.iter().map(route).collect()).unwrap()
}

/// The rules, read plainly: of all routes that take the request the one with the best host, then the
/// longest path.
fn expected(routes: &[Written], host: &str, path: &[&str]) -> Option<usize> {
    let rank = |(own_host, own_path): &Written| {
        let host_rank = match own_host {
            None => 0,
            Some(own) => match own.strip_prefix('*') {
                Some(below) => host.ends_with(below).then_some(own.len())?,
                None => (host == *own).then_some(usize::MAX)?,
            },
        };
        let path_rank = match own_path {
            None => 0,
            Some(own) => path.starts_with(own).then_some(own.len() + 1)?,
        };
        Some((host_rank, path_rank))
    };
    let ranked = routes
        .iter()
        .enumerate()
        .filter_map(|(place, route)| Some((rank(route)?, place)));
    ranked.max().map(|(_, place)| place)
}

/// Another spelling of a segment and of what stands before it.
fn spelled(segment: &str, style: usize) -> String {
    let encoded: String = segment.bytes().map(|byte| format!("%{byte:02x}")).collect();
    match style % 7 {
        0 => format!("//{segment}"),
        1 => format!("/{encoded}"),
        2 => format!("/{}", encoded.to_uppercase()),
        3 => format!("/{segment};p=1"),
        4 => format!("/;/{segment}"),
        5 => format!("///{segment};"),
        _ => format!("/{segment}"),
    }
}

fn index(found: &Found<'_>) -> Option<usize> {
    match found {
        Found::Route(found) => Some(found.index),
        Found::Refused(_) | Found::None => None,
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_search_finds_what_the_rules_say_in_every_spelling(
        routes in routes(),
        host in select(&HOSTS[..]),
        path in vec(select(&SEGMENTS[..]), 0..6),
        styles in vec(any::<usize>(), 6),
        tail in select(&["", "?", "?/x/../%", "/", "//"][..]),
        host_style in 0..4,
    ) {
        let host = host.trim_start_matches("*.");
        let sent_host = match host_style {
            0 => host.to_uppercase(),
            1 => format!("{host}:80"),
            2 if !host.starts_with('[') => format!("{host}."),
            _ => host.into(),
        };
        let target: String = path.iter().zip(styles).map(|(one, style)| spelled(one, style)).collect();
        let target = format!("{}{tail}", if target.is_empty() { "/" } else { &target });
        let table = table(&routes);
        let found = table.find(Some(sent_host.as_bytes()), &target);
        prop_assert!(!matches!(found, Found::Refused(_)), "{target}");
        let expected = expected(&routes, host, &path);
        prop_assert_eq!(index(&found), expected, "{} {}", sent_host, target);

        let verdicts = table.explain(Some(sent_host.as_bytes()), &target);
        let takes: Vec<_> = (0..routes.len()).filter(|place| verdicts[*place] == RouteVerdict::Takes).collect();
        prop_assert_eq!(takes, Vec::from_iter(expected));
    }

    #[test]
    fn the_order_of_the_routes_does_not_matter(
        routes in routes().prop_shuffle(),
        swap in any::<(Index, Index)>(),
        host in select(&HOSTS[..]),
        path in vec(select(&SEGMENTS[..]), 0..6),
    ) {
        let mut shuffled = routes.clone();
        if !routes.is_empty() {
            shuffled.swap(swap.0.index(routes.len()), swap.1.index(routes.len()));
        }
        let found = |routes: &[Written]| {
            let table = table(routes);
            let found = table.find(Some(host.as_bytes()), &joined(&path));
            index(&found).map(|place| routes[place].clone())
        };
        prop_assert_eq!(found(&routes), found(&shuffled));
    }

    /// Whatever is sent, what is left is in origin form, and the part that went was the prefix.
    #[test]
    fn what_is_left_of_a_target_begins_with_one_slash(
        routes in routes(),
        target in string_regex("(/[xy@./;%0-9a-f]{0,12})?(\\?[x/]{0,3})?").unwrap(),
    ) {
        let table = table(&routes);
        let Found::Route(found) = table.find(Some(b"a"), &target) else {
            return Ok(());
        };
        let Some(stripped) = found.stripped else {
            prop_assert!(found.route.path.is_none());
            return Ok(());
        };
        let slash = if stripped.adds_slash { "/" } else { "" };
        let left = format!("{slash}{}", &target[stripped.bytes..]);
        prop_assert!(left.starts_with('/') && !left.starts_with("//"), "{target}: {left}");
        let prefix = found.route.path.clone().unwrap();
        let again = Routes::new(vec![RouteConfig { path: Some(prefix), ..RouteConfig::default() }]).unwrap();
        let taken = format!("{}/", &target[..stripped.bytes]);
        let is_taken = matches!(again.find(None, &taken), Found::Route(_));
        prop_assert!(is_taken, "{target}: {taken}");
    }
}
