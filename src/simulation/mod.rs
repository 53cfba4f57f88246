//! A group of backends in virtual time, without a socket: which backend each of many requests goes to,
//! how long it waits, and how long it takes. What chooses is what runs: [`Backends`], with its
//! algorithms, limits and queue. Must not know how a scenario is written.
//!
//! | file | duty |
//! |---|---|
//! | [`scenario`] | what is simulated |
//! | `run` | the events, one after the other, in virtual time |
//! | `measures` | what is measured |
//! | [`report`] | what is printed |
//!
//! [`Backends`]: crate::backends::Backends

mod measures;
pub mod report;
mod run;
pub mod scenario;

pub use report::SimulationReport;
pub use scenario::{Arrivals, Pace, Scenario};

/// Simulates it. Two calls with equal scenarios give equal reports.
#[must_use]
pub fn simulate(scenario: Scenario) -> SimulationReport {
    let measures = run::Simulation::new(&scenario).run();
    SimulationReport { scenario, measures }
}

#[cfg(test)]
mod tests;
