//! Responses by status code. What backends send is not bounded, so codes that nobody looks for are
//! counted by their class.

use super::counter::Counter;

/// Codes that are counted by themselves: those that RFC 9110 and its companions define and that are in
/// use.
const KNOWN: [u16; 40] = [
    101, 200, 201, 202, 203, 204, 205, 206, 300, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404,
    405, 406, 408, 409, 410, 411, 412, 413, 414, 415, 416, 421, 422, 429, 431, 499, 500, 501, 502,
    503, 504,
];

/// The others, by their class.
const CLASSES: [&str; 6] = ["other", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Counters of responses by status code.
#[derive(Debug)]
pub struct CodeCounters {
    known: [Counter; KNOWN.len()],
    classes: [Counter; CLASSES.len()],
}

impl Default for CodeCounters {
    fn default() -> Self {
        Self {
            known: [const { Counter::new() }; KNOWN.len()],
            classes: [const { Counter::new() }; CLASSES.len()],
        }
    }
}

impl CodeCounters {
    /// Counts a response with this status.
    pub fn count(&self, status: u16) {
        match KNOWN.binary_search(&status) {
            Ok(place) => self.known[place].count(),
            Err(_) => self.classes[class(status)].count(),
        }
    }

    /// Calls `look` for each code that was counted, with its name.
    pub fn for_each(&self, mut look: impl FnMut(&str, u64)) {
        let mut show = |name: &str, counter: &Counter| match counter.read() {
            0 => {}
            count => look(name, count),
        };
        for (status, counter) in KNOWN.iter().zip(&self.known) {
            show(&status.to_string(), counter);
        }
        for (name, counter) in CLASSES.iter().zip(&self.classes) {
            show(name, counter);
        }
    }

    /// How many were counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        let all = self.known.iter().chain(&self.classes);
        all.map(Counter::read).sum()
    }
}

fn class(status: u16) -> usize {
    match status / 100 {
        class @ 1..=5 => usize::from(class),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_codes_are_in_order_so_that_they_are_found() {
        assert!(KNOWN.is_sorted());
        let codes = CodeCounters::default();
        KNOWN.iter().for_each(|status| codes.count(*status));
        let mut found = Vec::new();
        codes.for_each(|name, count| found.push((name.to_string(), count)));
        let expected = KNOWN.map(|status| (status.to_string(), 1));
        assert_eq!(found, expected);
    }

    #[test]
    fn any_other_code_counts_for_its_class() {
        let codes = CodeCounters::default();
        for status in [199, 299, 399, 418, 599, 600, 999, 0, 450] {
            codes.count(status);
        }
        let mut found = Vec::new();
        codes.for_each(|name, count| found.push(format!("{name} {count}")));
        assert_eq!(
            found,
            ["other 3", "1xx 1", "2xx 1", "3xx 1", "4xx 2", "5xx 1"]
        );
        assert_eq!(codes.total(), 9);
    }
}
