//! Limits for each client, by its address: how many connections it may have open, and how many
//! requests it may send in a time. Must not know what a request is, nor how a client is refused.
//!
//! What is known of a client is one entry in a table of fixed size. A hash of the address chooses
//! a set of eight places, which has a lock of its own, held for the time of a few comparisons. When
//! a set is full, the client that was away for longest is forgotten; its next request finds a full
//! burst again. So a flood from many addresses can weaken the limits and never fills the memory. The
//! hash has a random seed: no client can aim at the set of another one.
//!
//! The rate is the generic cell rate algorithm (ITU-T I.371): for each client one point in time is
//! stored, the one at which it would have used up nothing. A request moves it on by the interval
//! between two requests. If it would then lie further ahead than the burst allows, the request is
//! refused, and the point stays.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Sets in the table: with [`PLACES`] in each, 65,536 clients are known at a time, which is more than
/// have connections open in nearly all uses, in less than 4 MiB.
const SETS: usize = 8192;

/// Places in a set. Few enough to search one by one, and enough that the sets fill up evenly: with
/// half as many clients as places, one in fifty sets has to forget a client.
const PLACES: usize = 8;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// The limits for each client, and what counts towards them.
///
/// Without a limit it holds no table. The settings may change at any time; what was counted remains.
/// A connection counts that begins while there is a limit of connections.
#[derive(Debug)]
pub struct ClientLimits {
    /// The most connections of a client; 0 if there is no limit.
    connections: AtomicU32,
    /// Requests in a second in the upper half, 0 if there is no limit, and the burst in the lower.
    /// One number, so that the two always belong together.
    rate: AtomicU64,
    /// Points in time are counted from here.
    start: Instant,
    table: OnceLock<Table>,
}

/// The right of a client to have one more connection open. Dropping it gives it back.
#[derive(Debug)]
pub struct ConnectionPermit {
    /// Where it is counted; `None` if it is not.
    counted: Option<Counted>,
}

#[derive(Debug)]
struct Counted {
    limits: Arc<ClientLimits>,
    set: usize,
    place: usize,
    /// That of the entry. Another one there means that the client was forgotten.
    serial: u64,
}

/// The client has as many connections open as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyConnections;

/// The client sends more requests than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyRequests {
    /// The time after which one request passes, if none is sent before.
    pub retry_after: Duration,
}

/// The requests that a client may send.
#[derive(Clone, Copy, Debug)]
struct Rate {
    per_second: u32,
    burst: u32,
}

impl ClientLimits {
    /// Limits of so many connections and requests in a second; `None` is no limit. Of requests,
    /// `burst` may come at once, at least one.
    #[must_use]
    pub fn new(connections: Option<u32>, per_second: Option<u32>, burst: u32) -> Arc<Self> {
        let limits = Self {
            connections: AtomicU32::new(0),
            rate: AtomicU64::new(0),
            start: Instant::now(),
            table: OnceLock::new(),
        };
        limits.reconfigure(connections, per_second, burst);
        Arc::new(limits)
    }

    /// Changes the settings. They hold from the next connection and the next request on; no open
    /// connection is closed. A limit of 0 is one of 1: a limit keeps no client out altogether.
    pub fn reconfigure(&self, connections: Option<u32>, per_second: Option<u32>, burst: u32) {
        if connections.is_some() || per_second.is_some() {
            self.table.get_or_init(Table::new);
        }
        let at_least_one = |limit: Option<u32>| limit.map_or(0, |limit| limit.max(1));
        self.connections.store(at_least_one(connections), Relaxed);
        let per_second = u64::from(at_least_one(per_second));
        self.rate
            .store(per_second << 32 | u64::from(burst.max(1)), Relaxed);
    }

    /// Whether there is any limit. If not, neither of the questions below costs more than this one.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.connection_limit().is_some() || self.rate().is_some()
    }

    /// Counts a connection of the client at `address`, until the permit is dropped.
    pub fn try_connect(
        self: &Arc<Self>,
        address: IpAddr,
    ) -> Result<ConnectionPermit, TooManyConnections> {
        let (Some(limit), Some(table)) = (self.connection_limit(), self.table.get()) else {
            return Ok(ConnectionPermit { counted: None });
        };
        let key = Key::of(address);
        let set = table.set_of(key);
        let mut entries = table.lock(set);
        let place = entries.place_of(key);
        let entry = &mut entries.entries[place];
        if entry.open >= limit {
            return Err(TooManyConnections);
        }
        entry.open += 1;
        let counted = Counted {
            limits: Arc::clone(self),
            set,
            place,
            serial: entry.serial,
        };
        Ok(ConnectionPermit {
            counted: Some(counted),
        })
    }

    /// Counts a request of the client at `address`, unless it is refused.
    pub fn try_request(&self, address: IpAddr, now: Instant) -> Result<(), TooManyRequests> {
        let (Some(rate), Some(table)) = (self.rate(), self.table.get()) else {
            return Ok(());
        };
        let now = nanos(now.saturating_duration_since(self.start));
        let key = Key::of(address);
        let mut entries = table.lock(table.set_of(key));
        let place = entries.place_of(key);
        let entry = &mut entries.entries[place];
        entry.unused_at = rate.after_one(entry.unused_at, now)?;
        Ok(())
    }

    fn connection_limit(&self) -> Option<u32> {
        let limit = self.connections.load(Relaxed);
        (limit > 0).then_some(limit)
    }

    fn rate(&self) -> Option<Rate> {
        let both = self.rate.load(Relaxed);
        let (per_second, burst) = ((both >> 32) as u32, both as u32);
        (per_second > 0).then_some(Rate { per_second, burst })
    }
}

