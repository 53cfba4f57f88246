//! Heads that are made to cost much, 32 KiB each: what a byte of theirs takes, beside a byte of a
//! plain head. [`print_ratios`] shows that at the end of `cargo bench`; above [`MOST`] is a way
//! to hold up a worker with few bytes.

use crate::heads::LIMITS;
use divan::black_box;
use lb::http::Version;
use lb::http::accept::prefers_json;
use lb::http::delivery::Delivery;
use lb::http::field_rules::NO_RULES;
use lb::http::forward::NO_EDITS;
use lb::http::forward::{write_request, write_response};
use lb::http::forwarded::{ForwardedFields, Hop};
use lb::http::method::Method;
use lb::http::request;
use lb::http::response;
use lb::http::scan::HeadScan;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// How many times as dear as in a plain head a byte may be.
const MOST: f64 = 3.0;

/// As long as a head may be by default, but for what a few lines take.
const BYTES: usize = 31 * 1024;

/// Fields of a head, as many as may be by default without `Host` and another.
const FIELDS: usize = 98;

/// A head, and what the client had offered where it answers one.
#[derive(Clone)]
struct Shape {
    name: String,
    head: String,
    offered: Option<String>,
}

impl std::fmt::Debug for Shape {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.name)
    }
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a";
const OPTIONS: &str = "OPTIONS * HTTP/1.1\r\nHost: a";
const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1";
const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade";
const OK: &str = "HTTP/1.1 200 OK\r\nDate: now";
const INTERIM: &str = "HTTP/1.1 103 Early Hints";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade";

fn shape(name: impl Into<String>, start: &str, fields: impl AsRef<str>) -> Shape {
    Shape {
        name: name.into(),
        head: format!("{start}\r\n{}\r\n\r\n", fields.as_ref()),
        offered: None,
    }
}

/// `part` of each number, as many as fill a head.
fn fill(separator: &str, part: impl Fn(usize) -> String) -> String {
    let mut text = part(0);
    for number in 1.. {
        let part = part(number);
        if text.len() + separator.len() + part.len() > BYTES {
            break;
        }
        text += separator;
        text += &part;
    }
    text
}

/// So many parts of the same length, which together fill a head.
fn divide(separator: &str, count: usize, part: impl Fn(usize, usize) -> String) -> String {
    let room = BYTES / count - separator.len();
    let parts: Vec<_> = (0..count).map(|number| part(number, room)).collect();
    parts.join(separator)
}

/// A token of this length with its number at the end, behind what all have in common.
fn token(number: usize, length: usize) -> String {
    format!("{}{number:03}", "x".repeat(length.saturating_sub(3)))
}

/// Lists that this field may be made of.
fn lists(field: &str, start: &str) -> Vec<Shape> {
    let list = |name: &str, value: String| {
        shape(
            format!("{field}: {name}"),
            start,
            format!("{field}: {value}"),
        )
    };
    vec![
        list("commas", fill("", |_| ",".into())),
        list("the same short member", fill(",", |_| "x".into())),
        list(
            "different short members",
            fill(",", |number| number.to_string()),
        ),
        list("close, te", fill(", ", |_| "close, te".into())),
        list("spaces", divide(",", 90, |_, room| " ".repeat(room))),
        list("90 long members", divide(",", 90, token)),
        list("one long member", token(0, BYTES)),
        list("weights", fill(";", |_| "q=0".into())),
        list("no token", fill("", |_| "\u{e9}\"".into())),
        shape(
            format!("{field}: {FIELDS} lines"),
            start,
            divide("\r\n", FIELDS, |number, room| {
                format!("{field}: {}", token(number, room - field.len() - 2))
            }),
        ),
        shape(
            format!("{field}: {FIELDS} lines of commas"),
            start,
            divide("\r\n", FIELDS, |_, room| {
                format!("{field}: {}", ",".repeat(room - field.len() - 2))
            }),
        ),
    ]
}

