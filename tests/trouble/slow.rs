//! Every answer is slow at once, those to checks too, as when all backends wait for the same
//! database.

use crate::findings::{Findings, judge};
use crate::play::{
    CLIENTS, FEW_CLIENTS, beside_others, lasting, play, recovery, side_by_side, stage,
};
use crate::stage::Stage;
use crate::support::Client;
use crate::time;
use std::time::Duration;

/// How long each answer takes then; longer than a check is waited for.
const SLOW: Duration = Duration::from_millis(900);

const TIMEOUT: Duration = Duration::from_millis(500);

/// Asks every backend for this from now on, whatever else it is asked for.
fn ask_all(stage: &Stage, query: &str) {
    for port in stage.ports() {
        let mut control = Client::to(([127, 0, 0, 1], port).into());
        control.send(format!("POST /trouble?{query} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(control.response().status, 200);
    }
}

fn slow(title: &str, clients: u64) -> Findings {
    // More often in the suite, so that a shorter time shows the same.
    let (interval, length) = (time(1000, 5000), time(3000, 5000));
    let mut stage = stage(&format!(
        "--health-timeout {}ms --health-interval {}ms",
        TIMEOUT.as_millis(),
        interval.as_millis()
    ));
    let query = format!("delay={}ms", SLOW.as_millis());
    let played = play(&stage, clients, recovery(TIMEOUT), |stage| {
        lasting(length, || ask_all(stage, &query), || ask_all(stage, ""))
    });
    let mut found = played.judged(title, &mut stage, |_| false);
    found.demand(played.longest() >= SLOW, || "nothing was slow".into());
    found
}

fn attempt() -> Findings {
    let _machine = beside_others();
    side_by_side(
        || slow("everything slow", CLIENTS),
        || slow("everything slow, few requests", FEW_CLIENTS),
    )
}

#[test]
fn backends_that_are_all_slow_at_once_are_waited_for() {
    judge(attempt);
}
