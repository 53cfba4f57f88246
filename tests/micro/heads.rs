//! Heads: where one ends, what it says, and how it is sent on.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use lb::http::Version;
use lb::http::delivery::Delivery;
use lb::http::field_rules::NO_RULES;
use lb::http::forward::NO_EDITS;
use lb::http::forward::{write_request, write_response};
use lb::http::forwarded::{ForwardedFields, Hop};
use lb::http::method::Method;
use lb::http::request;
use lb::http::response;
use lb::http::scan::{HeadLimits, HeadScan};
use std::fmt::Write as _;
use std::net::IpAddr;

pub(crate) const LIMITS: HeadLimits = HeadLimits {
    bytes: 32 * 1024,
    start_line: 8 * 1024,
    fields: 100,
};

/// Who asks, by what such clients send.
#[derive(Clone, Copy, Debug)]
enum Asking {
    Curl,
    Browser,
    SixtyFields,
}

const ASKING: [Asking; 3] = [Asking::Curl, Asking::Browser, Asking::SixtyFields];

impl Asking {
    fn head(self) -> String {
        match self {
            Asking::Curl => CURL.into(),
            Asking::Browser => BROWSER.into(),
            Asking::SixtyFields => {
                let mut head = String::from("GET / HTTP/1.1\r\nHost: localhost:8080\r\n");
                for number in 1..60 {
                    // Writing to a String cannot fail.
                    let _ = write!(head, "X-Field-{number}: the value of field {number}\r\n");
                }
                head + "\r\n"
            }
        }
    }
}

const CURL: &str = "GET / HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: curl/8.14.1\r\n\
    Accept: */*\r\n\r\n";

/// 14 fields, 700 bytes.
const BROWSER: &str = "GET /articles/2024/11/blocking-sockets?page=2 HTTP/1.1\r\n\
    Host: www.example.com\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n\
    Accept-Language: de,en-US;q=0.7,en;q=0.3\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Referer: http://www.example.com/articles/2024/11/\r\n\
    Connection: keep-alive\r\n\
    Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=all; \
    _ga=GA1.2.123456789.1731000000; visits=17; last=1731012345\r\n\
    Upgrade-Insecure-Requests: 1\r\n\
    Sec-Fetch-Dest: document\r\n\
    Sec-Fetch-Mode: navigate\r\n\
    Sec-Fetch-Site: same-origin\r\n\
    Priority: u=0, i\r\n\
    Pragma: no-cache\r\n\r\n";

/// Who answers, by what such servers send.
#[derive(Clone, Copy, Debug)]
enum Answering {
    Nginx,
    Application,
}

const ANSWERING: [Answering; 2] = [Answering::Nginx, Answering::Application];

impl Answering {
    fn head(self) -> &'static str {
        match self {
            Answering::Nginx => NGINX,
            Answering::Application => APPLICATION,
        }
    }
}

const NGINX: &str = "HTTP/1.1 200 OK\r\nServer: nginx/1.26.3\r\n\
    Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/plain\r\nContent-Length: 19\r\n\
    Connection: keep-alive\r\n\r\n";

/// 15 fields.
const APPLICATION: &str = "HTTP/1.1 200 OK\r\n\
    Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
    Content-Type: text/html; charset=utf-8\r\n\
    Transfer-Encoding: chunked\r\n\
    Connection: keep-alive\r\n\
    Vary: Accept-Encoding, Cookie\r\n\
    Cache-Control: private, max-age=0, must-revalidate\r\n\
    Set-Cookie: session=0123456789abcdef0123456789abcdef; Path=/; HttpOnly; SameSite=Lax\r\n\
    Set-Cookie: theme=dark; Path=/; Max-Age=31536000\r\n\
    ETag: W/\"5f2b-18f0c3a9b40\"\r\n\
    X-Frame-Options: DENY\r\n\
    X-Content-Type-Options: nosniff\r\n\
    Referrer-Policy: strict-origin-when-cross-origin\r\n\
    Content-Security-Policy: default-src 'self'; img-src 'self' data:; script-src 'self'\r\n\
    X-Request-Id: 7d4f3c2a-5b1e-4a6f-9c8d-0e1f2a3b4c5d\r\n\
    Server-Timing: db;dur=4.1, render;dur=11.3\r\n\r\n";

#[divan::bench(args = ASKING)]
fn find_end(bencher: Bencher<'_, '_>, asking: Asking) {
    let head = asking.head();
    bencher
        .counter(BytesCount::of_str(&head))
        .bench_local(|| HeadScan::default().find_end(black_box(head.as_bytes()), &LIMITS));
}

#[divan::bench(args = ASKING)]
fn parse_request(bencher: Bencher<'_, '_>, asking: Asking) {
    let head = asking.head();
    bencher.counter(BytesCount::of_str(&head)).bench_local(|| {
        let mut table = request::field_table();
        let request = request::parse(black_box(head.as_bytes()), &mut table);
        black_box(&request).is_ok()
    });
}

#[divan::bench(args = ASKING)]
fn parse_and_rewrite_request(bencher: Bencher<'_, '_>, asking: Asking) {
    let head = asking.head();
    let mut out = Vec::with_capacity(32 * 1024);
    let hop = Hop {
        client: IpAddr::from([192, 0, 2, 7]),
        forwarded: ForwardedFields::Replace,
        adds_forwarded: false,
        fallback_host: "localhost",
        via: Some("lb"),
        rules: &NO_RULES,
        stripped: None,
    };
    bencher.counter(BytesCount::of_str(&head)).bench_local(|| {
        out.clear();
        let mut table = request::field_table();
        let request = request::parse(black_box(head.as_bytes()), &mut table).unwrap();
        write_request(&request, &hop, &mut out);
        black_box(&out).len()
    });
}

#[divan::bench(args = ANSWERING)]
fn parse_response(bencher: Bencher<'_, '_>, answering: Answering) {
    let head = answering.head();
    bencher.counter(BytesCount::of_str(head)).bench_local(|| {
        let mut table = request::field_table();
        let response = response::parse(black_box(head.as_bytes()), Method::Get, &mut table);
        black_box(&response).is_ok()
    });
}

#[divan::bench(args = ANSWERING)]
fn parse_and_rewrite_response(bencher: Bencher<'_, '_>, answering: Answering) {
    let head = answering.head();
    let mut out = Vec::with_capacity(32 * 1024);
    let delivery = Delivery {
        version: Version::Http11,
        keep_alive: true,
        method: Method::Get,
        date: "Sun, 06 Nov 1994 08:49:37 GMT",
    };
    bencher.counter(BytesCount::of_str(head)).bench_local(|| {
        out.clear();
        let mut table = request::field_table();
        let head = black_box(head.as_bytes());
        let response = response::parse(head, Method::Get, &mut table).unwrap();
        write_response(&response, &delivery, Some("lb"), &NO_EDITS, &mut out);
        black_box(&out).len()
    });
}
