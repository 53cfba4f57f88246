//! What `Server::status()` says, as a value and as JSON.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use serde_json::Value;
use support::{Lb, Origin};

#[test]
fn the_status_as_json_has_every_name_that_readers_rely_on() {
    let origin = Origin::scripted(|_| {});
    let lb = Lb::over(&[origin.address]);
    let status = serde_json::to_value(lb.status()).unwrap();
    let names =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    let mut expected = [
        "version",
        "pid",
        "time",
        "uptime_seconds",
        "state",
        "ready",
        "not_ready",
        "connections",
        "memory",
        "workers",
        "parked",
        "log_lines_dropped",
        "changes",
        "groups",
    ];
    expected.sort_unstable();
    assert_eq!(names(&status), expected);
    let group = &status["groups"][0];
    let mut expected = [
        "name",
        "algorithm",
        "requests",
        "requests_per_second",
        "in_flight",
        "max_in_flight",
        "queue",
        "retry_budget_left",
        "silence_mode",
        "backends",
    ];
    expected.sort_unstable();
    assert_eq!(names(group), expected);
    let backend = &group["backends"][0];
    let mut expected = [
        "name",
        "address",
        "state",
        "reason",
        "since_seconds",
        "next_check_seconds",
        "weight",
        "configured_weight",
        "is_backup",
        "differs_from_file",
        "in_flight",
        "max_in_flight",
        "idle",
        "requests",
        "requests_per_second",
        "errors",
        "share",
        "p50_seconds",
        "p99_seconds",
        "history",
        "checks",
    ];
    expected.sort_unstable();
    assert_eq!(names(backend), expected);
    assert_eq!(status["state"], "serving");
    assert_eq!(
        (&group["name"], &group["algorithm"]),
        (&"default".into(), &"round-robin".into())
    );
    assert_eq!(
        (&backend["state"], &backend["reason"]),
        (&"up".into(), &"".into())
    );
    assert_eq!(backend["address"], origin.address.to_string());
}
