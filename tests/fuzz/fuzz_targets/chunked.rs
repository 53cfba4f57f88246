//! A body of arbitrary bytes, in every framing, to every encoding: the same content however it
//! is cut, no end where there was none, and chunks that an independent decoder reads as what
//! went in.
#![no_main]

use lb::http::body::{Body, Encoding};
use lb::http::framing::Framing;
use lb_fuzz::body::{self, Dialect};
use lb_fuzz::splits;
use lb_fuzz::wire::{self, show};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let length = data.len() as u64;
    let framings = [
        Framing::Chunked,
        Framing::UntilClose,
        Framing::Length(length / 2 + 1),
        Framing::Length(length + 1),
    ];
    for framing in framings {
        check_framing(data, framing, Body::new);
        check_framing(data, framing, Body::of_response);
    }
    agrees_with_another_reader(data, Body::new, Dialect::Theirs);
    agrees_with_another_reader(data, Body::of_response, Dialect::Backends);
});

/// How the body of a request or of a response begins.
type NewBody = fn(Framing, Encoding, bool) -> Body;

/// What came of a body.
#[derive(Debug, PartialEq, Eq)]
struct Relayed {
    out: Vec<u8>,
    /// Bytes of the input that belong to it, unless it was refused.
    consumed: Option<usize>,
    is_complete: bool,
}

fn check_framing(data: &[u8], framing: Framing, new: NewBody) {
    let whole = relay(
        data,
        &[data.len()],
        &mut new(framing, Encoding::Plain, true),
    );
    for ends in splits::ways(data) {
        let mut body = new(framing, Encoding::Plain, true);
        assert_eq!(relay(data, &ends, &mut body), whole, "cut at {ends:?}");
        assert_eq!(body.content, whole.out.len() as u64);
        let relayed = relay(data, &ends, &mut new(framing, Encoding::Chunked, true));
        decodes_to(&whole, &relayed);
        let relayed = relay(data, &ends, &mut new(framing, Encoding::Chunked, false));
        decodes_to(&whole, &relayed);
        has_no_trailers(&relayed);
    }
}

/// Passes `data` through `body` as it would come from a socket: in pieces, what was not
/// consumed again with the next.
fn relay(data: &[u8], ends: &[usize], body: &mut Body) -> Relayed {
    let (mut out, mut start, mut is_refused) = (Vec::new(), 0, false);
    for &end in ends {
        let piece = &data[start..end];
        // As the proxy does: whole buffers of plain content go without a look.
        if !piece.is_empty() && body.relay_whole(piece.len()) {
            out.extend_from_slice(piece);
            start = end;
            continue;
        }
        match body.relay(piece, &mut out) {
            Ok(consumed) => start += consumed,
            Err(_) => {
                is_refused = true;
                break;
            }
        }
    }
    let is_complete = !is_refused && (body.is_complete() || body.close(&mut out).is_ok());
    assert_eq!(is_complete, body.is_complete());
    Relayed {
        out,
        consumed: is_complete.then_some(start),
        is_complete,
    }
}

fn decodes_to(plain: &Relayed, chunked: &Relayed) {
    let decoded = body::read(&chunked.out, wire::Framing::Chunked, Dialect::Ours);
    assert_eq!(decoded.fault, None, "{}", show(&chunked.out));
    assert_eq!(chunked.consumed, plain.consumed);
    assert_eq!(show(&decoded.content), show(&plain.out));
    let end = plain.is_complete.then_some(chunked.out.len());
    assert_eq!(decoded.end, end, "{}", show(&chunked.out));
}

fn has_no_trailers(chunked: &Relayed) {
    let end: &[u8] = match chunked.out.len() {
        ..=5 => b"0\r\n\r\n",
        _ => b"\r\n0\r\n\r\n",
    };
    let is_bare = chunked.out.ends_with(end) || !chunked.is_complete;
    assert!(is_bare, "{}", show(&chunked.out));
}

/// A chunked body that we take is one for an independent reader too, with the same content
/// and the same end; of one that we do not, no more is passed on than it has read.
fn agrees_with_another_reader(data: &[u8], new: NewBody, dialect: Dialect) {
    let mut body = new(Framing::Chunked, Encoding::Plain, true);
    let ours = relay(data, &[data.len()], &mut body);
    let theirs = body::read(data, wire::Framing::Chunked, dialect);
    assert!(theirs.content.starts_with(&ours.out), "{}", show(&ours.out));
    if ours.is_complete {
        assert_eq!(ours.consumed, theirs.end);
        assert_eq!(ours.out, theirs.content);
    }
}
