//! A line for the access log: the combined format, and behind it backend, milliseconds until
//! connected / answered / done, and the two letters of [`Error::code`].
//!
//! Gathered in one piece of storage and written without the machinery of `format!`, which
//! would cost as much as to parse the request. Must not know where it is printed.

use super::event::{AcceptedRequest, Ending, Event};
use super::excerpt::{MAX_NAME_BYTES, MAX_VALUE_BYTES, Place, write_excerpt, write_quoted};
use crate::backends::Name;
use crate::http::error::Error;
use crate::http::fields::named;
use crate::http::forwarded::write_address;
use crate::http::request::RequestHead;
use crate::http::write::write_decimal;
use std::net::IpAddr;
use std::time::Duration;

/// What is known of an exchange before it ends.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// `None` until the request is accepted.
    client: Option<IpAddr>,
    /// The request line up to `request_end`, then `Referer" "User-Agent` up to `agent_end`,
    /// all quoted already; then the backend.
    text: Vec<u8>,
    request_end: usize,
    agent_end: usize,
    connected: Option<Duration>,
    answered: Option<Duration>,
}

/// Bytes of a line besides the text of clients and backends; a long backend name is included.
const OWN_BYTES: usize = 64;

impl Line {
    fn accept(&mut self, accepted: &AcceptedRequest<'_>) {
        let head = accepted.head;
        let value = |name| named(head.fields, name).next().unwrap_or(b"-");
        let (referer, agent) = (value("Referer"), value("User-Agent"));
        let parts = [head.target.rest.as_bytes(), referer, agent];
        let lengths = parts.map(|part| part.len().min(MAX_VALUE_BYTES));
        self.client = Some(accepted.client.ip());
        self.text.reserve(OWN_BYTES + lengths.iter().sum::<usize>());
        write_request_line(head, Place::Quoted, &mut self.text);
        self.end_request(referer, agent);
    }

    /// The line of a request that could not be read.
    pub(super) fn unread(client: IpAddr) -> Self {
        let mut line = Self {
            client: Some(client),
            ..Self::default()
        };
        line.text.push(b'-');
        line.end_request(b"-", b"-");
        line
    }

    /// The request line is complete; these two fields follow.
    fn end_request(&mut self, referer: &[u8], agent: &[u8]) {
        self.request_end = self.text.len();
        write_quoted(referer, &mut self.text);
        self.text.extend_from_slice(b"\" \"");
        write_quoted(agent, &mut self.text);
        self.agent_end = self.text.len();
    }

    /// Notes what has happened so long after the beginning. The backend of the line is the last one
    /// to which the request was sent; if it was sent to none, the last one that was tried.
    pub(super) fn note(&mut self, event: &Event<'_>, after: Duration) {
        match event {
            Event::Accepted(accepted) => self.accept(accepted),
            Event::AttemptBegun { backend, .. } if self.connected.is_none() => {
                self.write_backend(&backend.name);
            }
            Event::Connected(backend) => {
                self.write_backend(&backend.name);
                self.connected = Some(after);
            }
            Event::Answered(_) => self.answered = Some(after),
            _ => {}
        }
    }

    fn write_backend(&mut self, name: &Name) {
        self.text.truncate(self.agent_end);
        let [before, behind] = name.brackets();
        for part in [before, name.host(), behind, ":"] {
            self.text.extend_from_slice(part.as_bytes());
        }
        write_decimal(u64::from(name.port), &mut self.text);
    }

    /// Appends the whole line.
    pub(super) fn write(&self, ended: &Ending<'_>, date: &str, out: &mut Vec<u8>) {
        if let Some(client) = self.client {
            write_address(client, out);
        }
        out.extend_from_slice(b" - - [");
        out.extend_from_slice(date.as_bytes());
        out.extend_from_slice(b"] \"");
        out.extend_from_slice(&self.text[..self.request_end]);
        out.extend_from_slice(b"\" ");
        write_decimal(u64::from(ended.status), out);
        out.push(b' ');
        write_decimal(ended.bytes, out);
        out.extend_from_slice(b" \"");
        out.extend_from_slice(&self.text[self.request_end..self.agent_end]);
        out.extend_from_slice(b"\" ");
        match &self.text[self.agent_end..] {
            [] => out.push(b'-'),
            backend => out.extend_from_slice(backend),
        }
        self.write_times(ended.took, out);
        let code = ended.error.map_or("--", Error::code);
        out.extend_from_slice(code.as_bytes());
        out.push(b'\n');
    }

    fn write_times(&self, total: Duration, out: &mut Vec<u8>) {
        let times = [self.connected, self.answered, Some(total)];
        for (time, before) in times.into_iter().zip([b' ', b'/', b'/']) {
            out.push(before);
            match time {
                Some(time) => write_millis(time, out),
                None => out.push(b'-'),
            }
        }
        out.push(b' ');
    }
}

/// Appends the request line, with an excerpt of method and target.
pub(super) fn write_request_line(head: &RequestHead<'_, '_>, place: Place, out: &mut Vec<u8>) {
    write_excerpt(head.method_name.as_bytes(), MAX_NAME_BYTES, place, out);
    let slash: &[u8] = if head.target.lacks_slash { b" /" } else { b" " };
    out.extend_from_slice(slash);
    write_excerpt(head.target.rest.as_bytes(), MAX_VALUE_BYTES, place, out);
    out.extend_from_slice(b" HTTP/");
    out.extend_from_slice(head.version.number().as_bytes());
}

