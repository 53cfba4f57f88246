//! What holds for every message, not only for those that somebody thought of: what we write has
//! one reading, bodies keep their length, and it does not matter how the bytes arrive.
//!
//! Each property is tried on a thousand messages made at random. A failure prints the smallest
//! message that was found; `PROPTEST_CASES=100000` looks for longer.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "properties/glue/mod.rs"]
mod glue;
#[path = "properties/made/mod.rs"]
mod made;
#[path = "properties/strict/mod.rs"]
mod strict;

use glue::{LIMITS, Rewritten, rewrite_request, rewrite_response};
use lb::http::body::Encoding;
use lb::http::chunked::{Piece, Scanner};
use lb::http::forwarded::ForwardedFields;
use lb::http::framing::Framing;
use lb::http::scan::HeadScan;
use lb::http::{Refusal, Version};
use made::chunks::chunks;
use made::mutation::mutated;
use made::request::{request, request_telling};
use made::response::{response, response_telling};
use made::{ENDS_HERE, Told, is_one_of};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use strict::{Chunks, Ends, Field, Head};

/// Fields that we may add to a request, behind those that pass.
const ADDED_TO_REQUEST: [&str; 11] = [
    "Forwarded",
    "Max-Forwards",
    "Content-Length",
    "Transfer-Encoding",
    "Connection",
    "Upgrade",
    "TE",
    "Via",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
];

/// The same for a response.
const ADDED_TO_RESPONSE: [&str; 6] = [
    "Date",
    "Content-Length",
    "Transfer-Encoding",
    "Connection",
    "Upgrade",
    "Via",
];

/// Few enough for every day; no file is left behind after a failure.
fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 10_000,
        ..ProptestConfig::with_cases(cases())
    }
}

fn cases() -> u32 {
    let asked = std::env::var("PROPTEST_CASES").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(1000)
}

fn reports() -> impl Strategy<Value = ForwardedFields> {
    use ForwardedFields::{Append, Off, Replace};
    select(&[Append, Off, Replace][..])
}

fn version() -> impl Strategy<Value = Version> {
    select(&[Version::Http10, Version::Http11][..])
}

/// Where bytes are split on their way.
fn splits() -> impl Strategy<Value = Vec<Index>> {
    vec(any::<Index>(), 0..8)
}

fn in_order(splits: &[Index], length: usize) -> Vec<usize> {
    let mut splits: Vec<usize> = splits.iter().map(|at| at.index(length + 1)).collect();
    splits.sort_unstable();
    splits
}

/// The fields of `head` are those that pass, as they came and in their order, and then ours.
fn carries(head: &[Field], passing: &[Field], added: &[&str]) -> Result<(), TestCaseError> {
    prop_assert!(head.len() >= passing.len(), "{head:?}");
    let (before, after) = head.split_at(passing.len());
    prop_assert_eq!(before, passing);
    for (at, (name, _)) in after.iter().enumerate() {
        prop_assert!(is_one_of(added, name), "{name}");
        let repeats = after[..at].iter().any(|(other, _)| other == name);
        prop_assert!(!repeats, "{name} was added twice");
    }
    Ok(())
}

