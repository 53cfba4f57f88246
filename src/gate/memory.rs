//! How much memory clients may take together: a little for each connection, and what a session
//! holds while it waits. What a worker lends to the session that it serves is the worker's.
//!
//! A session that would hold more than there is left is ended, at once: sessions never wait for
//! each other's memory, so they cannot block each other. The last quarter is not for request
//! heads, and the last eighth not for bodies: whatever a flood of one kind takes, there is room
//! for what is under way, and for new clients with requests that need not wait.
//!
//! Must not know where memory comes from, nor who the clients are.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What a connection is counted with: its session, its place in the lot, its registration, and
/// small blocks for a head each way. Measured: 2 KiB idle, 3 KiB with a request under way.
pub const CLIENT_BYTES: usize = 4 * 1024;

/// The system is asked how much it still has once for so many bytes more.
const ASK_EACH_BYTES: usize = 1024 * 1024;

/// So much of what the process may take is left when no more is held for sessions: the allocator,
/// which cannot be told to fail, needs some of it.
const BLOCKS_LEAVE_BYTES: u64 = 8 * 1024 * 1024;

/// And so much when no more connections are let in.
const CLIENTS_LEAVE_BYTES: u64 = BLOCKS_LEAVE_BYTES / 2;

/// How often it is said that memory is used up.
const TELL_INTERVAL: Duration = Duration::from_secs(10);

/// What memory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A request head that is not complete.
    Head,
    /// A request or a tunnel under way.
    Exchange,
    /// A connection.
    Client,
}

/// How much there is, and how much is taken.
#[derive(Debug)]
pub struct Memory {
    limit: usize,
    used: AtomicUsize,
    /// What is taken for connections that still have to be begun, so that the system does not know
    /// of it.
    promised: AtomicUsize,
    /// Says how much the process may still take from the system.
    left: fn() -> u64,
    /// That was too little when a connection was let in; asked again before the next one.
    was_little_left: AtomicBool,
    refusals: Mutex<Refusals>,
}

/// Clients that were turned away and not told of yet.
#[derive(Debug, Default)]
struct Refusals {
    count: u64,
    told: Option<Instant>,
}

impl Memory {
    /// So much in all, for as long as the system has it.
    #[must_use]
    pub fn new(limit: usize, left: fn() -> u64) -> Self {
        Self {
            limit,
            used: AtomicUsize::new(0),
            promised: AtomicUsize::new(0),
            left,
            was_little_left: AtomicBool::new(false),
            refusals: Mutex::default(),
        }
    }

    /// How much clients may take.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// How much is taken.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether there is no room for so much more.
    #[must_use]
    pub fn is_short(&self, bytes: usize, purpose: Purpose) -> bool {
        self.used() + bytes > self.share(purpose) || self.is_still_little_left()
    }

    /// How much more of it there is for this purpose.
    #[must_use]
    pub fn room(&self, purpose: Purpose) -> usize {
        self.share(purpose).saturating_sub(self.used())
    }

    fn is_still_little_left(&self) -> bool {
        if !self.was_little_left.load(Ordering::Relaxed) {
            return false;
        }
        let is_so = self.left() < CLIENTS_LEAVE_BYTES;
        self.was_little_left.store(is_so, Ordering::Relaxed);
        is_so
    }

    /// Whether connections are what takes the memory, not what is held for some of them; then
    /// those that are idle can make room.
    #[must_use]
    pub fn is_taken_by(&self, connections: usize) -> bool {
        connections * CLIENT_BYTES > self.limit / 2
    }

    fn share(&self, purpose: Purpose) -> usize {
        match purpose {
            Purpose::Head => self.limit / 4 * 3,
            Purpose::Exchange => self.limit / 8 * 7,
            Purpose::Client => self.limit,
        }
    }

    /// How much the system will have left once what is promised is taken. Where clients come faster
    /// than they are served, those that are queued have taken nothing yet.
    fn left(&self) -> u64 {
        let promised = self.promised.load(Ordering::Relaxed) as u64;
        (self.left)().saturating_sub(promised)
    }

