//! What a client has sent, read as a careful server would read it: the requests that a backend
//! may come to see, and no others. Where it breaks a rule, reading ends; `lb` must have
//! stopped there too, or before.

use crate::body::{self, Body, Dialect};
use crate::strict::Question;
use crate::wire::{self, Framing, Head, Reading, members, show};

/// A request head as a client wrote it.
#[derive(Debug)]
pub struct SentHead<'b> {
    /// The method.
    pub method: &'b [u8],
    /// The target in the form that a backend gets.
    pub target: Vec<u8>,
    /// Where the body ends.
    pub framing: Framing,
    /// What its answer depends on.
    pub question: Question,
    /// Bytes that it takes.
    pub length: usize,
}

/// A request, its body as far as it is there.
#[derive(Debug)]
pub struct Sent {
    /// The method.
    pub method: Vec<u8>,
    /// The target in the form that a backend gets.
    pub target: Vec<u8>,
    /// The body.
    pub body: Body,
    /// What its answer depends on.
    pub question: Question,
}

/// All that a client sent.
#[derive(Debug)]
pub struct Conversation {
    /// Its requests; the last may be cut off in its body.
    pub requests: Vec<Sent>,
    /// What the answer to anything behind them depends on.
    pub rest: Question,
}

impl Conversation {
    /// What the answer with this number depends on.
    pub fn question(&self, number: usize) -> Question {
        self.requests
            .get(number)
            .map_or(self.rest, |request| request.question)
    }
}

/// Empty lines that may stand before a request.
const EMPTY_LINES: usize = 16;

/// Reads a whole connection.
pub fn conversation(mut bytes: &[u8]) -> Conversation {
    let mut requests = Vec::new();
    loop {
        for _ in 0..EMPTY_LINES {
            bytes = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
        }
        let Ok(Some(head)) = head(bytes) else {
            break;
        };
        bytes = &bytes[head.length..];
        let body = body::read(bytes, head.framing, Dialect::Theirs);
        let end = body.end;
        requests.push(head.with(body));
        match end {
            Some(end) => bytes = &bytes[end..],
            None => break,
        }
    }
    let is_head = bytes.starts_with(b"HEAD ");
    let rest = Question {
        is_head,
        ..Question::default()
    };
    Conversation { requests, rest }
}

impl SentHead<'_> {
    fn with(self, body: Body) -> Sent {
        Sent {
            method: self.method.to_vec(),
            target: self.target,
            body,
            question: self.question,
        }
    }
}

/// The request head at the start of `bytes`.
pub fn head(bytes: &[u8]) -> Reading<SentHead<'_>> {
    let Some(head) = wire::head(bytes)? else {
        return Ok(None);
    };
    let parts: Vec<&[u8]> = head.start.split(|&byte| byte == b' ').collect();
    let [method, target, version @ (b"HTTP/1.0" | b"HTTP/1.1")] = parts[..] else {
        return Err(format!("a bad request line: {}", show(head.start)));
    };
    let is_old = version == b"HTTP/1.0";
    if head.only("Host")?.is_none() && !is_old {
        return Err("no Host".into());
    }
    Ok(Some(SentHead {
        method,
        target: origin_form(method, target)?,
        framing: framing(&head, is_old)?,
        question: question(method, is_old, &head),
        length: head.length,
    }))
}

/// An absolute target without what names the server (RFC 9112 §3.2).
fn origin_form(method: &[u8], target: &[u8]) -> Result<Vec<u8>, String> {
    if target.starts_with(b"/") || (method == b"OPTIONS" && target == b"*") {
        return Ok(target.to_vec());
    }
    let is_scheme = |scheme: &[u8]| {
        let start = target.get(..scheme.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    let Some(scheme) = [b"http://".as_slice(), b"ws://"]
        .into_iter()
        .find(|one| is_scheme(one))
    else {
        return Err(format!("a bad target: {}", show(target)));
    };
    let rest = &target[scheme.len()..];
    let path = rest
        .iter()
        .position(|byte| b"/?".contains(byte))
        .unwrap_or(rest.len());
    Ok(match &rest[path..] {
        [] if method == b"OPTIONS" => b"*".to_vec(),
        [b'/', ..] => rest[path..].to_vec(),
        query => [b"/", query].concat(),
    })
}

fn framing(head: &Head<'_>, is_old: bool) -> Result<Framing, String> {
    match wire::told_framing(head)? {
        Some(Framing::Chunked) if is_old => Err("Transfer-Encoding in HTTP/1.0".into()),
        told => Ok(told.unwrap_or(Framing::Empty)),
    }
}

fn question(method: &[u8], is_old: bool, head: &Head<'_>) -> Question {
    let options = head.values("Connection");
    let mut options = options.iter().flat_map(|value| members(value));
    Question {
        is_head: method == b"HEAD",
        is_old,
        upgrades: !is_old && options.any(|option| option.eq_ignore_ascii_case(b"upgrade")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_is_cut_where_its_framing_says() {
        let bytes = b"POST http://b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
            1;x\r\na\r\n0\r\n\r\n\r\nHEAD /x HTTP/1.0\r\nContent-Length: 9\r\n\r\nabc";
        let conversation = conversation(bytes);
        let [post, head] = &conversation.requests[..] else {
            panic!("{conversation:?}");
        };
        assert_eq!(
            (post.target.as_slice(), post.body.content.as_slice()),
            (&b"/"[..], &b"a"[..])
        );
        assert!(post.body.end.is_some() && head.body.end.is_none());
        assert!(head.question.is_head && head.question.is_old);
        assert_eq!(head.body.content, b"abc");
    }

    #[test]
    fn a_smuggled_request_is_none() {
        for bytes in [
            &b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"[..],
            b"GET / HTTP/1.1\r\nHost: a\r\nX: a\n\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n",
        ] {
            assert!(conversation(bytes).requests.is_empty(), "{}", show(bytes));
        }
    }
}
