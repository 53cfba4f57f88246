//! Idle connections to one backend: last in, first out, so that under little load few are in use, and
//! the others grow old and are closed.
//!
//! A backend that serves one connection at a time cannot serve another one while an idle connection is
//! open. When this may be the case, the idle connections are closed. If the backend then answers, twice
//! in a row, fewer are kept. An answer that comes while a connection is idle proves the contrary.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The most idle connections to one backend; further ones are closed. As many as nginx is usually
/// configured to keep, and far more than are idle while the backend is busy.
const MAX_KEPT: usize = 4096;

/// An answer within this after the idle connections were closed looks as if they had been in its
/// way.
const BLOCKED: Duration = Duration::from_secs(1);

/// This has to happen so often in a row: a single answer may have been slow by itself.
const BLOCKED_TIMES: u32 = 2;

/// After this time without a sign of it, twice as many connections are kept again.
const QUIET: Duration = Duration::from_secs(60);

/// The idle connections of one backend.
#[derive(Debug)]
pub struct IdleConnections<C> {
    resting: Mutex<Stack<C>>,
    /// The next answer matters: connections were closed because they may be in the way, or fewer are
    /// kept. Read for every response.
    is_in_doubt: AtomicBool,
}

#[derive(Debug)]
struct Stack<C> {
    connections: Vec<(C, Instant)>,
    /// A connection of an earlier generation is not put back.
    generation: Generation,
    /// The most idle connections now.
    limit: usize,
    /// When connections were closed because they may be in the way, and how many.
    released: Option<(Instant, usize)>,
    /// How often in a row they seem to have been in the way.
    blocked: u32,
    /// When nothing began to be in the way.
    quiet_since: Option<Instant>,
}

/// When a connection was leased; it proves on return that no outage came between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Generation {
    /// How often all connections were closed.
    clearings: u64,
    /// How often that was because of an outage, or because the backend may be another program.
    outages: u64,
}

impl<C> Default for IdleConnections<C> {
    fn default() -> Self {
        Self {
            resting: Mutex::new(Stack {
                connections: Vec::new(),
                generation: Generation::default(),
                limit: MAX_KEPT,
                released: None,
                blocked: 0,
                quiet_since: None,
            }),
            is_in_doubt: AtomicBool::new(false),
        }
    }
}

impl<C> IdleConnections<C> {
    /// The connection that was used last, with the time when it became idle.
    #[must_use]
    pub fn take(&self) -> Option<(C, Instant)> {
        self.resting().connections.pop()
    }

