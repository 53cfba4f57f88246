//! A network that loses packets and takes its time, as between two continents on a bad day.

use crate::findings::{Findings, judge};
use crate::network::{Network, Weather};
use crate::play::{
    CLIENTS, FEW_CLIENTS, TIMEOUT, beside_others, lasting, play, recovery, side_by_side, words,
};
use crate::stage::Stage;
use crate::time;

const BAD: Weather = Weather {
    loss: 5,
    delay: 30,
    cut: None,
};

fn scene(network: &Network, mut stage: Stage, title: &str, clients: u64) -> Findings {
    let mut lost = 0;
    let played = play(&stage, clients, recovery(TIMEOUT), |_| {
        let begin = || {
            network.set(BAD);
        };
        let end = || lost += network.set(Weather::default());
        lasting(time(3500, 15_000), begin, end)
    });
    let mut found = played.judged(title, &mut stage, |_| false);
    println!("  {lost} packets");
    found.demand(lost > 0, || "no packet was lost".into());
    found
}

fn lossy(title: &str, clients: u64) -> Findings {
    let Some(network) = Network::build() else {
        return Findings::default();
    };
    network.stage(&words(""), |stage| scene(&network, stage, title, clients))
}

fn attempt() -> Findings {
    let _machine = beside_others();
    side_by_side(
        || lossy("packets lost", CLIENTS),
        || lossy("packets lost, few requests", FEW_CLIENTS),
    )
}

#[test]
fn lost_packets_and_long_ways_fail_no_request() {
    judge(attempt);
}
