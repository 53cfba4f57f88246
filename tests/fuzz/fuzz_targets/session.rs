//! A whole session over real sockets: arbitrary bytes from a client, arbitrary answers from
//! two backends. Backends get strictly well-formed requests, each of them one that the client
//! sent; the client gets strictly well-formed responses, each of them `lb`'s own or what a backend
//! said at that point; the last of either may be cut off, and then it does not look whole.
//!
//! How an input is read is told in `lb_fuzz::stage::script`.
#![no_main]

use lb_fuzz::body::Body;
use lb_fuzz::said;
use lb_fuzz::sent::{self, Conversation, Sent};
use lb_fuzz::stage::script::Script;
use lb_fuzz::stage::{Played, Stage};
use lb_fuzz::strict::{self, Request, Response};
use lb_fuzz::wire::{Framing, show};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let script = Script::of(data);
    let played = Stage::get().play(&script);
    let conversation = sent::conversation(&script.client);
    for received in &played.received {
        check_received(received, &conversation, script.may_switch());
    }
    check_answered(&played, &conversation);
});

/// Everything that came on one backend connection.
fn check_received(mut bytes: &[u8], conversation: &Conversation, may_switch: bool) {
    let mut sent = conversation.requests.iter();
    while !bytes.is_empty() {
        let read = strict::request(bytes).unwrap_or_else(|fault| complain(&fault, bytes));
        let Some(head) = read else {
            return;
        };
        let content = &bytes[head.length..];
        let body = strict::body(content, head.framing);
        let body = body.unwrap_or_else(|fault| complain(&fault, bytes));
        let is_it = |sent: &Sent| is_the_same(sent, &head, &body);
        assert!(sent.any(is_it), "nobody sent {}", show(bytes));
        match body.end {
            // What follows may be no HTTP.
            _ if head.upgrades && may_switch => return,
            Some(end) => bytes = &content[end..],
            None => return,
        }
    }
}

/// Whether this is what the client has sent, or as much of it as has been passed on.
fn is_the_same(sent: &Sent, head: &Request<'_>, body: &Body) -> bool {
    let is_body = match body.end {
        Some(_) => sent.body.end.is_some() && sent.body.content == body.content,
        None => sent.body.content.starts_with(&body.content),
    };
    is_body && sent.method == head.method && sent.target == head.target
}

/// Everything that came back to the client.
fn check_answered(played: &Played, conversation: &Conversation) {
    let mut bytes = played.answered.bytes.as_slice();
    let (mut number, mut given) = (0, played.given.iter());
    while !bytes.is_empty() {
        assert!(
            number <= conversation.requests.len(),
            "nobody asked for {}",
            show(bytes)
        );
        let question = conversation.question(number);
        let read = strict::response(bytes, question);
        let Some(head) = read.unwrap_or_else(|fault| complain(&fault, bytes)) else {
            return;
        };
        let body = answered_body(&head, &bytes[head.length..], played.answered.is_reset);
        if head.status >= 200 && head.is_passed_on {
            let mut said = given
                .by_ref()
                .filter_map(|answer| said::response(answer, question.is_head));
            assert!(
                said.any(|said| said.is(&head, &body)),
                "nobody said {}",
                show(bytes)
            );
        }
        match body.end {
            // What follows is no HTTP.
            _ if head.status == 101 => return,
            Some(end) => bytes = &bytes[head.length + end..],
            None => return,
        }
        assert!(
            !head.closes || bytes.is_empty(),
            "behind the end: {}",
            show(bytes)
        );
        number += usize::from(head.status >= 200);
    }
}

/// The body of a response; a reset ends none that lasts until the close.
fn answered_body(head: &Response, bytes: &[u8], is_reset: bool) -> Body {
    let body = strict::body(bytes, head.framing);
    let mut body = body.unwrap_or_else(|fault| complain(&fault, bytes));
    if is_reset && head.framing == Framing::UntilClose {
        body.end = None;
    }
    body
}

fn complain(fault: &str, bytes: &[u8]) -> ! {
    panic!("{fault}: {}", show(bytes))
}
