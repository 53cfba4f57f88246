//! How times, sizes and numbers are written in a setting. Each error says what is wrong with what was
//! written, and shows a right one; `clap` adds the argument's name. Must not know which setting a
//! value is for.

use clap::builder::ValueParser;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

/// The longest time.
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A number with a unit: `500ms`, `2s`, `1m`, `1h`; more than nothing. A bare number is refused,
/// because it is hard to remember which tools count in milliseconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match duration_or_none(text)? {
        Duration::ZERO => Err("it must be more than zero, for example 1s".into()),
        time => Ok(time),
    }
}

/// The same, or nothing at all: `0s`, or `0`.
pub(crate) fn duration_or_none(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let millis = match unit {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60 * 1000),
        "h" => Some(60 * 60 * 1000),
        _ => None,
    };
    if text.is_empty() || text.starts_with('-') {
        return Err(nothing_or_negative(text, "time", "10s"));
    }
    if number.is_empty() {
        return Err("write a whole number and ms, s, m or h, for example 10s".into());
    }
    if is_fraction(number) && (millis.is_some() || unit.is_empty()) {
        let whole = scaled(number, millis.unwrap_or(1000)).unwrap_or(500);
        return Err(format!(
            "write a whole number, of a smaller unit if need be, for example {whole}ms"
        ));
    }
    let count = number.parse::<u64>().ok();
    let Some(millis) = millis else {
        return match (count, unit) {
            (Some(0), "") => Ok(Duration::ZERO),
            (_, "") => Err(format!(
                "a time needs a unit (ms, s, m, h), for example {}",
                seconds(count)
            )),
            _ => Err(format!(
                "`{}` is not a unit; write ms, s, m or h right behind the number, for example {}",
                unit,
                seconds(count)
            )),
        };
    };
    let time = count.and_then(|count| count.checked_mul(millis));
    match time.map(Duration::from_millis) {
        Some(time) if time <= YEAR => Ok(time),
        _ => Err("it is too long; a year is the most, for example 30s".into()),
    }
}

/// So many seconds as an example, if a time can be so long and is more than nothing.
fn seconds(count: Option<u64>) -> String {
    let possible = count.filter(|count| (1..=YEAR.as_secs()).contains(count));
    format!("{}s", possible.unwrap_or(10))
}

/// A number of bytes: `4096`, `32KiB`, `10MiB`, `1GiB`.
pub(super) fn size<T>(range: RangeInclusive<T>) -> ValueParser
where
    T: TryInto<u64> + TryFrom<u64> + Copy + Send + Sync + 'static,
{
    let bytes = |size: T| size.try_into().unwrap_or(u64::MAX);
    let range = bytes(*range.start())..=bytes(*range.end());
    let parse = move |text: &str| size_in(&range, text);
    ValueParser::from(move |text: &str| {
        T::try_from(parse(text)?).map_err(|_| "it is too large, for example 10MiB".to_string())
    })
}

/// One such number.
pub(super) fn size_in(range: &RangeInclusive<u64>, text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    if text.is_empty() || text.starts_with('-') {
        return Err(nothing_or_negative(text, "size", "32KiB"));
    }
    if number.is_empty() {
        return Err("write a number of bytes, KiB, MiB or GiB, for example 32KiB".into());
    }
    let factor = match unit {
        "" | "B" => Some(1),
        "K" | "KiB" => Some(1 << 10),
        "M" | "MiB" => Some(1 << 20),
        "G" | "GiB" => Some(1 << 30),
        _ => None,
    };
    if is_fraction(number) && (factor.is_some() || unit.is_empty()) {
        let bytes = scaled(number, factor.unwrap_or(1 << 10));
        let example = example_size(range, bytes);
        return Err(format!(
            "write a whole number, of a smaller unit if need be, for example {example}"
        ));
    }
    let count = number.parse::<u64>().ok();
    let Some(factor) = factor else {
        let meant = meant_factor(unit).and_then(|factor| count?.checked_mul(factor));
        let example = example_size(range, meant);
        return Err(format!(
            "`{unit}` is not a unit; write B, KiB, MiB or GiB right behind the number, for \
             example {example}"
        ));
    };
    match count.and_then(|count| count.checked_mul(factor)) {
        Some(size) if range.contains(&size) => Ok(size),
        Some(0) if *range.end() == u64::MAX => {
            Err("it must be more than zero, for example 10MiB".into())
        }
        _ if *range.end() == u64::MAX => Err("it is too large, for example 10MiB".into()),
        _ => Err(format!(
            "it must be from {} to {}, for example 32KiB",
            written(*range.start()),
            written(*range.end())
        )),
    }
}

/// What a unit that is not one was meant for: `k`, `MB`.
fn meant_factor(unit: &str) -> Option<u64> {
    match unit.trim_start().bytes().next()?.to_ascii_uppercase() {
        b'K' => Some(1 << 10),
        b'M' => Some(1 << 20),
        b'G' => Some(1 << 30),
        _ => None,
    }
}

/// This size as an example, if it is a possible one.
fn example_size(range: &RangeInclusive<u64>, size: Option<u64>) -> String {
    let possible = size.filter(|size| range.contains(size) && *size > 0);
    written(possible.unwrap_or(32 << 10))
}

