//! What a backend has answered, read as a careful client would read it: the one response that
//! may come to be seen.

use crate::body::{self, Body, Dialect};
use crate::stage::script::{Answer, Then};
use crate::strict::Response;
use crate::wire::{self, Framing, Head, LineEnd};

/// A final response, its body as far as it is there.
#[derive(Debug)]
pub struct Said {
    status: u16,
    body: Body,
}

impl Said {
    /// Whether this is what the client got, or as much of it as was passed on.
    pub fn is(&self, response: &Response, got: &Body) -> bool {
        let is_body = match got.end {
            Some(_) => self.body.end.is_some() && self.body.content == got.content,
            None => self.body.content.starts_with(&got.content),
        };
        is_body && self.status == response.status
    }
}

/// The first final response of `answer`, to a `HEAD` or another method; `None` if there is
/// none.
pub fn response(answer: &Answer, is_head: bool) -> Option<Said> {
    let speech = answer.speech.whole();
    let mut bytes = speech.as_slice();
    loop {
        let head = wire::head_with(bytes, LineEnd::CrlfOrLf).ok()??;
        let status = status(head.start)?;
        bytes = &bytes[head.length..];
        if matches!(status, 100 | 102..=199) {
            continue;
        }
        let framing = framing(&head, status, is_head)?;
        let mut body = body::read(bytes, framing, Dialect::Backends);
        if framing == Framing::UntilClose && answer.then == Then::Reset {
            body.end = None;
        }
        return Some(Said { status, body });
    }
}

/// The status in `HTTP/1.x NNN`, whatever follows.
fn status(line: &[u8]) -> Option<u16> {
    let digits = line.strip_prefix(b"HTTP/1.")?.get(2..5)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// RFC 9112 §6.3
fn framing(head: &Head<'_>, status: u16, is_head: bool) -> Option<Framing> {
    if is_head || matches!(status, 101 | 204 | 304) {
        return Some(Framing::Empty);
    }
    let told = wire::told_framing(head).ok()?;
    Some(told.unwrap_or(Framing::UntilClose))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::script::Script;

    fn said(script: &[u8]) -> Option<(u16, Vec<u8>, bool)> {
        let said = response(&Script::of(script).answers[0], false)?;
        Some((said.status, said.body.content, said.body.end.is_some()))
    }

    #[test]
    fn the_first_final_response_counts() {
        let answer = b"|||HTTP/1.1 100 x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab";
        assert_eq!(said(answer), Some((200, b"a".to_vec(), true)));
        assert_eq!(said(b"|||HTTP/1.1 200 OK\rA: b\n\n"), None);
    }

    #[test]
    fn what_breaks_the_rules_and_has_one_reading_is_read() {
        let answer = b"|||HTTP/1.1 999\nContent-Length: 1\r\n\nab";
        assert_eq!(said(answer), Some((999, b"a".to_vec(), true)));
        let answer = b"|||HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n1  \r\na\r\n0 \r\n\r\n";
        assert_eq!(said(answer), Some((200, b"a".to_vec(), true)));
    }

    #[test]
    fn a_reset_is_no_end() {
        for (then, is_end) in [("^", true), ("~", false)] {
            let answer = format!("|||{then}HTTP/1.0 200 OK\r\n\r\nab");
            assert_eq!(said(answer.as_bytes()), Some((200, b"ab".to_vec(), is_end)));
        }
    }
}
