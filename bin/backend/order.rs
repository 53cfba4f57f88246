//! What a request asks for in its query: to be slow, large, cut or refused.

use lb::http::reply::reason;
use std::time::Duration;

/// The part of `--help` that says it.
pub(crate) const HELP: &str = "\
Example:
  backend 5001 &
  curl 'localhost:5001/?delay=1s'

Queries, which can be combined with &:
  ?delay=500ms          answer later
  ?status=503           answer with this status
  ?bytes=1000000        answer with so many bytes
  ?chunked              answer in chunks
  ?drip=100ms           answer byte by byte, or in a hundred pieces, with this pause
  ?close                close after the answer
  ?echo=ID              answer with `PORT METHOD ID`, a line end, and the request's body
  ?early                answer before the request's body is read
  ?reset=before         reset the connection before the request's body is read
  ?reset=read           reset it once the request is read, before a byte of the answer
  ?reset=head           reset it after half of the answer's head
  ?reset=body           reset it after half of the answer's body

The whole server, until further orders:
  curl -X POST 'localhost:5001/health?status=500'       it answers everything with 500
  curl -X POST 'localhost:5001/health?status=500&only'  it answers only GET /health so
  curl -X POST 'localhost:5001/health?status=200'       it is well again
  curl -X POST 'localhost:5001/trouble?delay=2s'        what the query says is done to all requests
  curl -X POST 'localhost:5001/trouble?deaf'            it accepts no connection any more
  curl -X POST 'localhost:5001/trouble'                 it is out of trouble

A WebSocket is echoed.";

/// Where a connection is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reset {
    /// Before the request body is read.
    Before,
    /// Once the request is read, before a byte of the answer.
    Read,
    /// In its head.
    Head,
    /// In its body.
    Body,
}

/// What one request asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Order {
    pub(crate) delay: Duration,
    pub(crate) status: Option<u16>,
    pub(crate) bytes: Option<u64>,
    pub(crate) chunked: bool,
    pub(crate) drip: Duration,
    pub(crate) close: bool,
    pub(crate) reset: Option<Reset>,
    pub(crate) early: bool,
    pub(crate) echo: Option<String>,
    /// Said of the health, that nothing else is ill.
    pub(crate) only: bool,
}

/// What came behind the head of a request.
#[derive(Debug, Default)]
pub(crate) struct Uploaded {
    pub(crate) length: u64,
    /// The bytes themselves, if they go back.
    pub(crate) content: Vec<u8>,
}

impl Order {
    /// Reads a query; what it does not know it leaves alone, as servers do.
    pub(crate) fn parse(query: &str) -> Self {
        let mut order = Self::default();
        for part in query.split('&') {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            match name {
                "delay" => order.delay = duration(value),
                "drip" => order.drip = duration(value),
                "status" => {
                    order.status = value
                        .parse()
                        .ok()
                        .filter(|status| (200..=599).contains(status))
                }
                "bytes" => order.bytes = value.parse().ok(),
                "chunked" => order.chunked = true,
                "close" => order.close = true,
                "early" => order.early = true,
                "echo" => order.echo = Some(value.to_string()),
                "only" => order.only = true,
                "reset" => order.reset = reset(value),
                _ => {}
            }
        }
        order
    }

    /// The body that it wants.
    pub(crate) fn body(
        &self,
        port: u16,
        method: &str,
        status: u16,
        uploaded: Uploaded,
    ) -> BodyText {
        let text = match (status, &self.echo) {
            (200..=299, Some(id)) => {
                let mut text = format!("{port} {method} {id}\n").into_bytes();
                text.extend(uploaded.content);
                text
            }
            (200..=299, None) if uploaded.length > 0 => format!(
                "Hello from Backend Server {port}! Thank you for {} bytes.",
                uploaded.length
            )
            .into(),
            (200..=299, None) => format!("Hello from Backend Server {port}!").into(),
            _ => format!("Backend Server {port} says {status} {}", reason(status)).into(),
        };
        BodyText {
            length: self.bytes.unwrap_or(text.len() as u64),
            text,
        }
    }

    /// How much of it goes out at a time.
    pub(crate) fn piece_bytes(&self) -> u64 {
        match self.bytes {
            Some(bytes) if !self.drip.is_zero() => (bytes / 100).max(1),
            None if !self.drip.is_zero() => 1,
            _ => 64 * 1024,
        }
    }
}

/// A short text, repeated or cut to a length.
#[derive(Clone, Debug)]
pub(crate) struct BodyText {
    pub(crate) length: u64,
    text: Vec<u8>,
}

impl BodyText {
    /// This text as it is.
    pub(crate) fn of(text: String) -> Self {
        Self {
            length: text.len() as u64,
            text: text.into(),
        }
    }

    /// The first `length` bytes of the body, in pieces of at most `most`.
    pub(crate) fn pieces(&self, most: u64, length: u64) -> impl Iterator<Item = Vec<u8>> + '_ {
        let mut position = 0;
        std::iter::from_fn(move || {
            let count = most.min(length - position);
            let start = usize::try_from(position % self.text.len() as u64).ok()?;
            position += count;
            let bytes = self.text.iter().copied().cycle().skip(start);
            (count > 0).then(|| bytes.take(usize::try_from(count).unwrap_or(0)).collect())
        })
    }
}

/// `500ms` or `2s`; half a minute at most.
fn duration(text: &str) -> Duration {
    let most = Duration::from_secs(30);
    let number = |digits: &str| digits.parse().unwrap_or(0);
    let duration = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(digits), _) => Duration::from_millis(number(digits)),
        (None, Some(digits)) => Duration::from_secs(number(digits)),
        (None, None) => Duration::from_millis(number(text)),
    };
    duration.min(most)
}

fn reset(text: &str) -> Option<Reset> {
    match text {
        "before" => Some(Reset::Before),
        "read" => Some(Reset::Read),
        "head" => Some(Reset::Head),
        "body" => Some(Reset::Body),
        _ => None,
    }
}