/// Fields that `Connection` names, and fields that it does not quite name.
fn nominations(start: &str) -> Vec<Shape> {
    let with = |name: &str, letter: &str| {
        let fields = divide("\r\n", FIELDS - 1, |number, room| {
            format!("{}:", token(number, room / 2).replace('x', letter))
        });
        let named = divide(",", FIELDS - 1, |number, room| token(number, room / 2));
        shape(name, start, format!("Connection: {named}\r\n{fields}"))
    };
    let short = divide("\r\n", FIELDS - 1, |number, room| {
        format!("n{number}: {}", "v".repeat(room - 5))
    });
    let named: Vec<_> = (0..FIELDS).map(|number| format!("n{number}")).collect();
    let named = named.join(",");
    vec![
        with("long names that are named", "x"),
        with("long names that are nearly named", "y"),
        with("long names that are named in capitals", "X"),
        shape(
            "short names that are named",
            start,
            format!("Connection: {named}\r\n{short}"),
        ),
    ]
}

/// Fields that need no list to be dear.
fn fields(start: &str) -> Vec<Shape> {
    let lines = |name: &str| {
        shape(
            format!("{FIELDS} times {name}"),
            start,
            divide("\r\n", FIELDS, |_, room| {
                format!("{name}: {}", "v".repeat(room - name.len() - 2))
            }),
        )
    };
    let mut shapes: Vec<_> = [
        "X",
        "Cookie",
        "Set-Cookie",
        "Date",
        "Via",
        "Max-Forwards",
        "X-Forwarded-Proto",
        "X_Forwarded_For",
        "Content_Length",
        "X-Forwarded-Fox",
        "Content-Lengti",
        "Connectiox",
    ]
    .map(lines)
    .into();
    let one = |name: &str, value: String| {
        shape(format!("a long {name}"), start, format!("{name}: {value}"))
    };
    shapes.extend([
        one("Cookie", fill("; ", |number| format!("name{number}=value"))),
        one("Content-Length", "0".repeat(BYTES)),
        one("Transfer-Encoding", fill("", |_| "chunc".into())),
        one("Max-Forwards", "0".repeat(BYTES)),
        one("X", " ".repeat(BYTES)),
        one("X", "\u{e9}".repeat(BYTES / 2)),
        shape("a long name", start, format!("{}: v", token(0, BYTES))),
    ]);
    shapes
}

fn plain(start: &str) -> Shape {
    let fields = divide("\r\n", 60, |number, room| {
        let value = "The value of an ordinary field; it goes on, a=b.".repeat(20);
        format!("X-Field-{number:02}: {}", &value[..room - 12])
    });
    shape("plain", start, fields)
}

const LISTS: [&str; 9] = [
    "Connection",
    "TE",
    "Expect",
    "Accept",
    "Via",
    "Forwarded",
    "X-Forwarded-For",
    "Trailer",
    "Transfer-Encoding",
];

fn requests() -> Vec<Shape> {
    let mut shapes = vec![plain(GET)];
    shapes.extend(LISTS.iter().flat_map(|field| lists(field, GET)));
    shapes.extend(lists("Upgrade", UPGRADE));
    shapes.extend(nominations(POST));
    shapes.extend(fields(GET));
    shapes.extend(
        fields(OPTIONS)
            .into_iter()
            .filter(|shape| shape.name.contains("Max")),
    );
    let long = |name: &str, line: String| Shape {
        name: name.into(),
        head: format!(
            "{line}\r\nHost: a\r\nX: {}\r\n\r\n",
            "v".repeat(BYTES - line.len())
        ),
        offered: None,
    };
    let path = "/a".repeat(4000);
    shapes.extend([
        shape(
            "a long Host",
            "GET / HTTP/1.1",
            format!("Host: {}", "a-".repeat(BYTES / 2)),
        ),
        shape(
            "an escaped Host",
            "GET / HTTP/1.1",
            format!("Host: {}", "%2d".repeat(BYTES / 3)),
        ),
        long("a long path", format!("GET {path} HTTP/1.1")),
        long("a long method", format!("{} / HTTP/1.1", "M".repeat(8000))),
        long(
            "a long authority",
            format!("GET http://{}/ HTTP/1.1", "a-".repeat(4000)),
        ),
        long("a line of spaces", format!("GET {}", " ".repeat(8000))),
    ]);
    shapes
}

