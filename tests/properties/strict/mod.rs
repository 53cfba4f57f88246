//! A second reader of HTTP/1.1, written from RFC 9112 and sharing nothing with the crate.
//!
//! It works on whole messages and takes its time. A head must have the one form that a careful
//! writer gives it: `Name: value`, no space too many, one framing field at most. So it tells
//! whether what we write can be misread, not only whether we ourselves can read it again.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "each test file uses a part of this"
)]

pub type Field = (String, Vec<u8>);

/// What is wrong, in a few words.
pub type Wrong = &'static str;

/// A head in canonical form.
#[derive(Debug)]
pub struct Head {
    /// Method, target and version, or version, status and reason.
    pub start: [Vec<u8>; 3],
    pub fields: Vec<Field>,
    /// Its length, closing empty line included.
    pub length: usize,
}

/// Where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    AtOnce,
    After(u64),
    Chunked,
    AtClose,
}

/// A body that has come to its end.
#[derive(Debug, PartialEq, Eq)]
pub struct Body {
    pub content: Vec<u8>,
    pub trailers: Vec<Field>,
    /// Its length as it was framed.
    pub length: usize,
}

/// How much a reader of chunks lets pass.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Chunks {
    /// What the grammar allows, extensions among it; and blanks behind a size, of a backend.
    OfAnyone,
    /// What a careful writer emits: no extension, and white space in a trailer only where we
    /// put it.
    OfOurs,
}

impl Head {
    /// Every value of a field.
    pub fn all<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h [u8]> {
        self.fields
            .iter()
            .filter(move |(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }

    /// The only value of a field, or `None`.
    pub fn only<'h>(&'h self, name: &'h str) -> Result<Option<&'h [u8]>, Wrong> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            _ => Err("a field that may stand once stands twice"),
        }
    }

    /// Where the body of a request with this head ends.
    pub fn request_ends(&self) -> Result<Ends, Wrong> {
        Ok(self.framing()?.unwrap_or(Ends::AtOnce))
    }

    /// Where the body of a response with this head ends.
    pub fn response_ends(&self, method: &str) -> Result<Ends, Wrong> {
        let framing = self.framing()?;
        match self.start[1].as_slice() {
            [b'1', ..] | b"204" if framing.is_some() => Err("a length where none may stand"),
            [b'1', ..] | b"204" | b"304" => Ok(Ends::AtOnce),
            _ if method == "HEAD" => Ok(Ends::AtOnce),
            _ => Ok(framing.unwrap_or(Ends::AtClose)),
        }
    }

    fn framing(&self) -> Result<Option<Ends>, Wrong> {
        match (
            self.only("Content-Length")?,
            self.only("Transfer-Encoding")?,
        ) {
            (Some(_), Some(_)) => Err("two framing fields"),
            (None, Some(b"chunked")) => Ok(Some(Ends::Chunked)),
            (None, Some(_)) => Err("a coding that is not ours"),
            (Some(b"0"), None) => Ok(Some(Ends::AtOnce)),
            (Some([b'0', ..]), None) => Err("a length with a leading zero"),
            (Some(digits), None) => number(digits, 10).map(|length| Some(Ends::After(length))),
            (None, None) => Ok(None),
        }
    }
}

/// Reads a request head.
pub fn request(bytes: &[u8]) -> Result<Head, Wrong> {
    let head = head(bytes)?;
    let [method, target, version] = &head.start;
    if !is_token(method) || version != b"HTTP/1.1" {
        return Err("no request line");
    }
    let is_form = target.first() == Some(&b'/') || (target == b"*" && method == b"OPTIONS");
    if !is_form
        || !target
            .iter()
            .all(|&byte| byte.is_ascii_graphic() && byte != b'#')
    {
        return Err("no target");
    }
    if head.only("Host")?.is_none_or(<[u8]>::is_empty) {
        return Err("no host");
    }
    Ok(head)
}

/// Reads a response head.
pub fn response(bytes: &[u8]) -> Result<Head, Wrong> {
    let head = head(bytes)?;
    let [version, status, reason] = &head.start;
    let is_status = matches!(status.as_slice(), [b'1'..=b'9', tens, ones]
        if tens.is_ascii_digit() && ones.is_ascii_digit());
    if version != b"HTTP/1.1" || !is_status || !reason.iter().all(|&byte| is_text(byte)) {
        return Err("no status line");
    }
    Ok(head)
}

fn head(bytes: &[u8]) -> Result<Head, Wrong> {
    let (start, mut length) = line(bytes)?;
    let mut parts = start.splitn(3, |&byte| byte == b' ').map(<[u8]>::to_vec);
    let (Some(first), Some(second), Some(third)) = (parts.next(), parts.next(), parts.next())
    else {
        return Err("a start line without three parts");
    };
    let (fields, section) = fields(&bytes[length..], Chunks::OfOurs)?;
    length += section;
    Ok(Head {
        start: [first, second, third],
        fields,
        length,
    })
}

