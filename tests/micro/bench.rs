//! Micro-benchmarks of what requests pass through: `cargo bench`, or `cargo bench PART_OF_A_NAME`
//! for some of them.
//!
//! | file | what is measured |
//! |---|---|
//! | `heads` | a head found, parsed and rewritten, in both directions |
//! | `hostile` | heads that are made to cost much, beside plain ones |
//! | `bodies` | chunks scanned, bodies relayed |
//! | `backends` | whose turn it is; kept connections |
//! | `routes` | which route takes a request |
//! | `clients` | limits for each client |
//! | `waiting` | the lot and the channel |
//!
//! Where something allocates, that is counted too. Times are those of one iteration; beside them
//! stand, where it makes sense, bytes or items a second. What happens in the kernel (`waiting`)
//! and between threads varies a lot: compare the fastest and the median.
#![allow(missing_docs, clippy::unwrap_used)]

mod backends;
mod bodies;
mod clients;
mod heads;
mod hostile;
mod routes;
mod waiting;

use divan::{AllocProfiler, Divan};
use std::time::Duration;

#[global_allocator]
static COUNTED: AllocProfiler = AllocProfiler::system();

/// Each benchmark goes on for so long, where nothing else is asked for (`--min-time`): long
/// enough for a median that means something, and under a minute for all of them.
const TIME_EACH: Duration = Duration::from_millis(300);

fn main() {
    Divan::default()
        .min_time(TIME_EACH)
        .config_with_args()
        .main();
    let words: Vec<String> = std::env::args().skip(1).collect();
    let is_asked = |word: &String| word == "--bench" || "hostile".contains(word.as_str());
    if words.iter().all(is_asked) {
        hostile::print_ratios();
    }
}