/// A size in the largest unit of which it is a whole number.
pub(super) fn written(size: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = units
        .iter()
        .find(|(bytes, _)| size > 0 && size.is_multiple_of(*bytes));
    match unit {
        Some((bytes, unit)) => format!("{}{unit}", size / bytes),
        None => format!("{size}B"),
    }
}

/// A whole number in a range.
pub(super) fn count<T>(range: RangeInclusive<T>) -> ValueParser
where
    T: FromStr + Ord + From<u8> + Display + Copy + Send + Sync + 'static,
{
    ValueParser::from(move |text: &str| match text.parse::<T>() {
        Ok(count) if range.contains(&count) => Ok(count),
        _ => Err(format!(
            "it must be a whole number from {} to {}, for example {}",
            range.start(),
            range.end(),
            T::from(4).clamp(*range.start(), *range.end())
        )),
    })
}

/// A number, perhaps with a fraction, and what stands behind it.
fn split(text: &str) -> (&str, &str) {
    let is_of_number = |byte: &u8| byte.is_ascii_digit() || b".,".contains(byte);
    text.split_at(text.bytes().take_while(is_of_number).count())
}

fn is_fraction(number: &str) -> bool {
    number.contains(['.', ','])
}

/// A fraction of a unit as a whole number of its parts, if it is one.
fn scaled(number: &str, parts: u64) -> Option<u64> {
    let value: f64 = number.replace(',', ".").parse().ok()?;
    let scaled = value * parts as f64;
    let is_whole = (1.0..1e15).contains(&scaled) && scaled.fract() == 0.0;
    is_whole.then_some(scaled as u64)
}

fn nothing_or_negative(text: &str, what: &str, example: &str) -> String {
    match text.is_empty() {
        true => format!("the {what} is missing, for example {example}"),
        false => {
            format!("this is not a {what}, which cannot begin with `-`; for example {example}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused<T: std::fmt::Debug>(result: Result<T, String>, text: &str) -> String {
        result.expect_err(text)
    }

    #[test]
    fn what_is_no_time_is_refused_with_the_reason_and_one_that_is_nearest() {
        for (text, reason, example) in [
            ("", "missing", "10s"),
            ("-10s", "`-`", "10s"),
            ("--workers", "`-`", "10s"),
            ("0", "more than zero", "1s"),
            ("0h", "more than zero", "1s"),
            ("7", "unit", "7s"),
            ("99999999999", "unit", "10s"),
            ("1.5s", "whole", "1500ms"),
            ("1,5h", "whole", "5400000ms"),
            ("0.5", "whole", "500ms"),
            ("0.0001s", "whole", "500ms"),
            (".", "whole", "500ms"),
            ("10sec", "`sec`", "10s"),
            ("10 s", "right behind", "10s"),
            ("1.5MiB", "`MiB`", "10s"),
            ("3d", "`d`", "3s"),
            ("s", "whole number", "10s"),
            ("8761h", "year", "30s"),
            ("99999999999999999999h", "year", "30s"),
        ] {
            let error = refused(duration(text), text);
            assert!(error.contains(reason), "{text}: {error}");
            assert!(
                error.ends_with(&format!("for example {example}")),
                "{text}: {error}"
            );
            assert!(duration(example).is_ok(), "{example}");
        }
        for zero in ["0", "0s", "0ms", "0m", "0h", "00s"] {
            assert_eq!(duration_or_none(zero), Ok(Duration::ZERO));
        }
        assert_eq!(duration("8760h"), Ok(YEAR));
    }

    #[test]
    fn what_is_no_size_is_refused_with_the_reason_and_one_that_is_nearest() {
        let range = 512..=1 << 20;
        for (text, reason, example) in [
            ("", "missing", "32KiB"),
            ("-1", "`-`", "32KiB"),
            ("0", "from 512B to 1MiB", "32KiB"),
            ("2MiB", "from 512B to 1MiB", "32KiB"),
            ("99999999999999999999", "from 512B to 1MiB", "32KiB"),
            ("0.5MiB", "whole", "512KiB"),
            ("1.5KiB", "whole", "1536B"),
            ("1.5GiB", "whole", "32KiB"),
            ("4k", "`k`", "4KiB"),
            ("16KB", "`KB`", "16KiB"),
            ("16 KiB", "right behind", "16KiB"),
            ("10MB", "`MB`", "32KiB"),
            ("10s", "`s`", "32KiB"),
            ("1.5s", "`s`", "32KiB"),
            ("x", "number", "32KiB"),
        ] {
            let error = refused(size_in(&range, text), text);
            assert!(error.contains(reason), "{text}: {error}");
            assert!(
                error.ends_with(&format!("for example {example}")),
                "{text}: {error}"
            );
            assert!(size_in(&range, example).is_ok(), "{example}");
        }
        assert!(refused(size_in(&(1..=u64::MAX), "0KiB"), "").contains("more than zero"));
        let any = 0..=u64::MAX;
        assert!(refused(size_in(&any, "99999999999999999999"), "").contains("too large"));
        assert_eq!(size_in(&any, "0"), Ok(0));
        assert_eq!(size_in(&any, "3GiB"), Ok(3 << 30));
    }
}
