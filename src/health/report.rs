//! What is told of checks: the first round, and in the story a round every interval, as if all
//! servers were asked together. Each is asked at its own time; a round is told as soon as each
//! has a new result. One that has none (its check began a moment later, or takes long) holds the
//! round up for one interval at most; then its last result is told again.
//!
//! Must not know what follows from a result.

use super::schedule::Seen;
use super::symptom::Symptom;
use crate::backends::{AdminState, Backend};
use crate::config::Config;
use crate::log::LogMode;
use crate::net::conn::Conn;
use log::Level;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// With more servers than this, a round counts those that are healthy and names the others.
const MOST_NAMED: usize = 10;

/// What is said once when a server answers the first check with a status that is no error of
/// its own.
const CURE: &str = "If such a server is well, tell the checks what to ask for, or what is good: \
                    --health-path /health, --health-status 2xx-3xx, --health-host app.example";

/// The results of checks, as far as they are told.
#[derive(Debug)]
pub(super) struct Report {
    servers: Vec<Server>,
    /// Every round is told, not just the first.
    is_story: bool,
    interval: Duration,
    /// When a round was told last.
    told: Instant,
}

#[derive(Debug)]
struct Server {
    backend: Arc<Backend<Conn>>,
    last: Option<Seen>,
    /// It came after the last round.
    is_new: bool,
}

impl Report {
    /// Nothing is told of these yet.
    pub(super) fn new(backends: &[Arc<Backend<Conn>>], config: &Config, now: Instant) -> Self {
        let server = |backend: &Arc<Backend<Conn>>| Server {
            backend: Arc::clone(backend),
            last: None,
            is_new: false,
        };
        Self {
            servers: backends.iter().map(server).collect(),
            is_story: config.log == LogMode::Story,
            interval: config.health.interval,
            told: now,
        }
    }

    /// Begins the first round.
    pub(super) fn begin(&self) {
        if self.is_story {
            self.tell_beginning();
        }
    }

    /// A check of the server with this index has ended, or is late.
    pub(super) fn note(&mut self, index: usize, seen: &Seen) {
        let server = &mut self.servers[index];
        server.last = Some(seen.clone());
        server.is_new = true;
    }

    /// Ends the first round. Servers that are not healthy are told of whatever else is.
    pub(super) fn end_first(&mut self, now: Instant) {
        for (level, line) in self.lines() {
            if self.is_story || level == Level::Warn {
                log::log!(level, "{line}");
            }
        }
        if self.servers.iter().any(Server::may_be_misunderstood) {
            log::warn!("{CURE}");
        }
        self.end_round(now);
    }

    /// Tells a round, if it is time.
    pub(super) fn go_on(&mut self, now: Instant) {
        let is_complete = || self.servers.iter().all(Server::is_done);
        if !self.is_story || now < self.earliest() || (now < self.latest() && !is_complete()) {
            return;
        }
        self.tell_beginning();
        for (_, line) in self.lines() {
            log::info!("{line}");
        }
        self.end_round(now);
    }

    /// When there is something to tell in any case. A check that completes the round sooner is
    /// noticed by itself.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let due = match now < self.earliest() {
            true => self.earliest(),
            false => self.latest(),
        };
        self.is_story.then_some(due)
    }

    /// Servers that are not well are asked more often than once in an interval; intervals of
    /// the others vary by as much.
    fn earliest(&self) -> Instant {
        self.told + self.interval / 20 * 19
    }

    fn latest(&self) -> Instant {
        self.told + self.interval * 2
    }

    fn end_round(&mut self, now: Instant) {
        self.told = now;
        self.servers.iter_mut().for_each(|one| one.is_new = false);
    }

    fn tell_beginning(&self) {
        log::info!("Performing health check...");
    }

    /// What there is to say of the servers, in the order of the command line.
    fn lines(&self) -> Vec<(Level, String)> {
        let all = self.servers.iter();
        if self.servers.len() <= MOST_NAMED {
            return all.map(Server::line).collect();
        }
        let healthy = all.clone().filter(|one| one.is_healthy()).count();
        let count = format!("{healthy} of {} servers are healthy.", self.servers.len());
        let others = all.filter(|one| !one.is_healthy()).map(Server::line);
        std::iter::once((Level::Info, count))
            .chain(others)
            .collect()
    }
}

impl Server {
    fn is_healthy(&self) -> bool {
        self.last == Some(Seen::Good)
    }

    /// Whether nothing more comes of it in this round.
    fn is_done(&self) -> bool {
        self.is_new || self.backend.state().admin == AdminState::Disabled
    }

    /// Whether it may be the question that is wrong: what it was asked for is not there, or
    /// somewhere else, or for others.
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

    const INTERVAL: Duration = Duration::from_secs(5);

    fn report(count: usize, now: Instant) -> Report {
        let name = |index: usize| Name {
            host: "a".into(),
            port: u16::try_from(index).expect("a small number"),
        };
        let backend = |index| Arc::new(Backend::new(name(index), Health::new(2, 2)));
        let backends: Vec<_> = (1..=count).map(backend).collect();
        let mut config = Config::default();
        config.health.interval = INTERVAL;
        let mut report = Report::new(&backends, &config, now);
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
    fn each_of_ten_servers_has_a_line_and_of_eleven_only_those_that_are_not_healthy() {
        let ten = report(10, Instant::now());
        let line = |index| format!("Server a:{index} is unhealthy (status code: 500).");
        assert_eq!(texts(&ten), (1..=10).map(line).collect::<Vec<_>>());
        let mut eleven = report(11, Instant::now());
        (0..9).for_each(|index| eleven.note(index, &Seen::Good));
        eleven.note(9, &Seen::Late("connecting"));
        assert_eq!(
            texts(&eleven),
            [
                "9 of 11 servers are healthy.",
                "Server a:10 is late (connecting).",
                &line(11),
            ]
        );
    }

    #[test]
    fn a_round_is_told_when_each_server_has_a_new_result_and_once_an_interval() {
        let began = Instant::now();
        let mut report = report(2, began);
        let told_at = |report: &mut Report, seconds: f32| {
            let now = began + Duration::from_secs_f32(seconds);
            report.go_on(now);
            report.told == now
        };
        report.note(0, &Seen::Good);
        report.note(1, &Seen::Good);
        assert!(!told_at(&mut report, 1.0), "too soon");
        assert!(told_at(&mut report, 4.8));
        report.note(0, &Seen::Good);
        assert!(!told_at(&mut report, 9.9), "one has no new result");
        report.note(1, &Seen::Late("connecting"));
        assert!(told_at(&mut report, 10.0));
        assert!(!told_at(&mut report, 19.9), "none has");
        assert!(told_at(&mut report, 20.0), "no result for two intervals");
    }

    #[test]
    fn what_is_due_lies_ahead() {
        let began = Instant::now();
        let report = report(1, began);
        for seconds in 0..10 {
            let now = began + Duration::from_secs(seconds);
            assert!(report.due(now).is_some_and(|due| due > now));
        }
    }

    #[test]
    fn what_is_good_and_down_is_not_said_to_be_used() {
        let mut report = report(1, Instant::now());
        report.note(0, &Seen::Good);
        assert_eq!(texts(&report), ["Server a:1 is healthy, but not used yet."]);
    }
}