    /// Takes it for a connection, whether there is room or not. [`Self::keep_promise`] follows when
    /// the connection is begun.
    pub(super) fn promise(&self, bytes: usize) {
        self.promised.fetch_add(bytes, Ordering::Relaxed);
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        if is_time_to_ask(before, bytes) && self.left() < CLIENTS_LEAVE_BYTES {
            self.was_little_left.store(true, Ordering::Relaxed);
        }
    }

    /// What was promised is taken from the system now, or will never be.
    pub(super) fn keep_promise(&self, bytes: usize) {
        self.promised.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Takes it if there is room.
    pub(super) fn try_take(&self, bytes: usize, purpose: Purpose) -> bool {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        let has_room = before + bytes <= self.share(purpose);
        if has_room && !(is_time_to_ask(before, bytes) && self.left() < BLOCKS_LEAVE_BYTES) {
            return true;
        }
        self.give_back(bytes);
        false
    }

    pub(super) fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Counts a client that was turned away for want of memory; returns how many were, unless
    /// that was told a short while ago.
    #[must_use]
    pub fn refuse(&self, now: Instant) -> Option<u64> {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        refusals.count += 1;
        let is_recent = |told| now.saturating_duration_since(told) < TELL_INTERVAL;
        if refusals.told.is_some_and(is_recent) {
            return None;
        }
        refusals.told = Some(now);
        Some(std::mem::take(&mut refusals.count))
    }
}

/// Whether so much more comes to another step.
fn is_time_to_ask(before: usize, bytes: usize) -> bool {
    before / ASK_EACH_BYTES != (before + bytes) / ASK_EACH_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_leave_room_for_bodies_and_these_for_clients() {
        let memory = Memory::new(8 * CLIENT_BYTES, || u64::MAX);
        let kinds = [
            (Purpose::Head, 6),
            (Purpose::Exchange, 1),
            (Purpose::Client, 1),
        ];
        for (purpose, count) in kinds {
            for _ in 0..count {
                assert!(!memory.is_short(CLIENT_BYTES, purpose));
                assert!(memory.room(purpose) >= CLIENT_BYTES);
                assert!(memory.try_take(CLIENT_BYTES, purpose), "{purpose:?}");
            }
            assert!(!memory.try_take(CLIENT_BYTES, purpose), "{purpose:?}");
            assert!(memory.is_short(CLIENT_BYTES, purpose));
            assert_eq!(memory.room(purpose), 0);
        }
        assert_eq!(memory.used(), memory.limit());
        memory.give_back(memory.limit());
        assert!(memory.try_take(CLIENT_BYTES, Purpose::Head));
    }

    #[test]
    fn nothing_is_taken_that_the_system_does_not_have() {
        let memory = Memory::new(usize::MAX, || CLIENTS_LEAVE_BYTES);
        assert!(memory.try_take(ASK_EACH_BYTES - 1, Purpose::Head));
        assert!(!memory.try_take(2, Purpose::Exchange));
        assert_eq!(memory.used(), ASK_EACH_BYTES - 1);
        assert!(!memory.is_short(1, Purpose::Client));
        memory.promise(CLIENT_BYTES);
        assert!(memory.is_short(1, Purpose::Client), "it is promised");
        memory.keep_promise(CLIENT_BYTES);
        assert!(!memory.is_short(1, Purpose::Client));
        let memory = Memory::new(usize::MAX, || CLIENTS_LEAVE_BYTES - 1);
        memory.promise(ASK_EACH_BYTES);
        memory.keep_promise(ASK_EACH_BYTES);
        assert!(memory.is_short(1, Purpose::Client));
    }

    #[test]
    fn clients_that_are_turned_away_are_counted_and_told_of_now_and_then() {
        let (memory, now) = (Memory::new(0, || u64::MAX), Instant::now());
        assert_eq!(memory.refuse(now), Some(1));
        assert_eq!(memory.refuse(now), None);
        assert_eq!(memory.refuse(now + TELL_INTERVAL), Some(2));
    }
}
