//! The memory budget of all connections together: a fixed amount for each, and what a session
//! holds while it is parked. What a worker lends to the session that it serves is not counted.
//!
//! A session that would exceed the budget is ended at once. Sessions never wait for each other's
//! memory, so they cannot block each other. Work that is only beginning may use three quarters of
//! the budget, work under way seven eighths: whatever a flood of one kind takes, there is room for
//! the rest, and for new connections whose requests need not wait.
//!
//! Must not know where memory comes from, nor what it holds.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What each connection counts: its session, its slot in the lot, its registration, and small
/// blocks for a head each way. Measured: 2 KiB idle, 3 KiB with a request under way.
pub const PER_CONNECTION: usize = 4 * 1024;

/// The system is asked how much memory it has left once per so many bytes.
const ASK_EACH_BYTES: usize = 1024 * 1024;

/// What the process may still allocate when no more is held for sessions. The allocator, which
/// aborts the process when it fails, needs some of it.
const BLOCKS_LEAVE_BYTES: u64 = 8 * 1024 * 1024;

/// The same when no more connections are accepted.
const CONNECTIONS_LEAVE_BYTES: u64 = BLOCKS_LEAVE_BYTES / 2;

/// How often it is logged that memory is used up.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// What memory is claimed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Work that is not begun yet: a request head that is not complete.
    New,
    /// Work under way.
    UnderWay,
    /// The fixed amount of a new connection.
    Connection,
}

/// The budget, and how much of it is used.
#[derive(Debug)]
pub struct Memory {
    limit: usize,
    used: AtomicUsize,
    /// Bytes for connections whose session does not exist yet, so that the system does not know of
    /// them.
    promised: AtomicUsize,
    /// Returns how many bytes the process may still take from the system.
    left: fn() -> u64,
    /// That was too little when a connection was accepted; asked again before the next one.
    was_little_left: AtomicBool,
    refusals: Mutex<Refusals>,
}

/// Refusals that are not logged yet.
#[derive(Debug, Default)]
struct Refusals {
    count: u64,
    logged: Option<Instant>,
}

impl Memory {
    /// A budget of `limit` bytes, as long as the system has them.
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

    /// The budget in bytes.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// How many bytes of it are used.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether there is no room for `bytes` more.
    #[must_use]
    pub fn is_short(&self, bytes: usize, claim: Claim) -> bool {
        self.used() + bytes > self.share(claim) || self.is_still_little_left()
    }

    /// How many bytes are left for this kind of claim.
    #[must_use]
    pub fn room(&self, claim: Claim) -> usize {
        self.share(claim).saturating_sub(self.used())
    }

    fn is_still_little_left(&self) -> bool {
        if !self.was_little_left.load(Ordering::Relaxed) {
            return false;
        }
        let is_so = self.left() < CONNECTIONS_LEAVE_BYTES;
        self.was_little_left.store(is_so, Ordering::Relaxed);
        is_so
    }

    /// Whether it is the fixed amounts of so many connections that use the memory, and not what is
    /// held for some of them. Then closing idle connections makes room.
    #[must_use]
    pub fn is_taken_by(&self, connections: usize) -> bool {
        connections * PER_CONNECTION > self.limit / 2
    }

    fn share(&self, claim: Claim) -> usize {
        match claim {
            Claim::New => self.limit / 4 * 3,
            Claim::UnderWay => self.limit / 8 * 7,
            Claim::Connection => self.limit,
        }
    }

    /// How many bytes the system will have left once the promised ones are taken. Where clients come
    /// faster than they are served, the queued ones have taken nothing yet.
    fn left(&self) -> u64 {
        let promised = self.promised.load(Ordering::Relaxed) as u64;
        (self.left)().saturating_sub(promised)
    }

