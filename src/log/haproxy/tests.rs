//! Lines of the format `haproxy`, field by field.

use super::*;
use crate::http::Refusal;
use crate::http::identity::NO_IDENTITY;
use crate::log::testing::{ENDED, Scene, client};
use std::time::UNIX_EPOCH;

fn written(entry: &LogEntry, ended: &Ending<'_>) -> String {
    let began = UNIX_EPOCH + Duration::from_millis(1_233_922_454_655);
    let mut out = Vec::new();
    write(entry, ended, Stamp::of(began), &mut out);
    String::from_utf8(out).expect("ASCII")
}

#[test]
fn everything_stands_in_its_place() {
    let mut scene = Scene::of("GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n");
    scene.queued(2);
    scene.begun("one", 30_000);
    scene.connected("one", 42_000);
    scene.answered(111_000);
    scene.ended("one", 200, 90);
    assert_eq!(
        written(&scene.entry, &ENDED),
        "192.0.2.7:4711 [06/Feb/2009:12:14:14.655] lb shop/one:80 4/30/12/69/12349 200 119 - - \
         ---- 5/5/3/0/0 0/2 \"GET /a?b HTTP/1.1\"\n"
    );
}

#[test]
fn retries_are_counted_and_a_plus_says_that_one_went_to_another_server() {
    let mut scene = Scene::of("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    scene.begun("one", 0);
    scene.failed("one", Cause::Closed, 1);
    scene.failed("one", Cause::Closed, 1);
    let text = written(&scene.entry, &ENDED);
    assert!(text.contains(" shop/one:80 4/0/-1/-1/12349 "), "{text}");
    assert!(text.contains(" 5/5/3/0/1 0/0 "), "{text}");
    scene.ended("two", 200, 1);
    assert!(written(&scene.entry, &ENDED).contains(" 5/5/3/0/+2 0/0 "));
}

#[test]
fn a_head_that_could_not_be_read_is_a_bad_request() {
    let error = Error::client(Phase::RequestHead, Cause::TimedOut);
    let ended = Ending {
        status: 408,
        error: Some(&error),
        took: Duration::ZERO,
        ..ENDED
    };
    let text = written(&LogEntry::unread(client(), 1, &NO_IDENTITY), &ended);
    let end = " lb lb/<NOSRV> -1/-1/-1/-1/0 408 119 - - cR-- 5/5/2/0/0 0/0 \"<BADREQ>\"\n";
    assert!(text.ends_with(end), "{text}");
}

#[test]
fn no_byte_of_a_client_ends_a_field_and_the_bound_holds_for_what_is_written() {
    let mut entry = Scene::of("GET / HTTP/1.1\r\nHost: a\r\n\r\n").entry;
    entry.replace(Text::Target, b"/a\"b#c\n\x7f\xff ~");
    assert!(written(&entry, &ENDED).ends_with(" \"GET /a#22b#23c#0A#7F#FF ~ HTTP/1.1\"\n"));
    entry.replace(Text::Target, &[0xff; MAX_VALUE_BYTES + 1]);
    let text = written(&entry, &ENDED);
    assert_eq!(text.matches("#FF").count(), MAX_VALUE_BYTES / 3);
}

#[test]
fn each_end_has_haproxys_letters() {
    for (error, letters) in [
        (Error::proxy(Phase::Queue, Cause::NoneLive), "SC"),
        (Error::proxy(Phase::Queue, Cause::TimedOut), "sQ"),
        (Error::proxy(Phase::Connect, Cause::NoPort), "RC"),
        (Error::backend(Phase::Connect, Cause::Refused), "SC"),
        (Error::backend(Phase::ResponseHead, Cause::TimedOut), "sH"),
        (Error::backend(Phase::ResponseBody, Cause::WentDown), "DD"),
        (
            Error::client(Phase::RequestHead, Cause::Message(Refusal::bad("x"))),
            "PR",
        ),
        (Error::client(Phase::ResponseBody, Cause::Reset), "CD"),
    ] {
        let entry = Scene::of("GET / HTTP/1.1\r\nHost: a\r\n\r\n").entry;
        let ended = Ending {
            error: Some(&error),
            ..ENDED
        };
        let text = written(&entry, &ended);
        assert!(text.contains(&format!(" - - {letters}-- ")), "{text}");
    }
}

#[test]
fn an_address_of_ipv6_has_no_brackets() {
    let entry = LogEntry::unread(([0; 8], 80).into(), 1, &NO_IDENTITY);
    assert!(written(&entry, &ENDED).starts_with(":::80 ["));
}
