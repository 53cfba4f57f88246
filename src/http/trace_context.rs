//! `traceparent` (W3C Trace Context, level 1): which trace a request belongs to, and which step of it
//! called. A proxy that takes part passes the trace on with a step of its own. Must not know where
//! randomness comes from.

use super::fields::{Field, values};
use super::write::write_hex;
use httparse::Header;

/// The only flag of level 1: the caller may have recorded the trace.
const SAMPLED: u8 = 1;

/// `00-` 32 digits `-` 16 digits `-` 2 digits.
const LENGTH: usize = 55;

/// The step of a trace that a request through this balancer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace: [u8; 16],
    span: [u8; 8],
    /// The step that called; `None` where the trace begins here.
    parent: Option<[u8; 8]>,
    flags: u8,
}

impl TraceContext {
    /// The next step of the trace that a request brings, if it brings exactly one, and that is valid.
    #[must_use]
    pub fn continued(fields: &[Header<'_>], random: u64) -> Option<Self> {
        let mut found = values(fields, Field::TraceParent);
        let (value, others) = (found.next()?, found.next());
        let (trace, parent, flags) = parse(value).filter(|_| others.is_none())?;
        Some(Self {
            trace,
            span: span(random),
            parent: Some(parent),
            flags: flags & SAMPLED,
        })
    }

    /// The first step of a new trace. It counts as recorded, for it is logged here; and most samplers
    /// follow their caller, so that without the flag they would record nothing.
    #[must_use]
    pub fn begun(trace: u128, random: u64) -> Self {
        Self {
            // Zero stands for no trace.
            trace: trace.max(1).to_be_bytes(),
            span: span(random),
            parent: None,
            flags: SAMPLED,
        }
    }

    /// Whether the trace begins here, so that what came of another one is dropped.
    #[must_use]
    pub fn is_begun_here(&self) -> bool {
        self.parent.is_none()
    }

    /// Appends it as a field.
    pub fn write_field(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"traceparent: 00-");
        self.write_trace(out);
        out.push(b'-');
        self.write_span(out);
        out.push(b'-');
        write_hex(&[self.flags], out);
        out.extend_from_slice(b"\r\n");
    }

    /// Appends the id of the trace.
    pub fn write_trace(&self, out: &mut Vec<u8>) {
        write_hex(&self.trace, out);
    }

    /// Appends the id of this step.
    pub fn write_span(&self, out: &mut Vec<u8>) {
        write_hex(&self.span, out);
    }

    /// Appends the id of the step that called, if there is one.
    pub fn write_parent(&self, out: &mut Vec<u8>) {
        if let Some(parent) = &self.parent {
            write_hex(parent, out);
        }
    }
}

fn span(random: u64) -> [u8; 8] {
    random.max(1).to_be_bytes()
}

/// Trace, parent and flags. Of a later version only the part that it shares with this one is read.
fn parse(value: &[u8]) -> Option<([u8; 16], [u8; 8], u8)> {
    let (known, rest) = value.split_at_checked(LENGTH)?;
    let [version] = bytes(&known[..2])?;
    let is_whole = match version {
        0 => rest.is_empty(),
        0xff => false,
        _ => rest.first().is_none_or(|byte| *byte == b'-'),
    };
    let are_apart = [2, 35, 52].iter().all(|&place| known[place] == b'-');
    let (trace, parent) = (bytes(&known[3..35])?, bytes(&known[36..52])?);
    let [flags] = bytes(&known[53..])?;
    let is_valid = is_whole && are_apart && trace != [0; 16] && parent != [0; 8];
    is_valid.then_some((trace, parent, flags))
}

/// What these digits stand for; capital ones are not allowed.
fn bytes<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn continued(values: &[&str]) -> Option<String> {
        let field = |value: &&'static str| Header {
            name: "Traceparent",
            value: value.as_bytes(),
        };
        let values: Vec<&'static str> = values.iter().map(|v| &*String::from(*v).leak()).collect();
        let fields: Vec<_> = values.iter().map(field).collect();
        let mut out = Vec::new();
        TraceContext::continued(&fields, 0xabc)?.write_field(&mut out);
        String::from_utf8(out).ok()
    }

    #[test]
    fn a_valid_trace_goes_on_with_a_step_of_its_own() {
        let next = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000abc-01\r\n";
        let later = VALID.replacen("00", "cc", 1);
        for value in [VALID, &later, &format!("{later}-more")] {
            assert_eq!(continued(&[value]).as_deref(), Some(next), "{value}");
        }
        let flags = VALID.replace("-01", "-fe");
        assert!(continued(&[&flags]).expect("valid").ends_with("-00\r\n"));
    }

    #[test]
    fn what_is_not_valid_is_no_trace() {
        let zero = |part: &str| VALID.replace(part, &"0".repeat(part.len()));
        for value in [
            "",
            "00",
            &VALID.to_uppercase(),
            &VALID.replacen("00", "ff", 1),
            &VALID.replace('-', "_"),
            &VALID[1..],
            &format!("{VALID}-"),
            &format!("{}x", VALID.replacen("00", "01", 1)),
            &zero("4bf92f3577b34da6a3ce929d0e0e4736"),
            &zero("00f067aa0ba902b7"),
            &VALID.replace('b', "g"),
            &VALID.replace("4bf9", "\u{e4}\u{e4}"),
        ] {
            assert_eq!(continued(&[value]), None, "{value}");
        }
        assert_eq!(continued(&[]), None);
        assert_eq!(continued(&[VALID, VALID]), None);
    }

    #[test]
    fn a_trace_that_begins_here_has_no_parent_and_no_id_of_zeros() {
        let mut out = Vec::new();
        let begun = TraceContext::begun(0, 0);
        begun.write_field(&mut out);
        let text = String::from_utf8(out).expect("ASCII");
        let (trace, span) = ("0".repeat(31), "0".repeat(15));
        assert_eq!(text, format!("traceparent: 00-{trace}1-{span}1-01\r\n"));
        let mut parent = Vec::new();
        begun.write_parent(&mut parent);
        assert!(begun.is_begun_here() && parent.is_empty());
    }
}
