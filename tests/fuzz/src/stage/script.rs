//! What a client sends and backends answer, in one input: parts between `|||`, the client's
//! first. An answer may begin with letters of stage direction.

/// Between the parts.
const CURTAIN: &[u8] = b"|||";

/// A whole script.
#[derive(Debug, Default)]
pub struct Script {
    /// What the client sends.
    pub client: Vec<u8>,
    /// What the backends send, one for each request, in the order in which requests come.
    pub answers: Vec<Answer>,
}

/// What a backend sends once it has a request.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// `!`: sent as soon as the head is there, without the body.
    pub is_early: bool,
    /// How the connection goes on.
    pub then: Then,
}

/// How a connection goes on after an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Then {
    /// With the next request.
    #[default]
    Next,
    /// `^`: with a close.
    Close,
    /// `~`: with a reset.
    Reset,
}

impl Script {
    /// Reads an input.
    pub fn of(input: &[u8]) -> Self {
        let mut parts = parts(input).into_iter();
        let client = parts.next().unwrap_or_default().to_vec();
        let answers = parts.map(Answer::of).collect();
        Self { client, answers }
    }

    /// Whether a backend may switch protocols, after which its bytes are no HTTP.
    pub fn may_switch(&self) -> bool {
        let is_switch = |bytes: &[u8]| bytes.windows(5).any(|part| part == b" 101 ");
        self.answers.iter().any(|answer| is_switch(&answer.bytes))
    }
}

impl Answer {
    /// A plain good answer, for requests that the script has none for.
    pub fn good() -> Self {
        Self::of(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    }

    fn of(mut part: &[u8]) -> Self {
        let mut answer = Self::default();
        while let [direction @ (b'!' | b'^' | b'~'), rest @ ..] = part {
            match direction {
                b'^' => answer.then = Then::Close,
                b'~' => answer.then = Then::Reset,
                _ => answer.is_early = true,
            }
            part = rest;
        }
        answer.bytes = part.to_vec();
        answer
    }
}

fn parts(mut input: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    while let Some(end) = input
        .windows(CURTAIN.len())
        .position(|part| part == CURTAIN)
    {
        parts.push(&input[..end]);
        input = &input[end + CURTAIN.len()..];
    }
    parts.push(input);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_directions_are_told_apart() {
        let script = Script::of(b"GET|||HTTP|||!^x|||");
        assert_eq!(script.client, b"GET");
        let [first, second, third] = &script.answers[..] else {
            panic!("{script:?}");
        };
        assert!(first.bytes == b"HTTP" && !first.is_early && first.then == Then::Next);
        assert!(second.bytes == b"x" && second.is_early && second.then == Then::Close);
        assert!(third.bytes.is_empty());
    }
}
