//! The format `access`: the combined format, which every reader of access logs knows, and behind it
//! fields of our own, which such readers ignore:
//!
//! ```text
//! CLIENT - - [TIME] "REQUEST" STATUS BYTES "REFERER" "USER-AGENT" BACKEND CONNECTED/ANSWERED/DONE ENDING
//! ```
//!
//! Texts before them have spaces, so that scripts count our fields from the end of the line: no more
//! are added there. Where there was more than one attempt, all of them stand in the place of the
//! backend, each with its outcome and its milliseconds: `a:80=refused/0.3,b:80=200/1.2`.

use super::entry::{LogEntry, Text};
use super::event::Ending;
use super::excerpt::{MAX_NAME_BYTES, MAX_VALUE_BYTES, Place, write_excerpt};
use super::numbers::write_millis;
use crate::http::error::Error;
use crate::http::forwarded::write_address;
use crate::http::write::write_decimal;
use std::time::Duration;

/// Appends the line. `date` is the time now.
pub(super) fn write(entry: &LogEntry, ended: &Ending<'_>, date: &str, out: &mut Vec<u8>) {
    if let Some(client) = entry.client {
        write_address(client.ip(), out);
    }
    out.extend_from_slice(b" - - [");
    out.extend_from_slice(date.as_bytes());
    out.extend_from_slice(b"] \"");
    write_request_line(entry, out);
    out.extend_from_slice(b"\" ");
    write_decimal(u64::from(ended.status), out);
    out.push(b' ');
    write_decimal(ended.bytes, out);
    for text in [Text::Referer, Text::UserAgent] {
        out.extend_from_slice(b" \"");
        let value = entry.text(text).unwrap_or(b"-");
        write_excerpt(value, MAX_VALUE_BYTES, Place::Quoted, out);
        out.push(b'"');
    }
    out.push(b' ');
    match entry.attempts.count() {
        0 | 1 => out.extend_from_slice(entry.text(Text::Backend).unwrap_or(b"-")),
        _ => entry.attempts.write_plain(out),
    }
    write_times(entry, ended.took, out);
    out.extend_from_slice(ended.error.map_or("--", Error::code).as_bytes());
    out.push(b'\n');
}

fn write_request_line(entry: &LogEntry, out: &mut Vec<u8>) {
    let Some(method) = entry.text(Text::Method) else {
        return out.push(b'-');
    };
    write_excerpt(method, MAX_NAME_BYTES, Place::Quoted, out);
    out.push(b' ');
    let target = entry.text(Text::Target).unwrap_or_default();
    write_excerpt(target, MAX_VALUE_BYTES, Place::Quoted, out);
    out.extend_from_slice(b" HTTP/");
    out.extend_from_slice(entry.text(Text::Version).unwrap_or_default());
}

fn write_times(entry: &LogEntry, total: Duration, out: &mut Vec<u8>) {
    let times = [entry.connected, entry.answered, Some(total)];
    for (time, before) in times.into_iter().zip([b' ', b'/', b'/']) {
        out.push(before);
        match time {
            Some(time) => write_millis(time, out),
            None => out.push(b'-'),
        }
    }
    out.push(b' ');
}

#[cfg(test)]
mod tests;