/// Milliseconds with one decimal place.
pub(super) fn write_millis(time: Duration, out: &mut Vec<u8>) {
    let tenths = time.as_secs() * 10_000 + u64::from(time.subsec_nanos() + 50_000) / 100_000;
    write_decimal(tenths / 10, out);
    out.push(b'.');
    write_decimal(tenths % 10, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::Backend;
    use crate::backends::health::Health;
    use crate::http::error::{Cause, Phase};
    use crate::http::method::Method;
    use crate::http::request;
    use crate::http::response;

    const ENDED: Ending<'_> = Ending {
        status: 200,
        bytes: 19,
        error: None,
        took: Duration::from_millis(12_345),
    };

    fn line(head: &str, see: impl FnOnce(&mut Line)) -> String {
        let mut table = request::field_table();
        let head = request::parse(head.as_bytes(), &mut table).expect("valid");
        let mut line = Line::default();
        line.accept(&AcceptedRequest {
            head: &head,
            client: ([192, 0, 2, 7], 1).into(),
            connection: 1,
            group: None,
        });
        see(&mut line);
        written(&line, &ENDED)
    }

    /// Has the line note a response after this time.
    fn answer(line: &mut Line, after: Duration) {
        let mut table = request::field_table();
        let head = b"HTTP/1.1 200 OK\r\n\r\n";
        let head = response::parse(head, Method::Get, &mut table).expect("valid");
        line.note(&Event::Answered(&head), after);
    }

    fn written(line: &Line, ended: &Ending<'_>) -> String {
        let mut out = Vec::new();
        line.write(ended, "DATE", &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    /// Has the line note that the request is sent to this host.
    fn connect(line: &mut Line, host: &str, after: Duration) {
        let host = host.into();
        let backend = Backend::new(Name { host, port: 80 }, Health::new(1, 1));
        line.note(&Event::Connected(&backend), after);
    }

    #[test]
    fn everything_stands_in_its_place() {
        let head = "GET /a?b HTTP/1.1\r\nHost: a\r\nuser-agent: q\"\r\nReferer: r\r\n\r\n";
        let text = line(head, |line| {
            connect(line, "a-dead-one", Duration::from_secs(1));
            connect(line, "::1", Duration::from_micros(149));
            answer(line, Duration::from_micros(150));
        });
        assert_eq!(
            text,
            "192.0.2.7 - - [DATE] \"GET /a?b HTTP/1.1\" 200 19 \"r\" \"q\\\"\" \
             [::1]:80 0.1/0.2/12345.0 --\n"
        );
    }

    #[test]
    fn no_field_however_long_or_odd_pushes_those_behind_it_out_of_the_line() {
        for part in ["x", "\"", "\u{202e}", "\u{1b}", "\u{e9}"] {
            let (value, ascii) = (part.repeat(4000), "\"".repeat(4000));
            let head = format!(
                "{} /{ascii} HTTP/1.1\r\nHost: a\r\nReferer: {value}\r\nUser-Agent: {value}\r\n\r\n",
                "M".repeat(2000)
            );
            let head = head.replace('\u{1b}', "\u{9b}");
            let text = line(&head, |line| {
                let long = Duration::from_secs(1_000_000);
                connect(line, &"h".repeat(253), long);
                answer(line, long);
            });
            assert!(
                text.len() <= crate::log::writer::MAX_LINE_BYTES,
                "{}",
                text.len()
            );
            assert!(text.contains("... HTTP/1.1\" 200 19 \""), "{text}");
            let end = "h:80 1000000000.0/1000000000.0/12345.0 --\n";
            assert!(text.ends_with(end), "{text}");
        }
    }

    #[test]
    fn what_never_came_to_be_is_a_hyphen() {
        let text = line("GET http://a HTTP/1.0\r\n\r\n", |_| {});
        assert_eq!(
            text,
            "192.0.2.7 - - [DATE] \"GET / HTTP/1.0\" 200 19 \"-\" \"-\" - -/-/12345.0 --\n"
        );
        let error = Error::client(Phase::RequestHead, Cause::TimedOut);
        let refused = Ending {
            status: 408,
            bytes: 0,
            error: Some(&error),
            took: Duration::ZERO,
        };
        assert_eq!(
            written(&Line::unread(IpAddr::from([0; 16])), &refused),
            ":: - - [DATE] \"-\" 408 0 \"-\" \"-\" - -/-/0.0 cR\n"
        );
    }

    #[test]
    fn times_are_rounded_to_a_tenth_of_a_millisecond() {
        let millis = |time| {
            let mut out = Vec::new();
            write_millis(time, &mut out);
            String::from_utf8(out).expect("ASCII")
        };
        let cases = [(0, "0.0"), (49, "0.0"), (830, "0.8"), (999_960, "1000.0")];
        for (micros, text) in cases {
            assert_eq!(millis(Duration::from_micros(micros)), text);
        }
    }
}
