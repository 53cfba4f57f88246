//! A trouble from beginning to end under load, again and again, and what is demanded of all.

use crate::client::{Order, Outcome};
use crate::findings::Findings;
use crate::load::{Load, Sample};
use crate::rounds;
use crate::stage::{Backend, Deliveries, Stage};
use crate::verdict::{failure, of_deliveries};
use crate::watch::{Turn, name};
use fastrand::Rng;
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;
use std::time::{Duration, Instant};

/// Clients, so many that each backend always has requests and answers some of them.
pub(crate) const CLIENTS: u64 = 24;

/// So few that a backend often has requests and yet answers none for a while.
pub(crate) const FEW_CLIENTS: u64 = 6;

/// How long the slowest requests take at a backend that is well.
pub(crate) const OWN_TIME: Duration = Duration::from_millis(800);

/// `--rise` and `--health-timeout`, which are the defaults, and the time between two checks of
/// a backend that is down (give or take 5 %).
const RISE: u32 = 2;
pub(crate) const TIMEOUT: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_millis(1050);

/// For a line to be printed and read.
pub(crate) const SLACK: Duration = Duration::from_millis(250);

/// Before and after each trouble.
const CALM: Duration = Duration::from_millis(500);

/// A scene that keeps all processors busy would disturb the others, so it runs alone.
static MACHINE: RwLock<()> = RwLock::new(());

/// Held by a scene that can run beside others.
pub(crate) fn beside_others() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().unwrap_or_else(PoisonError::into_inner)
}

/// Held by a scene that disturbs others.
pub(crate) fn alone() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().unwrap_or_else(PoisonError::into_inner)
}

/// The time within which a backend that is down is taken back once all is well: a check that
/// hangs is given up, and `--rise` others succeed.
pub(crate) fn recovery(timeout: Duration) -> Duration {
    timeout + AGAIN * RISE + SLACK
}

/// GETs and POSTs, half of them at once and half after up to `OWN_TIME`, and uploads that take
/// most of a second to arrive, too large to be sent twice.
fn order(id: u64, rng: &mut Rng) -> Order {
    let order = Order {
        delay: [0, 20, 300, 800][rng.usize(..4)],
        ..Order::random(id, rng)
    };
    match rng.u8(..8) {
        0 => Order {
            is_post: true,
            bytes: 150_000,
            delay: 20,
            pause: Duration::from_millis(80),
            ..order
        },
        _ => order,
    }
}

/// From the moment when a trouble was there until it was over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
}

/// A trouble that lasts so long.
pub(crate) fn lasting(time: Duration, begin: impl FnOnce(), end: impl FnOnce()) -> Span {
    begin();
    let began = Instant::now();
    thread::sleep(time);
    let ended = Instant::now();
    end();
    Span { began, ended }
}

/// What came of it.
pub(crate) struct Played {
    pub(crate) samples: Vec<Sample>,
    pub(crate) spans: Vec<Span>,
    recovery: Duration,
}

/// Plays two scenes at a time that do not disturb each other.
pub(crate) fn side_by_side(
    one: impl FnOnce() -> Findings,
    other: impl FnOnce() -> Findings + Send,
) -> Findings {
    thread::scope(|scope| {
        let other = scope.spawn(other);
        let mut found = one();
        let other = other.join().expect("no panic");
        found.stalled = found.stalled.max(other.stalled);
        found.add(other);
        found
    })
}

/// Three backends on the loopback interface.
pub(crate) fn stage(settings: &str) -> Stage {
    let deliveries = Deliveries::default();
    let backends = (0..3).map(|_| Backend::start(&deliveries)).collect();
    Stage::over(backends, deliveries, name, &words(settings))
}

pub(crate) fn words(settings: &str) -> Vec<String> {
    let settings = format!("--log off {settings}");
    settings.split_whitespace().map(str::to_string).collect()
}

/// Lets the trouble come under load, and after it waits for all backends to be up again, for at
/// most the recovery.
pub(crate) fn play(
    stage: &Stage,
    clients: u64,
    recovery: Duration,
    mut trouble: impl FnMut(&Stage) -> Span,
) -> Played {
    let load = Load::of(stage.lb.address, clients, order);
    let mut spans = Vec::new();
    for _ in 0..rounds() {
        thread::sleep(CALM);
        let span = trouble(stage);
        thread::sleep(CALM);
        wait_until_up(stage, span.ended + recovery);
        spans.push(span);
    }
    let samples = load.end();
    // One may have gone down meanwhile.
    wait_until_up(stage, Instant::now() + recovery);
    Played {
        samples,
        spans,
        recovery,
    }
}

fn wait_until_up(stage: &Stage, until: Instant) {
    while !are_up(stage) && Instant::now() < until {
        thread::sleep(Duration::from_millis(5));
    }
}

fn are_up(stage: &Stage) -> bool {
    let turns = stage.watch.turns().into_iter();
    let last: BTreeMap<u16, bool> = turns.map(|turn| (turn.port, turn.is_up)).collect();
    last.values().all(|is_up| *is_up)
}

