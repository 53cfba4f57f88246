use super::*;
use crate::backends::health::Evidence;
use crate::config::Settings;
use crate::exchange::testing::Fixture;
use std::sync::Arc;

const NONE_LIVE: Error = Error::proxy(Phase::Connect, Cause::NoneLive);
const REFUSED: Error = Error::backend(Phase::Connect, Cause::Refused);

fn failure(fixture: &Fixture) -> Failure {
    Failure {
        backend: Arc::clone(&fixture.backends[0]),
        was_reused: false,
        was_pinned: false,
        error: REFUSED,
        is_pending: false,
    }
}

fn text(reply: Reply) -> String {
    match reply.content {
        Content::Text(text) | Content::Json(text) => text,
        other => panic!("{other:?}"),
    }
}

/// The answer as text, and after how many seconds to come again.
fn answer(fixture: &Fixture, error: &Error, in_json: bool) -> (String, Option<u64>) {
    let failures = [failure(fixture)];
    let reply = reply(error, &failures, in_json, &fixture.group().backends);
    let retry_after = reply.retry_after;
    (text(reply), retry_after)
}

#[test]
fn the_answer_names_each_attempt_and_why_it_failed() {
    let fixture = Fixture::new(1, Settings::default());
    let (text, retry_after) = answer(&fixture, &REFUSED, false);
    assert_eq!(
        text,
        format!("No backend could answer this request.\na:0: {REFUSED}")
    );
    assert_eq!(retry_after, None);
    let (json, _) = answer(&fixture, &REFUSED, true);
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let entry = json!({ "backend": "a:0", "reason": REFUSED.to_string() });
    let title = "No backend could answer this request.";
    assert_eq!(
        json,
        json!({ "status": 502, "error": title, "backends": [entry] })
    );
}

#[test]
fn the_answer_says_so_when_more_than_half_of_the_backends_are_late() {
    let fixture = Fixture::new(2, Settings::default());
    (0..2).for_each(|place| fixture.take_down(place, Evidence::Silent));
    let (text, _) = answer(&fixture, &REFUSED, false);
    assert!(
        text.starts_with("No backend could answer this request; more than half"),
        "{text}"
    );
}

#[test]
fn when_none_is_up_the_answer_says_since_when_and_until_the_next_check() {
    let fixture = Fixture::new(2, Settings::default());
    let now = Instant::now();
    for (place, seconds) in [(0, 7), (1, 3)] {
        let backend = &fixture.backends[place];
        backend.set_since(now - Duration::from_secs(90));
        // Between two whole seconds, so that the moment that this takes changes nothing.
        backend.set_next_check(now + Duration::from_millis(1000 * seconds + 500));
    }
    let (text, retry_after) = answer(&fixture, &NONE_LIVE, false);
    assert_eq!(retry_after, Some(4), "{text}");
    assert!(text.starts_with("No backend is up.\na:0: "), "{text}");
    let (json, _) = answer(&fixture, &NONE_LIVE, true);
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let first = |field: &str| json["backends"][0][field].as_u64().expect("a number");
    assert!((90_000..91_000).contains(&first("down_for_ms")), "{json}");
    assert!(
        (6_500..=7_500).contains(&first("next_check_in_ms")),
        "{json}"
    );
    assert_eq!(json["status"], 503);
}

#[test]
fn a_shortage_of_ours_asks_to_come_again_in_a_second() {
    let fixture = Fixture::new(1, Settings::default());
    let short = Error::proxy(Phase::Connect, Cause::NoPort);
    assert_eq!(answer(&fixture, &short, false).1, Some(1));
}
