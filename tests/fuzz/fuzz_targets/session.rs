//! A whole session over real sockets: arbitrary bytes from a client, arbitrary answers from
//! two backends.
//!
//! Backends get strictly well-formed requests, each of them one that the client sent, and none
//! too often. The client gets strictly well-formed responses, each of them `lb`'s own or what a
//! backend said at that point. The last of either may be cut off; then it does not look whole.
//! And a bystander who comes afterwards gets an answer of his own.
//!
//! How an input is read is told in `lb_fuzz::stage::script`.
#![no_main]

use lb_fuzz::body::Body;
use lb_fuzz::said;
use lb_fuzz::sent::{self, Conversation, Sent};
use lb_fuzz::stage::client::Answered;
use lb_fuzz::stage::script::{Answer, Script};
use lb_fuzz::stage::{self, Stage};
use lb_fuzz::strict::{self, Question, Request, Response};
use lb_fuzz::wire::{Framing, show};
use libfuzzer_sys::fuzz_target;
use std::slice::Iter;

fuzz_target!(|data: &[u8]| {
    let script = Script::of(data);
    let played = Stage::get().play(&script);
    let mut conversation = sent::conversation(&script.client.whole());
    let mut bystander = sent::conversation(&stage::bystander().whole());
    let mut given = played.given.iter();
    Responses::of(&conversation, &played.answered, &mut given).check();
    Responses::of(&bystander, &played.bystander, &mut given).check();
    assert!(!played.bystander.bytes.is_empty(), "{played:?}");

    let sent = &mut conversation.requests;
    sent.append(&mut bystander.requests);
    let check = |bytes| check_received(bytes, sent, script.may_switch());
    let methods: Vec<&[u8]> = played
        .received
        .iter()
        .flat_map(|bytes| check(bytes))
        .collect();
    check_counts(&methods, sent);
});

/// Everything that came on one backend connection; returns the methods of its requests.
fn check_received<'b>(mut bytes: &'b [u8], sent: &[Sent], may_switch: bool) -> Vec<&'b [u8]> {
    let (mut methods, mut sent) = (Vec::new(), sent.iter());
    while let Some(head) = request(bytes) {
        methods.push(head.method);
        let content = &bytes[head.length..];
        let body = strict::body(content, head.framing);
        let body = body.unwrap_or_else(|fault| complain(&fault, bytes));
        let is_it = |sent: &Sent| is_the_same(sent, &head, &body);
        claim(sent.any(is_it), "nobody sent this", bytes);
        match body.end {
            // What follows may be no HTTP.
            Some(end) if !(head.upgrades && may_switch) => bytes = &content[end..],
            _ => break,
        }
    }
    methods
}

fn request(bytes: &[u8]) -> Option<Request<'_>> {
    strict::request(bytes).unwrap_or_else(|fault| complain(&fault, bytes))
}

/// What is not idempotent comes at most once, anything else at most twice.
fn check_counts(received: &[&[u8]], sent: &[Sent]) {
    let is_once = |method: &[u8]| !IDEMPOTENT.contains(&method);
    let sent_once = sent.iter().filter(|sent| is_once(&sent.method)).count();
    let received_once = received.iter().filter(|method| is_once(method)).count();
    assert!(received_once <= sent_once, "{received_once} of {sent_once}");
    assert!(received.len() - received_once <= 2 * (sent.len() - sent_once));
}

/// RFC 9110 §9.2.2
const IDEMPOTENT: [&[u8]; 6] = [b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"TRACE"];

/// Whether this is what the client has sent, or as much of it as has been passed on.
fn is_the_same(sent: &Sent, head: &Request<'_>, body: &Body) -> bool {
    let is_body = match body.end {
        Some(_) => sent.body.end.is_some() && sent.body.content == body.content,
        None => sent.body.content.starts_with(&body.content),
    };
    is_body && sent.method == head.method && sent.target == head.target
}

/// The responses that came back to a client.
struct Responses<'p, 'g> {
    conversation: &'p Conversation,
    answered: &'p Answered,
    given: &'g mut Iter<'p, Answer>,
    /// The answer that the last one came from.
    last: Option<&'p Answer>,
    /// Final ones so far.
    count: usize,
}

impl<'p, 'g> Responses<'p, 'g> {
    fn of(
        conversation: &'p Conversation,
        answered: &'p Answered,
        given: &'g mut Iter<'p, Answer>,
    ) -> Self {
        let count = 0;
        Self {
            conversation,
            answered,
            given,
            last: None,
            count,
        }
    }

    fn check(mut self) {
        let mut bytes = self.answered.bytes.as_slice();
        while !bytes.is_empty() {
            match self.check_first(bytes) {
                Some(end) => bytes = &bytes[end..],
                None => return,
            }
        }
    }

    /// Returns where the next begins, unless this is the last that can be read.
    fn check_first(&mut self, bytes: &[u8]) -> Option<usize> {
        let was_asked_for = self.count <= self.conversation.requests.len();
        claim(was_asked_for, "nobody asked for this", bytes);
        let question = self.conversation.question(self.count);
        let read = strict::response(bytes, question);
        let head = read.unwrap_or_else(|fault| complain(&fault, bytes))?;
        let body = self.body(&head, &bytes[head.length..]);
        if head.is_final() {
            self.count += 1;
            let was_said = !head.is_passed_on || self.was_said(&head, &body, question);
            claim(was_said, "nobody said this", bytes);
        }
        // What follows a 101 is no HTTP.
        let end = head.length + body.end.filter(|_| head.status != 101)?;
        claim(
            !head.closes || end == bytes.len(),
            "bytes behind the end",
            bytes,
        );
        Some(end)
    }

    /// The body of a response; a reset ends none that lasts until the close.
    fn body(&self, head: &Response, bytes: &[u8]) -> Body {
        let body = strict::body(bytes, head.framing);
        let mut body = body.unwrap_or_else(|fault| complain(&fault, bytes));
        if self.answered.is_reset && head.framing == Framing::UntilClose {
            body.end = None;
        }
        body
    }

    /// Whether a backend has said this, after what the client got before. What it says late, when the
    /// next request is on its way on the same connection, is no different from the answer to that; and
    /// without an end of its own it goes on with that answer.
    fn was_said(&mut self, head: &Response, body: &Body, question: Question) -> bool {
        let mut late = self.last.into_iter().flat_map(Answer::late_parts);
        let is_it = |answer: &Answer| {
            said::response(answer, question.is_head).is_some_and(|said| said.is(head, body))
        };
        let is_late = |part: &Answer| {
            let mut given = self.given.clone();
            is_it(part) || given.any(|next| is_it(&part.followed_by(next)))
        };
        if late.any(|part| is_late(&part)) {
            return true;
        }
        self.last = self.given.find(|answer| is_it(answer));
        self.last.is_some()
    }
}

fn claim(is_true: bool, fault: &str, bytes: &[u8]) {
    if !is_true {
        complain(fault, bytes);
    }
}

fn complain(fault: &str, bytes: &[u8]) -> ! {
    panic!("{fault}: {}", show(bytes))
}
