//! The sessions as they are seen from outside: which request each serves, where that stands, and what it
//! waits for.
//!
//! Every session has a slot, from its first turn to its end. Only the worker that has the session writes
//! there, with plain stores; any thread may read at any time, without a lock. The texts of a request
//! (its method, its target, its backend) have to be whole, and of one request: they are under a
//! *sequence lock*. The writer makes the slot's version odd, writes, and makes it even again; a reader
//! that finds it odd, or another one afterwards, reads again.
//!
//! Room for slots is made in blocks, when sessions come that need them, and stays for later ones.
//!
//! | file | what it is |
//! |---|---|
//! | this one | the slots of all sessions |
//! | [`slot`] | the slot of one session, and what is read from it |
//! | [`stage`] | where a session stands, and what it waits for, in words |
//! | `text` | a short text that one thread writes while others read |

pub mod slot;
pub mod stage;
mod text;

pub use slot::{LiveReading, LiveSlot};
pub use stage::{LiveStage, WaitReason};

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

/// Slots in a block: some 25 KiB.
const BLOCK: usize = 64;

/// The slots of all sessions.
#[derive(Debug)]
pub struct LiveTable {
    blocks: Box<[OnceLock<Box<[LiveSlot]>>]>,
    free: Mutex<FreeSlots>,
    /// Times are kept in microseconds since then.
    epoch: Instant,
}

/// Which slots no session has. Taken once for each connection.
#[derive(Debug, Default)]
struct FreeSlots {
    /// Slots that sessions have left.
    left: Vec<usize>,
    /// The first one that no session had yet.
    fresh: usize,
}

/// The slot of a session, which is given back when this is dropped.
#[derive(Debug)]
pub struct LiveSession {
    table: Arc<LiveTable>,
    place: usize,
}

impl LiveTable {
    /// Slots for so many sessions.
    #[must_use]
    pub fn new(sessions: usize) -> Self {
        let blocks = sessions.div_ceil(BLOCK);
        Self {
            blocks: (0..blocks).map(|_| OnceLock::new()).collect(),
            free: Mutex::default(),
            epoch: Instant::now(),
        }
    }

    /// A slot for the session of the connection with this number, not 0, and of this client; `None` if all
    /// are taken. Then the session is not seen.
    #[must_use]
    pub fn enter(self: &Arc<Self>, id: u64, client: SocketAddr) -> Option<LiveSession> {
        let place = self.take_place()?;
        let block = self.blocks[place / BLOCK].get_or_init(new_block);
        block[place % BLOCK].begin_session(id, client);
        let table = Arc::clone(self);
        Some(LiveSession { table, place })
    }

    fn take_place(&self) -> Option<usize> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = free.left.pop() {
            return Some(place);
        }
        let place = free.fresh;
        (place < self.blocks.len() * BLOCK).then(|| {
            free.fresh += 1;
            place
        })
    }

    fn slots(&self) -> impl Iterator<Item = &LiveSlot> {
        let blocks = self.blocks.iter().map_while(OnceLock::get);
        blocks.flat_map(|block| block.iter())
    }

    /// The requests that run now, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<LiveReading> {
        let requests = self.slots().filter_map(|slot| slot.read(self.epoch));
        let mut requests: Vec<_> = requests.collect();
        requests.sort_by_key(|request| (request.began, request.id));
        requests
    }

    /// How many sessions are parked in each stage, in the order of [`LiveStage::ALL`].
    #[must_use]
    pub fn parked(&self) -> [usize; LiveStage::ALL.len()] {
        let mut counts = [0; LiveStage::ALL.len()];
        let stages = self.slots().filter_map(LiveSlot::parked_in);
        stages.for_each(|stage| counts[stage as usize] += 1);
        counts
    }

    /// Whether the session with this number serves a request now.
    #[must_use]
    pub fn is_running(&self, id: u64) -> bool {
        self.slots()
            .any(|slot| slot.id() == id && slot.has_request())
    }

    /// Asks the session with this number to close, if it serves a request now; returns whether it does.
    #[must_use]
    pub fn ask_to_close(&self, id: u64) -> bool {
        let mut slots = self.slots();
        slots.any(|slot| slot.id() == id && slot.ask_to_close())
    }
}

fn new_block() -> Box<[LiveSlot]> {
    (0..BLOCK).map(|_| LiveSlot::default()).collect()
}

impl LiveSession {
    /// The slot.
    #[must_use]
    pub fn slot(&self) -> &LiveSlot {
        // The block was made before the place was given out, so nothing is made here.
        let block = self.table.blocks[self.place / BLOCK].get_or_init(new_block);
        &block[self.place % BLOCK]
    }

    /// A point in time as it is kept in a slot.
    #[must_use]
    pub fn micros(&self, time: Instant) -> u64 {
        let since = time.saturating_duration_since(self.table.epoch);
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }
}

impl Drop for LiveSession {
    fn drop(&mut self) {
        self.slot().end_session();
        let mut free = (self.table.free)
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        free.left.push(self.place);
    }
}

#[cfg(test)]
mod tests;
