//! Troubles that hit all backends at once, or the balancer itself: every answer is slow, the
//! balancer is stopped or gets no processor, the network loses packets or all packets of one
//! backend.
//!
//! In each of them a backend seems to be dead, and none is. So no request may fail, and no
//! backend may be out for longer than the trouble lasts.
//!
//! `scripts/drill.sh` runs it in full size, with `LB_DRILL_ROUNDS=10`, and shows the figures.
#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used)]

#[allow(dead_code, reason = "shared with the drill")]
#[path = "drill/client.rs"]
mod client;
#[allow(dead_code, reason = "shared with the drill")]
#[path = "drill/findings.rs"]
mod findings;
#[allow(dead_code, reason = "shared with the drill")]
#[path = "drill/load.rs"]
mod load;
#[path = "trouble/lossy.rs"]
mod lossy;
#[path = "trouble/network.rs"]
mod network;
#[path = "trouble/partition.rs"]
mod partition;
#[path = "trouble/paused.rs"]
mod paused;
#[allow(dead_code, reason = "shared with the drill")]
#[path = "drill/phase.rs"]
mod phase;
#[path = "trouble/play.rs"]
mod play;
#[path = "trouble/slow.rs"]
mod slow;
#[allow(dead_code, reason = "shared with the drill")]
#[path = "drill/stage.rs"]
mod stage;
// The last by name, since it waits for the others and holds them up.
#[path = "trouble/starved.rs"]
mod starved;
mod support;
#[allow(dead_code, reason = "shared with the drill")]
#[path = "drill/table.rs"]
mod table;
#[path = "trouble/vanished.rs"]
mod vanished;
#[allow(dead_code, reason = "shared with the drill")]
#[path = "drill/verdict.rs"]
mod verdict;
#[allow(dead_code, reason = "shared with the drill")]
#[path = "drill/watch.rs"]
mod watch;

use std::time::Duration;

/// The rounds of the drill: one in the suite.
fn drill_rounds() -> usize {
    let rounds = std::env::var("LB_DRILL_ROUNDS").ok();
    rounds.and_then(|rounds| rounds.parse().ok()).unwrap_or(1)
}

/// How often each trouble comes: less often than the faults of the drill, which are shorter.
pub(crate) fn rounds() -> usize {
    drill_rounds().div_ceil(3)
}

/// Whether this is the full size and not the suite.
pub(crate) fn is_full() -> bool {
    drill_rounds() > 1
}

/// A time of the suite, or of the full size.
pub(crate) fn time(in_suite: u64, full: u64) -> Duration {
    Duration::from_millis(if is_full() { full } else { in_suite })
}
