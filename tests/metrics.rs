//! Each metric moves when the thing happens that it stands for, and Prometheus can read all of them.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use lb::config::routing::{PathPrefix, RouteConfig};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{Client, Lb, Origin, PATIENCE, config_of, eventually, nobody, observed};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// The sum of all series of a metric that have these labels.
fn sum(lb: &Lb, name: &str, labels: &[(&str, &str)]) -> f64 {
    sum_in(&lb.handle().metrics_text(), name, labels)
}

fn sum_in(text: &str, name: &str, labels: &[(&str, &str)]) -> f64 {
    let labels = labels
        .iter()
        .map(|(name, value)| format!("{name}=\"{value}\""));
    let labels: Vec<_> = labels.collect();
    let is_meant = |line: &&str| {
        let series = line.split_once(' ').unwrap().0;
        let (found, has) = series.split_once('{').unwrap_or((series, ""));
        found == name && labels.iter().all(|label| has.contains(label.as_str()))
    };
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let values = lines
        .filter(is_meant)
        .map(|line| line.rsplit(' ').next().unwrap());
    values.map(|value| value.parse::<f64>().unwrap()).sum()
}

fn answers(status: &str) -> Origin {
    Origin::answering(format!(
        "HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\nhello"
    ))
}

#[test]
fn a_request_is_counted_by_route_group_backend_and_code() {
    let (good, bad) = (answers("200 OK"), answers("500 Bad"));
    let lb = Lb::observed(&[good.address, bad.address], |_| {});
    let mut client = lb.client();
    let mut statuses = [(); 4].map(|()| client.get("/").status);
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 500, 500]);
    let good = good.address.to_string();
    eventually("the last one is counted", || {
        sum(&lb, "lb_requests_total", &[]) == 4.0
    });
    let labels = [
        ("route", "*"),
        ("group", "default"),
        ("backend", &*good),
        ("code", "200"),
    ];
    assert_eq!(sum(&lb, "lb_requests_total", &labels), 2.0);
    let bad = bad.address.to_string();
    assert_eq!(
        sum(
            &lb,
            "lb_requests_total",
            &[("backend", &bad), ("code", "500")]
        ),
        2.0
    );
    for (metric, expected) in [
        ("lb_request_duration_seconds_count", 2.0),
        ("lb_backend_first_byte_seconds_count", 2.0),
        ("lb_backend_connect_seconds_count", 1.0),
        ("lb_backend_connections_opened_total", 1.0),
        ("lb_backend_connections_reused_total", 1.0),
        ("lb_backend_attempts_total", 2.0),
        ("lb_backend_errors_total", 2.0),
        ("lb_backend_failures_total", 0.0),
    ] {
        assert_eq!(sum(&lb, metric, &[("backend", &bad)]), expected, "{metric}");
    }
    let status = lb.status();
    assert_eq!(status.groups[0].requests, 4);
    let backend = &status.groups[0].backends[1];
    assert_eq!((backend.requests, backend.errors), (2, 2));
    assert!(backend.p50_seconds.is_some() && backend.p99_seconds.is_some());
}

#[test]
fn what_no_backend_answers_is_counted_as_well() {
    let lb = Lb::observed(&[nobody()], |setup| {
        setup.ready_path = Some("/ready".into())
    });
    assert_eq!(lb.client().get("/").status, 503);
    assert_eq!(lb.client().get("/ready").status, 503);
    let mut client = lb.client();
    assert_eq!(client.send("NO REQUEST\r\n\r\n").response().status, 400);
    let of_group = [
        ("route", "*"),
        ("group", "default"),
        ("backend", ""),
        ("code", "503"),
    ];
    assert_eq!(sum(&lb, "lb_requests_total", &of_group), 1.0);
    let unrouted = [("route", ""), ("group", "")];
    for code in ["503", "400"] {
        let labels = [unrouted[0], unrouted[1], ("code", code)];
        assert_eq!(sum(&lb, "lb_requests_total", &labels), 1.0, "{code}");
    }
    assert_eq!(sum(&lb, "lb_ready", &[]), 0.0);
}

#[test]
fn routes_are_known_by_their_host_and_path() {
    let origin = answers("200 OK");
    let mut config = observed(config_of(&[origin.address], |_| {}));
    let to = RouteConfig::to_group("default");
    let path = PathPrefix::parse("/api").unwrap();
    config.routes = vec![
        to.clone(),
        RouteConfig {
            path: Some(path),
            ..to
        },
    ];
    let lb = Lb::start(config);
    let mut client = lb.client();
    for target in ["/", "/api/x", "/api"] {
        assert_eq!(client.get(target).status, 200);
    }
    eventually("the last one is counted", || {
        sum(&lb, "lb_requests_total", &[]) == 3.0
    });
    assert_eq!(sum(&lb, "lb_requests_total", &[("route", "/api")]), 2.0);
    assert_eq!(sum(&lb, "lb_requests_total", &[("route", "*")]), 1.0);
}

