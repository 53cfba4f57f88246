//! One fault from beginning to end, and the figures that come of it.

use crate::client::Outcome;
use crate::load::Sample;
use crate::stage::{Fault, Stage};
use crate::verdict::SUSPECT;
use crate::watch::Turn;
use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

/// How long each part of a phase lasts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Before the fault.
    pub(crate) calm: Duration,
    /// From the fault on at least, for what can be told at once.
    pub(crate) least: Duration,
    /// After the backend is out.
    pub(crate) outage: Duration,
    /// After it is back.
    pub(crate) after: Duration,
}

/// When what happened.
#[derive(Clone, Debug)]
pub(crate) struct Phase {
    pub(crate) fault: Fault,
    pub(crate) port: u16,
    pub(crate) began: Instant,
    /// Just before the fault, and when it had taken effect.
    pub(crate) struck: (Instant, Instant),
    /// When the balancer said that the backend is down.
    pub(crate) out: Option<Instant>,
    pub(crate) repaired: Instant,
    /// When it said that it is up.
    pub(crate) back: Option<Instant>,
    pub(crate) ended: Instant,
}

impl Phase {
    /// Lets it happen to the backend with this index.
    pub(crate) fn run(stage: &mut Stage, fault: Fault, index: usize, pace: &Pace) -> Self {
        let began = Instant::now();
        thread::sleep(pace.calm);
        let backend = &mut stage.backends[index];
        let port = backend.port;
        let struck = fault.strike(backend);
        let wait_for = |is_up| match fault.is_told() {
            true => stage.watch.wait_for(port, is_up, struck.0),
            false => None,
        };
        let out = wait_for(false);
        thread::sleep(pace.least.saturating_sub(struck.0.elapsed()));
        let since = out.unwrap_or(struck.1);
        thread::sleep(pace.outage.saturating_sub(since.elapsed()));
        let repaired = fault.repair(backend);
        let back = wait_for(true);
        thread::sleep(pace.after);
        Self {
            fault,
            port,
            began,
            struck,
            out,
            repaired,
            back,
            ended: Instant::now(),
        }
    }
}

/// Requests that were answered, by the port of the backend.
pub(crate) type Shares = BTreeMap<u16, usize>;

/// A phase in figures.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    pub(crate) phase: Phase,
    pub(crate) requests: usize,
    /// Those that were not answered as they should.
    pub(crate) failed: Vec<Sample>,
    /// Those that took longer than a second.
    pub(crate) slow: usize,
    /// Those that took longer than that and what the machine may have added.
    pub(crate) too_slow: usize,
    /// Those of them that came when the backend should have been suspect already.
    pub(crate) new_and_slow: usize,
    /// How long after the backend was out the last one ended that had begun before.
    pub(crate) moved_after: Duration,
    /// What the machine may have added to times, from the fault to the end of it.
    pub(crate) stalled: Duration,
    /// While the backend was out.
    pub(crate) during: Shares,
    /// By how much they may differ though turns are exact: what is under way at the edges.
    pub(crate) during_slack: usize,
    /// Answers of the backend itself that began and ended while it was out. One that ended
    /// later may have been given to it when it was back.
    pub(crate) own: usize,
    /// Since it was back.
    pub(crate) after: Shares,
    pub(crate) after_slack: usize,
    /// Backends that went down or up, though nobody had done anything to them.
    pub(crate) stray: Vec<Turn>,
    /// Turns of the backend that was meant.
    pub(crate) turns: usize,
    /// The last good answer of the backend before it was out.
    pub(crate) last_good: Instant,
}

impl Figures {
    pub(crate) fn of(phase: Phase, samples: &[Sample], stage: &Stage) -> Self {
        let within = |sample: &&Sample| phase.began <= sample.began && sample.began < phase.ended;
        let mine: Vec<&Sample> = samples.iter().filter(within).collect();
        let (from, to) = (phase.out.unwrap_or(phase.repaired), phase.repaired);
        let (live_again, end) = (phase.back.unwrap_or(phase.ended), phase.ended);
        let turns = stage.watch.turns().into_iter();
        let turns = turns.filter(|turn| phase.began <= turn.at && turn.at < phase.ended);
        let (own, stray): (Vec<Turn>, _) = turns.partition(|turn| turn.port == phase.port);
        let from_it = |sample: &&Sample| sample.outcome == Outcome::Answered(phase.port);
        let before_out = |sample: &&Sample| from_it(sample) && sample.ended <= from;
        let last_good = samples.iter().filter(before_out).map(|sample| sample.ended);
        let stalled = stage.stalls.between(phase.struck.0, phase.ended);
        let second = Duration::from_secs(1);
        let is_own =
            |sample: &&Sample| from_it(sample) && from <= sample.began && sample.ended < to;
        let slower = |than: Duration| mine.iter().filter(|sample| sample.took() > than).count();
        let suspect = phase.struck.1 + SUSPECT + stalled;
        let is_new_and_slow = |sample: &&&Sample| {
            let came_late = suspect <= sample.began && sample.began < phase.repaired;
            came_late && sample.took() > second + stalled
        };
        Self {
            requests: mine.len(),
            slow: slower(second),
            too_slow: slower(second + stalled),
            new_and_slow: mine.iter().filter(is_new_and_slow).count(),
            moved_after: mine
                .iter()
                .filter(|sample| sample.began <= from)
                .map(|sample| sample.ended.saturating_duration_since(from))
                .max()
                .unwrap_or_default(),
            failed: mine
                .iter()
                .filter(|sample| !sample.is_good())
                .map(|&sample| sample.clone())
                .collect(),
            stalled,
            during: shares(samples, from, to, stage),
            during_slack: slack(samples, from, to),
            own: samples.iter().filter(is_own).count(),
            after: shares(samples, live_again, end, stage),
            after_slack: slack(samples, live_again, end),
            stray,
            turns: own.len(),
            last_good: last_good.max().unwrap_or(phase.struck.0),
            phase,
        }
    }

    pub(crate) fn seconds_out(&self) -> Option<Duration> {
        let out = self.phase.out?;
        Some(out.saturating_duration_since(self.phase.struck.0))
    }

    pub(crate) fn seconds_back(&self) -> Option<Duration> {
        let back = self.phase.back?;
        Some(back.saturating_duration_since(self.phase.repaired))
    }

    /// Failed requests of which something is true.
    pub(crate) fn count(&self, is_meant: impl Fn(&Outcome) -> bool) -> usize {
        let failed = self.failed.iter();
        failed.filter(|sample| is_meant(&sample.outcome)).count()
    }
}

/// Answers to requests that began in this time, by backend; one that gave none has 0.
pub(crate) fn shares(samples: &[Sample], from: Instant, to: Instant, stage: &Stage) -> Shares {
    let mut shares: Shares = stage.ports().into_iter().map(|port| (port, 0)).collect();
    let within = |sample: &&Sample| from <= sample.began && sample.began < to;
    for sample in samples.iter().filter(within) {
        if let Outcome::Answered(port) = sample.outcome {
            *shares.entry(port).or_default() += 1;
        }
    }
    shares
}

/// A request counts for the time when it began, but takes its turn a little later: those under
/// way at either edge may have been given to anybody.
pub(crate) fn slack(samples: &[Sample], from: Instant, to: Instant) -> usize {
    let at = |edge: Instant| {
        samples
            .iter()
            .filter(|sample| sample.overlaps(edge, edge))
            .count()
    };
    1 + at(from) + at(to)
}
