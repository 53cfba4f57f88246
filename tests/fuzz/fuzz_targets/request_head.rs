//! A request head of arbitrary bytes: the same result however it is cut; and what is accepted
//! leaves strictly well-formed, with the reading that an independent reader has of it.
#![no_main]

use lb::http::framing::Framing as Ours;
use lb::http::request::{self, RequestHead};
use lb_fuzz::wire::{Framing, show};
use lb_fuzz::{glue, sent, splits, strict};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for limits in glue::LIMITS {
        let whole = glue::find_head(data, &[data.len()], &limits).ok();
        for ends in splits::ways(data) {
            let split = glue::find_head(data, &ends, &limits).ok();
            assert_eq!(split, whole, "cut at {ends:?}");
        }
    }
    if let Ok(Some(length)) = glue::find_head(data, &[data.len()], &glue::LIMITS[0]) {
        check_head(&data[..length]);
    }
});

fn check_head(head: &[u8]) {
    let mut table = request::field_table();
    let Ok(request) = request::parse(head, &mut table) else {
        return;
    };
    agrees_with_another_reader(&request, head);
    for hop in glue::hops() {
        let mut out = Vec::new();
        lb::http::forward::write_request(&request, &hop, &mut out);
        passes_a_strict_reader(&request, &out);
        passes_our_own_reader(&request, &out);
    }
}

fn agrees_with_another_reader(request: &RequestHead<'_, '_>, head: &[u8]) {
    match sent::head(head) {
        Ok(Some(read)) => {
            assert_eq!(read.length, head.len());
            assert_eq!(show(read.method), show(request.method_name.as_bytes()));
            assert_eq!(show(&read.target), show(&target(request)));
            assert_eq!(read.framing, framing(request.framing));
        }
        other => panic!("accepted, but {other:?}: {}", show(head)),
    }
}

fn passes_a_strict_reader(request: &RequestHead<'_, '_>, out: &[u8]) {
    match strict::request(out) {
        Ok(Some(read)) => {
            assert_eq!(read.length, out.len());
            assert_eq!(show(read.method), show(request.method_name.as_bytes()));
            assert_eq!(show(read.target), show(&target(request)));
            assert_eq!(show(read.host), show(host(request)));
            assert_eq!(read.framing, framing(request.framing));
            assert_eq!(read.upgrades, request.upgrade.is_some());
        }
        other => panic!("written, but {other:?}: {}", show(out)),
    }
}

/// What we write we would take ourselves, with the same meaning.
fn passes_our_own_reader(request: &RequestHead<'_, '_>, out: &[u8]) {
    let found = glue::find_head(out, &[out.len()], &WIDE);
    assert_eq!(found, Ok(Some(out.len())), "{}", show(out));
    let mut table = request::field_table();
    let again = request::parse(out, &mut table).expect("what we wrote");
    assert_eq!(again.framing, request.framing);
    assert_eq!(again.upgrade, request.upgrade);
    assert_eq!(show(again.target.rest.as_bytes()), show(&target(request)));
    assert!(request.expects_continue || !again.expects_continue);
}

/// What we add may go over a limit that the input just keeps.
const WIDE: lb::http::scan::HeadLimits = lb::http::scan::HeadLimits {
    bytes: 64 * 1024,
    start_line: 16 * 1024,
    fields: 128,
};

fn target(request: &RequestHead<'_, '_>) -> Vec<u8> {
    let slash = if request.target.lacks_slash { "/" } else { "" };
    format!("{slash}{}", request.target.rest).into_bytes()
}

fn host<'b>(request: &RequestHead<'_, 'b>) -> &'b [u8] {
    request.host.unwrap_or(glue::FALLBACK_HOST.as_bytes())
}

fn framing(framing: Ours) -> Framing {
    match framing {
        Ours::Empty => Framing::Empty,
        Ours::Length(length) => Framing::Length(length),
        Ours::Chunked => Framing::Chunked,
        Ours::UntilClose => Framing::UntilClose,
    }
}
