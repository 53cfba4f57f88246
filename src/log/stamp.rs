//! Times of day as logs have them, in UTC, with milliseconds. Written without the machinery of
//! `format!`, for each line has one.

use crate::http::write::write_decimal;
use std::time::{SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

const SECONDS_PER_DAY: u64 = 86_400;

/// A time of day in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    year: u64,
    /// Counted from 1, as the day.
    month: u64,
    day: u64,
    second_of_day: u64,
    millis: u64,
}

impl Stamp {
    /// The stamp of a time, which is not before 1970.
    #[must_use]
    pub fn of(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (year, month, day) = date_of(since.as_secs() / SECONDS_PER_DAY);
        Self {
            year,
            month,
            day,
            second_of_day: since.as_secs() % SECONDS_PER_DAY,
            millis: u64::from(since.subsec_millis()),
        }
    }

    /// Appends it as HAProxy has it: `06/Feb/2009:12:14:14.655`.
    pub fn write_haproxy(&self, out: &mut Vec<u8>) {
        let month = usize::try_from(self.month - 1).unwrap_or_default();
        pad(self.day, 2, out);
        out.push(b'/');
        out.extend_from_slice(MONTHS[month].as_bytes());
        out.push(b'/');
        pad(self.year, 4, out);
        out.push(b':');
        self.write_time(out);
    }

    /// Appends it as RFC 3339 has it: `2009-02-06T12:14:14.655Z`.
    pub fn write_rfc3339(&self, out: &mut Vec<u8>) {
        for (number, width, behind) in [(self.year, 4, b'-'), (self.month, 2, b'-')] {
            pad(number, width, out);
            out.push(behind);
        }
        pad(self.day, 2, out);
        out.push(b'T');
        self.write_time(out);
        out.push(b'Z');
    }

    /// The same as a text.
    #[must_use]
    pub fn rfc3339(&self) -> String {
        let mut out = Vec::new();
        self.write_rfc3339(&mut out);
        // Digits and a few signs.
        String::from_utf8_lossy(&out).into_owned()
    }

    fn write_time(&self, out: &mut Vec<u8>) {
        let second = self.second_of_day;
        for (number, behind) in [(second / 3600, b':'), (second / 60 % 60, b':')] {
            pad(number, 2, out);
            out.push(behind);
        }
        pad(second % 60, 2, out);
        out.push(b'.');
        pad(self.millis, 3, out);
    }
}

fn pad(number: u64, width: usize, out: &mut Vec<u8>) {
    let digits = number.max(1).ilog10() as usize + 1;
    out.resize(out.len() + width.saturating_sub(digits), b'0');
    write_decimal(number, out);
}

/// Year, month and day of so many days since 1970, in the Gregorian calendar: counted in years that
/// begin in March, so that the odd day is the last of a year, and in 400 of them, which all have the
/// same number of days.
fn date_of(days: u64) -> (u64, u64, u64) {
    const DAYS_PER_400_YEARS: u64 = 146_097;
    // From the first of March in the year 0.
    let days = days + 719_468;
    let (cycle, day) = (days / DAYS_PER_400_YEARS, days % DAYS_PER_400_YEARS);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = cycle * 400 + year;
    match month {
        0..10 => (year, month + 3, day),
        _ => (year + 1, month - 9, day),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn written(millis: u64) -> [String; 2] {
        let stamp = Stamp::of(UNIX_EPOCH + Duration::from_millis(millis));
        let (mut one, mut other) = (Vec::new(), Vec::new());
        stamp.write_haproxy(&mut one);
        stamp.write_rfc3339(&mut other);
        [one, other].map(|text| String::from_utf8(text).expect("ASCII"))
    }

    #[test]
    fn a_time_is_written_as_haproxy_and_as_rfc_3339_have_it() {
        let written = written(1_233_922_454_655);
        assert_eq!(written[0], "06/Feb/2009:12:14:14.655");
        assert_eq!(written[1], "2009-02-06T12:14:14.655Z");
    }

    #[test]
    fn every_day_is_the_one_that_another_implementation_says() {
        for day in 0..60_000 {
            let millis = day * 86_400_000 + 7;
            let time = UNIX_EPOCH + Duration::from_millis(millis);
            let other = httpdate::fmt_http_date(time);
            let parts: Vec<_> = other.split(' ').collect();
            let expected = format!("{}/{}/{}:00:00:00.007", parts[1], parts[2], parts[3]);
            assert_eq!(written(millis)[0], expected);
        }
    }

    #[test]
    fn leap_days_and_the_ends_of_years_are_where_the_calendar_has_them() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_735_689_599_000, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400_001, "2100-03-01T00:00:00.001Z"),
        ] {
            let time = UNIX_EPOCH + Duration::from_millis(millis);
            assert_eq!(Stamp::of(time).rfc3339(), text);
        }
    }
}
