//! What selection reads: which backends take turns now, and in which order. Computed anew when
//! something changes, so that a choice costs the same however many backends there are.
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

use super::policy::{Algorithm, GroupPolicy, Key};
use super::rendezvous::{Slots, score, slot_of};
use super::schedule::schedule;
use super::tournament::Tournament;
use super::{Backend, Standing};
use std::collections::HashMap;
use std::sync::Arc;

/// How much one is preferred; less is better.
pub(super) type Rank = u8;

/// The rank of one that is no backup and free of suspicion.
pub(super) const BEST: Rank = 0;

/// The same of a backup.
pub(super) const BEST_BACKUP: Rank = 2;

impl<C> Backend<C> {
    /// Its rank, unless it gets no new requests at all.
    pub(super) fn rank(&self) -> Option<Rank> {
        if self.weight() == 0 {
            return None;
        }
        match (self.live_standing()?, self.is_backup()) {
            (Standing::Clear, false) => Some(BEST),
            (Standing::Suspect, false) => Some(1),
            (Standing::Clear, true) => Some(BEST_BACKUP),
            (Standing::LastResort, false) => Some(3),
            (Standing::Suspect, true) => Some(4),
            (Standing::LastResort, true) => Some(5),
            (Standing::Down | Standing::DownSilent, _) => None,
        }
    }

    pub(super) fn rank_if_clear(&self, may_be_backup: bool) -> Option<Rank> {
        let rank = self.rank()?;
        (rank == BEST || (rank == BEST_BACKUP && may_be_backup)).then_some(rank)
    }

    /// Requests in flight for its weight, and for how far it has come back.
    pub(super) fn load(&self) -> f64 {
        let share = f64::from(self.weight().max(1)) * f64::from(self.slow_start.share());
        self.in_flight() as f64 / share
    }

    /// How well it fits a slot.
    fn score(&self, slot: u64) -> f64 {
        score(slot, self.tag, self.weight())
    }
}

/// The members of a group, and how the next one is found.
#[derive(Debug)]
pub(super) struct Table<C> {
    pub(super) all: Arc<[Arc<Backend<C>>]>,
    pub(super) policy: GroupPolicy,
    /// The ranks with which it was computed, of all members.
    ranks: Vec<Option<Rank>>,
    /// Those of the best rank.
    best: Vec<Arc<Backend<C>>>,
    /// Whether one that is no backup gets requests.
    is_regular_live: bool,
    /// The order of their turns, by their places in `best`.
    order: Vec<u32>,
    /// With [`Algorithm::LeastRequests`].
    tournament: Option<Tournament>,
    /// With [`Algorithm::Hash`].
    slots: Option<Slots>,
    /// With [`Algorithm::Sticky`]: places in `all` by tag.
    tags: HashMap<u64, usize>,
}

impl<C> Table<C> {
    /// The table of these members as they are now.
    pub(super) fn new(all: Arc<[Arc<Backend<C>>]>, policy: GroupPolicy) -> Self {
        let ranks: Vec<Option<Rank>> = all.iter().map(|one| one.rank()).collect();
        let best = ranks.iter().flatten().min().copied();
        let is_best = |(_, rank): &(_, &Option<Rank>)| rank.is_some() && **rank == best;
        let members = all.iter().zip(&ranks).filter(is_best);
        let best: Vec<_> = members.map(|(one, _)| Arc::clone(one)).collect();
        for (seat, backend) in best.iter().enumerate() {
            backend.set_seat(seat);
        }
        let weights: Vec<u32> = best.iter().map(|one| one.weight()).collect();
        let is = |algorithm| policy.algorithm == algorithm && !best.is_empty();
        let tags = |(place, one): (usize, &Arc<Backend<C>>)| (one.tag, place);
        let load = |place: usize| best[place].load();
        Self {
            is_regular_live: all
                .iter()
                .any(|one| !one.is_backup() && one.rank().is_some()),
            order: schedule(&weights),
            tournament: is(Algorithm::LeastRequests).then(|| Tournament::new(best.len(), load)),
            slots: is(Algorithm::Hash).then(Slots::new),
            tags: match policy.algorithm {
                Algorithm::Sticky => all.iter().enumerate().map(tags).collect(),
                _ => HashMap::new(),
            },
            all,
            policy,
            ranks,
            best,
        }
    }

    /// Whether something has changed since it was computed.
    pub(super) fn is_stale(&self) -> bool {
        let now = self.all.iter().map(|one| one.rank());
        !now.eq(self.ranks.iter().copied())
    }

    /// Whether no backend gets requests.
    pub(super) fn is_empty(&self) -> bool {
        self.best.is_empty()
    }

    pub(super) fn is_regular_live(&self) -> bool {
        self.is_regular_live
    }

    /// Whether a full backend may be replaced by one of this rank: never a regular one by a backup.
    pub(super) fn may_take_over(&self, one: &Backend<C>) -> bool {
        one.rank().is_some() && !(one.is_backup() && self.is_regular_live)
    }

