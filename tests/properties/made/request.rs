//! Request heads.

use super::{Fields, LIKE_FRAMING, Line, Told, fields, in_any_case, is_one_of};
use crate::strict::{Ends, Field};
use lb::http::forwarded::ForwardedFields;
use proptest::prelude::*;
use proptest::sample::select;

/// Fields that a proxy treats in some way of its own.
const SPECIAL: [(&str, &str); 16] = [
    ("Date", "then"),
    ("Expect", "100-continue"),
    ("Forwarded", "for=6.6.6.6"),
    ("Keep-Alive", "timeout=5"),
    ("Proxy-Connection", "keep-alive"),
    ("TE", "gzip"),
    ("TE", "gzip;q=0.5, trailers"),
    ("Trailer", "X-Sum"),
    ("Upgrade", "websocket"),
    ("Upgrade", "h2c"),
    ("Via", "1.0 other"),
    ("X-Forwarded-For", "6.6.6.6"),
    ("X-Forwarded-Host", "evil"),
    ("X-Forwarded-Proto", "https"),
    ("X_Forwarded_For", "6.6.6.6"),
    ("X_Forwarded-Proto", "https"),
];

/// A request head and what is in it.
#[derive(Clone)]
pub struct MadeRequest {
    pub bytes: Vec<u8>,
    pub method: String,
    /// The target in origin form.
    pub target: String,
    pub host: Option<String>,
    pub is_1_1: bool,
    pub fields: Fields,
    pub told: Told,
}

impl std::fmt::Debug for MadeRequest {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}", self.bytes.escape_ascii())
    }
}

impl MadeRequest {
    pub fn ends(&self) -> Ends {
        match self.told {
            Told::Nothing | Told::Length(0) => Ends::AtOnce,
            Told::Length(length) => Ends::After(length),
            Told::Chunked => Ends::Chunked,
        }
    }

    /// The fields that a backend gets as they came.
    pub fn passing(&self, forwarded: ForwardedFields) -> Vec<Field> {
        let reports = [
            "X-Forwarded-For",
            "X-Forwarded-Host",
            "X-Forwarded-Proto",
            "X_Forwarded_For",
            "X_Forwarded-Proto",
        ];
        let has_body = !matches!(self.told, Told::Nothing | Told::Length(0));
        let expects = self.is_1_1 && has_body && !self.fields.is_nominated("Expect");
        let is_ours = |name: &str| {
            is_one_of(&reports, name) && forwarded != ForwardedFields::Off
                || is_one_of(&["Forwarded"], name) && forwarded == ForwardedFields::Replace
                || is_one_of(&["Expect"], name) && !expects
                || is_one_of(&LIKE_FRAMING, name)
        };
        let stays =
            |name: &str| is_one_of(&["Forwarded"], name) && forwarded == ForwardedFields::Append;
        self.fields.end_to_end(is_ours, stays)
    }
}

#[derive(Clone, Debug)]
struct Target {
    written: String,
    origin: String,
    authority: Option<String>,
}

/// A request head with a body of any announced length.
pub fn request() -> BoxedStrategy<MadeRequest> {
    prop_oneof![
        Just(Told::Nothing),
        prop_oneof![0..3u64, 0..=i64::MAX as u64].prop_map(Told::Length),
        Just(Told::Chunked)
    ]
    .prop_flat_map(request_telling)
    .boxed()
}

/// A request head that tells of this body.
pub fn request_telling(told: Told) -> BoxedStrategy<MadeRequest> {
    let line = (method().prop_flat_map(line), any::<bool>());
    (line, told.lines(), host(), any::<bool>())
        .prop_flat_map(move |((line, is_1_1), mut framing, host, names_host)| {
            let is_1_1 = is_1_1 || told == Told::Chunked;
            let host = (is_1_1 || names_host).then_some(host);
            framing.extend(host.clone().map(|host| Line::plain("hoST", host)));
            let told = told.clone();
            fields(&SPECIAL, framing).prop_map(move |fields| {
                assemble(line.clone(), is_1_1, host.clone(), fields, told.clone())
            })
        })
        .boxed()
}

fn assemble(
    (method, target): (String, Target),
    is_1_1: bool,
    host: Option<String>,
    fields: Fields,
    told: Told,
) -> MadeRequest {
    let minor = u8::from(is_1_1);
    let mut bytes = format!("{method} {} HTTP/1.{minor}\r\n", target.written).into_bytes();
    fields.lines.iter().for_each(|line| line.write(&mut bytes));
    bytes.extend_from_slice(b"\r\n");
    MadeRequest {
        bytes,
        method,
        target: target.origin,
        host: target.authority.or(host),
        is_1_1,
        fields,
        told,
    }
}

fn method() -> impl Strategy<Value = String> {
    let usual = ["GET", "HEAD", "POST", "PUT", "OPTIONS", "TRACE", "get"];
    prop_oneof![
        3 => select(usual.to_vec()).prop_map(String::from),
        1 => "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,8}",
    ]
    .prop_filter("refused", |method| method != "CONNECT")
}

/// A target in one of the forms that this method may have, with the method.
fn line(method: String) -> impl Strategy<Value = (String, Target)> {
    let path = "/[!\"$-~]{0,20}";
    let origin = path.prop_map(|path| Target {
        written: path.clone(),
        origin: path,
        authority: None,
    });
    let rest = prop_oneof![Just(String::new()), path, "\\?[!\"$-~]{0,9}"];
    let (is_options, asks_server) = (method == "OPTIONS", method == "OPTIONS");
    let absolute =
        (in_any_case("http://"), host(), rest).prop_map(move |(scheme, host, rest)| Target {
            written: format!("{scheme}{host}{rest}"),
            origin: match rest.as_bytes().first() {
                None if is_options => "*".into(),
                Some(b'/') => rest,
                _ => format!("/{rest}"),
            },
            authority: Some(host),
        });
    let server = Just(Target {
        written: "*".into(),
        origin: "*".into(),
        authority: None,
    });
    prop_oneof![
        2 => origin,
        2 => absolute,
        u32::from(asks_server) => server,
    ]
    .prop_map(move |target| (method.clone(), target))
}

fn host() -> impl Strategy<Value = String> {
    let hosts = [
        "a",
        "example.com:8080",
        "[::1]:80",
        "%41b",
        "a:",
        "x_y",
        "127.0.0.1",
    ];
    select(hosts.to_vec()).prop_map(String::from)
}
