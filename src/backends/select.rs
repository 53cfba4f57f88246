//! Which backend is next: of the best rank that has a free one, the one that the algorithm finds.
//!
//! A request that was nowhere yet takes its turn. If that is not possible, because the backend is full,
//! was tried, or has just come back and leaves its turn, *another* one is found, of the same rank as
//! long as there is one. Each backend that is found is counted against its limit at once, or else it is
//! not found.

use super::backend::Backend;
use super::in_flight::{self, Counted};
use super::key::Key;
use super::policy::Algorithm;
use super::rendezvous;
use super::shared::{Backends, Ticket};
use super::table::{BEST, BEST_BACKUP, Rank, Seat, Table, Tier};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// So many turns are drawn before free backends are gone through one after the other: drawing keeps
/// their shares as they are, and going through them ends.
const DRAWS: usize = 8;

/// So often two backends are drawn to get two different ones.
const SECOND_DRAWS: usize = 4;

/// What is looked for.
pub(super) struct Search<'s, C> {
    pub(super) key: Key,
    /// The turn of a request that was nowhere yet.
    pub(super) turn: Option<usize>,
    /// Those that are out of question.
    pub(super) is_tried: &'s dyn Fn(&Backend<C>) -> bool,
    pub(super) reach: Reach,
}

/// Which ranks are looked at.
#[derive(Clone, Copy)]
pub(super) enum Reach {
    /// All.
    All,
    /// Only what is free of suspicion.
    Clear {
        /// Whether it may be a backup.
        may_be_backup: bool,
    },
}

impl Reach {
    pub(super) fn includes(self, rank: Rank) -> bool {
        match self {
            Self::All => true,
            Self::Clear { may_be_backup } => rank == BEST || (rank == BEST_BACKUP && may_be_backup),
        }
    }
}

/// Why no backend was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// There are some, and all are full.
    Free,
    /// There is none that gets requests and was not tried.
    Live,
}

impl<C> Backends<C> {
    /// Finds a backend, and counts the request there and in the group.
    pub(super) fn search(
        &self,
        table: &Table<C>,
        search: &Search<'_, C>,
    ) -> Result<Counted<C>, Missing> {
        let limit = table.policy.max_in_flight_total;
        if limit.is_some() && !in_flight::count(&self.total.0, limit) {
            return Err(table.missing(search));
        }
        let found = self.find(table, search);
        if limit.is_some() && found.is_err() {
            in_flight::count_back(&self.total.0);
        }
        Ok(Counted {
            backend: Arc::clone(found?),
            is_in_total: limit.is_some(),
        })
    }

