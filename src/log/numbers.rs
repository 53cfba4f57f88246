//! Numbers in lines.

use crate::http::write::write_decimal;
use std::time::Duration;

/// Milliseconds with one decimal place.
pub(super) fn write_millis(time: Duration, out: &mut Vec<u8>) {
    let tenths = time.as_secs() * 10_000 + u64::from(time.subsec_nanos() + 50_000) / 100_000;
    write_decimal(tenths / 10, out);
    out.push(b'.');
    write_decimal(tenths % 10, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_to_a_tenth_of_a_millisecond() {
        let millis = |time| {
            let mut out = Vec::new();
            write_millis(time, &mut out);
            String::from_utf8(out).expect("ASCII")
        };
        let cases = [(0, "0.0"), (49, "0.0"), (830, "0.8"), (999_960, "1000.0")];
        for (micros, text) in cases {
            assert_eq!(millis(Duration::from_micros(micros)), text);
        }
    }
}
