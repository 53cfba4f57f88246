//! The balancer itself is stopped for a while, as with a machine that is moved or suspended.

use crate::findings::{Findings, judge};
use crate::play::{
    CLIENTS, TIMEOUT, beside_others, lasting, outages, play, recovery, side_by_side, stage,
};
use rustix::process::Signal;
use std::time::Duration;

/// Longer than a check or a connection is waited for.
const PAUSE: Duration = Duration::from_secs(3);

fn pause(title: &str, settings: &str) -> Findings {
    let mut stage = stage(settings);
    let played = play(&stage, CLIENTS, recovery(TIMEOUT), |stage| {
        let signal = |signal| move || stage.lb.signal(signal);
        lasting(PAUSE, signal(Signal::STOP), signal(Signal::CONT))
    });
    let mut found = played.judged(title, &mut stage, |_| false);
    found.demand(played.longest() >= PAUSE, || "nothing was late".into());
    let outages = outages(&stage.watch.turns());
    found.demand(outages.is_empty(), || {
        format!("{title}: backends were blamed for it")
    });
    found
}

/// With the default settings, and with a check under way at almost any moment.
fn attempt() -> Findings {
    let _machine = beside_others();
    let often = "--health-interval 200ms --health-path /?delay=150ms";
    side_by_side(
        || pause("paused", ""),
        || pause("paused, checked often", often),
    )
}

#[test]
fn a_balancer_that_was_stopped_for_a_while_blames_no_backend() {
    judge(attempt);
}
