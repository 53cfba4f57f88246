//! How a message passes through the crate, for tests without a socket: the one place of the
//! property tests that calls the code under test.
#![allow(unreachable_pub, missing_docs, reason = "a module of tests")]

use lb::http::body::{Body, Encoding};
use lb::http::delivery::Delivery;
use lb::http::field_rules::NO_RULES;
use lb::http::forward::NO_EDITS;
use lb::http::forward::{client_encoding, write_request, write_response};
use lb::http::forwarded::{ForwardedFields, Hop};
use lb::http::framing::Framing;
use lb::http::method::Method;
use lb::http::request::{self, field_table};
use lb::http::scan::{HeadLimits, HeadScan};
use lb::http::{Refusal, Version, response};

pub const LIMITS: HeadLimits = HeadLimits {
    bytes: 32 * 1024,
    start_line: 8 * 1024,
    fields: 100,
};

/// A head as it leaves, and what becomes of the body behind it.
#[derive(Debug)]
pub struct Rewritten {
    pub head: Vec<u8>,
    /// Bytes that the head took where it came from.
    pub length: usize,
    pub framing: Framing,
    pub encoding: Encoding,
    pub passes_trailers: bool,
    /// Makes the body that reads it.
    new_body: fn(Framing, Encoding, bool) -> Body,
}

/// The head of the request that begins `bytes`, as a backend gets it.
pub fn rewrite_request(bytes: &[u8], forwarded: ForwardedFields) -> Result<Rewritten, Refusal> {
    let length = head_length(HeadScan::default(), bytes)?;
    let mut table = field_table();
    let request = request::parse(&bytes[..length], &mut table)?;
    let hop = Hop {
        client: [192, 0, 2, 7].into(),
        forwarded,
        adds_forwarded: true,
        fallback_host: "fallback",
        via: Some("lb"),
        rules: &NO_RULES,
        stripped: None,
    };
    let mut head = Vec::new();
    write_request(&request, &hop, &mut head);
    Ok(Rewritten {
        head,
        length,
        framing: request.framing,
        encoding: match request.framing {
            Framing::Chunked => Encoding::Chunked,
            _ => Encoding::Plain,
        },
        passes_trailers: !request.options.nominates_any(),
        new_body: Body::new,
    })
}

/// The head of the response that begins `bytes`, as a client of this version gets it.
pub fn rewrite_response(bytes: &[u8], method: &str, to: Version) -> Result<Rewritten, Refusal> {
    let length = head_length(HeadScan::of_response(), bytes)?;
    let mut table = field_table();
    let method = Method::of(method);
    let response = response::parse(&bytes[..length], method, &mut table)?;
    let (encoding, has_visible_end) = client_encoding(response.framing, to);
    let delivery = Delivery {
        version: to,
        keep_alive: has_visible_end,
        method,
        date: "now",
    };
    let mut head = Vec::new();
    write_response(&response, &delivery, Some("lb"), &NO_EDITS, &mut head);
    Ok(Rewritten {
        head,
        length,
        framing: response.framing,
        encoding,
        passes_trailers: !response.options.nominates_any(),
        new_body: Body::of_response,
    })
}

/// A body on its way: what was written of it, and how much was read.
#[derive(Debug, PartialEq, Eq)]
pub struct Relayed {
    pub written: Vec<u8>,
    pub read: usize,
    pub is_complete: bool,
    /// Content bytes, as the body counted them.
    pub content: u64,
}

impl Rewritten {
    /// A body whose head is of no interest.
    pub fn only_body(framing: Framing, encoding: Encoding, passes_trailers: bool) -> Self {
        Self {
            head: Vec::new(),
            length: 0,
            framing,
            encoding,
            passes_trailers,
            new_body: Body::new,
        }
    }

    /// Relays the body at the start of `bytes`, which come up to each of `splits` in turn and
    /// then all. Returns too what was written before a refusal.
    pub fn relay(&self, bytes: &[u8], splits: &[usize]) -> (Relayed, Result<(), Refusal>) {
        let mut body = (self.new_body)(self.framing, self.encoding, self.passes_trailers);
        let (mut written, mut read) = (Vec::new(), 0);
        let mut outcome = Ok(());
        for &end in splits.iter().chain([&bytes.len()]) {
            match take(&mut body, &bytes[read..end.max(read)], &mut written) {
                Ok(count) => read += count,
                Err(refusal) => outcome = Err(refusal),
            }
            if outcome.is_err() {
                break;
            }
        }
        if outcome.is_ok() && self.framing == Framing::UntilClose {
            outcome = body.close(&mut written);
        }
        let relayed = Relayed {
            written,
            read,
            is_complete: body.is_complete(),
            content: body.content,
        };
        (relayed, outcome)
    }
}

/// As the exchange does it: without a copy where that is possible.
fn take(body: &mut Body, input: &[u8], out: &mut Vec<u8>) -> Result<usize, Refusal> {
    if !input.is_empty() && body.relay_whole(input.len()) {
        out.extend_from_slice(input);
        Ok(input.len())
    } else {
        body.relay(input, out)
    }
}

fn head_length(mut scan: HeadScan, bytes: &[u8]) -> Result<usize, Refusal> {
    scan.find_end(bytes, &LIMITS)?
        .ok_or(Refusal::bad("the head is not all there"))
}