    /// Takes `bytes` for a connection, whether there is room or not. [`Self::keep_promise`] follows
    /// when its session exists.
    pub(super) fn promise(&self, bytes: usize) {
        self.promised.fetch_add(bytes, Ordering::Relaxed);
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        if is_time_to_ask(before, bytes) && self.left() < CONNECTIONS_LEAVE_BYTES {
            self.was_little_left.store(true, Ordering::Relaxed);
        }
    }

    /// What was promised is taken from the system now, or never will be.
    pub(super) fn keep_promise(&self, bytes: usize) {
        self.promised.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Takes `bytes` if there is room.
    pub(super) fn try_take(&self, bytes: usize, claim: Claim) -> bool {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        let has_room = before + bytes <= self.share(claim);
        if has_room && !(is_time_to_ask(before, bytes) && self.left() < BLOCKS_LEAVE_BYTES) {
            return true;
        }
        self.give_back(bytes);
        false
    }

    pub(super) fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Counts a refusal for want of memory; returns how many there were since the last one that was
    /// logged, unless that was a short while ago.
    #[must_use]
    pub fn refuse(&self, now: Instant) -> Option<u64> {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        refusals.count += 1;
        let is_recent = |logged| now.saturating_duration_since(logged) < LOG_INTERVAL;
        if refusals.logged.is_some_and(is_recent) {
            return None;
        }
        refusals.logged = Some(now);
        Some(std::mem::take(&mut refusals.count))
    }
}

/// Whether `bytes` more cross a multiple of [`ASK_EACH_BYTES`].
fn is_time_to_ask(before: usize, bytes: usize) -> bool {
    before / ASK_EACH_BYTES != (before + bytes) / ASK_EACH_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_work_leaves_room_for_work_under_way_and_that_for_connections() {
        let memory = Memory::new(8 * PER_CONNECTION, || u64::MAX);
        let kinds = [
            (Claim::New, 6),
            (Claim::UnderWay, 1),
            (Claim::Connection, 1),
        ];
        for (claim, count) in kinds {
            for _ in 0..count {
                assert!(!memory.is_short(PER_CONNECTION, claim));
                assert!(memory.room(claim) >= PER_CONNECTION);
                assert!(memory.try_take(PER_CONNECTION, claim), "{claim:?}");
            }
            assert!(!memory.try_take(PER_CONNECTION, claim), "{claim:?}");
            assert!(memory.is_short(PER_CONNECTION, claim));
            assert_eq!(memory.room(claim), 0);
        }
        assert_eq!(memory.used(), memory.limit());
        memory.give_back(memory.limit());
        assert!(memory.try_take(PER_CONNECTION, Claim::New));
    }

    #[test]
    fn nothing_is_taken_that_the_system_does_not_have() {
        let memory = Memory::new(usize::MAX, || CONNECTIONS_LEAVE_BYTES);
        assert!(memory.try_take(ASK_EACH_BYTES - 1, Claim::New));
        assert!(!memory.try_take(2, Claim::UnderWay));
        assert_eq!(memory.used(), ASK_EACH_BYTES - 1);
        assert!(!memory.is_short(1, Claim::Connection));
        memory.promise(PER_CONNECTION);
        assert!(memory.is_short(1, Claim::Connection), "it is promised");
        memory.keep_promise(PER_CONNECTION);
        assert!(!memory.is_short(1, Claim::Connection));
        let memory = Memory::new(usize::MAX, || CONNECTIONS_LEAVE_BYTES - 1);
        memory.promise(ASK_EACH_BYTES);
        memory.keep_promise(ASK_EACH_BYTES);
        assert!(memory.is_short(1, Claim::Connection));
    }

    #[test]
    fn refusals_are_counted_and_logged_now_and_then() {
        let (memory, now) = (Memory::new(0, || u64::MAX), Instant::now());
        assert_eq!(memory.refuse(now), Some(1));
        assert_eq!(memory.refuse(now), None);
        assert_eq!(memory.refuse(now + LOG_INTERVAL), Some(2));
    }
}
