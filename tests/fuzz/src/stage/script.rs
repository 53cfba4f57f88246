//! What a client sends and backends answer, in one input: parts between `|||`, the client's
//! first. Letters of stage direction may stand at the beginning of a part.

/// Between the parts.
const CURTAIN: &[u8] = b"|||";

/// The most pieces that a speech is sent in; what would be more goes with the last.
const MOST_PIECES: usize = 4;

/// A whole script.
#[derive(Debug, Default)]
pub struct Script {
    /// What the client sends.
    pub client: Speech,
    /// What the backends send, one for each request, in the order in which requests come.
    pub answers: Vec<Answer>,
}

/// Bytes that one side sends, in pieces with a breath between them. `+` before a part makes it
/// another piece of the one before.
#[derive(Clone, Debug, Default)]
pub struct Speech(pub Vec<Vec<u8>>);

/// What a backend sends once it has a request.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Its bytes.
    pub speech: Speech,
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
        let mut script = Self::default();
        let mut parts = parts(input).into_iter();
        script.client.add(parts.next().unwrap_or_default());
        for part in parts {
            match (part, script.answers.last_mut()) {
                ([b'+', piece @ ..], None) => script.client.add(piece),
                ([b'+', piece @ ..], Some(answer)) => answer.speech.add(piece),
                _ => script.answers.push(Answer::of(part)),
            }
        }
        script
    }

    /// Whether a backend may switch protocols, after which its bytes are no HTTP.
    pub fn may_switch(&self) -> bool {
        let is_switch = |bytes: &[u8]| bytes.windows(4).any(|part| part == b" 101");
        self.answers
            .iter()
            .any(|answer| is_switch(&answer.speech.whole()))
    }
}

impl Speech {
    /// All of it.
    pub fn whole(&self) -> Vec<u8> {
        self.0.concat()
    }

    fn add(&mut self, piece: &[u8]) {
        match self.0.get_mut(MOST_PIECES - 1) {
            Some(last) => last.extend_from_slice(piece),
            None => self.0.push(piece.to_vec()),
        }
    }
}

impl Answer {
    /// What it says from each of its later pieces on, as an answer by itself.
    pub fn late_parts(&self) -> Vec<Self> {
        let pieces = &self.speech.0;
        let from = |first: usize| Self {
            speech: Speech(pieces[first..].to_vec()),
            ..self.clone()
        };
        (1..pieces.len()).map(from).collect()
    }

    /// The same with another answer right behind it.
    pub fn followed_by(&self, next: &Self) -> Self {
        let pieces = [self.speech.0.as_slice(), &next.speech.0].concat();
        Self {
            speech: Speech(pieces),
            ..next.clone()
        }
    }

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
        answer.speech.add(part);
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
        let script = Script::of(b"GET|||+ /|||HTTP|||!^x|||+y|||");
        assert_eq!(script.client.0, [&b"GET"[..], b" /"]);
        let [first, second, third] = &script.answers[..] else {
            panic!("{script:?}");
        };
        assert!(first.speech.whole() == b"HTTP" && !first.is_early && first.then == Then::Next);
        assert_eq!(second.speech.0, [b"x", b"y"]);
        assert!(second.is_early && second.then == Then::Close);
        assert!(third.speech.whole().is_empty());
    }

    #[test]
    fn nobody_takes_breath_for_ever() {
        let script = Script::of(&b"a|||+".repeat(9));
        assert_eq!(script.client.0, [&b"a"[..], b"a", b"a", b"aaaaaa"]);
    }
}