/// The nanoseconds of a duration; the highest number for one of more than 584 years.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Rate {
    /// The point in time at which a client has used up nothing, after one more request at `now`, in
    /// nanoseconds. Before it that point was `unused_at`.
    fn after_one(self, unused_at: u64, now: u64) -> Result<u64, TooManyRequests> {
        // Rounded up: never more requests than the limit. Their product cannot overflow: the
        // interval is at most a second, and the burst is below 2^32.
        let interval = NANOS_PER_SECOND.div_ceil(u64::from(self.per_second));
        let most_ahead = interval * u64::from(self.burst - 1);
        // A slower rate before may have put the point further ahead than any burst now does.
        let furthest = now.saturating_add(most_ahead).saturating_add(interval);
        let unused_at = unused_at.clamp(now, furthest);
        match (unused_at - now).checked_sub(most_ahead) {
            Some(late) if late > 0 => Err(TooManyRequests {
                retry_after: Duration::from_nanos(late),
            }),
            _ => Ok(unused_at.saturating_add(interval)),
        }
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let Some(counted) = &self.counted else { return };
        let Some(table) = counted.limits.table.get() else {
            return;
        };
        let entry = &mut table.lock(counted.set).entries[counted.place];
        if entry.serial == counted.serial {
            entry.open = entry.open.saturating_sub(1);
        }
    }
}

/// What tells clients apart. Of an IPv6 address the first 64 bits: a machine may choose the others
/// as it likes, and as often (RFC 8981). A client that is given a larger network counts as several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    V4(u32),
    /// The first half of the address.
    V6(u64),
}

impl Key {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Key::V4(address.to_bits()),
            IpAddr::V6(address) => Key::V6((address.to_bits() >> 64) as u64),
        }
    }
}

/// What is known of a client.
#[derive(Clone, Copy, Debug)]
struct Entry {
    key: Key,
    /// Open connections.
    open: u32,
    /// When it has used up nothing of its rate, in nanoseconds from the start.
    unused_at: u64,
    /// When it was last asked for, by the count of its set.
    used: u64,
    /// Tells apart the clients that follow each other in one place.
    serial: u64,
}

/// The entries of one set. A place that was never used has the address of no client.
#[derive(Debug)]
struct Set {
    entries: [Entry; PLACES],
    /// How often it was asked. At a million times a second it lasts for half a million years.
    count: u64,
}

impl Set {
    const EMPTY: Self = Self {
        entries: [Entry {
            key: Key::V4(0),
            open: 0,
            unused_at: 0,
            used: 0,
            serial: 0,
        }; PLACES],
        count: 0,
    };

    /// The place of a client, which may be that of another one that is forgotten now.
    fn place_of(&mut self, key: Key) -> usize {
        self.count += 1;
        let known = self.entries.iter().position(|entry| entry.key == key);
        let place = known.unwrap_or_else(|| self.forget_one(key));
        self.entries[place].used = self.count;
        place
    }

    /// Gives a place to a new client: that of the client that was away for longest, of those
    /// without open connections if there are any.
    fn forget_one(&mut self, key: Key) -> usize {
        let places = 0..PLACES;
        let oldest = places.min_by_key(|place| {
            let entry = &self.entries[*place];
            (entry.open > 0, entry.used)
        });
        let place = oldest.expect("a set has places");
        self.entries[place] = Entry {
            key,
            open: 0,
            unused_at: 0,
            used: 0,
            serial: self.count,
        };
        place
    }
}

/// All clients that are known.
#[derive(Debug)]
struct Table {
    sets: Box<[Mutex<Set>]>,
    hasher: RandomState,
}

impl Table {
    fn new() -> Self {
        Self {
            sets: (0..SETS).map(|_| Mutex::new(Set::EMPTY)).collect(),
            hasher: RandomState::new(),
        }
    }

    fn set_of(&self, key: Key) -> usize {
        self.hasher.hash_one(key) as usize % self.sets.len()
    }

    /// A thread that panicked while it held the lock has left nothing half done that matters.
    fn lock(&self, set: usize) -> MutexGuard<'_, Set> {
        let set = self.sets[set].lock();
        set.unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
