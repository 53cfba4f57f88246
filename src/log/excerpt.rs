//! What others have written, made fit for a terminal and for a line of a log: nothing in it is
//! a command, ends the line, looks like the next field, hides, or turns the text behind it round.
//! Each excerpt has a bound, which holds for what is written, so that none pushes the fields
//! behind it out of the line.

use crate::http::write::write_hex;

/// Bytes that are written of a field's value, or of a target.
pub(super) const MAX_VALUE_BYTES: usize = 1024;

/// Bytes that are written of a method, a field's name or a reason phrase.
pub(super) const MAX_NAME_BYTES: usize = 128;

/// Stands where an excerpt ends early.
const CUT: &[u8] = b"...";

/// Characters that cannot be seen and are no spaces: formats (Unicode's category Cf), what a font
/// ignores by default (`Default_Ignorable_Code_Point`) and separators of lines and paragraphs.
/// They hide text, reverse its direction, or end a line where a program counts them as line ends.
const INVISIBLE: &[(char, char)] = &[
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{890}', '\u{891}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// Where an excerpt will stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Between double quotes, which it must not end.
    Quoted,
    /// In running text.
    Plain,
    /// In a string of JSON.
    Json,
}

/// Text that does nothing to a terminal: control characters (C1 included) and invisible characters are
/// spelt out.
#[must_use]
pub fn escape(text: &str) -> String {
    excerpt(text.as_bytes(), usize::MAX)
}

/// The same of the beginning of `value`, in at most `max` bytes.
pub(super) fn excerpt(value: &[u8], max: usize) -> String {
    let mut out = Vec::new();
    write_excerpt(value, max, Place::Plain, &mut out);
    // Only whole characters are written.
    String::from_utf8_lossy(&out).into_owned()
}

/// Appends the beginning of `value` in at most `max` bytes; what is left out is marked.
pub(super) fn write_excerpt(value: &[u8], max: usize, place: Place, out: &mut Vec<u8>) {
    // All of it is looked at in any case, which takes a few instructions for 16 bytes.
    let is_plain = |value: &[u8]| {
        let plain = value.iter().map(|&byte| stands_for_itself(byte));
        plain.fold(true, |all, this| all & this)
    };
    if value.len() <= max && is_plain(value) {
        out.extend_from_slice(value);
    } else {
        write_escaped(value, max, place, out);
    }
}

fn write_escaped(value: &[u8], max: usize, place: Place, out: &mut Vec<u8>) {
    // No byte becomes less than one; a byte more than fits shows that something is left out.
    let looked_at = &value[..value.len().min(max.saturating_add(1))];
    let start = out.len();
    // Where the mark may stand.
    let mut last = start;
    for character in String::from_utf8_lossy(looked_at).chars() {
        write_character(character, place, out);
        if out.len() - start > max {
            out.truncate(last);
            out.extend_from_slice(CUT);
            return;
        }
        if out.len() - start <= max.saturating_sub(CUT.len()) {
            last = out.len();
        }
    }
}

fn write_character(character: char, place: Place, out: &mut Vec<u8>) {
    if character.is_control() || is_invisible(character) {
        match place {
            Place::Json => write_units(character, out),
            _ => out.extend(character.escape_default().map(|ascii| ascii as u8)),
        }
        return;
    }
    if place != Place::Plain && matches!(character, '"' | '\\') {
        out.push(b'\\');
    }
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

/// As JSON spells a character out: with its units in UTF-16.
fn write_units(character: char, out: &mut Vec<u8>) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        out.extend_from_slice(b"\\u");
        write_hex(&unit.to_be_bytes(), out);
    }
}

fn is_invisible(character: char) -> bool {
    let behind = INVISIBLE.partition_point(|&(first, _)| first <= character);
    behind > 0 && character <= INVISIBLE[behind - 1].1
}

fn stands_for_itself(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') & (byte != b'"') & (byte != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(value: &[u8]) -> String {
        let mut out = Vec::new();
        write_excerpt(value, MAX_VALUE_BYTES, Place::Quoted, &mut out);
        String::from_utf8(out).expect("UTF-8 whatever came")
    }

    #[test]
    fn nothing_in_a_log_reaches_the_terminal_as_a_command() {
        assert_eq!(
            escape("a\x1b[2Jb\u{9b}c\u{e9}"),
            "a\\u{1b}[2Jb\\u{9b}c\u{e9}"
        );
        assert_eq!(quoted(b"a\x1b\r\nb\x7f"), "a\\u{1b}\\r\\nb\\u{7f}");
    }

    #[test]
    fn nothing_in_a_log_hides_or_turns_round_what_follows() {
        let hidden = "\u{ad}\u{61c}\u{180e}\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{2028}\u{2029}\
            \u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2060}\u{2061}\u{2066}\u{2067}\u{2068}\u{2069}\
            \u{206f}\u{3164}\u{fe0f}\u{feff}\u{fff9}\u{fffb}\u{80}\u{85}\u{9f}\u{1d173}\u{e0001}\
            \u{e0041}\u{e0100}";
        for character in hidden.chars() {
            let spelt = format!("a\\u{{{:x}}}b", u32::from(character));
            assert_eq!(escape(&format!("a{character}b")), spelt);
            assert_eq!(quoted(format!("a{character}b").as_bytes()), spelt);
        }
        let seen = "\u{a0}\u{e9}\u{5d0}\u{627}\u{200a}\u{2010}\u{2030}\u{4e2d}\u{fffd}\u{1f600}";
        assert_eq!(escape(seen), seen);
        assert!(INVISIBLE.is_sorted() && INVISIBLE.iter().all(|(first, last)| first <= last));
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
            let mut escaped = Vec::new();
            write_escaped(&[byte], MAX_VALUE_BYTES, Place::Quoted, &mut escaped);
            assert_eq!(quoted(&[byte]).as_bytes(), escaped, "{byte}");
            assert_eq!(stands_for_itself(byte), escaped == [byte]);
        }
    }

    #[test]
    fn of_a_long_value_the_beginning_is_kept_and_the_bound_holds_for_what_is_written() {
        let values = [
            "x",
            "\"",
            "\u{e9}",
            "\u{4e2d}",
            "\u{1b}",
            "\u{202e}",
            "\u{e0041}",
        ];
        for value in values {
            for count in [170, 256, 512, 1023, 1024, 1025, 5000] {
                let whole = quoted(value.as_bytes()).repeat(count);
                let cut = quoted(value.repeat(count).as_bytes());
                assert!(cut.len() <= MAX_VALUE_BYTES, "{value:?} {count}: {cut}");
                match cut.strip_suffix("...") {
                    None => assert_eq!(cut, whole),
                    Some(beginning) => {
                        assert!(whole.len() > MAX_VALUE_BYTES && whole.starts_with(beginning));
                        // As much as there is room for, and no part of a character.
                        let one = quoted(value.as_bytes()).len();
                        assert_eq!(beginning.len() % one, 0);
                        assert!(beginning.len() + 3 + one > MAX_VALUE_BYTES);
                    }
                }
            }
        }
        assert_eq!(quoted(&[0xff; 5000]).len(), MAX_VALUE_BYTES - 1);
    }
}