impl Played {
    /// The span in which something happened, or which is the last before it.
    pub(crate) fn span_of(&self, at: Instant) -> Option<&Span> {
        self.spans.iter().rfind(|span| span.began <= at)
    }

    /// Those that were under way at some moment of a trouble.
    pub(crate) fn troubled(&self) -> impl Iterator<Item = &Sample> {
        let is_meant = |sample: &&Sample| {
            let mut spans = self.spans.iter();
            spans.any(|span| sample.overlaps(span.began, span.ended))
        };
        self.samples.iter().filter(is_meant)
    }

    /// The longest time that any of these took.
    pub(crate) fn longest(&self) -> Duration {
        let times = self.troubled().map(Sample::took);
        times.max().unwrap_or_default()
    }

    /// What is wrong in every scene: a request that fails, one that is done twice, a backend
    /// that is out for longer than the trouble. Some failures may be excused.
    pub(crate) fn judged(
        &self,
        title: &str,
        stage: &mut Stage,
        is_excused: impl Fn(&Sample) -> bool,
    ) -> Findings {
        self.print(title, stage);
        let mut found = Findings {
            stalled: self.stalled(stage),
            ..Findings::default()
        };
        let failed = self.samples.iter().filter(|sample| !sample.is_good());
        for sample in failed.filter(|sample| !is_excused(sample)) {
            let span = self.span_of(sample.ended).unwrap_or(&self.spans[0]);
            found.wrong.push(failure(sample, span.began));
        }
        for outage in outages(&stage.watch.turns()) {
            found.expect(self.is_covered(&outage, stage), || {
                format!("longer than the trouble: {}", outage.words(self))
            });
        }
        stage.read_to_the_end();
        let deliveries = of_deliveries(&self.samples, &stage.deliveries);
        found.wrong.extend(deliveries);
        for what in found.wrong.iter_mut().chain(&mut found.untimely) {
            *what = format!("{title}: {what}");
        }
        found
    }

    /// By how much threads were late when the trouble was over. What they were late during it
    /// may be the trouble.
    fn stalled(&self, stage: &Stage) -> Duration {
        let after = |span: &Span| {
            let end = span.ended + self.recovery;
            stage.stalls.between(span.ended, end)
        };
        self.spans.iter().map(after).sum()
    }

    /// Whether a trouble, with its recovery, covers the whole time that a backend was out.
    fn is_covered(&self, outage: &Outage, stage: &Stage) -> bool {
        let end = |span: &Span| {
            let end = span.ended + self.recovery;
            end + stage.stalls.between(span.ended, end)
        };
        let mut spans = self.spans.iter();
        spans.any(|span| {
            let is_over = outage.up.is_some_and(|up| up <= end(span));
            span.began <= outage.down && is_over
        })
    }

    fn print(&self, title: &str, stage: &Stage) {
        let failed: Vec<&Sample> = self.samples.iter().filter(|one| !one.is_good()).collect();
        let posts = failed.iter().filter(|sample| sample.is_post).count();
        println!(
            "\n{title}: {} requests, {} under way in trouble, the longest {:.2?}; failed: \
             {} GETs, {posts} POSTs; threads were late by {:.2?} in all",
            self.samples.len(),
            self.troubled().count(),
            self.longest(),
            failed.len() - posts,
            stage.stalls.in_all()
        );
        for (what, count) in kinds(&failed) {
            println!("  {count:>5} {what}");
        }
        for outage in outages(&stage.watch.turns()) {
            println!("  {}", outage.words(self));
        }
    }
}

/// How often each kind of failure came; the statuses in few words.
fn kinds(failed: &[&Sample]) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for sample in failed {
        let kind = match &sample.outcome {
            Outcome::Status(status, text) => format!("{status} {}", without_digits(text)),
            other => format!("{other:?}"),
        };
        *kinds.entry(kind).or_default() += 1;
    }
    kinds
}

/// A text without what differs between backends and moments.
fn without_digits(text: &str) -> String {
    let chars = text.chars().filter(|char| !char.is_ascii_digit());
    chars.take(200).collect()
}

/// The time that a backend was out.
pub(crate) struct Outage {
    pub(crate) port: u16,
    pub(crate) down: Instant,
    pub(crate) up: Option<Instant>,
}

impl Outage {
    fn words(&self, played: &Played) -> String {
        let span = played.span_of(self.down);
        let began = span.map_or(self.down, |span| span.began);
        let lasted = self.up.map(|up| up - self.down);
        format!(
            "{} was down {:.2?} after the trouble began, for {lasted:.2?}",
            self.port,
            self.down - began
        )
    }
}

/// From each line that says DOWN to the next that says UP.
pub(crate) fn outages(turns: &[Turn]) -> Vec<Outage> {
    let outage = |(number, down): (usize, &Turn)| {
        let mut later = turns[number..].iter();
        let up = later.find(|turn| turn.is_up && turn.port == down.port);
        Outage {
            port: down.port,
            down: down.at,
            up: up.map(|turn| turn.at),
        }
    };
    let turns = turns.iter().enumerate();
    turns.filter(|(_, turn)| !turn.is_up).map(outage).collect()
}
