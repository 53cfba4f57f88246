//! What others have written, made fit for a terminal and for a line of a log: nothing in it is
//! a command, ends the line, or looks like the next field.

/// Bytes of a field's value, or of a request line, that are told.
const MAX_VALUE_BYTES: usize = 1024;

/// As much of a value as a log has use for; it may be as long as a head.
pub(super) fn cut(value: &[u8]) -> &[u8] {
    &value[..value.len().min(MAX_VALUE_BYTES)]
}

/// Text that does nothing to a terminal: control characters, those of C1 too, are spelt out.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// Appends the same, as it stands between double quotes.
pub(super) fn write_quoted(value: &[u8], out: &mut Vec<u8>) {
    let value = cut(value);
    // All of it is looked at in any case, which takes a few instructions for 16 bytes.
    if value
        .iter()
        .fold(true, |is_plain, &byte| is_plain & stands_for_itself(byte))
    {
        out.extend_from_slice(value);
    } else {
        let text = escape(&String::from_utf8_lossy(value));
        let text = text.replace('\\', "\\\\").replace('"', "\\\"");
        out.extend_from_slice(text.as_bytes());
    }
}

fn stands_for_itself(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') & (byte != b'"') & (byte != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(value: &[u8]) -> String {
        let mut out = Vec::new();
        write_quoted(value, &mut out);
        String::from_utf8(out).expect("UTF-8 whatever came")
    }

    #[test]
    fn nothing_in_a_log_reaches_the_terminal_as_a_command() {
        assert_eq!(
            escape("a\x1b[2Jb\u{9b}c\u{e9}"),
            "a\\u{1b}[2Jb\\u{9b}c\u{e9}"
        );
        assert_eq!(quoted(b"a\x1b\r\nb\x7f"), "a\\\\u{1b}\\\\r\\\\nb\\\\u{7f}");
    }

    #[test]
    fn nothing_between_quotes_ends_them() {
        assert_eq!(quoted(b"a\"b\\"), "a\\\"b\\\\");
        assert_eq!(quoted(b" a~'"), " a~'");
        assert_eq!(quoted(b""), "");
    }

    #[test]
    fn what_is_no_text_is_shown_as_such() {
        assert_eq!(quoted("\u{e9}".as_bytes()), "\u{e9}");
        assert_eq!(quoted(b"a\xffb"), "a\u{fffd}b");
    }

    #[test]
    fn a_byte_is_left_alone_only_if_escaping_would_leave_it() {
        for byte in 0..=u8::MAX {
            let escaped = escape(&String::from_utf8_lossy(&[byte]));
            let escaped = escaped.replace('\\', "\\\\").replace('"', "\\\"");
            assert_eq!(quoted(&[byte]), escaped, "{byte}");
            assert_eq!(stands_for_itself(byte), escaped.as_bytes() == [byte]);
        }
    }

    #[test]
    fn of_a_long_value_the_beginning_is_told() {
        assert_eq!(quoted(&[b'x'; 5000]).len(), MAX_VALUE_BYTES);
    }
}
