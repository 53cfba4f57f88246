//! A response head of arbitrary bytes, as the answer to GET and HEAD of both versions: what is
//! accepted, repaired or not, leaves strictly well-formed, with one framing that the client can follow.
#![no_main]

use lb::http::Version;
use lb::http::forward::NO_EDITS;
use lb::http::forward::{client_encoding, write_response};
use lb::http::framing::Framing as Ours;
use lb::http::method::Method;
use lb::http::request::field_table;
use lb::http::response::{self, ResponseHead};
use lb_fuzz::strict::{self, Question};
use lb_fuzz::wire::{Framing, show};
use lb_fuzz::{glue, splits};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let limits = &glue::LIMITS[0];
    let whole = glue::find_response_head(data, &[data.len()], limits).ok();
    for ends in splits::ways(data) {
        assert_eq!(
            glue::find_response_head(data, &ends, limits).ok(),
            whole,
            "cut at {ends:?}"
        );
    }
    if let Some(Some(length)) = whole {
        for method in [Method::Get, Method::Head] {
            check_head(&data[..length], method);
        }
    }
});

fn check_head(head: &[u8], method: Method) {
    let mut table = field_table();
    let Ok(response) = response::parse(head, method, &mut table) else {
        return;
    };
    response::check_beginning(head).expect("a whole response begins like one");
    for version in [Version::Http10, Version::Http11] {
        // An interim response is not for HTTP/1.0, and the caller leaves it out.
        if response.status >= 200 || version == Version::Http11 {
            check_written(&response, method, version);
        }
    }
}

fn check_written(response: &ResponseHead<'_, '_>, method: Method, version: Version) {
    let (_, has_visible_end) = client_encoding(response.framing, version);
    for keep_alive in [false, has_visible_end] {
        let mut out = Vec::new();
        write_response(
            response,
            &glue::delivery(version, method, keep_alive),
            Some("lb"),
            &NO_EDITS,
            &mut out,
        );
        let closes = response.status >= 200 && !keep_alive;
        passes_a_strict_reader(response, method, version, closes, &out);
        passes_our_own_reader(response, method, version, &out);
    }
}

fn passes_a_strict_reader(
    response: &ResponseHead<'_, '_>,
    method: Method,
    version: Version,
    closes: bool,
    out: &[u8],
) {
    let question = Question {
        is_head: method == Method::Head,
        is_old: version == Version::Http10,
        upgrades: true,
    };
    match strict::response(out, question) {
        Ok(Some(read)) => {
            assert_eq!(read.length, out.len());
            assert_eq!(read.status, response.status);
            assert_eq!(read.closes, closes, "{}", show(out));
            assert_eq!(
                read.framing,
                framing(response.framing, version),
                "{}",
                show(out)
            );
        }
        other => panic!("written, but {other:?}: {}", show(out)),
    }
}

/// What we write we would take ourselves.
fn passes_our_own_reader(
    response: &ResponseHead<'_, '_>,
    method: Method,
    version: Version,
    out: &[u8],
) {
    let mut table = field_table();
    let again = response::parse(out, method, &mut table).expect("what we wrote");
    assert_eq!(again.status, response.status);
    assert_eq!(read(again.framing), framing(response.framing, version));
}

/// The framing in which a client of this version gets a body.
fn framing(framing: Ours, version: Version) -> Framing {
    match (read(framing), version) {
        (Framing::UntilClose, Version::Http11) => Framing::Chunked,
        (Framing::Chunked, Version::Http10) => Framing::UntilClose,
        (framing, _) => framing,
    }
}

fn read(framing: Ours) -> Framing {
    match framing {
        Ours::Empty => Framing::Empty,
        Ours::Length(length) => Framing::Length(length),
        Ours::Chunked => Framing::Chunked,
        Ours::UntilClose => Framing::UntilClose,
    }
}
