//! The admin listener: each endpoint, each refused attempt, and what an operator changes.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "admin/stage.rs"]
mod stage;
mod support;

use lb::config::AdminAddress;
use stage::{Stage, json, post};
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use support::{Client, Lb, Origin, eventually, lb_output};

const TOKEN: &str = "0123456789abcdef";

fn origin(answer: &str) -> Origin {
    let length = answer.len();
    Origin::answering(format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{answer}"
    ))
}

/// A file of this test's own.
fn scratch(name: &str) -> PathBuf {
    let name = format!("admin-{name}-{}", std::process::id());
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

#[test]
fn each_page_answers_and_reading_changes_nothing() {
    let origin = origin("a");
    let lb = Lb::over(&[origin.address]);
    let stage = Stage::of(&lb);
    for (target, kind, part) in [
        ("/", "text/html", "<table>"),
        ("/livez", "text/plain", "live"),
        ("/readyz", "text/plain", "ready"),
        ("/metrics", "text/plain; version=0.0.4", ""),
        ("/status", "application/json", "\"groups\""),
        ("/requests", "application/json", "\"requests\""),
        ("/requests?older=5s", "application/json", "\"requests\""),
    ] {
        let response = stage.get(target);
        assert_eq!(response.status, 200, "{target}");
        assert!(
            response.field("Content-Type").unwrap().starts_with(kind),
            "{target}"
        );
        assert_eq!(response.field("X-Content-Type-Options"), Some("nosniff"));
        assert!(
            response
                .field("Content-Security-Policy")
                .unwrap()
                .contains("default-src 'none'")
        );
        assert!(
            response.text().contains(part),
            "{target}: {}",
            response.text()
        );
        let head = format!("HEAD {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let head = Client::to(stage.address).send(head).head_response();
        assert_eq!((head.status, head.body.len()), (200, 0));
    }
    let status = json(&stage.get("/status"));
    let backend = &status["groups"][0]["backends"][0];
    assert_eq!(status["groups"][0]["name"], "default");
    assert_eq!(backend["name"], origin.address.to_string());
    assert_eq!(
        (backend["state"].as_str(), backend["weight"].as_u64()),
        (Some("up"), Some(1))
    );
}

#[test]
fn it_is_not_ready_without_a_backend_and_says_why() {
    let origin = origin("a");
    let lb = Lb::with(&[origin.address], |setup| {
        setup.health.interval = Duration::from_millis(50);
        setup.health.fall = 1;
    });
    let stage = Stage::of(&lb);
    assert_eq!(stage.get("/readyz").status, 200);
    origin.set_healthy(false);
    eventually("it is not ready", || stage.get("/readyz").status == 503);
    assert!(stage.get("/readyz").text().contains("no backend is up"));
    assert_eq!(stage.get("/livez").status, 200);
}

#[test]
fn probes_are_for_all_and_nothing_else_is_there() {
    let origin = origin("a");
    let lb = Lb::over(&[origin.address]);
    let stage = Stage::of(&lb);
    let get = |target: &str| {
        let request = format!("GET {target} HTTP/1.1\r\nHost: pod.example\r\n\r\n");
        Client::to(stage.probes).send(request).response().status
    };
    assert_eq!(["/livez", "/readyz", "/metrics"].map(get), [200; 3]);
    let others = [
        "/",
        "/status",
        "/requests",
        "/events",
        "/groups/default/backends/a:1/state",
    ];
    assert_eq!(others.map(get), [404; 5]);
    let target = format!("/groups/default/backends/{}/state", origin.address);
    let change = post(&target, "", r#"{"state": "disable"}"#);
    assert_eq!(Client::to(stage.probes).send(change).response().status, 404);
}

#[test]
fn what_may_not_be_asked_is_refused_with_the_reason() {
    let origin = origin("a");
    let lb = Lb::over(&[origin.address]);
    let stage = Stage::of(&lb);
    let state = format!("/groups/default/backends/{}/state", origin.address);
    let drain = r#"{"state": "drain"}"#;
    let long = "x".repeat(20_000);
    let requests = [
        (
            "GET /status HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_string(),
            421,
        ),
        ("GET /no HTTP/1.1\r\nHost: localhost\r\n\r\n".into(), 404),
        (
            format!("GET {state} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            405,
        ),
        (
            "DELETE /status HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\r\n"
                .into(),
            405,
        ),
        (
            "GET /requests?older=soon HTTP/1.1\r\nHost: localhost\r\n\r\n".into(),
            400,
        ),
        ("GET /\u{1} HTTP/1.1\r\nHost: localhost\r\n\r\n".into(), 400),
        ("GET / HTTP/1.1\r\n\r\n".into(), 400),
        (
            format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n\r\n"),
            431,
        ),
        (post(&state, "Origin: http://evil.example\r\n", drain), 403),
        (post(&state, "Origin: null\r\n", drain), 403),
        (
            post(&state, "", drain).replace("application/json", "text/plain"),
            415,
        ),
        (post(&state, "", "drain"), 400),
        (post(&state, "", "{}"), 400),
        (post(&state, "", &long), 413),
        (
            post(&state, "Transfer-Encoding: chunked\r\n", "").replace("Content-Length: 0\r\n", ""),
            411,
        ),
        (
            post("/groups/no/backends/127.0.0.1:1/state", "", drain),
            404,
        ),
        (
            post("/groups/default/backends/127.0.0.1:1/state", "", drain),
            404,
        ),
        (post(&state.replace("state", "remove"), "", "{}"), 409),
        (
            post(&state.replace("state", "weight"), "", r#"{"weight": 0}"#),
            409,
        ),
        (post(&format!("{state}?wait=long"), "", drain), 400),
        (post("/requests/1/close", "", ""), 404),
        (post("/requests/x/close", "", ""), 404),
    ];
    for (request, status) in requests {
        let response = stage.send(&request);
        assert_eq!(
            response.status,
            status,
            "{request:.80}: {}",
            response.text()
        );
        let error = json(&response)["error"].as_str().unwrap().to_string();
        assert!(!error.is_empty() && !error.contains("evil"), "{error}");
    }
    assert_eq!(stage.get(&state).field("Allow"), Some("POST"));
    assert_eq!(lb.client().get("/").status, 200);
}

#[test]
fn with_a_token_nothing_is_shown_without_it() {
    let origin = origin("a");
    let lb = Lb::over(&[origin.address]);
    let file = scratch("token");
    fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let stage = Stage::with(&lb, |settings| {
        settings.admin_token_file = Some(file.clone())
    });
    let refused = stage.get("/status");
    assert_eq!(
        (refused.status, refused.field("WWW-Authenticate")),
        (401, Some("Bearer"))
    );
    // The page asks for it, and shows nothing before.
    let page = stage.get("/");
    let name = origin.address.to_string();
    assert!(page.status == 200 && !page.text().contains(&name));
    let state = format!("/groups/default/backends/{name}/state");
    let body = r#"{"state": "enable"}"#;
    for (token, status) in [("0123456789abcdeg", 401), ("", 401), (TOKEN, 200)] {
        let field = format!("Authorization: Bearer {token}\r\n");
        assert_eq!(stage.send(&post(&state, &field, body)).status, status);
    }
    let probe = Client::to(stage.probes).get("/readyz");
    assert_eq!(probe.status, 200);
    fs::remove_file(file).unwrap();
}

#[test]
fn a_client_that_drips_holds_nothing_up_and_is_cut() {
    let origin = origin("a");
    let lb = Lb::over(&[origin.address]);
    let stage = Stage::of(&lb);
    let mut drips = Client::to(stage.address);
    drips.send("GET /status HTTP/1.1\r\nHost: loc");
    assert_eq!(stage.get("/livez").status, 200);
    let began = Instant::now();
    assert!(drips.try_response(false).is_none());
    assert!(began.elapsed() >= Duration::from_secs(4));
}

#[test]
fn more_connections_than_it_has_room_for_are_closed_and_room_comes_back() {
    let origin = origin("a");
    let lb = Lb::over(&[origin.address]);
    let stage = Stage::of(&lb);
    let crowd: Vec<Client> = (0..64).map(|_| Client::to(stage.address)).collect();
    let mut last = crowd.last().unwrap().stream.try_clone().unwrap();
    // Closed without an answer: it is read to its end.
    assert!(matches!(last.read(&mut [0; 1]), Ok(0) | Err(_)));
    assert_eq!(lb.client().get("/").status, 200);
    drop(crowd);
    eventually("there is room", || {
        let mut client = Client::to(stage.address);
        client.send("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
        client
            .try_response(false)
            .is_some_and(|response| response.status == 200)
    });
}

/// Ends the load when it is dropped.
struct Over<'o>(&'o AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_drain_under_load_loses_no_request_and_returns_when_the_backend_is_empty() {
    let origins = [origin("a"), origin("b")];
    let lb = Lb::over(&origins.each_ref().map(|origin| origin.address));
    let stage = Stage::of(&lb);
    let (is_over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut client = lb.client();
                while !is_over.load(Ordering::SeqCst) {
                    assert_eq!(client.get("/").status, 200);
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        // Also when something is wrong here.
        let _over = Over(&is_over);
        eventually("there is load", || answered.load(Ordering::SeqCst) > 100);
        let drained = stage.change(
            origins[1].address,
            "state?wait=20s",
            r#"{"state": "drain"}"#,
        );
        assert_eq!(
            json(&drained),
            serde_json::json!({"empty": true, "in_flight": 0})
        );
        origins[1].count();
        let then = answered.load(Ordering::SeqCst);
        eventually("the other one serves", || {
            answered.load(Ordering::SeqCst) > then + 100
        });
        assert_eq!(origins[1].count(), 0);
        let enabled = stage.change(origins[1].address, "state", r#"{"state": "enable"}"#);
        assert_eq!(enabled.status, 200);
        eventually("it is back", || origins[1].count() > 0);
    });
}

#[test]
fn a_drain_that_takes_too_long_says_what_is_left() {
    let origin = Origin::scripted(|served| {
        served.request();
        served.client.read_to_end();
    });
    let lb = Lb::over(&[origin.address, support::nobody()]);
    let stage = Stage::of(&lb);
    let mut client = lb.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    origin.request();
    let began = Instant::now();
    let drained = stage.change(origin.address, "state?wait=200ms", r#"{"state": "drain"}"#);
    assert!(began.elapsed() >= Duration::from_millis(200));
    assert_eq!(
        json(&drained),
        serde_json::json!({"empty": false, "in_flight": 1})
    );
    assert_eq!(lb.client().get("/").status, 503);
}

/// How many of 40 requests each of two origins gets.
fn shares(lb: &Lb, origins: &[Origin; 2]) -> [usize; 2] {
    let _ = origins.each_ref().map(Origin::count);
    let mut client = lb.client();
    (0..40).for_each(|_| assert_eq!(client.get("/").status, 200));
    origins.each_ref().map(Origin::count)
}

#[test]
fn a_weight_changes_the_shares_at_once() {
    let origins = [origin("a"), origin("b")];
    let lb = Lb::over(&origins.each_ref().map(|origin| origin.address));
    let stage = Stage::of(&lb);
    assert_eq!(shares(&lb, &origins), [20, 20]);
    let changed = stage.change(origins[0].address, "weight", r#"{"weight": 3}"#);
    assert_eq!(json(&changed), serde_json::json!({"weight": 3}));
    let status = lb.status();
    let backend = &status.groups[0].backends[0];
    assert_eq!((backend.weight, backend.configured_weight), (3, 1));
    assert!(backend.differs_from_file);
    assert_eq!(shares(&lb, &origins), [30, 10]);
    stage.change(origins[0].address, "weight", r#"{"weight": 0}"#);
    assert_eq!(shares(&lb, &origins), [0, 40]);
}

#[test]
fn a_backend_comes_after_its_first_check_and_goes_when_it_is_removed() {
    let origins = [origin("a"), origin("b")];
    let lb = Lb::over(&[origins[0].address]);
    let stage = Stage::of(&lb);
    let added = format!(r#"{{"address": "{}"}}"#, origins[1].address);
    assert_eq!(stage.post("/groups/default/backends", &added).status, 201);
    assert_eq!(stage.post("/groups/default/backends", &added).status, 409);
    assert_eq!(shares(&lb, &origins), [20, 20]);
    let removed = stage.change(origins[0].address, "remove?wait=20s", "{}");
    assert_eq!(json(&removed)["empty"], true);
    assert_eq!(shares(&lb, &origins), [0, 40]);
    let status = json(&stage.get("/status"));
    assert_eq!(status["groups"][0]["backends"].as_array().unwrap().len(), 1);
}

#[test]
fn events_come_four_times_a_second_until_it_ends() {
    let origin = origin("a");
    let lb = Lb::over(&[origin.address]);
    let stage = Stage::of(&lb);
    let mut client = Client::to(stage.address);
    client.send("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let head = String::from_utf8(client.read_until(b"\r\n\r\n")).unwrap();
    assert!(head.contains("text/event-stream"), "{head}");
    for _ in 0..3 {
        let event = String::from_utf8(client.read_until(b"\n\n")).unwrap();
        let value: serde_json::Value =
            serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(value["status"]["groups"][0]["name"], "default");
        assert!(value["requests"].is_array());
    }
    drop(stage);
    client.read_to_end();
}

#[test]
fn a_socket_in_the_file_system_is_for_its_user_only_and_a_stale_one_is_replaced() {
    let origin = origin("a");
    let lb = Lb::over(&[origin.address]);
    let path = scratch("socket");
    // A socket that nobody listens on any more.
    drop(UnixListener::bind(&path).unwrap());
    let stage = Stage::with(&lb, |settings| {
        settings.admin = Some(AdminAddress::Unix(path.clone()));
    });
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let name = format!("unix:{}", path.display());
    let output = lb_output(&["status", "--admin", &name]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(&origin.address.to_string()), "{text}");
    // One that is in use stays, and so does what is no socket.
    let words = ["127.0.0.1:0", "127.0.0.1:9", "--admin", &name];
    let taken = lb_output(&words);
    assert_eq!(taken.status.code(), Some(1));
    drop(stage);
    assert!(!path.exists());
    fs::write(&path, "precious").unwrap();
    let refused = lb_output(&words);
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    fs::remove_file(path).unwrap();
}

/// What a command comes to: its exit code, and all that it prints.
fn command(stage: &Stage, words: &[&str]) -> (i32, String) {
    let address = stage.address.to_string();
    let output = lb_output(&[words, &["--admin", &address]].concat());
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(text).unwrap(),
    )
}

#[test]
fn the_commands_do_what_they_say_and_exit_as_they_say() {
    let slow = Origin::scripted(|served| {
        served.request();
        served.client.read_to_end();
    });
    let quick = origin("b");
    let lb = Lb::over(&[slow.address, quick.address]);
    let stage = Stage::of(&lb);
    let (slow_name, quick_name) = (slow.address.to_string(), quick.address.to_string());
    let (code, text) = command(&stage, &["status"]);
    assert!(
        code == 0 && text.contains(&slow_name) && text.contains("up"),
        "{text}"
    );
    let (code, text) = command(&stage, &["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &status["groups"][0]["name"]), (0, &"default".into()));
    assert_eq!(
        command(&stage, &["drain", &quick_name, "--wait", "10s"]).0,
        0
    );
    let mut client = lb.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    slow.request();
    assert_eq!(command(&stage, &["enable", &quick_name]).0, 0);
    let (code, text) = command(&stage, &["drain", &slow_name, "--wait", "100ms"]);
    assert!(code == 1 && text.contains("1 request"), "{text}");
    assert_eq!(command(&stage, &["disable", &slow_name]).0, 0);
    assert_eq!(lb.status().groups[0].backends[0].state, "disabled");
    assert_eq!(
        command(&stage, &["enable", &slow_name, "--group", "default"]).0,
        0
    );
    let (code, text) = command(&stage, &["drain", "127.0.0.1:1"]);
    assert!(code == 2 && text.contains("there is no backend"), "{text}");
    assert_eq!(
        command(&stage, &["drain", &slow_name, "--group", "no"]).0,
        2
    );
    assert_eq!(command(&stage, &["requests"]).0, 0);
    let nobody = support::nobody().to_string();
    let output = lb_output(&["drain", &slow_name, "--admin", &nobody]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text.contains("is lb running with --admin"), "{text}");
}

#[test]
fn what_would_open_it_to_others_is_refused_at_the_start() {
    let file = scratch("weak-token");
    fs::write(&file, "short\n").unwrap();
    let file_name = file.to_str().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let remote = ["--admin", "0.0.0.0:0"];
    for (words, code, part) in [
        (&remote[..], 2, "--admin-token-file"),
        (
            &["--admin", "0.0.0.0:0", "--admin-allow-remote"],
            2,
            "--admin-token-file",
        ),
        (
            &["--admin", "0.0.0.0:0", "--admin-token-file", file_name],
            2,
            "--admin-allow-remote",
        ),
        (&["--admin", "lb.example:9090"], 2, "127.0.0.1:9090"),
        (&["--admin-allow-remote"], 2, "--admin "),
        (&["--admin-host", "a"], 2, "--admin "),
        (
            &["--admin", "0", "--admin-token-file", file_name],
            1,
            "openssl rand",
        ),
        (
            &["--admin", "0", "--admin-token-file", "/no/file"],
            1,
            "/no/file",
        ),
        (&["--admin", &taken], 1, "another program uses this port"),
        (&["--probes", &taken], 1, "another program uses this port"),
    ] {
        let output = lb_output(&[&["127.0.0.1:0", "127.0.0.1:9"], words].concat());
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {text}");
        assert!(text.contains(part), "{words:?}: {text}");
    }
    fs::remove_file(file).unwrap();
}