/// Field lines and the empty line behind them.
fn fields(bytes: &[u8], form: Chunks) -> Result<(Vec<Field>, usize), Wrong> {
    let (mut fields, mut at) = (Vec::new(), 0);
    loop {
        let (text, length) = line(&bytes[at..])?;
        at += length;
        if text.is_empty() {
            return Ok((fields, at));
        }
        fields.push(field(text, form)?);
    }
}

fn field(text: &[u8], form: Chunks) -> Result<Field, Wrong> {
    let colon = text.iter().position(|&byte| byte == b':');
    let (name, rest) = text.split_at(colon.ok_or("a field without a colon")?);
    let value = match (form, &rest[1..]) {
        (Chunks::OfAnyone, rest) => trim(rest),
        (Chunks::OfOurs, [b' ', value @ ..]) if trim(value) == value => value,
        (Chunks::OfOurs, _) => return Err("white space where none belongs"),
    };
    if !is_token(name) || !value.iter().all(|&byte| is_text(byte)) {
        return Err("a byte that no field may have");
    }
    Ok((String::from_utf8_lossy(name).into_owned(), value.to_vec()))
}

fn trim(bytes: &[u8]) -> &[u8] {
    match bytes {
        [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] => trim(rest),
        _ => bytes,
    }
}

/// Reads a body that ends as `ends` says; `None` if it is not all there.
pub fn body(ends: Ends, bytes: &[u8], form: Chunks) -> Result<Option<Body>, Wrong> {
    let plain = |length: usize| {
        Some(Body {
            content: bytes[..length].to_vec(),
            trailers: Vec::new(),
            length,
        })
    };
    match ends {
        Ends::AtOnce => Ok(plain(0)),
        Ends::AtClose => Ok(plain(bytes.len())),
        Ends::After(length) if length > bytes.len() as u64 => Ok(None),
        Ends::After(length) => Ok(plain(length as usize)),
        Ends::Chunked => match chunks(bytes, form) {
            Err(wrong) if wrong == CUT => Ok(None),
            body => body.map(Some),
        },
    }
}

fn chunks(bytes: &[u8], form: Chunks) -> Result<Body, Wrong> {
    let (mut content, mut at) = (Vec::new(), 0);
    loop {
        let (text, length) = line(&bytes[at..])?;
        at += length;
        let size = chunk_size(text, form)?;
        if size == 0 {
            break;
        }
        let rest = &bytes[at..];
        if (rest.len() as u64) < size.saturating_add(2) {
            return Err(CUT);
        }
        let size = size as usize;
        content.extend_from_slice(&rest[..size]);
        if &rest[size..size + 2] != b"\r\n" {
            return Err("a chunk does not end where it should");
        }
        at += size + 2;
    }
    let (trailers, length) = fields(&bytes[at..], form)?;
    Ok(Body {
        content,
        trailers,
        length: at + length,
    })
}

fn chunk_size(text: &[u8], form: Chunks) -> Result<u64, Wrong> {
    let digits = match (form, text.iter().position(|&byte| byte == b';')) {
        (Chunks::OfOurs, Some(_)) => return Err("an extension"),
        (Chunks::OfAnyone, Some(semicolon)) => {
            if !text.iter().all(|&byte| is_text(byte)) {
                return Err("a control byte in an extension");
            }
            trim_end(&text[..semicolon])
        }
        (Chunks::OfAnyone, None) => trim_end(text),
        (Chunks::OfOurs, None) => text,
    };
    number(digits, 16)
}

fn trim_end(bytes: &[u8]) -> &[u8] {
    match bytes {
        [rest @ .., b' ' | b'\t'] => trim_end(rest),
        _ => bytes,
    }
}

/// Digits and nothing else.
fn number(digits: &[u8], radix: u32) -> Result<u64, Wrong> {
    if !digits.iter().all(|&byte| char::from(byte).is_digit(radix)) {
        return Err("no number");
    }
    let text = String::from_utf8_lossy(digits);
    u64::from_str_radix(&text, radix).map_err(|_| "no number")
}

/// A line is not all there.
const CUT: Wrong = "it is not all there";

/// The line at the start, without its CRLF, and its length with it.
fn line(bytes: &[u8]) -> Result<(&[u8], usize), Wrong> {
    match bytes.iter().position(|&byte| matches!(byte, b'\r' | b'\n')) {
        Some(end) if bytes[end..].starts_with(b"\r\n") => Ok((&bytes[..end], end + 2)),
        Some(end) if bytes[end..] == *b"\r" => Err(CUT),
        Some(_) => Err("a CR or LF on its own"),
        None => Err(CUT),
    }
}

fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

fn is_token(bytes: &[u8]) -> bool {
    let is_tchar = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !bytes.is_empty() && bytes.iter().all(is_tchar)
}