fn responses() -> Vec<Shape> {
    let mut shapes = vec![plain(OK)];
    for start in [OK, INTERIM] {
        shapes.extend(LISTS.iter().flat_map(|field| lists(field, start)));
        shapes.extend(nominations(start));
        shapes.extend(fields(start));
    }
    for mut shape in lists("Upgrade", SWITCH) {
        shape.offered = Some(divide(",", 90, token));
        shapes.push(shape);
    }
    shapes
}

fn hop() -> Hop<'static> {
    Hop {
        client: IpAddr::from([192, 0, 2, 7]),
        forwarded: ForwardedFields::Append,
        adds_forwarded: true,
        fallback_host: "localhost",
        via: Some("lb"),
        rules: &NO_RULES,
        stripped: None,
    }
}

/// Passes on a head; returns whether it was not refused.
type Pass = fn(&Shape, &mut Vec<u8>) -> bool;

/// All that a request head costs before it is sent on.
fn pass_request(shape: &Shape, out: &mut Vec<u8>) -> bool {
    out.clear();
    let head = black_box(shape.head.as_bytes());
    let Ok(Some(length)) = HeadScan::default().find_end(head, &LIMITS) else {
        return false;
    };
    let mut table = request::field_table();
    let Ok(request) = request::parse(&head[..length], &mut table) else {
        return false;
    };
    write_request(&request, &hop(), out);
    black_box(prefers_json(request.fields));
    black_box(&out);
    true
}

/// The same for a response head.
fn pass_response(shape: &Shape, out: &mut Vec<u8>) -> bool {
    out.clear();
    let head = black_box(shape.head.as_bytes());
    let mut scan = HeadScan::default();
    let Ok(Some(length)) = response::find_end(&mut scan, head, &LIMITS) else {
        return false;
    };
    let mut table = request::field_table();
    let Ok(response) = response::parse(&head[..length], Method::Get, &mut table) else {
        return false;
    };
    let delivery = Delivery {
        version: Version::Http11,
        keep_alive: true,
        method: Method::Get,
        date: "Sun, 06 Nov 1994 08:49:37 GMT",
    };
    let offered = shape.offered.as_deref().map(str::as_bytes);
    black_box(response.switches_to_one_of(offered));
    write_response(&response, &delivery, Some("lb"), &NO_EDITS, out);
    black_box(&out);
    true
}

/// Nanoseconds a byte: the best of some rounds, since others use the machine too.
fn cost(shape: &Shape, pass: Pass) -> (f64, bool) {
    const ROUNDS: usize = 15;
    const PASSES: u32 = 10;
    let mut out = Vec::with_capacity(64 * 1024);
    let (mut best, mut passes) = (Duration::MAX, false);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..PASSES {
            passes = pass(shape, &mut out);
        }
        best = best.min(start.elapsed() / PASSES);
    }
    let bytes = shape.head.len() + shape.offered.as_ref().map_or(0, String::len);
    (best.as_nanos() as f64 / bytes as f64, passes)
}

/// Prints for each shape how many times as dear as in a plain head a byte is.
pub(crate) fn print_ratios() {
    let kinds: [(&str, Vec<Shape>, Pass); 2] = [
        ("request", requests(), pass_request),
        ("response", responses(), pass_response),
    ];
    for (kind, shapes, pass) in kinds {
        let (plain, _) = cost(&shapes[0], pass);
        println!("\na byte of a hostile {kind} head beside one of a plain head ({plain:.2} ns):");
        let mut rows: Vec<_> = shapes
            .iter()
            .map(|shape| (cost(shape, pass), shape))
            .collect();
        rows.sort_by(|(one, _), (other, _)| other.0.total_cmp(&one.0));
        for ((cost, passes), shape) in rows {
            let ratio = cost / plain;
            let mark = if ratio > MOST { "  TOO DEAR" } else { "" };
            let end = if passes { "passed on" } else { "refused" };
            println!(
                "{ratio:6.2}  {:6} bytes  {end:9}  {shape:?}{mark}",
                shape.head.len()
            );
        }
    }
}
