//! Lines of the format `access`, field by field.

use super::*;
use crate::http::error::{Cause, Phase};
use crate::log::testing::{ENDED, Scene, client};

fn written(entry: &LogEntry, ended: &Ending<'_>) -> String {
    let mut out = Vec::new();
    write(entry, ended, "DATE", &mut out);
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn everything_stands_in_its_place() {
    let mut scene =
        Scene::of("GET /a?b HTTP/1.1\r\nHost: a\r\nuser-agent: q\"\r\nReferer: r\r\n\r\n");
    scene.connected("a-dead-one", 0);
    scene.failed("a-dead-one", Cause::Closed, 2);
    scene.connected("::1", 149);
    scene.answered(150);
    scene.ended("::1", 200, 9);
    assert_eq!(
        written(&scene.entry, &ENDED),
        "192.0.2.7 - - [DATE] \"GET /a?b HTTP/1.1\" 200 19 \"r\" \"q\\\"\" \
         a-dead-one:80=closed/2.0,[::1]:80=200/9.0 0.1/0.2/12345.0 --\n"
    );
}

#[test]
fn a_single_attempt_is_its_backend() {
    let mut scene = Scene::of("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    scene.connected("one", 149);
    scene.ended("one", 200, 9);
    assert!(written(&scene.entry, &ENDED).ends_with(" \"-\" one:80 0.1/-/12345.0 --\n"));
}

#[test]
fn no_field_however_long_or_odd_pushes_those_behind_it_out_of_the_line() {
    for part in ["x", "\"", "\u{202e}", "\u{9b}", "\u{e9}"] {
        let (value, ascii) = (part.repeat(4000), "\"".repeat(4000));
        let method = "M".repeat(2000);
        let mut scene = Scene::of(&format!(
            "{method} /{ascii} HTTP/1.1\r\nHost: a\r\nReferer: {value}\r\nUser-Agent: {value}\r\n\r\n"
        ));
        let host = "h".repeat(253);
        for _ in 0..12 {
            scene.connected(&host, 1_000_000);
            scene.failed(&host, Cause::Unacknowledged, 1_000_000);
        }
        let text = written(&scene.entry, &ENDED);
        assert!(
            text.len() <= crate::log::writer::MAX_LINE_BYTES,
            "{}",
            text.len()
        );
        assert!(text.contains("... HTTP/1.1\" 200 19 \""), "{text}");
        assert_eq!(text.matches("=unacknowledged/1000000.0").count(), 10);
        assert!(text.contains("/1000000.0+2 1000.0/-/12345.0 --"), "{text}");
    }
}

#[test]
fn what_never_came_to_be_is_a_hyphen() {
    let scene = Scene::of("GET http://a HTTP/1.0\r\n\r\n");
    let line = "192.0.2.7 - - [DATE] \"GET / HTTP/1.0\" 200 19 \"-\" \"-\" - -/-/12345.0 --\n";
    assert_eq!(written(&scene.entry, &ENDED), line);
    let error = Error::client(Phase::RequestHead, Cause::TimedOut);
    let refused = Ending {
        status: 408,
        bytes: 0,
        error: Some(&error),
        took: Duration::ZERO,
        ..ENDED
    };
    let entry = LogEntry::unread(client(), 1, &crate::http::identity::NO_IDENTITY);
    assert_eq!(
        written(&entry, &refused),
        "192.0.2.7 - - [DATE] \"-\" 408 0 \"-\" \"-\" - -/-/0.0 cR\n"
    );
}
