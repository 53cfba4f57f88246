//! All packets to and from one of three backends vanish for a while, without a word.
//!
//! Where the backend's kernel had acknowledged a request before, the answer may come when the
//! network is back; until then the balancer cannot tell it from a slow one. Every other GET must
//! move to another backend.

use crate::client::Outcome;
use crate::findings::{Findings, judge};
use crate::load::Sample;
use crate::network::{Network, Weather};
use crate::play::{CLIENTS, OWN_TIME, Played, SLACK, Span, beside_others, lasting, play, words};
use crate::stage::Stage;
use crate::support::Client;
use crate::time;
use crate::verdict::failure;
use std::thread;
use std::time::{Duration, Instant};

/// `--health-interval`, which is the default.
const INTERVAL: Duration = Duration::from_secs(5);

/// Within which a GET has left a backend that does not hear it: `--connect-timeout`, which is
/// longer than a request may stay unacknowledged.
const LEFT: Duration = Duration::from_secs(2);

/// Within which the backend is used again, beside the interval.
const USED_AGAIN: Duration = Duration::from_secs(2);

struct Cut {
    port: u16,
    span: Span,
    /// How long after the end of it a request was answered by the backend.
    used_again: Option<Duration>,
}

fn cut(network: &Network, stage: &Stage, port: u16, lost: &mut usize) -> Cut {
    let weather = Weather {
        cut: Some(port),
        ..Weather::default()
    };
    let begin = || {
        network.set(weather);
    };
    let end = || *lost += network.set(Weather::default());
    let span = lasting(time(4000, 5000), begin, end);
    Cut {
        port,
        span,
        used_again: wait_until_used(stage.lb.client(), port, span.ended),
    }
}

fn wait_until_used(mut client: Client, port: u16, since: Instant) -> Option<Duration> {
    let own = format!("Server {port}!");
    while since.elapsed() < INTERVAL + USED_AGAIN * 2 {
        if client.get("/").text().contains(&own) {
            return Some(since.elapsed());
        }
        thread::sleep(Duration::from_millis(20));
    }
    None
}

/// A POST that was on its way to the backend then. It may have arrived, so it cannot move, and
/// may end without an answer; but not because of what was thought of the backend.
fn is_excused(sample: &Sample, cuts: &[Cut]) -> bool {
    let is_of = |cut: &Cut| {
        let names_it = match &sample.outcome {
            Outcome::Status(502 | 504, text) => {
                text.contains(&format!(":{}", cut.port)) && !text.contains("went down")
            }
            _ => false,
        };
        names_it && sample.overlaps(cut.span.began, cut.span.ended)
    };
    sample.is_post && cuts.iter().any(is_of)
}

/// GETs that stayed for too long at a backend that they cannot have reached.
fn stuck(played: &Played, stage: &Stage, cut: &Cut) -> Vec<String> {
    let span = cut.span;
    let is_stuck = |sample: &&Sample| {
        let most = LEFT + OWN_TIME + SLACK + stage.stalls.between(span.began, sample.ended);
        let has_reached =
            sample.outcome == Outcome::Answered(cut.port) && sample.began < span.began;
        let since = sample.began.max(span.began);
        !has_reached && sample.ended.saturating_duration_since(since) > most
    };
    let gets = played.troubled().filter(|sample| !sample.is_post);
    let mine = gets.filter(|sample| sample.overlaps(span.began, span.ended));
    let stuck = mine.filter(is_stuck);
    stuck.map(|sample| failure(sample, span.began)).collect()
}

fn scene(network: &Network, mut stage: Stage) -> Findings {
    let (mut cuts, mut lost): (Vec<Cut>, _) = (Vec::new(), 0);
    let ports = stage.ports();
    let played = play(&stage, CLIENTS, INTERVAL + USED_AGAIN, |stage| {
        let port = ports[cuts.len() % ports.len()];
        cuts.push(cut(network, stage, port, &mut lost));
        cuts.last().expect("one").span
    });
    let excuse = |sample: &Sample| is_excused(sample, &cuts);
    let mut found = played.judged("partition", &mut stage, excuse);
    found.demand(lost > 0, || "no packet was lost".into());
    for cut in &cuts {
        found.untimely.extend(stuck(&played, &stage, cut));
        let after = cut.used_again;
        println!("  {} is used again after {after:.2?}", cut.port);
        let most = INTERVAL + USED_AGAIN + found.stalled;
        found.expect(after.is_some_and(|after| after <= most), || {
            format!("{} is used again after {after:?}", cut.port)
        });
    }
    found
}

fn attempt() -> Findings {
    let _machine = beside_others();
    let Some(network) = Network::build() else {
        return Findings::default();
    };
    network.stage(&words(""), |stage| scene(&network, stage))
}

#[test]
fn a_backend_that_cannot_be_reached_keeps_no_get() {
    judge(attempt);
}