    /// Goes through the ranks. Backups step in for what is not there, never for what is only full: they
    /// would be full next.
    // spine 20
    fn find<'t>(
        &self,
        table: &'t Table<C>,
        search: &Search<'_, C>,
    ) -> Result<&'t Arc<Backend<C>>, Missing> {
        if let Some(keeper) = self.keeper(table, search) {
            return Ok(keeper);
        }
        let (mut missing, mut are_regular_full) = (Missing::Live, false);
        let tiers = table.tiers.iter();
        for tier in tiers.filter(|tier| search.reach.includes(tier.rank)) {
            if tier.is_backup() && are_regular_full {
                continue;
            }
            if let Some(seat) = self.take_turn(table, tier, search) {
                return Ok(&seat.backend);
            }
            if tier.has_other_than(search.is_tried) {
                missing = Missing::Free;
                are_regular_full |= !tier.is_backup();
            }
        }
        Err(missing)
    }

    /// The backend that the client's cookie names, whatever its rank.
    fn keeper<'t>(
        &self,
        table: &'t Table<C>,
        search: &Search<'_, C>,
    ) -> Option<&'t Arc<Backend<C>>> {
        let (Algorithm::Sticky, Key::Tag(tag), Reach::All) =
            (table.policy.algorithm, search.key, search.reach)
        else {
            return None;
        };
        let keeper = table.keeper(tag)?;
        self.takes(table, keeper, search).then_some(keeper)
    }

    /// One of this rank: the one whose turn it is, or another one.
    // spine 21
    fn take_turn<'t>(
        &self,
        table: &Table<C>,
        tier: &'t Tier<C>,
        search: &Search<'_, C>,
    ) -> Option<&'t Seat<C>> {
        if let Some(turn) = search.turn {
            let first = &tier.seats[self.first(table, tier, search.key, turn)];
            let chance = || chance(table.policy.algorithm, search.key);
            // The backends that have not just come back take this turn, if there are any.
            if first.backend.slow_start.skips_a_turn(chance)
                && let Some(other) = self.another(table, tier, search, has_settled)
            {
                return Some(other);
            }
            if self.takes(table, &first.backend, search) {
                return Some(first);
            }
        }
        self.another(table, tier, search, |_| true)
    }

    /// The one whose turn it is, full or not.
    fn first(&self, table: &Table<C>, tier: &Tier<C>, key: Key, turn: usize) -> usize {
        let schedule = &tier.schedule;
        match (table.policy.algorithm, key) {
            (Algorithm::RoundRobin, _) => schedule.at(turn),
            (Algorithm::LeastRequests, _) => self.least_loaded(tier, schedule.at(turn)),
            (Algorithm::TwoChoices, _) => {
                better_of_two(tier, table.policy.max_in_flight, schedule.draw())
            }
            (Algorithm::Random, _) => schedule.draw(),
            (Algorithm::Hash, Key::Hash(key)) => owner(tier, rendezvous::slot(key)),
            // Only some requests come here: they have turns of their own.
            (Algorithm::Hash | Algorithm::Sticky, _) => schedule.at(self.second_ticket.draw()),
        }
    }

    /// One with the least load: the one whose turn it is, if it has no more than others.
    fn least_loaded(&self, tier: &Tier<C>, turn: usize) -> usize {
        match &tier.tournament {
            Some(tournament) if !tournament.is_least(turn) => {
                tournament.winner(self.second_ticket.draw())
            }
            _ => turn,
        }
    }

    /// One of this rank that is free, among those for which `is_meant` holds, though it may not be its
    /// turn.
    fn another<'t>(
        &self,
        table: &Table<C>,
        tier: &'t Tier<C>,
        search: &Search<'_, C>,
        is_meant: impl Fn(&Seat<C>) -> bool,
    ) -> Option<&'t Seat<C>> {
        let limit = table.policy.max_in_flight;
        let is_free = |seat: &Seat<C>| {
            is_meant(seat)
                && !(search.is_tried)(&seat.backend)
                && !in_flight::is_full(&seat.backend.in_flight, limit)
        };
        let takes = |seat: &Seat<C>| is_free(seat) && self.takes(table, &seat.backend, search);
        match (table.policy.algorithm, search.key) {
            (Algorithm::Hash, Key::Hash(key)) => {
                let slot = rendezvous::slot(key);
                let cost = |seat: &Seat<C>| {
                    -rendezvous::score(&seat.backend.hashed_name, seat.weight, slot)
                };
                cheapest(tier, 0, is_free, cost, takes)
            }
            (Algorithm::LeastRequests | Algorithm::TwoChoices, _) => {
                let start = free_turn(tier, &self.second_ticket, is_free)?;
                cheapest(tier, start, is_free, |seat| seat.load(limit), takes)
            }
            _ => {
                let start = free_turn(tier, &self.second_ticket, is_free)?;
                from(tier, start).find(|seat| takes(seat))
            }
        }
    }

    /// Counts the request at this backend, if it may go there and there is room.
    fn takes(&self, table: &Table<C>, backend: &Backend<C>, search: &Search<'_, C>) -> bool {
        !(search.is_tried)(backend) && self.count_at(backend, table.policy.max_in_flight)
    }

    /// Counts a request at this backend, if there is room.
    pub(super) fn count_at(&self, backend: &Backend<C>, limit: Option<usize>) -> bool {
        let is_counted = in_flight::count(&backend.in_flight, limit);
        if is_counted {
            self.load_changed(backend);
        }
        is_counted
    }

    /// A backend has taken or finished a request. The newest table follows; a table that is being made
    /// meanwhile is brought up to date once it is in place.
    pub(super) fn load_changed(&self, backend: &Backend<C>) {
        if self.has_tournament.load(Ordering::SeqCst) {
            self.table.load().refresh_load(backend);
        }
    }
}

