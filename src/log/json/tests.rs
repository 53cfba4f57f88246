//! Lines of the format `json`, field by field, and whatever clients send.

use super::*;
use crate::http::error::{Cause, Phase};
use crate::http::identity::NO_IDENTITY;
use crate::log::testing::{ENDED, Scene, client};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

fn written(entry: &LogEntry, ended: &Ending<'_>) -> String {
    let now: SystemTime = UNIX_EPOCH + Duration::from_millis(1_233_922_454_655);
    let mut out = Vec::new();
    write(entry, ended, Stamp::of(now), &mut out);
    let text = String::from_utf8(out).expect("UTF-8");
    assert_eq!(text.lines().count(), 1);
    text
}

fn object(entry: &LogEntry, ended: &Ending<'_>) -> Value {
    serde_json::from_str(&written(entry, ended)).expect("valid")
}

#[test]
fn everything_has_its_key() {
    let mut scene = Scene::of("GET /a?b HTTP/1.1\r\nHost: a\r\nUser-Agent: q\"\r\n\r\n");
    scene.begun("one", 1_000);
    scene.failed("one", Cause::Refused, 2);
    scene.begun("two", 3_000);
    scene.connected("two", 3_100);
    scene.answered(4_000);
    scene.ended("two", 200, 9);
    let expected = json!({
        "time": "2009-02-06T12:14:14.655Z",
        "client": "192.0.2.7",
        "client_port": 4711,
        "connection": 7,
        "request_id": "000000000000000000000000000000ab",
        "trace_id": "00000000000000000000000000000001",
        "span_id": "0000000000000002",
        "parent_span_id": null,
        "method": "GET",
        "host": "a",
        "target": "/a?b",
        "version": "1.1",
        "referer": null,
        "user_agent": "q\"",
        "status": 200,
        "bytes": 19,
        "bytes_sent": 119,
        "group": "shop",
        "backend": "two:80",
        "reading_ms": 4.0,
        "waited_ms": 1.0,
        "connected_ms": 3.1,
        "answered_ms": 4.0,
        "total_ms": 12345.0,
        "ending": "--",
        "error": null,
        "attempts": [
            { "backend": "one:80", "outcome": "refused", "ms": 2.0 },
            { "backend": "two:80", "outcome": "200", "ms": 9.0 },
        ],
        "attempts_left_out": 0,
    });
    assert_eq!(object(&scene.entry, &ENDED), expected);
}

#[test]
fn every_line_has_the_documented_keys_in_their_order() {
    let full = Scene::of("GET / HTTP/1.1\r\nHost: a\r\n\r\n").entry;
    let unread = LogEntry::unread(client(), 1, &NO_IDENTITY);
    for entry in [full, unread] {
        let text = written(&entry, &ENDED);
        let mut rest = text.as_str();
        for (key, _) in KEYS {
            let place = rest.find(&format!("\"{key}\":"));
            rest = &rest[place.unwrap_or_else(|| panic!("no {key} in {text}"))..];
        }
        let object: serde_json::Map<String, Value> = serde_json::from_str(&text).expect("valid");
        assert_eq!(object.len(), KEYS.len(), "{text}");
    }
}

#[test]
fn what_is_not_known_is_null() {
    let error = Error::client(Phase::RequestHead, Cause::TimedOut);
    let ended = Ending {
        error: Some(&error),
        ..ENDED
    };
    let object = object(&LogEntry::unread(client(), 1, &NO_IDENTITY), &ended);
    for key in [
        "method",
        "target",
        "host",
        "group",
        "backend",
        "request_id",
        "trace_id",
        "waited_ms",
    ] {
        assert_eq!(object[key], Value::Null, "{key}");
    }
    assert_eq!(object["ending"], "cR");
    assert_eq!(object["error"], "timed out while reading the request head");
    assert_eq!(object["attempts"], json!([]));
}

#[test]
fn whatever_bytes_come_the_line_is_one_object() {
    let odd: Vec<u8> = (0..=255).filter(|byte| !b"\r\n\0".contains(byte)).collect();
    let long = "\u{e0041}\"\\\u{202e}".repeat(2000);
    for value in [
        odd.as_slice(),
        b"\xff\xfe",
        b"\"},{\"status\":1",
        long.as_bytes(),
    ] {
        let mut entry = Scene::of("GET / HTTP/1.1\r\nHost: a\r\n\r\n").entry;
        for text in [Text::UserAgent, Text::Referer, Text::Target, Text::Method] {
            entry.replace(text, value);
            let object = object(&entry, &ENDED);
            assert_eq!(object["status"], 200);
        }
    }
}

#[test]
fn characters_that_hide_or_turn_text_are_spelled_out() {
    let head = "GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: a\u{202e}b\u{e0041}c\u{9b}d\r\n\r\n";
    let text = written(&Scene::of(head).entry, &ENDED);
    assert!(text.contains(r#""a\u202eb\udb40\udc41c\u009bd""#), "{text}");
}