#[test]
fn a_code_that_nobody_knows_counts_for_its_class() {
    let origin = answers("299 Odd");
    let lb = Lb::observed(&[origin.address], |_| {});
    assert_eq!(lb.client().get("/").status, 299);
    eventually("it is counted", || {
        sum(&lb, "lb_requests_total", &[("code", "2xx")]) == 1.0
    });
}

#[test]
fn a_failed_attempt_and_the_retry_after_it_are_counted() {
    let broken = Origin::scripted(|served| drop(served.request()));
    let good = answers("200 OK");
    let lb = Lb::observed(&[broken.address, good.address], |setup| {
        setup.retry_budget = Some(20);
    });
    let mut client = lb.client();
    (0..2).for_each(|_| assert_eq!(client.get("/").status, 200));
    let name = broken.address.to_string();
    let failures = sum(&lb, "lb_backend_failures_total", &[("backend", &name)]);
    assert!(failures >= 1.0);
    assert_eq!(
        sum(&lb, "lb_backend_errors_total", &[("backend", &name)]),
        failures
    );
    assert_eq!(sum(&lb, "lb_retries_total", &[]), failures);
    assert_eq!(sum(&lb, "lb_retry_budget_used_total", &[]), failures);
    assert_eq!(sum(&lb, "lb_retry_budget_left", &[]), 3.0 - failures);
}

#[test]
fn a_connection_that_died_while_idle_is_counted_as_stale() {
    let origin = Origin::scripted(|served| {
        served.request();
        served.client.send(HELLO);
    });
    let lb = Lb::observed(&[origin.address], |_| {});
    let mut client = lb.client();
    eventually("one of them has died", || {
        assert_eq!(client.get("/").status, 200);
        sum(&lb, "lb_backend_connections_stale_total", &[]) > 0.0
    });
}

#[test]
fn bytes_are_counted_both_ways() {
    let origin = answers("200 OK");
    let lb = Lb::observed(&[origin.address], |_| {});
    let body = "x".repeat(1000);
    let request = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{body}");
    assert_eq!(lb.client().send(request).response().status, 200);
    let sent = sum(&lb, "lb_backend_sent_bytes_total", &[]);
    assert!((1000.0..1500.0).contains(&sent), "{sent}");
    eventually("the answer is counted", || {
        sum(&lb, "lb_backend_received_bytes_total", &[]) == HELLO.len() as f64
    });
}

#[test]
fn the_queue_is_counted_with_its_waits_and_its_refusals() {
    let (go, permission) = crossbeam_channel::unbounded::<()>();
    let origin = Origin::scripted(move |served| {
        while served.request().is_some() && permission.recv_timeout(PATIENCE).is_ok() {
            served.client.send(HELLO);
        }
    });
    let lb = Lb::observed(&[origin.address], |setup| {
        setup.choice.max_in_flight = Some(1);
        setup.choice.queue_length = 1;
        setup.choice.queue_timeout = PATIENCE;
    });
    let mut clients = [(); 3].map(|()| lb.client());
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    clients[0].send(get);
    origin.request();
    clients[1].send(get);
    eventually("it waits", || sum(&lb, "lb_queue_length", &[]) == 1.0);
    assert_eq!(lb.status().groups[0].queue.length, 1);
    assert_eq!(sum(&lb, "lb_sessions_parked", &[("stage", "queued")]), 1.0);
    assert_eq!(clients[2].get("/").status, 503);
    assert_eq!(sum(&lb, "lb_queue_full_total", &[]), 1.0);
    assert_eq!(sum(&lb, "lb_queue_limit", &[]), 1.0);
    go.send(()).unwrap();
    assert_eq!(clients[0].response().status, 200);
    go.send(()).unwrap();
    assert_eq!(clients[1].response().status, 200);
    assert_eq!(sum(&lb, "lb_queue_wait_seconds_count", &[]), 1.0);
    eventually("that is among the changes", || {
        let changes = lb.status().changes;
        changes
            .iter()
            .any(|change| change.text.starts_with("the queue was full: 1 request"))
    });
}

