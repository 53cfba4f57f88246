//! What is logged of checks: the first round, and in the story one round per interval, as if all
//! backends were asked together. Each backend is asked at its own time, so a round is logged as soon
//! as each has a new result. A backend without one (its check began later, or takes long) delays the
//! round by one interval at most; then its last result is logged again.
//!
//! Must not know what follows from a result.

use super::schedule::Seen;
use super::symptom::Symptom;
use crate::backends::{AdminState, Backend};
use crate::config::Settings;
use crate::log::LogMode;
use crate::net::conn::Conn;
use log::Level;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// With more backends than this, a round counts the healthy ones and names the others.
const MOST_NAMED: usize = 10;

/// Logged once when a backend answers the first check with a status below 500: it may be the check
/// that is wrong.
const CURE: &str = "If such a backend is well, tell the checks what to ask for, or what is good: \
                    --health-path /health, --health-status 2xx-3xx, --health-host app.example";

/// The results of checks that are to be logged.
#[derive(Debug)]
pub(super) struct Report {
    backends: Vec<Checked>,
    /// Every round is logged, not just the first.
    is_story: bool,
    interval: Duration,
    /// When the last round was logged.
    logged: Instant,
}

#[derive(Debug)]
struct Checked {
    backend: Arc<Backend<Conn>>,
    last: Option<Seen>,
    /// The result came after the last round.
    is_new: bool,
}

impl Report {
    /// A report of these backends, with no results yet.
    pub(super) fn new(backends: &[Arc<Backend<Conn>>], settings: &Settings, now: Instant) -> Self {
        let backend = |backend: &Arc<Backend<Conn>>| Checked {
            backend: Arc::clone(backend),
            last: None,
            is_new: false,
        };
        Self {
            backends: backends.iter().map(backend).collect(),
            is_story: settings.log == LogMode::Story,
            interval: settings.health.interval,
            logged: now,
        }
    }

    /// Begins the first round.
    pub(super) fn begin(&self) {
        if self.is_story {
            self.log_beginning();
        }
    }

    /// Notes that a check of the backend with this index has ended, or is late.
    pub(super) fn note(&mut self, index: usize, seen: &Seen) {
        let backend = &mut self.backends[index];
        backend.last = Some(seen.clone());
        backend.is_new = true;
    }

    /// Ends the first round. Unhealthy backends are logged in any mode.
    pub(super) fn end_first(&mut self, now: Instant) {
        for (level, line) in self.lines() {
            if self.is_story || level == Level::Warn {
                log::log!(level, "{line}");
            }
        }
        if self.backends.iter().any(Checked::may_be_misunderstood) {
            log::warn!("{CURE}");
        }
        self.end_round(now);
    }

    /// Logs a round, if it is time.
    pub(super) fn go_on(&mut self, now: Instant) {
        let is_complete = || self.backends.iter().all(Checked::is_done);
        if !self.is_story || now < self.earliest() || (now < self.latest() && !is_complete()) {
            return;
        }
        self.log_beginning();
        for (_, line) in self.lines() {
            log::info!("{line}");
        }
        self.end_round(now);
    }

    /// When a round has to be logged at the latest. A check that completes it sooner wakes the thread
    /// by itself.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let due = match now < self.earliest() {
            true => self.earliest(),
            false => self.latest(),
        };
        self.is_story.then_some(due)
    }

    /// Unhealthy backends are asked more often than once per interval, and the intervals of the others
    /// vary by this much.
    fn earliest(&self) -> Instant {
        self.logged + self.interval / 20 * 19
    }

    fn latest(&self) -> Instant {
        self.logged + self.interval * 2
    }

    fn end_round(&mut self, now: Instant) {
        self.logged = now;
        self.backends.iter_mut().for_each(|one| one.is_new = false);
    }

    fn log_beginning(&self) {
        log::info!("Performing health check...");
    }

    /// The lines of a round, in the order of the command line.
    fn lines(&self) -> Vec<(Level, String)> {
        let all = self.backends.iter();
        if self.backends.len() <= MOST_NAMED {
            return all.map(Checked::line).collect();
        }
        let healthy = all.clone().filter(|one| one.is_healthy()).count();
        let count = format!("{healthy} of {} backends are healthy.", self.backends.len());
        let others = all.filter(|one| !one.is_healthy()).map(Checked::line);
        std::iter::once((Level::Info, count))
            .chain(others)
            .collect()
    }
}

impl Checked {
    fn is_healthy(&self) -> bool {
        self.last == Some(Seen::Good)
    }

    /// Whether its result for this round is there.
    fn is_done(&self) -> bool {
        self.is_new || self.backend.state().admin == AdminState::Disabled
    }

