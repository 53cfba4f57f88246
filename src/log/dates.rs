//! The time of day as text, for `Date` and for the log. Written anew once a second, and the
//! clock that knows it is asked no more often.

use super::stamp::Stamp;
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The length of a date in a head.
const DATE_BYTES: usize = 29;

/// A date as it stands in a head (RFC 9110 §5.6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpDate([u8; DATE_BYTES]);

impl HttpDate {
    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // It was written in ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// The current second. Should the system's clock be set, it is noticed within one.
#[derive(Debug)]
pub struct Dates {
    date: [u8; DATE_BYTES],
    logged: String,
    /// When the next second begins; `None` before the first.
    until: Option<Instant>,
    /// Two clocks at the same moment, in the second that is current.
    synced: Option<(Instant, SystemTime)>,
}

impl Default for Dates {
    fn default() -> Self {
        Self {
            date: [b' '; DATE_BYTES],
            logged: String::new(),
            until: None,
            synced: None,
        }
    }
}

impl Dates {
    /// The time `now`, as in `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7).
    pub fn at(&mut self, now: Instant) -> HttpDate {
        self.keep_up(now);
        HttpDate(self.date)
    }

    /// The time `now`, as in `06/Nov/1994:08:49:37 +0000`.
    pub fn logged(&mut self, now: Instant) -> &str {
        self.keep_up(now);
        &self.logged
    }

    /// The time of day at `then`, which is now or was a while ago, with milliseconds.
    pub fn stamp(&mut self, then: Instant, now: Instant) -> Stamp {
        self.keep_up(now);
        let (instant, time) = self.synced.unwrap_or((now, SystemTime::UNIX_EPOCH));
        let time = match then.checked_duration_since(instant) {
            Some(since) => time + since,
            None => time - (instant - then),
        };
        Stamp::of(time)
    }

    fn keep_up(&mut self, now: Instant) {
        if self.until.is_none_or(|until| now >= until) {
            let time = SystemTime::now();
            self.until = Some(now + rest_of_second(time));
            self.synced = Some((now, time));
            self.write(time);
        }
    }

    fn write(&mut self, time: SystemTime) {
        // Neither a date of this form nor a String can be too short, here and below.
        let _ = write!(&mut self.date[..], "{}", httpdate::HttpDate::from(time));
        let date = HttpDate(self.date);
        let mut parts = date.as_str().split(' ').skip(1);
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
        let date = HttpDate(dates.date);
        assert_eq!(date.as_str(), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(dates.logged, "06/Nov/1994:08:49:37 +0000");
    }

    #[test]
    fn a_stamp_of_a_moment_ago_is_that_much_earlier() {
        let (mut dates, now) = (Dates::default(), Instant::now());
        let before = SystemTime::now();
        let stamp = dates.stamp(now, now);
        let (_, time) = dates.synced.expect("in use");
        assert!(time >= before && stamp == Stamp::of(time));
        let day = Duration::from_secs(86_400);
        if let Some(then) = now.checked_sub(day) {
            assert_eq!(dates.stamp(then, now), Stamp::of(time - day));
        }
        let millis = Duration::from_millis(7);
        assert_eq!(
            dates.stamp(now + millis, now + millis),
            Stamp::of(time + millis)
        );
    }

    #[test]
    fn a_date_stands_until_its_second_is_over() {
        let (mut dates, now) = (Dates::default(), Instant::now());
        dates.at(now);
        let until = dates.until.expect("the end of this second");
        assert!(until > now && until <= now + Duration::from_secs(1));
        let same = [b'x'; DATE_BYTES];
        dates.date = same;
        assert_eq!(dates.at(now), HttpDate(same));
        assert_ne!(dates.at(until), HttpDate(same));
        let time = UNIX_EPOCH + Duration::from_millis(1_250);
        assert_eq!(rest_of_second(time), Duration::from_millis(750));
    }
}
