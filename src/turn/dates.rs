//! The time of day as text, for `Date` and for the log. Written anew once a second, and the
//! clock that knows it is asked no more often.

use std::fmt::Write as _;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The current second. Should the system's clock be set, it is noticed within one.
#[derive(Debug, Default)]
pub struct Dates {
    date: String,
    logged: String,
    /// When the next second begins; `None` before the first.
    until: Option<Instant>,
}

impl Dates {
    /// The time `now`, as in `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7).
    pub fn at(&mut self, now: Instant) -> &str {
        self.keep_up(now);
        &self.date
    }

    /// The time `now`, as in `06/Nov/1994:08:49:37 +0000`.
    pub fn logged(&mut self, now: Instant) -> &str {
        self.keep_up(now);
        &self.logged
    }

    fn keep_up(&mut self, now: Instant) {
        if self.until.is_none_or(|until| now >= until) {
            let time = SystemTime::now();
            self.until = Some(now + rest_of_second(time));
            self.write(time);
        }
    }

    fn write(&mut self, time: SystemTime) {
        self.date.clear();
        // Writing to a String cannot fail, here and below.
        let _ = write!(self.date, "{}", httpdate::HttpDate::from(time));
        let mut parts = self.date.split(' ').skip(1);
        let mut next = || parts.next().unwrap_or("-");
        self.logged.clear();
        let _ = write!(
            self.logged,
            "{}/{}/{}:{} +0000",
            next(),
            next(),
            next(),
            next()
        );
    }
}

fn rest_of_second(time: SystemTime) -> Duration {
    let passed = time
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.subsec_nanos());
    Duration::from_secs(1) - Duration::from_nanos(u64::from(passed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_heads_and_logs_have_them() {
        let mut dates = Dates::default();
        dates.write(UNIX_EPOCH + Duration::from_secs(784_111_777));
        assert_eq!(dates.date, "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(dates.logged, "06/Nov/1994:08:49:37 +0000");
    }

    #[test]
    fn a_date_stands_until_its_second_is_over() {
        let (mut dates, now) = (Dates::default(), Instant::now());
        dates.at(now);
        let until = dates.until.expect("the end of this second");
        assert!(until > now && until <= now + Duration::from_secs(1));
        dates.date = "the same".into();
        assert_eq!(dates.at(now), "the same");
        assert_ne!(dates.at(until), "the same");
        let time = UNIX_EPOCH + Duration::from_millis(1_250);
        assert_eq!(rest_of_second(time), Duration::from_millis(750));
    }
}
