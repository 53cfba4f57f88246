//! What the admin listener answers, as tables for a terminal. Must not know how it was asked for.

use crate::log::excerpt::escape;
use serde_json::Value;

/// The names of all backends, each with its group.
pub(super) fn backends(status: &Value) -> Vec<(&str, &str)> {
    let of_group = |group| {
        let all = list(group, "backends").iter();
        all.map(move |backend| (text(group, "name"), text(backend, "name")))
    };
    list(status, "groups").iter().flat_map(of_group).collect()
}

/// The groups and their backends.
pub(super) fn of_status(status: &Value) -> String {
    let connections = status.get("connections").unwrap_or(&Value::Null);
    let mut out = format!(
        "lb {} has been {} for {}, with {} connections",
        text(status, "version"),
        text(status, "state").replace('_', " "),
        age(number(status, "uptime_seconds")),
        number(connections, "used"),
    );
    for reason in list(status, "not_ready").iter().filter_map(Value::as_str) {
        out.push_str(&format!("; not ready: {reason}"));
    }
    out.push('\n');
    for group in list(status, "groups") {
        out.push_str(&format!("\ngroup {}\n", text(group, "name")));
        let head = [
            "backend",
            "state",
            "since",
            "in flight",
            "requests",
            "errors",
            "why",
        ];
        let mut rows = vec![head.map(String::from).to_vec()];
        rows.extend(list(group, "backends").iter().map(of_backend));
        out.push_str(&aligned(&rows));
    }
    out
}

fn of_backend(backend: &Value) -> Vec<String> {
    let differs = backend.get("differs_from_file").and_then(Value::as_bool);
    let why = match (text(backend, "reason"), differs) {
        ("", Some(true)) => "changed by hand".to_string(),
        (reason, Some(true)) => format!("changed by hand; {reason}"),
        (reason, _) => reason.to_string(),
    };
    vec![
        text(backend, "name").into(),
        text(backend, "state").into(),
        age(number(backend, "since_seconds")),
        number(backend, "in_flight").to_string(),
        number(backend, "requests").to_string(),
        number(backend, "errors").to_string(),
        why,
    ]
}

/// The requests under way.
pub(super) fn of_requests(answer: &Value) -> String {
    let requests = list(answer, "requests");
    if requests.is_empty() {
        return "no such request is under way\n".into();
    }
    let head = [
        "id",
        "age",
        "client",
        "request",
        "backend",
        "stage",
        "waits for",
    ];
    let mut rows = vec![head.map(String::from).to_vec()];
    rows.extend(requests.iter().map(of_request));
    aligned(&rows)
}

fn of_request(request: &Value) -> Vec<String> {
    let asked = format!("{} {}", text(request, "method"), text(request, "target"));
    let until = number(request, "until_seconds");
    let waits = match request.get("until_seconds") {
        Some(Value::Number(_)) => format!("{}, {} more", text(request, "waits_for"), age(until)),
        _ => text(request, "waits_for").to_string(),
    };
    vec![
        number(request, "id").to_string(),
        age(number(request, "age_seconds")),
        text(request, "client").into(),
        // From a client: nothing in it may be a command to the terminal.
        escape(&asked),
        text(request, "backend").into(),
        text(request, "stage").replace('_', " "),
        waits,
    ]
}

/// Columns on the left, as wide as they have to be.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        cells.join("  ").trim_end().to_string() + "\n"
    };
    rows.iter().map(line).collect()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    let found = value.get(key).and_then(Value::as_str);
    found.unwrap_or_default()
}

fn number(value: &Value, key: &str) -> f64 {
    let found = value.get(key).and_then(Value::as_f64);
    found.unwrap_or_default()
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    let found = value.get(key).and_then(Value::as_array);
    found.map_or(&[], Vec::as_slice)
}

/// In the unit that fits.
fn age(seconds: f64) -> String {
    match seconds {
        ..60.0 => format!("{seconds:.1} s"),
        ..3600.0 => format!("{:.0} min", seconds / 60.0),
        ..86400.0 => format!("{:.1} h", seconds / 3600.0),
        _ => format!("{:.1} d", seconds / 86400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_status_is_a_table_of_backends() {
        let status = json!({
            "version": "1", "state": "lame_duck", "uptime_seconds": 90.0,
            "not_ready": ["no backend is up"], "connections": { "used": 3 },
            "groups": [{ "name": "shop", "backends": [
                { "name": "a:80", "state": "up", "since_seconds": 7200.0, "in_flight": 2,
                  "requests": 10, "errors": 0, "reason": "", "differs_from_file": false },
                { "name": "long:80", "state": "down", "since_seconds": 1.25, "in_flight": 0,
                  "requests": 9, "errors": 4, "reason": "refused", "differs_from_file": true },
            ]}],
        });
        let expected = "\
lb 1 has been lame duck for 2 min, with 3 connections; not ready: no backend is up

group shop
backend  state  since  in flight  requests  errors  why
a:80     up     2.0 h  2          10        0
long:80  down   1.2 s  0          9         4       changed by hand; refused
";
        assert_eq!(of_status(&status), expected);
        assert_eq!(backends(&status), [("shop", "a:80"), ("shop", "long:80")]);
        assert_eq!(of_status(&json!(null)).lines().count(), 1);
    }

    #[test]
    fn what_a_client_asks_for_does_nothing_to_the_terminal() {
        let request = json!({ "method": "GET", "target": "/\u{202e}\u{9b}x", "id": 1 });
        let text = of_requests(&json!({ "requests": [request] }));
        assert!(text.contains("GET /\\u{202e}\\u{9b}x"), "{text}");
    }
}