#[test]
fn health_is_counted_and_what_changed_is_noted_with_the_reason() {
    let origin = answers("200 OK");
    let lb = Lb::observed(&[origin.address], |setup| {
        setup.health.interval = Duration::from_millis(50);
    });
    assert_eq!(sum(&lb, "lb_backend_up", &[]), 1.0);
    origin.set_healthy(false);
    eventually("it is down", || sum(&lb, "lb_backend_up", &[]) == 0.0);
    let to_down = sum(&lb, "lb_backend_transitions_total", &[("to", "down")]);
    assert_eq!(to_down, 1.0);
    assert!(sum(&lb, "lb_backend_checks_total", &[("result", "good")]) >= 1.0);
    assert!(sum(&lb, "lb_backend_checks_total", &[("result", "bad")]) >= 2.0);
    let status = lb.status();
    let change = &status.changes[0];
    assert_eq!(
        (&*change.group, &change.backend),
        ("default", &origin.address.to_string())
    );
    assert_eq!(change.text, "DOWN after 2 failed checks (status code: 500)");
    let backend = &status.groups[0].backends[0];
    assert_eq!(
        (backend.state, &*backend.reason),
        ("down", "status code: 500")
    );
    assert_eq!(backend.checks.first(), Some(&"good"));
    assert!(backend.checks.ends_with(&["bad", "bad"]) || backend.checks.len() == 30);
    origin.set_healthy(true);
    eventually("it is up", || {
        lb.status().changes[0]
            .text
            .starts_with("UP, it was down for ")
    });
}

#[test]
fn each_second_of_the_last_minute_has_its_requests() {
    let origin = answers("200 OK");
    let lb = Lb::observed(&[origin.address], |_| {});
    let mut client = lb.client();
    (0..7).for_each(|_| assert_eq!(client.get("/").status, 200));
    let counted = |lb: &Lb| -> u64 {
        let history = &lb.status().groups[0].backends[0].history;
        assert!(history.len() == 60 || history.iter().all(|one| *one == [0, 0]));
        history.iter().map(|one| one[0]).sum()
    };
    eventually("the second is over", || counted(&lb) == 7);
    let group = &lb.status().groups[0];
    assert!(group.requests_per_second > 0.0 && group.backends[0].requests_per_second > 0.0);
    assert_eq!(group.backends[0].share, 1.0);
}

#[test]
fn nothing_is_gathered_unless_that_was_asked_for() {
    let origin = answers("200 OK");
    let lb = Lb::over(&[origin.address]);
    assert_eq!(lb.client().get("/").status, 200);
    let status = lb.status();
    assert!(status.workers.is_empty() && status.changes.is_empty());
    assert!(status.groups[0].backends[0].history.is_empty());
    let text = lb.handle().metrics_text();
    assert!(!text.contains("lb_requests_total") && text.contains("lb_build_info"));
    assert!(lb.handle().requests(Duration::ZERO).is_empty());
    assert!(!lb.handle().close_request(1));
}

/// The text of a balancer in which as much as possible has happened.
fn full_text() -> String {
    let origin = answers("200 OK");
    let lb = Lb::observed(&[origin.address, nobody()], |_| {});
    let mut client = lb.client();
    (0..3).for_each(|_| assert_eq!(client.get("/").status, 200));
    let _ = Client::to(lb.address).send("NO REQUEST\r\n\r\n").response();
    lb.handle().metrics_text()
}

#[test]
fn promtool_finds_nothing_wrong_with_the_text() {
    let promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = promtool else {
        println!("promtool is not here");
        return;
    };
    let text = full_text();
    let mut stdin = promtool.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).unwrap();
    drop(stdin);
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.is_empty(), "{said}\n{text}");
}

#[test]
fn promtool_finds_nothing_wrong_with_the_alert_rules() {
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/monitoring/alerts.yml");
    let Ok(output) = Command::new("promtool")
        .args(["check", "rules", rules])
        .output()
    else {
        println!("promtool is not here");
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
}

/// Names that begin with `lb_` in a text, without what Prometheus adds to those of histograms.
fn names_in(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let names = words.filter(|word| word.starts_with("lb_"));
    let plain = names.map(|name| {
        let suffix = ["_bucket", "_sum", "_count"].into_iter();
        let plain = suffix.filter_map(|suffix| name.strip_suffix(suffix)).next();
        plain.unwrap_or(name).to_string()
    });
    let mut names: Vec<_> = plain.collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn dashboards_and_alerts_use_only_metrics_that_there_are() {
    let known = names_in(&full_text());
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/monitoring");
    let mut used = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let names = names_in(&text);
        assert!(!names.is_empty() || path.extension().is_some_and(|one| one == "md"));
        used.extend(
            names
                .into_iter()
                .map(|name| (path.display().to_string(), name)),
        );
    }
    assert!(used.len() > 20, "{used:?}");
    for (path, name) in used {
        assert!(
            known.contains(&name),
            "{path} uses {name}, which there is not: {known:?}"
        );
    }
}
