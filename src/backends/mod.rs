//! Which backends there are, which of them are up, which one is next, and their idle connections.
//!
//! Names no HTTP and no socket: a connection is any `C`.
//!
//! | file | duty |
//! |---|---|
//! | [`policy`] | how requests are spread, and how many there may be: plain values |
//! | [`select`] | which one is next |
//! | `table` | what selection reads, computed when something changes |
//! | `schedule`, `tournament`, [`rendezvous`] | turns by weight, the least loaded one, one for a key |
//! | `in_flight`, [`waiting_line`] | how many requests there are, and those that wait for room |
//! | `retry_budget` | how much may be sent again |
//! | `standing` | whether one gets new requests, and after which others |
//! | [`health`] | up, suspect or down, from observations: a pure state machine |
//! | [`group`], `silence` | how many may be out for silence |
//! | [`failures`] | requests that fail in a row, and the trial after an ejection |
//! | [`heard`] | when it said something last |
//! | `apply` | what an observation changes |
//! | `epoch` | points in time as numbers |
//! | [`slow_start`] | the share of a backend that has just returned |
//! | [`idle`] | connections that rest between requests |
//! | [`addresses`] | where it can be reached |
//! | [`Lease`] | a request in flight |
//! | [`name`] | what it is called |

pub mod addresses;
mod apply;
mod epoch;
pub mod failures;
pub mod group;
pub mod health;
pub mod heard;
pub mod idle;
mod in_flight;
mod lease;
pub mod name;
pub mod policy;
pub mod rendezvous;
mod retry_budget;
mod schedule;
pub mod select;
mod silence;
pub mod slow_start;
mod standing;
mod table;
mod tournament;
pub mod waiting_line;

pub use lease::{Lease, Picked};
pub use name::Name;
pub use policy::{Algorithm, GroupPolicy, Key, Member};
pub use select::{Backends, Wanted};
pub use standing::Standing;
pub use waiting_line::{LineFull, Waiting, WaitsFor};

use addresses::Addresses;
use failures::Failures;
use health::Health;
use heard::Heard;
use idle::IdleConnections;
use in_flight::InFlight;
use slow_start::SlowStart;
use standing::Published;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What the operator wants of a backend, whatever its health.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AdminState {
    /// It is used while it is up.
    #[default]
    Enabled,
    /// It gets no new requests, and finishes the ones that it has.
    Draining,
    /// It gets none, and no connections are kept for it.
    Disabled,
}

impl AdminState {
    /// What it is called.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            AdminState::Enabled => "enabled",
            AdminState::Draining => "draining",
            AdminState::Disabled => "disabled",
        }
    }
}

/// After this time without a byte, a backend that serves one connection at a time may be waiting for
/// a request on one of our idle connections. Longer than most answers take, and short enough for the
/// request that waits.
const IN_THE_WAY: Duration = Duration::from_millis(250);

/// The state of a backend, with the reason.
#[derive(Clone, Debug)]
pub struct BackendState {
    /// Up, suspect or down.
    pub health: Health,
    /// What the operator wants.
    pub admin: AdminState,
    /// Since when it has been up or down.
    pub since: Instant,
    /// What was seen last that was bad.
    pub reason: String,
    /// When it is checked next.
    pub next_check: Option<Instant>,
}

/// What was seen of a backend that was bad.
#[derive(Clone, Debug, Default)]
pub struct Finding {
    /// For people.
    pub reason: String,
    /// There is no way to its host.
    pub is_unreachable: bool,
}

/// One server that requests are sent to.
#[derive(Debug)]
pub struct Backend<C> {
    /// What it is called.
    pub name: Name,
    /// The hash of its name: the same on every machine.
    pub tag: u64,
    /// Connections that rest.
    pub idle: IdleConnections<C>,
    /// Where it can be reached.
    pub addresses: Addresses,
    /// How much of its share it gets.
    pub slow_start: SlowStart,
    /// When it said something last.
    pub heard: Heard,
    /// Requests that failed there, one after the other.
    pub failures: Failures,
    /// Requests that are under way there.
    in_flight: InFlight,
    /// Its share beside the others.
    weight: AtomicU32,
    /// Whether it is used only when no other is up.
    is_backup: AtomicBool,
    /// Where it stands in the group's table.
    seat: AtomicUsize,
    /// What selection reads for every request; `state` is behind a lock.
    standing: Published,
    /// Whether the operator wants it to get new requests.
    is_wanted: AtomicBool,
    /// Whether the operator wants it to get none at all.
    is_disabled: AtomicBool,
    state: Mutex<BackendState>,
    /// There is no way to its host, as was seen last.
    is_unreachable: AtomicBool,
    /// The next response is news: it is suspect, or was unreachable.
    is_response_news: AtomicBool,
    /// Something is odd: it should be checked now.
    is_to_be_checked: AtomicBool,
    /// The next connection that comes to rest may be in its way.
    is_rest_watched: AtomicBool,
    /// One has come to rest.
    has_rested: AtomicBool,
}

