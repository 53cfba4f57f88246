//! What each worker does at this moment. A worker writes its own lane, with one store where that
//! changes, and nothing else writes it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a worker does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WorkerState {
    /// It has no job: it sleeps, or is about to take one.
    #[default]
    WaitingForJob,
    /// It waits for the parked sessions.
    LeadingPoll,
    /// It reads a request, or waits briefly for one.
    ReadingClient,
    /// It looks for a backend.
    Choosing,
    /// It connects to one.
    Connecting,
    /// It sends a request.
    WritingBackend,
    /// It reads a response, or waits briefly for one.
    WaitingForBackend,
    /// It sends a response.
    WritingClient,
}

impl WorkerState {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::WaitingForJob,
        Self::LeadingPoll,
        Self::ReadingClient,
        Self::Choosing,
        Self::Connecting,
        Self::WritingBackend,
        Self::WaitingForBackend,
        Self::WritingClient,
    ];

    /// What it is called.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::WaitingForJob => "waiting_for_job",
            Self::LeadingPoll => "leading_poll",
            Self::ReadingClient => "reading_client",
            Self::Choosing => "choosing",
            Self::Connecting => "connecting",
            Self::WritingBackend => "writing_backend",
            Self::WaitingForBackend => "waiting_for_backend",
            Self::WritingClient => "writing_client",
        }
    }
}

/// The lanes of all workers.
#[derive(Debug)]
pub struct Lanes(Box<[Lane]>);

/// The lane of one worker, on a cache line of its own: it is written all the time. Its state is in the
/// lowest byte, and the number of the session above; 0 is none.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Lane(AtomicU64);

const STATE_BITS: u32 = 8;

impl Lanes {
    /// Lanes of so many workers.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| Lane::default()).collect())
    }

    /// The lane of the worker with this number, from 0.
    #[must_use]
    pub fn of(&self, worker: usize) -> Option<&Lane> {
        self.0.get(worker)
    }

    /// What each worker does, in order, and for which session.
    #[must_use]
    pub fn read(&self) -> Vec<(WorkerState, Option<u64>)> {
        self.0.iter().map(Lane::read).collect()
    }
}

impl Lane {
    /// The worker does this, for no session.
    #[inline]
    pub fn leave(&self, state: WorkerState) {
        self.0.store(state as u64, Relaxed);
    }

    /// The worker serves this session.
    #[inline]
    pub fn serve(&self, session: u64) {
        let state = WorkerState::ReadingClient as u64;
        self.0.store(session << STATE_BITS | state, Relaxed);
    }

    /// The worker does this for the session that it serves.
    #[inline]
    pub fn set(&self, state: WorkerState) {
        let session = self.0.load(Relaxed) >> STATE_BITS;
        self.0.store(session << STATE_BITS | state as u64, Relaxed);
    }

    fn read(&self) -> (WorkerState, Option<u64>) {
        let lane = self.0.load(Relaxed);
        let state = WorkerState::ALL.get((lane & ((1 << STATE_BITS) - 1)) as usize);
        let session = lane >> STATE_BITS;
        (
            state.copied().unwrap_or_default(),
            (session > 0).then_some(session),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_says_what_its_worker_does_and_for_which_session() {
        let lanes = Lanes::new(2);
        let lane = lanes.of(1).expect("there are two");
        assert!(lanes.of(2).is_none());
        lane.serve(7);
        assert_eq!(lanes.read()[1], (WorkerState::ReadingClient, Some(7)));
        for state in WorkerState::ALL {
            lane.set(state);
            assert_eq!(lanes.read()[1], (state, Some(7)), "{}", state.word());
        }
        lane.leave(WorkerState::LeadingPoll);
        assert_eq!(lanes.read()[1], (WorkerState::LeadingPoll, None));
        assert_eq!(lanes.read()[0], (WorkerState::WaitingForJob, None));
    }
}
