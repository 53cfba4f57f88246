//! A whole session over real sockets: arbitrary bytes from a client, arbitrary answers from
//! two backends. Backends get strictly well-formed requests, each of them one that the client
//! sent; the client gets strictly well-formed responses; the last of either may be cut off.
//!
//! How an input is read is told in `lb_fuzz::stage::script`.
#![no_main]

use lb_fuzz::sent::{self, Conversation, Sent};
use lb_fuzz::stage::Stage;
use lb_fuzz::stage::script::Script;
use lb_fuzz::strict::{self, Request};
use lb_fuzz::wire::{Body, show};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let script = Script::of(data);
    let played = Stage::get().play(&script);
    let conversation = sent::conversation(&script.client);
    for received in &played.received {
        check_received(received, &conversation, script.may_switch());
    }
    check_answered(&played.answered, &conversation);
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
fn check_answered(mut bytes: &[u8], conversation: &Conversation) {
    let mut number = 0;
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
        let content = &bytes[head.length..];
        let body = strict::body(content, head.framing);
        let Some(end) = body.unwrap_or_else(|fault| complain(&fault, bytes)).end else {
            return;
        };
        if head.status == 101 {
            assert!(question.upgrades, "nobody asked to switch: {}", show(bytes));
            return;
        }
        bytes = &content[end..];
        assert!(
            !head.closes || bytes.is_empty(),
            "behind the end: {}",
            show(bytes)
        );
        number += usize::from(head.status >= 200);
    }
}

fn complain(fault: &str, bytes: &[u8]) -> ! {
    panic!("{fault}: {}", show(bytes))
}