    /// Whether the check may be what is wrong: it asks for something that is not there, has moved, or
    /// is not allowed.
    fn may_be_misunderstood(&self) -> bool {
        matches!(self.last, Some(Seen::Bad(Symptom::Status(..500))))
    }

    fn line(&self) -> (Level, String) {
        let name = &self.backend.name;
        let (level, what) = match &self.last {
            Some(Seen::Good) if self.backend.is_up() => (Level::Info, "is healthy.".into()),
            Some(Seen::Good) => (Level::Info, "is healthy, but not used yet.".into()),
            Some(Seen::Late(what)) => (Level::Warn, format!("is late ({what}).")),
            Some(Seen::Bad(symptom)) => (Level::Warn, format!("is unhealthy ({symptom}).")),
            None => (Level::Info, "has not answered a check yet.".into()),
        };
        (level, format!("Server {name} {what}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::Name;
    use crate::backends::health::Health;
    use crate::health::symptom::Activity;

    const INTERVAL: Duration = Duration::from_secs(5);

    fn report(count: usize, now: Instant) -> Report {
        let name = |index: usize| Name {
            host: "a".into(),
            port: u16::try_from(index).expect("a small number"),
        };
        let backend = |index| Arc::new(Backend::new(name(index), Health::new(2, 2)));
        let backends: Vec<_> = (1..=count).map(backend).collect();
        let mut settings = Settings::default();
        settings.health.interval = INTERVAL;
        let mut report = Report::new(&backends, &settings, now);
        for index in 0..count {
            report.note(index, &Seen::Bad(Symptom::Status(500)));
        }
        report.end_first(now);
        report
    }

    fn texts(report: &Report) -> Vec<String> {
        report.lines().into_iter().map(|(_, line)| line).collect()
    }

    #[test]
    fn each_of_ten_backends_has_a_line_and_of_eleven_only_those_that_are_not_healthy() {
        let ten = report(10, Instant::now());
        let line = |index| format!("Server a:{index} is unhealthy (status code: 500).");
        assert_eq!(texts(&ten), (1..=10).map(line).collect::<Vec<_>>());
        let mut eleven = report(11, Instant::now());
        (0..9).for_each(|index| eleven.note(index, &Seen::Good));
        eleven.note(9, &Seen::Late(Activity::Connecting));
        assert_eq!(
            texts(&eleven),
            [
                "9 of 11 backends are healthy.",
                "Server a:10 is late (connecting).",
                &line(11),
            ]
        );
    }

    #[test]
    fn a_round_is_logged_when_each_backend_has_a_new_result_and_once_an_interval() {
        let began = Instant::now();
        let mut report = report(2, began);
        let logged_at = |report: &mut Report, seconds: f32| {
            let now = began + Duration::from_secs_f32(seconds);
            report.go_on(now);
            report.logged == now
        };
        report.note(0, &Seen::Good);
        report.note(1, &Seen::Good);
        assert!(!logged_at(&mut report, 1.0), "too soon");
        assert!(logged_at(&mut report, 4.8));
        report.note(0, &Seen::Good);
        assert!(!logged_at(&mut report, 9.9), "one has no new result");
        report.note(1, &Seen::Late(Activity::Connecting));
        assert!(logged_at(&mut report, 10.0));
        assert!(!logged_at(&mut report, 19.9), "none has");
        assert!(logged_at(&mut report, 20.0), "no result for two intervals");
    }

    #[test]
    fn what_is_due_lies_ahead() {
        let began = Instant::now();
        let report = report(1, began);
        for seconds in 0..10 {
            let now = began + Duration::from_secs(seconds);
            assert!(report.due(now).is_some_and(|due| due > now));
        }
        let (earliest, latest) = (report.earliest(), report.latest());
        assert_eq!(report.due(began), Some(earliest));
        assert_eq!(report.due(earliest), Some(latest));
        assert_eq!(
            report.due(earliest + Duration::from_millis(1)),
            Some(latest)
        );
    }

    #[test]
    fn a_complete_round_is_logged_at_the_earliest_time_that_is_allowed() {
        let began = Instant::now();
        let mut report = report(1, began);
        report.note(0, &Seen::Good);
        let earliest = report.earliest();
        report.go_on(earliest);
        assert_eq!(report.logged, earliest);
    }

    #[test]
    fn what_is_good_and_down_is_not_said_to_be_used() {
        let mut report = report(1, Instant::now());
        report.note(0, &Seen::Good);
        assert_eq!(texts(&report), ["Server a:1 is healthy, but not used yet."]);
    }
}
