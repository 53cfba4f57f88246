//! The smallest parts of what is sent: a field, a number.

/// Appends `Name: value CRLF`.
pub fn write_field(name: &str, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Appends bytes as pairs of hexadecimal digits: all at once, for ids are written for every request.
pub fn write_hex<const N: usize>(bytes: &[u8; N], out: &mut Vec<u8>) {
    // Reckoned, not looked up, so that the compiler does all of them side by side: 39 lie between
    // the digit behind `9` and `a`.
    let digit = |value: u8| value + b'0' + ((value + 6) >> 4) * 39;
    let digits = bytes.map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    out.extend_from_slice(digits.as_flattened());
}

/// Appends a number in decimal: without the machinery of `write!`, which costs more than the
/// rest of a line.
pub fn write_decimal(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_two_digits() {
        for byte in 0..=u8::MAX {
            let mut out = Vec::new();
            write_hex(&[byte], &mut out);
            assert_eq!(out, format!("{byte:02x}").into_bytes());
        }
    }
}