    /// The backend for the request with this ticket and key. `None` if none gets requests.
    pub(super) fn choose(&self, ticket: usize, key: Key) -> Option<&Arc<Backend<C>>> {
        let place = match (self.policy.algorithm, key) {
            _ if self.order.is_empty() => return None,
            (Algorithm::Random, _) => self.at(fastrand::usize(..self.order.len())),
            (Algorithm::TwoChoices, _) => self.better_of_two(),
            (Algorithm::LeastRequests, _) => self.least_loaded(ticket)?,
            (Algorithm::Hash, Key::Hash(key)) => self.of_slot(slot_of(key))?,
            _ => self.at(ticket % self.order.len()),
        };
        self.best.get(place)
    }

    /// Whose turn it is in this place of the order.
    fn at(&self, turn: usize) -> usize {
        self.order[turn] as usize
    }

    /// Two different ones by chance and by weight; the one with less to do.
    fn better_of_two(&self) -> usize {
        let turns = self.order.len();
        let first = self.at(fastrand::usize(..turns));
        let mut second = self.at(fastrand::usize(..turns));
        if first == second && self.best.len() > 1 {
            let others = fastrand::usize(1..self.best.len());
            second = (first + others) % self.best.len();
        }
        match self.best[second].load() < self.best[first].load() {
            true => second,
            false => first,
        }
    }

    fn least_loaded(&self, ticket: usize) -> Option<usize> {
        let tournament = self.tournament.as_ref()?;
        let winner = tournament.winner();
        // One more than the ticket: 0 stands for one that was never chosen.
        tournament.note_choice(winner, ticket.wrapping_add(1));
        Some(winner)
    }

    fn of_slot(&self, slot: u64) -> Option<usize> {
        let highest = || {
            let all = self.best.iter().enumerate();
            let scored = all.map(|(place, one)| (place, one.score(slot)));
            let highest = scored.max_by(|one, other| one.1.total_cmp(&other.1));
            highest.map(|(place, _)| place)
        };
        self.slots.as_ref()?.get(slot, highest)
    }

    /// The one that a client was sent to before, if it still may be: it is up, or it drains.
    pub(super) fn tagged(&self, key: Key) -> Option<&Arc<Backend<C>>> {
        let Key::Tag(tag) = key else { return None };
        let backend = &self.all[*self.tags.get(&tag)?];
        (backend.is_up() && !backend.is_disabled()).then_some(backend)
    }

    /// Members for which `rank` gives one, the best first: by rank, and in it as the algorithm prefers
    /// them. Equal ones stand in order from the one whose turn it is.
    pub(super) fn preferred(
        &self,
        key: Key,
        turn: usize,
        rank: impl Fn(&Backend<C>) -> Option<Rank>,
    ) -> Vec<&Arc<Backend<C>>> {
        let ranked = self.all.iter().filter_map(|one| Some((rank(one)?, one)));
        let mut ranked: Vec<_> = ranked.collect();
        ranked.sort_by_key(|(rank, _)| *rank);
        for equal in ranked.chunk_by_mut(|one, other| one.0 == other.0) {
            let first = whose_turn(equal, turn);
            equal.rotate_left(first);
            let order = |one: &(Rank, &Arc<Backend<C>>)| self.order_of(one.1, key);
            equal.sort_by(|one, other| order(one).total_cmp(&order(other)));
        }
        ranked.into_iter().map(|(_, one)| one).collect()
    }

    /// Less is better, among those of one rank.
    fn order_of(&self, one: &Backend<C>, key: Key) -> f64 {
        match (self.policy.algorithm, key) {
            (Algorithm::Hash, Key::Hash(key)) => -one.score(slot_of(key)),
            (Algorithm::LeastRequests | Algorithm::TwoChoices, _) => one.load(),
            _ => 0.0,
        }
    }

    /// The number of requests in flight at `backend` has changed.
    pub(super) fn note_load(&self, backend: &Backend<C>) {
        let Some(tournament) = &self.tournament else {
            return;
        };
        let seat = backend.seat();
        // The seat may be that of another table already.
        if self
            .best
            .get(seat)
            .is_some_and(|one| std::ptr::eq(&**one, backend))
        {
            tournament.update(seat, |place| self.best[place].load());
        }
    }
}

/// Which of these has this turn, if each has as many as its weight.
fn whose_turn<C>(all: &[(Rank, &Arc<Backend<C>>)], turn: usize) -> usize {
    let weights = || all.iter().map(|(_, one)| one.weight() as usize);
    let mut turn = turn % weights().sum::<usize>().max(1);
    let has_turn = |weight| {
        let is_it = turn < weight;
        turn = turn.saturating_sub(weight);
        is_it
    };
    weights().position(has_turn).unwrap_or(0)
}
