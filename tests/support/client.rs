//! A client that speaks raw bytes, and reads responses without the code that is tested.

use super::PATIENCE;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A client that sends and reads raw bytes.
pub struct Client {
    pub stream: TcpStream,
    pub(super) read: Vec<u8>,
}

/// A response as the client saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    /// Status line and fields, without the empty line.
    pub head: String,
    pub body: Vec<u8>,
    /// Whether the body ended as its framing says.
    pub is_whole: bool,
}

impl Response {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Client {
    pub fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("connects");
        Self::on(stream)
    }

    pub fn on(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            read: Vec::new(),
        }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.write_all(bytes.as_ref()).expect("sends");
        self
    }

    /// A `GET` without a body, and its answer.
    pub fn get(&mut self, target: &str) -> Response {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n"))
            .response()
    }

    /// The next response, of whatever framing.
    pub fn response(&mut self) -> Response {
        self.try_response(false).expect("a response")
    }

    /// The next response to a `HEAD`.
    pub fn head_response(&mut self) -> Response {
        self.try_response(true).expect("a response")
    }

    /// The next response, or `None` if the connection ends before one.
    pub fn try_response(&mut self, is_head: bool) -> Option<Response> {
        let length = loop {
            match find(&self.read, b"\r\n\r\n") {
                Some(position) => break position + 4,
                None if self.read_more() == 0 => return None,
                None => {}
            }
        };
        let head = String::from_utf8(self.read.drain(..length).collect()).expect("UTF-8");
        let head = head.trim_end_matches("\r\n").replace("\r\n", "\n");
        let status = head.split(' ').nth(1).unwrap().parse().expect("a status");
        let mut response = Response {
            status,
            head,
            body: Vec::new(),
            is_whole: true,
        };
        if !is_head && status >= 200 && status != 204 && status != 304 {
            self.read_body(&mut response);
        }
        Some(response)
    }

    fn read_body(&mut self, response: &mut Response) {
        if let Some(length) = response.field("Content-Length") {
            let length: usize = length.parse().unwrap();
            while self.read.len() < length && self.read_more() > 0 {}
            response.is_whole = self.read.len() >= length;
            response.body = self.read.drain(..length.min(self.read.len())).collect();
        } else if response.field("Transfer-Encoding") == Some("chunked") {
            response.is_whole = self.read_chunks(&mut response.body);
        } else {
            while self.read_more() > 0 {}
            response.body = std::mem::take(&mut self.read);
        }
    }

    /// Chunks and trailers; returns whether the end came.
    fn read_chunks(&mut self, body: &mut Vec<u8>) -> bool {
        loop {
            let Some(line) = self.read_line() else {
                return false;
            };
            let size = usize::from_str_radix(&line, 16).expect("a size and nothing else");
            if size == 0 {
                break;
            }
            while self.read.len() < size + 2 {
                if self.read_more() == 0 {
                    body.append(&mut self.read);
                    return false;
                }
            }
            body.extend(self.read.drain(..size));
            assert_eq!(self.read.drain(..2).collect::<Vec<_>>(), b"\r\n");
        }
        loop {
            match self.read_line() {
                Some(line) if line.is_empty() => return true,
                Some(_) => {}
                None => return false,
            }
        }
    }

    /// A chunked body with its trailers, as it came.
    pub(super) fn read_raw_chunks(&mut self) -> Vec<u8> {
        let mut raw = Vec::new();
        loop {
            let line = self.read_until(b"\r\n");
            let size = String::from_utf8(line.clone()).unwrap();
            let size = usize::from_str_radix(size.trim_end(), 16).expect("a size and nothing else");
            raw.extend(line);
            if size == 0 {
                break;
            }
            raw.extend(self.read_exactly(size + 2));
        }
        loop {
            let line = self.read_until(b"\r\n");
            raw.extend(&line);
            if line == b"\r\n" {
                return raw;
            }
        }
    }

    /// A line without its CRLF.
    fn read_line(&mut self) -> Option<String> {
        let end = loop {
            match find(&self.read, b"\r\n") {
                Some(end) => break end,
                None if self.read_more() == 0 => return None,
                None => {}
            }
        };
        let line: Vec<u8> = self.read.drain(..end + 2).collect();
        Some(String::from_utf8(line).unwrap().trim_end().to_string())
    }

    /// Bytes up to and with `end`.
    pub fn read_until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            if let Some(position) = find(&self.read, end) {
                return self.read.drain(..position + end.len()).collect();
            }
            assert!(
                self.read_more() > 0,
                "ended before {end:?}: {:?}",
                self.read
            );
        }
    }

    /// Reads until what has come ends with `end`; returns whether it does before the connection
    /// ends.
    pub fn read_to_end_of(&mut self, end: &[u8]) -> bool {
        while !self.read.ends_with(end) {
            if self.read_more() == 0 {
                return false;
            }
        }
        true
    }

    /// Exactly so many bytes.
    pub fn read_exactly(&mut self, count: usize) -> Vec<u8> {
        while self.read.len() < count {
            assert!(
                self.read_more() > 0,
                "ended after {} of {count} bytes",
                self.read.len()
            );
        }
        self.read.drain(..count).collect()
    }

    /// Everything until the connection ends; a reset counts as an end.
    pub fn read_to_end(&mut self) -> Vec<u8> {
        while self.read_more() > 0 {}
        std::mem::take(&mut self.read)
    }

    /// Whether the connection ends without another byte.
    pub fn is_closed(&mut self) -> bool {
        self.read.is_empty() && self.read_more() == 0
    }

    pub(super) fn read_more(&mut self) -> usize {
        let mut bytes = [0; 64 * 1024];
        match self.stream.read(&mut bytes) {
            Ok(count) => {
                self.read.extend_from_slice(&bytes[..count]);
                count
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                panic!(
                    "nothing came in time; so far {:?}",
                    String::from_utf8_lossy(&self.read)
                )
            }
            Err(_) => 0,
        }
    }
}

pub fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}
