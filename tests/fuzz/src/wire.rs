//! Lines, fields and framing: what both directions have in common, read as plainly as can be.

/// What was read; `None` where the bytes end too early to tell, an error where they break a
/// rule.
pub type Reading<T> = Result<Option<T>, String>;

/// A head in parts.
#[derive(Debug)]
pub struct Head<'b> {
    /// The first line.
    pub start: &'b [u8],
    /// Names and values of the fields, in order, white space round values included.
    pub fields: Vec<(&'b [u8], &'b [u8])>,
    /// Bytes that it takes, the empty line included.
    pub length: usize,
}

/// Where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    Empty,
    /// After so many bytes.
    Length(u64),
    /// After the last chunk.
    Chunked,
    /// With the connection.
    UntilClose,
}

impl<'b> Head<'b> {
    /// The values of all fields with this name, trimmed.
    pub fn values(&self, name: &str) -> Vec<&'b [u8]> {
        self.fields
            .iter()
            .filter(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| trim(value))
            .collect()
    }

    /// The value of the one field with this name; an error if there are two.
    pub fn only(&self, name: &str) -> Result<Option<&'b [u8]>, String> {
        match self.values(name)[..] {
            [] => Ok(None),
            [value] => Ok(Some(value)),
            _ => Err(format!("{name} more than once")),
        }
    }
}

/// What ends a line of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineEnd {
    /// CRLF.
    Crlf,
    /// CRLF, or an LF alone, as a backend may write it.
    CrlfOrLf,
}

/// The head at the start of `bytes`.
pub fn head(bytes: &[u8]) -> Reading<Head<'_>> {
    head_with(bytes, LineEnd::Crlf)
}

/// The head at the start of `bytes`, whose lines end like this.
pub fn head_with(bytes: &[u8], end: LineEnd) -> Reading<Head<'_>> {
    let (mut lines, mut length) = (Vec::new(), 0);
    loop {
        let Some((line, taken)) = line_with(&bytes[length..], end)? else {
            return Ok(None);
        };
        length += taken;
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let (start, fields) = lines.split_first().ok_or("a head without a first line")?;
    let fields = fields
        .iter()
        .map(|line| field(line))
        .collect::<Result<_, _>>()?;
    Ok(Some(Head {
        start,
        fields,
        length,
    }))
}

/// The bytes before the first CRLF. Neither CR nor LF may stand alone, nor any control byte
/// but the tab.
pub fn line(bytes: &[u8]) -> Reading<&[u8]> {
    Ok(line_with(bytes, LineEnd::Crlf)?.map(|(line, _)| line))
}

/// The bytes before the first line end, and how many there are with it.
fn line_with(bytes: &[u8], line_end: LineEnd) -> Reading<(&[u8], usize)> {
    let is_control = |byte: &u8| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f;
    let Some(end) = bytes.iter().position(is_control) else {
        return Ok(None);
    };
    match &bytes[end..] {
        [b'\r', b'\n', ..] => Ok(Some((&bytes[..end], end + 2))),
        [b'\n', ..] if line_end == LineEnd::CrlfOrLf => Ok(Some((&bytes[..end], end + 1))),
        [b'\r'] => Ok(None),
        _ => Err(format!("a control byte {:#04x} in a line", bytes[end])),
    }
}

/// `name: value`
fn field(line: &[u8]) -> Result<(&[u8], &[u8]), String> {
    let colon = line.iter().position(|&byte| byte == b':');
    let colon = colon.ok_or_else(|| format!("a field without a colon: {}", show(line)))?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    match is_token(name) {
        true => Ok((name, value)),
        false => Err(format!("a field name that is no token: {}", show(name))),
    }
}

/// The framing that the fields tell, `None` if they tell none. `Content-Length` may be
/// repeated with the same digits only.
pub fn told_framing(head: &Head<'_>) -> Result<Option<Framing>, String> {
    let lengths = head.values("Content-Length");
    let coding = head.only("Transfer-Encoding")?;
    match (coding, lengths.first()) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err("Transfer-Encoding and Content-Length".into()),
        (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => {
            Ok(Some(Framing::Chunked))
        }
        (Some(coding), None) => Err(format!("an unknown coding: {}", show(coding))),
        (None, Some(_)) => same_length(&lengths).map(Some),
    }
}

fn same_length(values: &[&[u8]]) -> Result<Framing, String> {
    let lengths: Vec<u64> = values
        .iter()
        .map(|value| number(value))
        .collect::<Result<_, _>>()?;
    match lengths.iter().all(|length| *length == lengths[0]) {
        true if lengths[0] == 0 => Ok(Framing::Empty),
        true => Ok(Framing::Length(lengths[0])),
        false => Err("two different Content-Length".into()),
    }
}

/// A decimal number that fits 63 bits.
pub fn number(digits: &[u8]) -> Result<u64, String> {
    let text = std::str::from_utf8(digits).map_err(|_| "no digits".to_string())?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(format!("not a number: {text}"));
    }
    match text.parse::<i64>() {
        Ok(number) => Ok(number.unsigned_abs()),
        Err(error) => Err(format!("{error}: {text}")),
    }
}

/// Without the spaces and tabs at both ends.
pub fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The members of a comma-separated list.
pub fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|&byte| byte == b',')
        .map(trim)
        .filter(|member| !member.is_empty())
}

/// RFC 9110 §5.6.2
pub fn is_token(bytes: &[u8]) -> bool {
    let is_separator = |byte: &u8| b"\"(),/:;<=>?@[\\]{}".contains(byte);
    !bytes.is_empty()
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_graphic() && !is_separator(byte))
}

/// Bytes for a message to people.
pub fn show(bytes: &[u8]) -> String {
    format!("\"{}\"", bytes.escape_ascii())
}
