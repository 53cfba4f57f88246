//! The backend of the memory tests, and the requests that it answers.

use super::support::find;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

pub(crate) const SMALL: &str = "GET / HTTP/1.1\r\nHost: soak\r\nAccept: */*\r\n\r\n";
const LARGE: &str = "GET /large HTTP/1.1\r\nHost: soak\r\n\r\n";
pub(crate) const HUGE: &str = "GET /huge HTTP/1.1\r\nHost: soak\r\n\r\n";
const LAST: &str = "GET /last HTTP/1.1\r\nHost: soak\r\n\r\n";
const UPLOAD_BYTES: usize = 1000;
const LARGE_BYTES: usize = 20 * 1024;

/// Requests that are sent at once.
pub(crate) const BATCH: usize = 16;

pub(crate) fn batch() -> String {
    let upload = format!(
        "POST /upload HTTP/1.1\r\nHost: soak\r\nContent-Length: {UPLOAD_BYTES}\r\n\r\n{}",
        "u".repeat(UPLOAD_BYTES)
    );
    [&SMALL.repeat(BATCH - 3), &upload, LARGE, LAST].concat()
}

/// A backend that answers by target, on kept connections.
pub(crate) fn start_backend() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || serve(stream));
        }
    });
    address
}

fn serve(mut stream: TcpStream) {
    stream.set_nodelay(true).unwrap();
    let large = chunked(&"x".repeat(LARGE_BYTES));
    let (mut came, mut buffer) = (Vec::new(), vec![0; 16 * 1024]);
    loop {
        while let Some(head) = find(&came, b"\r\n\r\n") {
            let target = came.split(|&byte| byte == b' ').nth(1).unwrap();
            let (answer, body) = match target {
                b"/large" => (large.as_str(), 0),
                b"/last" => (ANSWER_TO_LAST, 0),
                b"/upload" => (ANSWER, UPLOAD_BYTES),
                b"/huge" => return send_huge(&mut stream),
                _ => (ANSWER, 0),
            };
            if came.len() < head + 4 + body {
                break;
            }
            came.drain(..head + 4 + body);
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(count) => came.extend_from_slice(&buffer[..count]),
        }
    }
}

/// An answer of 100 MiB, as much of it as is taken.
fn send_huge(stream: &mut TcpStream) {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n";
    let piece = [b'x'; 64 * 1024];
    let mut is_open = stream.write_all(head.as_bytes()).is_ok();
    for _ in 0..1600 {
        is_open = is_open && stream.write_all(&piece).is_ok();
    }
}

const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\nnineteen bytes long";
const ANSWER_TO_LAST: &str = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nthe last.\n";
pub(crate) const END_OF_BATCH: &[u8] = b"\r\n\r\nthe last.\n";

fn chunked(body: &str) -> String {
    let size = body.len();
    format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{size:x}\r\n{body}\r\n0\r\n\r\n")
}