    /// The present generation, to be remembered with a lease.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.resting().generation
    }

    /// Whether the backend was away since `generation`, or may have become another program.
    #[must_use]
    pub fn had_outage_since(&self, generation: Generation) -> bool {
        self.resting().generation.outages != generation.outages
    }

    /// Keeps a connection idle, unless there was an outage since `generation` or there are too
    /// many already; then it is closed.
    pub fn put(&self, connection: C, generation: Generation, now: Instant) {
        let mut resting = self.resting();
        if resting.generation == generation && resting.connections.len() < resting.limit {
            resting.connections.push((connection, now));
        } else {
            // Closing is a system call: not under the lock.
            drop(resting);
            drop(connection);
        }
    }

    /// Closes the connections that were idle for longer than `limit`.
    pub fn close_older_than(&self, limit: Duration, now: Instant) {
        let mut resting = self.resting();
        let stale = |(_, since): &(C, Instant)| now.saturating_duration_since(*since) > limit;
        // Pushed in the order of time: the stale ones are at the bottom.
        let count = resting.connections.partition_point(stale);
        let closing: Vec<_> = resting.connections.drain(..count).collect();
        drop(resting);
        drop(closing);
    }

    /// Closes all, and those in use when they come back. What was learnt of the backend is
    /// forgotten: it may be another program by now.
    pub fn clear(&self) {
        self.resting().generation.outages += 1;
        self.give_back();
    }

    /// The same because we need the descriptors or ports: no outage.
    pub fn give_back(&self) {
        let mut resting = self.resting();
        resting.generation.clearings += 1;
        let closing = std::mem::take(&mut resting.connections);
        self.trust(&mut resting);
        drop(resting);
        drop(closing);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.resting().connections.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.resting().connections.is_empty()
    }

    /// A request waits for a silent backend: closes all idle connections, because the backend may wait
    /// for a request on one of them.
    pub fn release(&self, now: Instant) {
        let mut resting = self.resting();
        if resting.connections.is_empty() {
            return;
        }
        let closing = std::mem::take(&mut resting.connections);
        resting.released = Some((now, closing.len()));
        self.is_in_doubt.store(true, Ordering::Relaxed);
        drop(resting);
        drop(closing);
    }

    /// The backend has answered, on a connection that had no answer before if it `is_first`. If
    /// idle connections seem to have been in its way, only half as many are kept from now on.
    pub fn see_answer(&self, is_first: bool, now: Instant) {
        if !self.is_in_doubt.load(Ordering::Relaxed) {
            return;
        }
        let mut resting = self.resting();
        if !resting.connections.is_empty() {
            // It serves another connection while one of ours is idle.
            return self.trust(&mut resting);
        }
        let Some((at, count)) = resting.released.take_if(|_| is_first) else {
            return;
        };
        let is_blocked = now.saturating_duration_since(at) <= BLOCKED;
        resting.blocked = if is_blocked { resting.blocked + 1 } else { 0 };
        if resting.blocked >= BLOCKED_TIMES {
            resting.limit = count / 2;
            resting.quiet_since = Some(now);
        }
    }

    /// Keeps as many as ever.
    fn trust(&self, resting: &mut Stack<C>) {
        (resting.limit, resting.blocked) = (MAX_KEPT, 0);
        (resting.released, resting.quiet_since) = (None, None);
        self.is_in_doubt.store(false, Ordering::Relaxed);
    }

    /// Keeps twice as many after each quiet minute.
    pub fn recover(&self, now: Instant) {
        let mut resting = self.resting();
        let is_quiet = |since: &Instant| now.saturating_duration_since(*since) >= QUIET;
        if resting.quiet_since.as_ref().is_some_and(is_quiet) {
            resting.limit = (resting.limit * 2).clamp(1, MAX_KEPT);
            resting.quiet_since = Some(now);
        }
    }

    fn resting(&self) -> MutexGuard<'_, Stack<C>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_put_to_rest_is_used_first_and_old_ones_are_closed() {
        let (idle, start) = (IdleConnections::default(), Instant::now());
        let second = Duration::from_secs(1);
        for (name, after) in [("a", 0), ("b", 1), ("c", 2)] {
            idle.put(name, idle.generation(), start + second * after);
        }
        idle.close_older_than(second, start + second * 2);
        assert_eq!(idle.take().map(|(name, _)| name), Some("c"));
        assert_eq!(idle.take().map(|(name, _)| name), Some("b"));
        assert!(idle.take().is_none());
    }

    #[test]
    fn what_was_leased_before_an_outage_is_not_kept_after_it() {
        let idle = IdleConnections::default();
        let generation = idle.generation();
        idle.clear();
        idle.put("old", generation, Instant::now());
        assert!(idle.take().is_none());
        idle.put("new", idle.generation(), Instant::now());
        assert!(idle.take().is_some());
    }

    #[test]
    fn what_is_given_back_for_our_own_sake_is_no_outage() {
        let idle = IdleConnections::default();
        let generation = idle.generation();
        idle.put("resting", generation, Instant::now());
        idle.give_back();
        assert!(idle.is_empty() && !idle.had_outage_since(generation));
        idle.put("in use", generation, Instant::now());
        assert!(idle.is_empty());
        idle.clear();
        assert!(idle.had_outage_since(generation));
    }

    /// How many may rest.
    fn room(idle: &IdleConnections<u32>, now: Instant) -> usize {
        (0..20).for_each(|number| idle.put(number, idle.generation(), now));
        std::iter::from_fn(|| idle.take()).count()
    }

    /// So many rest, are closed because they may be in the way, and an answer comes `after`.
    fn block(idle: &IdleConnections<u32>, count: u32, now: Instant, after: Duration) {
        (0..count).for_each(|number| idle.put(number, idle.generation(), now));
        idle.release(now);
        assert!(idle.is_empty());
        idle.see_answer(true, now + after);
    }

    #[test]
    fn idle_connections_that_were_in_the_way_twice_are_halved_and_return_by_doubling() {
        let (idle, start) = (IdleConnections::default(), Instant::now());
        block(&idle, 4, start, BLOCKED);
        assert_eq!(room(&idle, start), 20, "once is not enough");
        block(&idle, 4, start, BLOCKED);
        assert_eq!(room(&idle, start), 2);
        block(&idle, 1, start, Duration::ZERO);
        for (minutes, expected) in [(0, 0), (1, 1), (2, 2), (3, 4), (4, 8), (5, 16)] {
            idle.recover(start + QUIET * minutes);
            assert_eq!(room(&idle, start), expected, "{minutes}");
        }
    }

    #[test]
    fn an_answer_that_comes_later_or_was_not_waited_for_has_another_reason() {
        let (idle, start) = (IdleConnections::default(), Instant::now());
        for _ in 0..3 {
            block(&idle, 4, start, BLOCKED + Duration::from_millis(1));
        }
        idle.put(1, idle.generation(), start);
        idle.release(start);
        idle.see_answer(false, start);
        assert_eq!(room(&idle, start), 20);
    }

    #[test]
    fn an_answer_while_one_rests_or_an_outage_ends_all_doubt() {
        let (idle, start) = (IdleConnections::default(), Instant::now());
        for ends_by_answer in [true, false] {
            (0..2).for_each(|_| block(&idle, 2, start, Duration::ZERO));
            assert_eq!(room(&idle, start), 1);
            idle.put(1, idle.generation(), start);
            match ends_by_answer {
                true => idle.see_answer(false, start),
                false => idle.clear(),
            }
            let _ = idle.take();
            assert_eq!(room(&idle, start), 20);
        }
    }
}
