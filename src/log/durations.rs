//! How durations are written for people.

use std::time::Duration;

/// A duration in seconds, with a decimal below ten: `0.8 s`, `12 s`.
#[must_use]
pub fn seconds(time: Duration) -> String {
    match time.as_secs() {
        0..10 => format!("{:.1} s", time.as_secs_f32()),
        whole => format!("{whole} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_durations_have_a_decimal() {
        assert_eq!(seconds(Duration::from_millis(849)), "0.8 s");
        assert_eq!(seconds(Duration::from_millis(12_900)), "12 s");
    }
}