impl<C> Backend<C> {
    /// A backend that was not checked yet: down until the first observation.
    #[must_use]
    pub fn new(name: Name, health: Health) -> Self {
        let now = Instant::now();
        let state = BackendState {
            health,
            admin: AdminState::default(),
            since: now,
            reason: "not checked yet".into(),
            next_check: None,
        };
        Self {
            tag: rendezvous::hash(name.to_string().to_ascii_lowercase().as_bytes()),
            name,
            idle: IdleConnections::default(),
            addresses: Addresses::default(),
            slow_start: SlowStart::default(),
            heard: Heard::new(now),
            failures: Failures::default(),
            in_flight: InFlight::default(),
            weight: AtomicU32::new(1),
            is_backup: AtomicBool::new(false),
            seat: AtomicUsize::new(usize::MAX),
            standing: Published::default(),
            is_wanted: AtomicBool::new(true),
            is_disabled: AtomicBool::new(false),
            state: Mutex::new(state),
            is_unreachable: AtomicBool::new(false),
            is_response_news: AtomicBool::new(false),
            is_to_be_checked: AtomicBool::new(false),
            is_rest_watched: AtomicBool::new(false),
            has_rested: AtomicBool::new(false),
        }
    }

    /// Its share beside the weights of the others; 0 gets no new requests.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.weight.load(Ordering::Relaxed)
    }

    /// Whether it is used only when no other is up.
    #[must_use]
    pub fn is_backup(&self) -> bool {
        self.is_backup.load(Ordering::Relaxed)
    }

    fn set_role(&self, weight: u32, is_backup: bool) {
        self.weight.store(weight, Ordering::Relaxed);
        self.is_backup.store(is_backup, Ordering::Relaxed);
    }

    fn seat(&self) -> usize {
        self.seat.load(Ordering::Relaxed)
    }

    fn set_seat(&self, seat: usize) {
        self.seat.store(seat, Ordering::Relaxed);
    }

    /// How many requests are under way there.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.count()
    }

    /// How far its health lets it have requests.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standing.get()
    }

    /// The same, if it gets any and the operator wants it.
    #[must_use]
    pub fn live_standing(&self) -> Option<Standing> {
        let standing = self.standing();
        let is_live = standing.is_up() && self.is_wanted.load(Ordering::Relaxed);
        is_live.then_some(standing)
    }

    /// Whether it gets requests: it is up, and the operator wants it.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.live_standing().is_some()
    }

    /// Whether its health is good, whatever the operator wants.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.standing().is_up()
    }

    /// Whether there is no way to its host, as was seen last.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        self.is_unreachable.load(Ordering::Relaxed)
    }

    /// Whether it is ejected, and may be given a request to see how it is.
    fn is_to_be_tried(&self) -> bool {
        self.is_wanted.load(Ordering::Relaxed) && self.state().health.is_ejected()
    }

    /// How it is and why.
    pub fn state(&self) -> MutexGuard<'_, BackendState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it gets nothing at all, not even from clients that depend on it.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.is_disabled.load(Ordering::Relaxed)
    }

    /// Sets what the operator wants of it. The group's table has to follow.
    fn set_admin(&self, admin: AdminState) {
        self.state().admin = admin;
        let is = |wanted| admin == wanted;
        self.is_wanted
            .store(is(AdminState::Enabled), Ordering::Relaxed);
        self.is_disabled
            .store(is(AdminState::Disabled), Ordering::Relaxed);
        if admin == AdminState::Disabled {
            self.idle.clear();
        }
    }

    /// A response to a request has begun, the first one on its connection or not. Returns
    /// whether that has to be observed.
    #[must_use]
    pub fn hear_response(&self, is_first_there: bool, now: Instant) -> bool {
        self.heard.response(now);
        self.idle.see_answer(is_first_there, now);
        self.is_response_news.load(Ordering::Relaxed)
    }

    /// Something waits for it on a connection that never had an answer. If it says nothing at
    /// all, the idle connections that we hold may be in its way: closes them. Returns when to
    /// look again, if it has said something a moment ago.
    pub fn release_idle(&self, now: Instant) -> Option<Instant> {
        let silence = self.heard.silence(now);
        if silence < IN_THE_WAY {
            return (!self.idle.is_empty()).then_some(now + (IN_THE_WAY - silence));
        }
        self.idle.release(now);
        None
    }

    /// Notes whether a check of it is open that is late: the next connection that comes to rest
    /// may be in its way.
    pub fn watch_rest(&self, is_watched: bool) {
        self.is_rest_watched.store(is_watched, Ordering::Relaxed);
    }

    /// A connection has come to rest. Returns whether that has to be looked into, which is
    /// said once for each [`Self::watch_rest`].
    #[must_use]
    pub fn see_rest(&self) -> bool {
        let is_watched = self.is_rest_watched.load(Ordering::Relaxed)
            && self.is_rest_watched.swap(false, Ordering::Relaxed);
        if is_watched {
            self.has_rested.store(true, Ordering::SeqCst);
        }
        is_watched
    }

    /// Whether a connection has come to rest that has to be looked into.
    #[must_use]
    pub fn take_rest(&self) -> bool {
        self.has_rested.swap(false, Ordering::SeqCst)
    }

    /// Something is odd about it, so that it is to be checked now; returns whether that is news.
    #[must_use]
    pub fn ask_for_check(&self) -> bool {
        !self.is_to_be_checked.swap(true, Ordering::SeqCst)
    }

    /// Whether a check was asked for since this was asked last.
    #[must_use]
    pub fn take_check(&self) -> bool {
        self.is_to_be_checked.swap(false, Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests;
