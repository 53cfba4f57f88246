//! What kind of answer a client would rather read (RFC 9110 §12.5.1), as far as our own
//! answers come in kinds: text for people, JSON for programs.

use super::fields::{Field, values};
use super::list::{MAX_MEMBERS, members, trim};
use httparse::Header;

/// Parts of a member that are read, its kind among them; a weight stands behind one or two.
const MAX_PARTS: usize = 10;

/// Whether JSON is named by `Accept` and no kind of text is named with more weight. Without
/// such a preference the answer is text. The field is for the backend too: of a list that is longer
/// than we read, the beginning counts.
#[must_use]
pub fn prefers_json(fields: &[Header<'_>]) -> bool {
    let (mut json, mut text) = (0, 0);
    let accepted = values(fields, Field::Accept).flat_map(members);
    for member in accepted.take(MAX_MEMBERS) {
        let mut parts = member.split(|&byte| byte == b';').take(MAX_PARTS).map(trim);
        let kind = parts.next().unwrap_or_default();
        let weight = parts.find_map(weight).unwrap_or(1000);
        if kind.eq_ignore_ascii_case(b"application/json") || ends_with(kind, b"+json") {
            json = json.max(weight);
        } else if starts_with(kind, b"text/") {
            text = text.max(weight);
        }
    }
    json > 0 && json >= text
}

fn starts_with(kind: &[u8], start: &[u8]) -> bool {
    kind.get(..start.len())
        .is_some_and(|first| first.eq_ignore_ascii_case(start))
}

fn ends_with(kind: &[u8], end: &[u8]) -> bool {
    kind.len()
        .checked_sub(end.len())
        .is_some_and(|start| kind[start..].eq_ignore_ascii_case(end))
}

/// The longest that a weight may be: `0.125` (RFC 9110 §12.4.2).
const MAX_WEIGHT_BYTES: usize = 5;

/// `q=0.5` in thousandths. What is no weight counts as none.
fn weight(parameter: &[u8]) -> Option<u32> {
    let digits = parameter
        .strip_prefix(b"q=")
        .or(parameter.strip_prefix(b"Q="))
        .filter(|digits| digits.len() <= MAX_WEIGHT_BYTES)?;
    let weight: f32 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    // Between 0 and 1000, so that nothing is lost.
    Some((weight.clamp(0.0, 1.0) * 1000.0) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_for_those_who_ask_for_it_before_text() {
        let prefers = |value: &str| {
            let value = value.as_bytes();
            prefers_json(&[Header {
                name: "accept",
                value,
            }])
        };
        for yes in [
            "application/json",
            "APPLICATION/JSON;charset=utf-8",
            "application/problem+json, */*;q=0.1",
            "text/html;q=0.5, application/json;q=0.9",
            "application/json, text/plain",
            "application/json;q=0.5, image/png",
        ] {
            assert!(prefers(yes), "{yes}");
        }
        for no in [
            "",
            "*/*",
            "text/html, application/json;q=0.9",
            "application/json;q=0",
            "a;q=x",
        ] {
            assert!(!prefers(no), "{no}");
        }
        assert!(!prefers_json(&[]));
        let (few, many) = (",".repeat(MAX_MEMBERS - 1), ",".repeat(MAX_MEMBERS));
        assert!(prefers(&format!("{few}application/json")));
        assert!(!prefers(&format!("{many}application/json")));
        assert!(prefers(
            "application/json;a;b;c;d;e;f;g;h;q=0.5,text/x;q=0.5"
        ));
    }
}
