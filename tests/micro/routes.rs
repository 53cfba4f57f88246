//! Routes: which one takes a request, of one that takes all, of ten and of a hundred; and hosts and
//! paths that are made to cost much.

use divan::{Bencher, black_box};
use lb::config::routing::{Found, HostPattern, PathPrefix, RouteConfig, Routes};

const COUNTS: [usize; 3] = [1, 10, 100];

fn route(host: Option<String>, path: Option<String>) -> RouteConfig {
    RouteConfig {
        host: host.map(|host| HostPattern::parse(&host).unwrap()),
        path: path.map(|path| PathPrefix::parse(&path).unwrap()),
        strip_prefix: true,
        ..RouteConfig::default()
    }
}

/// One route that takes all, and others for `/service-N/v1`, each of a host of its own or all of one.
fn table(count: usize, has_hosts: bool) -> Routes {
    let host = |number| match has_hosts {
        true => format!("service-{number}.shop.example"),
        false => "*.shop.example".into(),
    };
    let path = |number| format!("/service-{number}/v1");
    let others = (1..count).map(|number| route(Some(host(number)), Some(path(number))));
    Routes::new(std::iter::once(route(None, None)).chain(others).collect()).unwrap()
}

fn find(bencher: Bencher<'_, '_>, routes: &Routes, host: &str, target: &str) {
    bencher.bench_local(|| {
        let found = routes.find(Some(black_box(host.as_bytes())), black_box(target));
        matches!(found, Found::Route(_))
    });
}

/// The request for the last route, or for the only one.
fn request(count: usize) -> (String, String) {
    let number = count - 1;
    (
        format!("Service-{number}.shop.example:8080"),
        format!("/service-{number}/v1/articles/17?page=2"),
    )
}

#[divan::bench(args = COUNTS)]
fn by_path_of(bencher: Bencher<'_, '_>, count: usize) {
    let (host, target) = request(count);
    find(bencher, &table(count, false), &host, &target);
}

#[divan::bench(args = COUNTS)]
fn by_host_of(bencher: Bencher<'_, '_>, count: usize) {
    let (host, target) = request(count);
    find(bencher, &table(count, true), &host, &target);
}

#[divan::bench(args = COUNTS)]
fn with_escapes_of(bencher: Bencher<'_, '_>, count: usize) {
    let (host, target) = request(count);
    let target = target.replace("service", "%73ervice") + ";a=b.c/d.html";
    find(bencher, &table(count, false), &host, &target);
}

/// A host of 500 labels, and a path of 8 KiB of which each byte has to be looked at.
#[divan::bench(args = COUNTS)]
fn hostile_of(bencher: Bencher<'_, '_>, count: usize) {
    let (host, target) = ("a.".repeat(500), "/%61".repeat(2048));
    find(bencher, &table(count, false), &host, &target);
}
