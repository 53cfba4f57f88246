//! Valid messages made at random, odd wherever the grammar allows it, together with what is to
//! become of them. What is expected is worked out here, without the code under test.
#![allow(unreachable_pub, missing_docs, reason = "a module of tests")]

pub mod chunks;
pub mod mutation;
pub mod request;
pub mod response;

use crate::strict::Field;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Fields with a meaning for a proxy. Names that are made up must not be one of them.
const KNOWN: [&str; 16] = [
    "Connection",
    "Content-Length",
    "Date",
    "Expect",
    "Forwarded",
    "Host",
    "Keep-Alive",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "Via",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
];

/// What never leaves with a message, because it is for one connection or written anew.
pub const ENDS_HERE: [&str; 8] = [
    "Connection",
    "Content-Length",
    "Host",
    "Keep-Alive",
    "Proxy-Connection",
    "TE",
    "Transfer-Encoding",
    "Upgrade",
];

/// What no request takes along, since a server may take it for the framing that we write.
pub const LIKE_FRAMING: [&str; 2] = ["Content_Length", "Transfer_Encoding"];

pub fn is_one_of(names: &[&str], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// A field line: the field, and the white space round its value.
#[derive(Clone)]
pub struct Line {
    pub name: String,
    pub value: Vec<u8>,
    pub before: &'static str,
    pub after: &'static str,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        write!(out, "{}", bytes.escape_ascii())
    }
}

impl Line {
    pub fn plain(name: &str, value: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
            before: " ",
            after: "",
        }
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.name.as_bytes());
        out.push(b':');
        out.extend_from_slice(self.before.as_bytes());
        out.extend_from_slice(&self.value);
        out.extend_from_slice(self.after.as_bytes());
        out.extend_from_slice(b"\r\n");
    }

    pub fn field(&self) -> Field {
        (self.name.clone(), self.value.clone())
    }
}

/// A name in some mixture of cases.
pub fn in_any_case(name: impl Into<String>) -> impl Strategy<Value = String> {
    let name = name.into();
    any::<u32>().prop_map(move |flips| {
        let flip = |(at, letter): (usize, char)| match flips >> (at % 32) & 1 {
            0 => letter,
            _ if letter.is_ascii_lowercase() => letter.to_ascii_uppercase(),
            _ => letter.to_ascii_lowercase(),
        };
        name.chars().enumerate().map(flip).collect()
    })
}

/// A name that means nothing to a proxy, now and then one that resembles one that does.
fn name() -> impl Strategy<Value = String> {
    let resembles = [
        "Transfer_Encoding",
        "Content_Length",
        "Xtransfer-Encoding",
        "Content-Length2",
        "Connections",
        "Hos",
        "-",
    ];
    prop_oneof![
        4 => "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}",
        1 => select(resembles.to_vec()).prop_flat_map(in_any_case),
    ]
    .prop_filter("a field with a meaning", |name| !is_one_of(&KNOWN, name))
}

/// Any bytes that a value may have, without white space at its ends.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![8 => b' '..=b'~', 1 => 0x80u8..=0xff, 1 => Just(b'\t')];
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    vec(byte, 0..20).prop_map(move |mut value| {
        while is_space(value.last()) {
            value.pop();
        }
        let start = value.iter().position(|byte| !is_space(Some(byte)));
        value.split_off(start.unwrap_or(value.len()))
    })
}

/// A field for the other end.
fn ordinary() -> impl Strategy<Value = Line> {
    let space = || select(&["", " ", "\t", "  \t "][..]);
    (name(), value(), space(), space()).prop_map(|(name, value, before, after)| Line {
        name,
        value,
        before,
        after,
    })
}

/// A field out of `known`, its name in any case.
fn known(known: &'static [(&'static str, &'static str)]) -> impl Strategy<Value = Line> {
    select(known).prop_flat_map(|(name, value)| {
        in_any_case(name).prop_map(move |name| Line::plain(&name, value))
    })
}

/// Fields and the names that `Connection` fields among them nominate.
#[derive(Clone, Debug)]
pub struct Fields {
    pub lines: Vec<Line>,
    pub nominated: Vec<String>,
}

impl Fields {
    /// Those that are for the other end, and so are written on as they came: not what is ours,
    /// and what is nominated only if it stays all the same.
    pub fn end_to_end(
        &self,
        is_ours: impl Fn(&str) -> bool,
        stays: impl Fn(&str) -> bool,
    ) -> Vec<Field> {
        self.lines
            .iter()
            .filter(|line| !is_one_of(&ENDS_HERE, &line.name) && !is_ours(&line.name))
            .filter(|line| stays(&line.name) || !self.is_nominated(&line.name))
            .map(Line::field)
            .collect()
    }

    pub fn is_nominated(&self, name: &str) -> bool {
        self.nominated
            .iter()
            .any(|nominated| nominated.eq_ignore_ascii_case(name))
    }
}

/// Fields of a message: `framing` and others in any order, some of them nominated.
fn fields(
    special: &'static [(&'static str, &'static str)],
    framing: Vec<Line>,
) -> impl Strategy<Value = Fields> {
    let others = vec(prop_oneof![3 => ordinary(), 1 => known(special)], 0..12);
    let lines = others
        .prop_map(move |others| [others, framing.clone()].concat())
        .prop_shuffle();
    let options = [
        "close",
        "keep-alive",
        "Upgrade",
        "Host",
        "content-length",
        "Transfer-Encoding",
        "Via",
        "X-Forwarded-For",
        "x-absent",
        "keep-alive; timeout=5",
        "a b",
    ];
    let options = vec(select(options.to_vec()).prop_flat_map(in_any_case), 0..4);
    let places = vec(any::<Index>(), 0..3);
    let separator = select(&[",", ", ", " ,,\t", ", , "][..]);
    (lines, options, places, separator).prop_map(|(lines, options, places, separator)| {
        nominate(lines, options, &places, separator)
    })
}

/// Adds `Connection` fields with these options and the names of the fields in these places.
fn nominate(
    mut lines: Vec<Line>,
    mut options: Vec<String>,
    places: &[Index],
    separator: &str,
) -> Fields {
    if !lines.is_empty() {
        options.extend(places.iter().map(|place| place.get(&lines).name.clone()));
    }
    let (first, second) = options.split_at(options.len() / 2);
    for part in [first, second].into_iter().filter(|part| !part.is_empty()) {
        lines.insert(
            lines.len() / 2,
            Line::plain("Connection", part.join(separator)),
        );
    }
    let meant_for_us = ["close", "keep-alive", "upgrade"];
    let nominated = options
        .into_iter()
        .filter(|option| !is_one_of(&meant_for_us, option))
        .collect();
    Fields { lines, nominated }
}

/// How the end of a body is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    Nothing,
    Length(u64),
    Chunked,
}

impl Told {
    /// The fields that tell it.
    fn lines(&self) -> BoxedStrategy<Vec<Line>> {
        match *self {
            Told::Nothing => Just(Vec::new()).boxed(),
            Told::Length(length) => (in_any_case("Content-Length"), 0..3usize, 1..3usize)
                .prop_map(move |(name, zeros, times)| {
                    let value = format!("{}{length}", "0".repeat(zeros));
                    vec![Line::plain(&name, value); times]
                })
                .boxed(),
            Told::Chunked => (in_any_case("Transfer-Encoding"), in_any_case("chunked"))
                .prop_map(|(name, value)| vec![Line::plain(&name, value)])
                .boxed(),
        }
    }
}
