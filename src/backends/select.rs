//! Which backend is next: round robin over the live backends, by one atomic counter.
//!
//! Each live backend has a rank. Only the backends of the best rank take turns:
//!
//! | rank | backends |
//! |---|---|
//! | 0 | free of suspicion |
//! | 1 | suspect: late, but for less than `--fall` checks |
//! | 2 | a backup, free of suspicion: suspicion alone never brings it in |
//! | 3 | the last resort: silent or failing, and only kept because too many are out |
//! | 4, 5 | backups that are suspect, or a last resort |

use super::silence::Silence;
use super::{Backend, Lease, Standing};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// All backends, and the two counters that spread requests over them.
#[derive(Debug)]
pub struct Backends<C> {
    all: Vec<Arc<Backend<C>>>,
    /// One a request: nothing else may draw from it, or the shares would drift apart.
    ticket: Ticket,
    /// One for each attempt that is not the request's first choice (another one failed, or has just come
    /// back and leaves its turn), so that these are spread evenly too.
    second_ticket: Ticket,
    /// One observation at a time.
    pub(super) silence: Mutex<Silence>,
    /// Whether any backend is ejected, so that most requests need not look for one.
    pub(super) has_ejected: AtomicBool,
}

/// What kind of backend a request wants.
pub enum Wanted<'t, C> {
    /// The one whose turn it is, for a request that has been nowhere yet.
    Next,
    /// One that is live and for which the function is false, for a request that failed elsewhere.
    Untried(&'t dyn Fn(&Backend<C>) -> bool),
    /// The same, free of suspicion, for a request that could also go on waiting.
    Clear {
        /// Whether it was tried.
        tried: &'t dyn Fn(&Backend<C>) -> bool,
        /// Whether it may be a backup.
        may_be_backup: bool,
    },
}

/// A counter on a cache line of its own: every worker draws from it.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Ticket(AtomicUsize);

impl Ticket {
    fn draw(&self) -> usize {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// How much one is preferred; less is better.
type Rank = u8;

/// The rank of one that is no backup and free of suspicion.
const BEST: Rank = 0;

/// The same of a backup.
const BEST_BACKUP: Rank = 2;

impl<C> Backend<C> {
    /// Its rank, unless it gets no requests at all.
    fn rank(&self) -> Option<Rank> {
        match (self.live_standing()?, self.is_backup) {
            (Standing::Clear, false) => Some(BEST),
            (Standing::Suspect, false) => Some(1),
            (Standing::Clear, true) => Some(BEST_BACKUP),
            (Standing::LastResort, false) => Some(3),
            (Standing::Suspect, true) => Some(4),
            (Standing::LastResort, true) => Some(5),
            (Standing::Down | Standing::DownSilent, _) => None,
        }
    }

    fn rank_if_clear(&self, may_be_backup: bool) -> Option<Rank> {
        let rank = self.rank()?;
        (rank == BEST || (rank == BEST_BACKUP && may_be_backup)).then_some(rank)
    }
}

impl<C> Backends<C> {
    /// The backends in the order in which they take turns.
    #[must_use]
    pub fn new(all: Vec<Arc<Backend<C>>>) -> Self {
        Self {
            all,
            ticket: Ticket::default(),
            second_ticket: Ticket::default(),
            silence: Mutex::default(),
            has_ejected: AtomicBool::new(false),
        }
    }

    /// Every backend, up or down.
    #[must_use]
    pub fn all(&self) -> &[Arc<Backend<C>>] {
        &self.all
    }

    /// How many are up.
    #[must_use]
    pub fn count_up(&self) -> usize {
        self.all.iter().filter(|backend| backend.is_up()).count()
    }

    /// Picks a backend. `key` is what the request brings along for strategies that depend on it;
    /// round robin does not look at it. `None` if no backend fits.
    #[must_use]
    // spine 19
    pub fn pick(&self, _key: u64, wanted: Wanted<'_, C>) -> Option<Lease<C>> {
        let picked = match wanted {
            Wanted::Next => self.next(),
            Wanted::Untried(tried) => self.draw(&self.second_ticket, |one| match tried(one) {
                true => None,
                false => one.rank(),
            }),
            Wanted::Clear {
                tried,
                may_be_backup,
            } => self.draw(&self.second_ticket, |one| match tried(one) {
                true => None,
                false => one.rank_if_clear(may_be_backup),
            }),
        };
        picked.map(Lease::of)
    }

    /// The backend whose turn it is.
    // spine 20
    fn next(&self) -> Option<&Arc<Backend<C>>> {
        let next = self.draw(&self.ticket, Backend::rank)?;
        if !next.slow_start.skips_a_turn() {
            return Some(next);
        }
        // The backends that have not just come back take this turn, if there are any.
        let is_returning = |one: &Backend<C>| one.slow_start.share() < 1.0;
        let rank_of_others = |one: &Backend<C>| one.rank().filter(|_| !is_returning(one));
        let other = self.draw(&self.second_ticket, rank_of_others);
        let rank = next.rank();
        other.filter(|other| other.rank() == rank).or(Some(next))
    }

    /// Whether [`Wanted::Clear`] would find a backend other than `this`. Draws no ticket.
    pub fn has_clear_beside(&self, this: &Backend<C>, may_be_backup: bool) -> bool {
        let mut others = self.all.iter().filter(|one| !std::ptr::eq(&***one, this));
        others.any(|one| one.rank_if_clear(may_be_backup).is_some())
    }

    /// An ejected backend that is to be tried with this request. No other request tries it until the
    /// trial is over. `is_safe` says that the request can be repeated elsewhere.
    pub fn claim_trial(&self, is_safe: bool, now: Instant) -> Option<Lease<C>> {
        if !self.has_ejected.load(Ordering::Relaxed) {
            return None;
        }
        let mut due = self.all.iter().filter(|one| one.failures.may_be_tried(now));
        let claimed = due.find(|one| {
            // A backup gets requests, and so a trial, only while no other does.
            let is_needed = !one.is_backup || !self.is_regular_live();
            is_needed && one.is_to_be_tried() && one.failures.claim_trial(is_safe, now)
        });
        claimed.map(Lease::of)
    }

    /// Whether any of them gets requests.
    #[must_use]
    pub fn is_any_live(&self) -> bool {
        self.all.iter().any(|one| one.is_live())
    }

    fn is_regular_live(&self) -> bool {
        self.all.iter().any(|one| !one.is_backup && one.is_live())
    }

    /// One of the best rank. The ticket counts only these. Counting all and scanning on from a
    /// dead one would give the dead one's neighbour twice its share.
    // spine 21
    fn draw(
        &self,
        ticket: &Ticket,
        rank_of: impl Fn(&Backend<C>) -> Option<Rank>,
    ) -> Option<&Arc<Backend<C>>> {
        let (mut best, mut count) = (Rank::MAX, 0);
        for rank in self.all.iter().filter_map(|one| rank_of(one)) {
            match rank.cmp(&best) {
                std::cmp::Ordering::Less => (best, count) = (rank, 1),
                std::cmp::Ordering::Equal => count += 1,
                std::cmp::Ordering::Greater => {}
            }
        }
        if count == 0 {
            return None;
        }
        let equal = || self.all.iter().filter(|one| rank_of(one) == Some(best));
        let any = || self.all.iter().find(|one| rank_of(one).is_some());
        // One may have changed since it was counted; then the first one serves.
        equal().nth(ticket.draw() % count).or_else(any)
    }
}

#[cfg(test)]
mod tests;
