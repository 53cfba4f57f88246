//! The other end of the admin listener: one request, one answer. Must not know what is asked for.

use crate::config::AdminAddress;
use crate::net::plain::PlainStream;
use serde_json::Value;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

/// How long an answer may take, beside the time that is asked for.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The longest answer that is read: the status of a thousand backends is about a megabyte.
const MAX_ANSWER: u64 = 64 * 1024 * 1024;

/// Where to ask, and with which token.
#[derive(Debug)]
pub(super) struct Client {
    address: AdminAddress,
    token: Option<String>,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) value: Value,
    /// The body as it came.
    pub(super) text: String,
}

impl Answered {
    /// What was wrong, if it says so.
    pub(super) fn error(&self) -> Option<&str> {
        let text = self.value.get("error").and_then(Value::as_str);
        let is_error = self.status >= 400;
        is_error.then(|| text.unwrap_or("it was refused"))
    }
}

impl Client {
    /// A client for this address; the token is the first line of the file.
    pub(super) fn new(address: AdminAddress, token_file: Option<&Path>) -> Result<Self, String> {
        let read = |path: &Path| {
            let text = fs::read_to_string(path);
            text.map_err(|error| format!("cannot read {}: {error}", path.display()))
        };
        let token = token_file.map(read).transpose()?;
        let first = |text: String| text.lines().next().unwrap_or_default().trim().to_string();
        Ok(Self {
            address,
            token: token.map(first),
        })
    }

    /// Asks for a value.
    pub(super) fn get(&self, path: &str) -> Result<Answered, String> {
        self.ask("GET", path, None, Duration::ZERO)
    }

    /// Asks for a change, whose answer may take `wait` longer.
    pub(super) fn post(
        &self,
        path: &str,
        body: &Value,
        wait: Duration,
    ) -> Result<Answered, String> {
        self.ask("POST", path, Some(&body.to_string()), wait)
    }

    fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&str>,
        wait: Duration,
    ) -> Result<Answered, String> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
        if let Some(token) = &self.token {
            request.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        let body = match body {
            Some(body) => {
                let length = body.len();
                let kind = "Content-Type: application/json";
                request.push_str(&format!("{kind}\r\nContent-Length: {length}\r\n"));
                body
            }
            None => "",
        };
        let request = format!("{request}Connection: close\r\n\r\n{body}");
        let answer = self.exchange(&request, TIMEOUT + wait);
        let answer = answer.map_err(|error| self.no_answer(&error))?;
        answered(&answer)
            .ok_or_else(|| format!("{} does not speak HTTP: is it lb's?", self.address))
    }

    fn exchange(&self, request: &str, timeout: Duration) -> io::Result<Vec<u8>> {
        let mut stream = match &self.address {
            AdminAddress::Tcp(address) => PlainStream::tcp(*address, timeout)?,
            AdminAddress::Unix(path) => PlainStream::unix(path, timeout)?,
        };
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        stream.take(MAX_ANSWER).read_to_end(&mut answer)?;
        Ok(answer)
    }

    fn no_answer(&self, error: &io::Error) -> String {
        format!(
            "no answer from {}: {error}: is lb running with --admin {}? (--admin says where to ask)",
            self.address, self.address
        )
    }
}

/// The status and the body of a whole answer.
fn answered(answer: &[u8]) -> Option<Answered> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some(Answered {
        status,
        value: serde_json::from_str(body).unwrap_or(Value::Null),
        text: body.into(),
    })
}
