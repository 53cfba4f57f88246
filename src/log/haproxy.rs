//! The format `haproxy`: the line of HAProxy's `option httplog`, field by field as in its
//! configuration manual (§8.2.3), so that halog and other readers of such logs take it. There is no
//! syslog header, as with `log stdout format raw`.
//!
//! ```text
//! CLIENT:PORT [ACCEPTED] FRONTEND GROUP/BACKEND TR/Tw/Tc/Tr/Ta STATUS BYTES - - STATE \
//!     OPEN/OPEN/GROUP/BACKEND/RETRIES 0/QUEUE "REQUEST"
//! ```

use super::entry::{LogEntry, Text};
use super::event::Ending;
use super::excerpt::{MAX_NAME_BYTES, MAX_VALUE_BYTES};
use super::stamp::Stamp;
use crate::http::error::{Blame, Cause, Error, Phase};
use crate::http::forwarded::write_address;
use crate::http::write::write_decimal;
use std::time::Duration;

/// The name of the frontend: there is one set of listeners, for all groups.
const FRONTEND: &[u8] = b"lb";

/// Stands for the server of a request that was sent to none.
const NO_SERVER: &[u8] = b"<NOSRV>";

/// Stands for the request line of a head that could not be read.
const BAD_REQUEST: &[u8] = b"<BADREQ>";

/// Appends the line. `began` is when the first byte of the head came.
pub(super) fn write(entry: &LogEntry, ended: &Ending<'_>, began: Stamp, out: &mut Vec<u8>) {
    if let Some(client) = entry.client {
        write_address(client.ip(), out);
        out.push(b':');
        write_decimal(u64::from(client.port()), out);
    }
    out.extend_from_slice(b" [");
    began.write_haproxy(out);
    out.extend_from_slice(b"] ");
    write_places(entry, out);
    write_timers(entry, ended, out);
    out.push(b' ');
    write_decimal(u64::from(ended.status), out);
    out.push(b' ');
    write_decimal(ended.sent, out);
    out.extend_from_slice(b" - - ");
    write_state(entry, ended.error, out);
    write_counts(entry, ended, out);
    out.extend_from_slice(b" \"");
    write_request_line(entry, out);
    out.extend_from_slice(b"\"\n");
}

fn write_places(entry: &LogEntry, out: &mut Vec<u8>) {
    out.extend_from_slice(FRONTEND);
    out.push(b' ');
    out.extend_from_slice(entry.text(Text::Group).unwrap_or(FRONTEND));
    out.push(b'/');
    out.extend_from_slice(entry.text(Text::Backend).unwrap_or(NO_SERVER));
    out.push(b' ');
}

/// Reading, waiting, connecting, until the response, all together: whole milliseconds, and -1 for what
/// was not reached.
fn write_timers(entry: &LogEntry, ended: &Ending<'_>, out: &mut Vec<u8>) {
    let reading = entry.text(Text::Method).map(|_| entry.reading);
    let connecting = between(entry.begun, entry.connected);
    let responding = between(entry.connected, entry.answered);
    for time in [reading, entry.begun, connecting, responding] {
        match time {
            Some(time) => write_whole_millis(time, out),
            None => out.extend_from_slice(b"-1"),
        }
        out.push(b'/');
    }
    write_whole_millis(entry.reading + ended.took, out);
}

fn between(from: Option<Duration>, to: Option<Duration>) -> Option<Duration> {
    Some(to?.saturating_sub(from?))
}

fn write_whole_millis(time: Duration, out: &mut Vec<u8>) {
    write_decimal(u64::try_from(time.as_millis()).unwrap_or(u64::MAX), out);
}

/// Who ended it and when; nothing is known of cookies.
fn write_state(entry: &LogEntry, error: Option<&Error>, out: &mut Vec<u8>) {
    let is_local = entry.text(Text::Group).is_none();
    let state = match error {
        None if is_local => "LR",
        None => "--",
        Some(error) => state(error),
    };
    out.extend_from_slice(state.as_bytes());
    out.extend_from_slice(b"-- ");
}

/// The first two letters of HAProxy's termination state (§8.5). They differ from [`Error::code`] where
/// HAProxy has one letter for what is ours: `R` for what ran out, `s` for a wait in the queue that was
/// too long, `SC` for a request that no server was up for.
fn state(error: &Error) -> &'static str {
    match (error.blame, error.cause, error.phase) {
        (Blame::Proxy, Cause::NoneLive, _) => "SC",
        (Blame::Proxy, Cause::TimedOut, Phase::Queue) => "sQ",
        (Blame::Proxy, Cause::Full, _) => "SQ",
        (Blame::Proxy, Cause::Exhausted | Cause::NoPort, _) => "RC",
        (Blame::Proxy, Cause::NoMemory, Phase::RequestHead) => "RR",
        (Blame::Proxy, Cause::NoMemory, Phase::ResponseHead) => "RH",
        (Blame::Proxy, Cause::NoMemory, _) => "RD",
        (Blame::Proxy, Cause::NoBudget, _) => "SH",
        (Blame::Backend, Cause::WentDown, Phase::Connect) => "DC",
        (Blame::Backend, Cause::WentDown, Phase::ResponseHead) => "DH",
        (Blame::Backend, Cause::WentDown, _) => "DD",
        // HAProxy's own check of what came, as it says for its 400 and for its 502.
        (Blame::Client, Cause::Message(_), _) => "PR",
        (Blame::Backend, Cause::Message(_), _) => "PH",
        _ => error.code(),
    }
}

fn write_counts(entry: &LogEntry, ended: &Ending<'_>, out: &mut Vec<u8>) {
    let was_there = usize::from(entry.attempts.count() > 0);
    let (open, group) = (ended.load.connections, ended.load.group + was_there);
    for count in [open, open, group, entry.in_flight_there] {
        write_decimal(count as u64, out);
        out.push(b'/');
    }
    if entry.attempts.has_moved() {
        out.push(b'+');
    }
    write_decimal(entry.attempts.count().saturating_sub(1), out);
    out.extend_from_slice(b" 0/");
    write_decimal(entry.queued_behind as u64, out);
}

fn write_request_line(entry: &LogEntry, out: &mut Vec<u8>) {
    let Some(method) = entry.text(Text::Method) else {
        return out.extend_from_slice(BAD_REQUEST);
    };
    write_encoded(method, MAX_NAME_BYTES, out);
    out.push(b' ');
    write_encoded(
        entry.text(Text::Target).unwrap_or_default(),
        MAX_VALUE_BYTES,
        out,
    );
    out.extend_from_slice(b" HTTP/");
    out.extend_from_slice(entry.text(Text::Version).unwrap_or_default());
}

/// Appends at most `max` bytes of `value`: what is not printable, and what would end the field, as `#`
/// and two digits, as HAProxy writes it.
fn write_encoded(value: &[u8], max: usize, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let end = out.len() + max;
    for &byte in value {
        let is_plain = matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'#');
        let room = end.saturating_sub(out.len());
        match is_plain {
            true if room >= 1 => out.push(byte),
            false if room >= 3 => {
                let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
                out.extend_from_slice(&[b'#', DIGITS[high], DIGITS[low]]);
            }
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests;
