//! The loop of one worker: take a job, give its session a turn, and see where the session goes.
//! A worker without a job polls the lot, if it is the leader.

use super::queue::{Poll, Taker};
use super::thread_policy::ThreadPolicy;
use super::turn::{IoCache, Turn};
use super::{Engine, Job, Outcome, Session};
use crate::metrics::lanes::{Lane, WorkerState};
use crate::net::readiness::Reports;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// How long the leader pauses when the kernel refuses to wait.
const POLL_BACK_OFF: Duration = Duration::from_millis(100);

/// Starts the threads `worker-1` to `worker-N`.
pub fn start<S: Session>(engine: &Arc<Engine<S>>, count: usize) -> io::Result<Vec<JoinHandle<()>>> {
    (1..=count)
        .map(|number| {
            let engine = Arc::clone(engine);
            std::thread::Builder::new()
                .name(format!("worker-{number}"))
                .spawn(move || work(&engine, number))
        })
        .collect()
}

// spine 05
fn work<S: Session>(engine: &Engine<S>, number: usize) {
    let lane = S::lanes(&engine.shared).and_then(|lanes| lanes.of(number - 1));
    let (mut cache, mut local) = (IoCache::sharing(&engine.blocks), S::Local::default());
    let (mut taker, mut polling) = (Taker::default(), Polling::default());
    let mut policy = ThreadPolicy::of_this_thread(&engine.policy);
    let scheduler = engine.queue.scheduler();
    scheduler.add_worker();
    while let Some(job) = engine.queue.take(&mut taker, |poll, jobs| {
        note(lane, WorkerState::LeadingPoll);
        polling.run(engine, poll, jobs);
        note(lane, WorkerState::WaitingForJob);
        // A thread may be the leader for long and serve nothing.
        policy.follow();
    }) {
        let mut session = match job {
            Job::Accepted(conn, address, permit) => Box::new(S::new(conn, address, permit)),
            Job::Resumed(session) => session,
        };
        let had_last_turn = engine.had_last_turn(&session);
        let mut turn = Turn::new(
            &engine.shared,
            &mut local,
            &mut cache,
            scheduler,
            had_last_turn,
        );
        turn.lane = lane;
        // A panic costs this session, not the worker. What it may leave half done is dropped with
        // the session, or empty.
        let outcome = catch_unwind(AssertUnwindSafe(|| session.advance(&mut turn)));
        drop(turn);
        match outcome {
            Ok(Outcome::WouldWait) => engine.park(session),
            Ok(Outcome::Yield) => {
                taker.note_yield();
                engine.queue.push(Job::Resumed(session));
            }
            Ok(Outcome::Close) => drop(session),
            Err(_) => log::error!("a session failed and was closed; this is a bug in lb"),
        }
        policy.follow();
        note(lane, WorkerState::WaitingForJob);
    }
}

/// Notes what the worker does, for no session.
fn note(lane: Option<&Lane>, state: WorkerState) {
    if let Some(lane) = lane {
        lane.leave(state);
    }
}

/// What a worker needs to poll the lot.
#[derive(Debug)]
struct Polling<S> {
    reports: Reports,
    leaving: Vec<Box<S>>,
}

impl<S> Default for Polling<S> {
    fn default() -> Self {
        Self {
            reports: Reports::default(),
            leaving: Vec::new(),
        }
    }
}

impl<S: Session> Polling<S> {
    fn run(&mut self, engine: &Engine<S>, poll: Poll, jobs: &mut Vec<Job<S>>) {
        let polled = engine.lot.poll(&mut self.reports, poll, &mut self.leaving);
        // Every parked session depends on this: it goes on whatever the kernel says.
        if let Err(error) = polled {
            log::error!("Waiting for connections failed: {error}; trying again.");
            std::thread::sleep(POLL_BACK_OFF);
        }
        jobs.extend(self.leaving.drain(..).map(Job::Resumed));
    }
}