/// What hop-by-hop fields are left are our own.
fn speaks_for_itself(head: &Head) -> Result<(), TestCaseError> {
    for (name, value) in &head.fields {
        let is_hop = is_one_of(&["Keep-Alive", "Proxy-Connection"], name);
        prop_assert!(!is_hop, "{name} survived");
        if is_one_of(&["Connection"], name) {
            let ours = ["close", "keep-alive", "Upgrade", "Upgrade, close", "TE"];
            prop_assert!(is_one_of(&ours, &String::from_utf8_lossy(value)));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_request_that_we_write_reads_as_the_one_that_came(
        made in request(),
        reports in reports(),
    ) {
        let sent = rewrite_request(&made.bytes, reports).expect("valid");
        let head = strict::request(&sent.head).expect("well-formed");
        prop_assert_eq!(head.length, sent.head.len());
        prop_assert_eq!(&head.start[0], made.method.as_bytes());
        prop_assert_eq!(&head.start[1], made.target.as_bytes());
        prop_assert_eq!(head.request_ends(), Ok(made.ends()));
        let host = made.host.as_deref().unwrap_or("fallback");
        prop_assert_eq!(head.only("Host"), Ok(Some(host.as_bytes())));
        prop_assert!(is_one_of(&["Host"], &head.fields[0].0));
        carries(&head.fields[1..], &made.passing(reports), &ADDED_TO_REQUEST)?;
        speaks_for_itself(&head)?;
    }

    #[test]
    fn a_response_that_we_write_reads_as_the_one_that_came(
        made in response(),
        to in version(),
    ) {
        let sent = rewrite_response(&made.bytes, made.method, to).expect("valid");
        let head = strict::response(&sent.head).expect("well-formed");
        prop_assert_eq!(head.length, sent.head.len());
        prop_assert_eq!(&head.start[1], &made.status.to_string().into_bytes());
        prop_assert_eq!(&head.start[2], &made.reason);
        prop_assert_eq!(head.response_ends(made.method), Ok(made.ends_for(to)));
        carries(&head.fields, &made.passing(), &ADDED_TO_RESPONSE)?;
        speaks_for_itself(&head)?;
    }

    /// Two balancers behind one another are no other than one, but for what they add.
    #[test]
    fn what_we_write_we_read_as_we_meant_it(made in request(), answer in response()) {
        let sent = rewrite_request(&made.bytes, ForwardedFields::Off).expect("valid");
        let again = rewrite_request(&sent.head, ForwardedFields::Off).expect("our own");
        let mut lines = sorted(&again.head);
        let ours = lines.iter().position(|line| line == "Via: 1.1 lb").expect("added");
        lines.remove(ours);
        prop_assert_eq!(lines, sorted(&sent.head));
        prop_assert_eq!(again.framing, sent.framing);

        let sent = rewrite_response(&answer.bytes, answer.method, Version::Http11).expect("valid");
        let again = rewrite_response(&sent.head, answer.method, Version::Http11).expect("our own");
        let is_same_end = again.framing == sent.framing
            || (sent.framing, again.framing) == (Framing::UntilClose, Framing::Chunked);
        prop_assert!(is_same_end, "{:?} became {:?}", sent.framing, again.framing);
    }

    #[test]
    fn a_body_keeps_its_content_in_every_framing(
        made in chunks(),
        source in select(&[Ends::After(0), Ends::Chunked, Ends::AtClose][..]),
        encoding in select(&[Encoding::Plain, Encoding::Chunked][..]),
        passes_trailers in any::<bool>(),
        behind in "[ -~\r\n]{0,20}",
        splits in splits(),
    ) {
        let (framing, body, has_trailers) = match source {
            Ends::Chunked => (Framing::Chunked, made.bytes, true),
            Ends::AtClose => (Framing::UntilClose, made.content.clone(), false),
            _ if made.content.is_empty() => (Framing::Empty, Vec::new(), false),
            _ => (Framing::Length(made.content.len() as u64), made.content.clone(), false),
        };
        // What has no body has no chunks either.
        let encoding = if framing == Framing::Empty { Encoding::Plain } else { encoding };
        let behind = if source == Ends::AtClose { String::new() } else { behind };
        let input = [&body[..], behind.as_bytes()].concat();
        let rewritten = Rewritten::only_body(framing, encoding, passes_trailers);

        let (relayed, outcome) = rewritten.relay(&input, &in_order(&splits, input.len()));
        prop_assert_eq!(outcome, Ok(()));
        prop_assert!(relayed.is_complete);
        prop_assert_eq!(relayed.read, body.len(), "bytes behind a body are not its own");
        prop_assert_eq!(relayed.content, made.content.len() as u64);
        let ends = if encoding == Encoding::Chunked { Ends::Chunked } else { Ends::AtClose };
        let read = strict::body(ends, &relayed.written, Chunks::OfOurs).unwrap().expect("whole");
        prop_assert_eq!(read.length, relayed.written.len());
        prop_assert_eq!(read.content, made.content);
        let has_trailers = has_trailers && passes_trailers && encoding == Encoding::Chunked;
        prop_assert_eq!(read.trailers, if has_trailers { made.trailers } else { Vec::new() });
    }

    #[test]
    fn a_cut_body_has_no_end(made in chunks(), cut in any::<Index>(), splits in splits()) {
        let part = &made.bytes[..cut.index(made.bytes.len())];
        let rewritten = Rewritten::only_body(Framing::Chunked, Encoding::Chunked, true);
        let (relayed, outcome) = rewritten.relay(part, &in_order(&splits, part.len()));
        prop_assert_eq!(outcome, Ok(()));
        prop_assert!(!relayed.is_complete);
        prop_assert_eq!(strict::body(Ends::Chunked, &relayed.written, Chunks::OfOurs), Ok(None));
    }

    #[test]
    fn a_head_ends_at_the_same_byte_however_it_arrives(
        bytes in request().prop_flat_map(|made| prop_oneof![
            Just(made.bytes.clone()),
            mutated(made.bytes),
        ]),
        behind in "[ -~\r\n]{0,30}",
        splits in splits(),
    ) {
        let bytes = [&bytes[..], behind.as_bytes()].concat();
        let whole = HeadScan::default().find_end(&bytes, &LIMITS);
        let mut scan = HeadScan::default();
        let mut ends = in_order(&splits, bytes.len());
        ends.push(bytes.len());
        let in_parts = ends
            .iter()
            .map(|&end| scan.find_end(&bytes[..end], &LIMITS))
            .find(|found| found != &Ok(None))
            .unwrap_or(Ok(None));
        prop_assert_eq!(in_parts, whole);
    }

    #[test]
    fn chunks_are_read_the_same_however_they_arrive(
        bytes in chunks().prop_flat_map(|made| prop_oneof![
            Just(made.bytes.clone()),
            mutated(made.bytes),
        ]),
        splits in splits(),
    ) {
        let whole = scan(&bytes, &[bytes.len()]);
        let mut ends = in_order(&splits, bytes.len());
        ends.push(bytes.len());
        let in_parts = scan(&bytes, &ends);
        prop_assert_eq!(in_parts.is_ok(), whole.is_ok());
        if whole.is_ok() {
            prop_assert_eq!(in_parts, whole);
        }
    }

    #[test]
    fn a_damaged_request_is_refused_or_has_one_reading(
        bytes in whole_request().prop_flat_map(mutated),
        reports in reports(),
        splits in splits(),
    ) {
        if let Ok(sent) = rewrite_request(&bytes, reports) {
            let head = strict::request(&sent.head);
            prop_assert!(head.is_ok(), "{head:?}: {}", String::from_utf8_lossy(&sent.head));
            let ends = head.unwrap().request_ends();
            prop_assert_eq!(ends, Ok(as_ends(sent.framing)));
            has_one_length(&sent, &bytes[sent.length..], &splits)?;
        }
    }

    #[test]
    fn a_damaged_response_is_refused_or_has_one_reading(
        (method, bytes) in whole_response()
            .prop_flat_map(|(method, bytes)| (Just(method), mutated(bytes))),
        to in version(),
        splits in splits(),
    ) {
        if let Ok(sent) = rewrite_response(&bytes, method, to) {
            let head = strict::response(&sent.head);
            prop_assert!(head.is_ok(), "{head:?}: {}", String::from_utf8_lossy(&sent.head));
            let ends = match (sent.encoding, sent.framing) {
                (Encoding::Chunked, _) => Ends::Chunked,
                (Encoding::Plain, Framing::Chunked) => Ends::AtClose,
                (Encoding::Plain, framing) => as_ends(framing),
            };
            prop_assert_eq!(head.unwrap().response_ends(method), Ok(ends));
            has_one_length(&sent, &bytes[sent.length..], &splits)?;
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..200), splits in splits()) {
        let _ = rewrite_request(&bytes, ForwardedFields::Append);
        let _ = rewrite_response(&bytes, "GET", Version::Http11);
        let mut ends = in_order(&splits, bytes.len());
        ends.push(bytes.len());
        let _ = scan(&bytes, &ends);
    }
}

/// The lines of a head, whose order does not matter here.
fn sorted(head: &[u8]) -> Vec<String> {
    let head = String::from_utf8_lossy(head);
    let mut lines: Vec<String> = head.split("\r\n").map(String::from).collect();
    lines.sort_unstable();
    lines
}

/// Content, trailer section and length of a body in chunks, or `None` if its end did not come.
type Scanned = Option<(Vec<u8>, Vec<u8>, usize)>;

/// Scans `bytes`, which come up to each of `ends` in turn.
fn scan(bytes: &[u8], ends: &[usize]) -> Result<Scanned, Refusal> {
    let (mut scanner, mut content, mut start) = (Scanner::default(), Vec::new(), 0);
    for &end in ends {
        loop {
            let input = &bytes[start..end];
            match scanner.next(input)? {
                Piece::Data(range) => {
                    content.extend_from_slice(&input[range.clone()]);
                    start += range.end;
                }
                Piece::End(range) => {
                    let trailers = input[range.clone()].to_vec();
                    return Ok(Some((content, trailers, start + range.end)));
                }
                Piece::More { consumed } => {
                    start += consumed;
                    break;
                }
            }
        }
    }
    Ok(None)
}

/// What another reader takes for the body is what we passed on; a body that we refuse, or whose
/// end did not come, has no end where it goes either.
fn has_one_length(sent: &Rewritten, bytes: &[u8], splits: &[Index]) -> Result<(), TestCaseError> {
    let (relayed, outcome) = sent.relay(bytes, &in_order(splits, bytes.len()));
    let written = match sent.encoding {
        Encoding::Chunked => Ends::Chunked,
        Encoding::Plain => Ends::AtClose,
    };
    let written = strict::body(written, &relayed.written, Chunks::OfOurs);
    if outcome.is_ok() && relayed.is_complete {
        let came = strict::body(as_ends(sent.framing), bytes, Chunks::OfAnyone);
        let came = came.expect("well-formed").expect("whole");
        let written = written.expect("well-formed").expect("whole");
        prop_assert_eq!(came.length, relayed.read);
        prop_assert_eq!(written.length, relayed.written.len());
        prop_assert_eq!(written.content, came.content);
        let is_barred = written
            .trailers
            .iter()
            .find(|(name, _)| is_one_of(&ENDS_HERE, name));
        prop_assert_eq!(is_barred, None);
    } else if sent.encoding == Encoding::Chunked {
        prop_assert_eq!(written, Ok(None));
    }
    Ok(())
}

fn as_ends(framing: Framing) -> Ends {
    match framing {
        Framing::Empty => Ends::AtOnce,
        Framing::Length(length) => Ends::After(length),
        Framing::Chunked => Ends::Chunked,
        Framing::UntilClose => Ends::AtClose,
    }
}

/// How a body is told, and the body.
fn body() -> impl Strategy<Value = (Told, Vec<u8>)> {
    let content = vec(any::<u8>(), 0..30);
    prop_oneof![
        Just((Told::Nothing, Vec::new())),
        content.prop_map(|content| (Told::Length(content.len() as u64), content)),
        chunks().prop_map(|made| (Told::Chunked, made.bytes)),
    ]
}

/// The bytes of a request with its body.
fn whole_request() -> impl Strategy<Value = Vec<u8>> {
    body().prop_flat_map(|(told, body)| {
        request_telling(told).prop_map(move |made| [&made.bytes[..], &body].concat())
    })
}

/// The bytes of a response with its body, and the method of the request.
fn whole_response() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    body().prop_flat_map(|(told, body)| {
        response_telling(told)
            .prop_map(move |made| (made.method, [&made.bytes[..], &body].concat()))
    })
}