impl<C> Table<C> {
    /// Why nothing is found where the group is full.
    fn missing(&self, search: &Search<'_, C>) -> Missing {
        let mut tiers = self.tiers.iter();
        let is_one = |tier: &Tier<C>| {
            search.reach.includes(tier.rank) && tier.has_other_than(search.is_tried)
        };
        match tiers.any(is_one) {
            true => Missing::Free,
            false => Missing::Live,
        }
    }
}

/// Whether a backend has not just come back.
fn has_settled<C>(seat: &Seat<C>) -> bool {
    seat.backend.slow_start.share() >= 1.0
}

/// What decides whether a backend that has just come back takes its turn. With keys it is the key, so
/// that they come back to it one after the other, and each only once.
fn chance(algorithm: Algorithm, key: Key) -> f32 {
    match (algorithm, key) {
        (Algorithm::Hash, Key::Hash(key)) => rendezvous::position(rendezvous::slot(key)),
        _ => fastrand::f32(),
    }
}

/// The seat that has a slot, full or not.
fn owner<C>(tier: &Tier<C>, slot: usize) -> usize {
    let score = |seat: &Seat<C>| rendezvous::score(&seat.backend.hashed_name, seat.weight, slot);
    let find = || {
        let scores = tier.seats.iter().map(score).enumerate();
        let best = scores.max_by(|one, other| one.1.total_cmp(&other.1));
        best.map_or(0, |(seat, _)| seat)
    };
    match &tier.winners {
        Some(winners) => winners.of(slot, find),
        None => find(),
    }
}

/// Of `one` and a second one, the one with less load.
fn better_of_two<C>(tier: &Tier<C>, limit: Option<usize>, one: usize) -> usize {
    let mut draws = (0..SECOND_DRAWS).map(|_| tier.schedule.draw());
    let other = draws.find(|other| *other != one);
    let other = other.unwrap_or((one + 1) % tier.seats.len());
    match tier.seats[other].load(limit) < tier.seats[one].load(limit) {
        true => other,
        false => one,
    }
}

/// Whose turn it is of those that are free. Tickets are drawn until one is for such a backend, so that
/// all of these have the same chance: behind one that is not free, its neighbour would have twice that.
/// If there is none, no ticket is drawn, since that would take turns away.
fn free_turn<C>(
    tier: &Tier<C>,
    turns: &Ticket,
    is_free: impl Fn(&Seat<C>) -> bool,
) -> Option<usize> {
    tier.seats.iter().find(|seat| is_free(seat))?;
    let mut draws = (0..DRAWS).map(|_| tier.schedule.at(turns.draw()));
    let free = draws.find(|seat| is_free(&tier.seats[*seat]));
    Some(free.unwrap_or_else(|| tier.schedule.at(turns.draw())))
}

/// The cheapest one that is free, and takes the request; of several the first one from `start` on. One
/// that is full by the time that it is asked is not free any more.
fn cheapest<C, K: PartialOrd>(
    tier: &Tier<C>,
    start: usize,
    is_free: impl Fn(&Seat<C>) -> bool,
    cost: impl Fn(&Seat<C>) -> K,
    takes: impl Fn(&Seat<C>) -> bool,
) -> Option<&Seat<C>> {
    loop {
        let free = from(tier, start).filter(|seat| is_free(seat));
        let mut costs = free.map(|seat| (cost(seat), seat));
        let first = costs.next()?;
        let (_, best) = costs.fold(first, |best, one| if one.0 < best.0 { one } else { best });
        if takes(best) {
            return Some(best);
        }
    }
}

/// All of them, from `start` on.
fn from<C>(tier: &Tier<C>, start: usize) -> impl Iterator<Item = &Seat<C>> {
    let (before, behind) = tier.seats.split_at(start);
    behind.iter().chain(before)
}

#[cfg(test)]
mod tests;
