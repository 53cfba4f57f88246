//! What selection reads: the backends that get requests, by rank, and what each algorithm needs to find
//! one of a rank. It is made anew whenever a backend goes up or down, or a reload changes something, and
//! put in the place of the last one; requests only read it.
//!
//! | rank | backends |
//! |---|---|
//! | 0 | free of suspicion |
//! | 1 | suspect: late, but for less than `--fall` checks |
//! | 2 | a backup, free of suspicion: suspicion alone never brings it in |
//! | 3 | the last resort: silent or failing, and only kept because too many are out |
//! | 4, 5 | backups that are suspect, or a last resort |

use super::awaited::{Awaited, WaitsFor, is_among};
use super::backend::Backend;
use super::in_flight;
use super::member::{MAX_WEIGHT, Member};
use super::policy::{Algorithm, GroupPolicy};
use super::rendezvous::Winners;
use super::schedule::Schedule;
use super::standing::Standing;
use super::tournament::{Load, Tournament};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How much one is preferred; less is better.
pub(super) type Rank = u8;

/// The rank of one that is no backup and free of suspicion.
pub(super) const BEST: Rank = 0;

/// The same of a backup.
pub(super) const BEST_BACKUP: Rank = 2;

/// The rank that goes with a standing; `None` if it gets no requests.
fn rank(standing: Standing, is_backup: bool) -> Option<Rank> {
    match (standing, is_backup) {
        (Standing::Clear, false) => Some(BEST),
        (Standing::Suspect, false) => Some(1),
        (Standing::Clear, true) => Some(BEST_BACKUP),
        (Standing::LastResort, false) => Some(3),
        (Standing::Suspect, true) => Some(4),
        (Standing::LastResort, true) => Some(5),
        (Standing::Down | Standing::DownSilent, _) => None,
    }
}

/// The backends of a group as they are.
pub(super) struct Table<C> {
    pub(super) members: Arc<[Member<C>]>,
    /// The same without their weights.
    pub(super) backends: Arc<[Arc<Backend<C>>]>,
    pub(super) policy: GroupPolicy,
    /// The ranks that have backends, best first.
    pub(super) tiers: Vec<Tier<C>>,
    /// Where each member is among the tiers: which tier, and which seat.
    homes: Vec<Option<(usize, usize)>>,
    /// The members that go on with clients that they have, sorted. Only with `Algorithm::Sticky`.
    keepers: Vec<(u64, usize)>,
}

/// The backends of one rank.
pub(super) struct Tier<C> {
    pub(super) rank: Rank,
    pub(super) seats: Box<[Seat<C>]>,
    pub(super) schedule: Schedule,
    /// Only with `Algorithm::LeastRequests`.
    pub(super) tournament: Option<Tournament>,
    /// Only with `Algorithm::Hash`, and for the rank that gets nearly all requests.
    pub(super) winners: Option<Winners>,
}

/// A backend in its rank.
pub(super) struct Seat<C> {
    pub(super) backend: Arc<Backend<C>>,
    /// At least 1.
    pub(super) weight: u32,
}

impl<C> Seat<C> {
    fn of(member: &Member<C>) -> Self {
        Self {
            backend: Arc::clone(&member.backend),
            weight: member.weight.min(MAX_WEIGHT),
        }
    }

    /// How loaded it is, where one backend may have so many requests.
    pub(super) fn load(&self, limit: Option<usize>) -> Load {
        match in_flight::is_full(&self.backend.in_flight, limit) {
            true => Load::FULL,
            false => Load::new(self.backend.in_flight(), self.weight),
        }
    }
}

impl<C> Tier<C> {
    fn new(rank: Rank, seats: Box<[Seat<C>]>, policy: &GroupPolicy, is_first: bool) -> Self {
        let weights: Box<[u32]> = seats.iter().map(|seat| seat.weight).collect();
        let load = |seat: usize| seats[seat].load(policy.max_in_flight);
        let is_by_load = policy.algorithm == Algorithm::LeastRequests;
        let has_keys = is_first && policy.algorithm == Algorithm::Hash;
        Self {
            rank,
            schedule: Schedule::new(&weights),
            tournament: is_by_load.then(|| Tournament::new(weights, load)),
            winners: has_keys.then(Winners::default),
            seats,
        }
    }

    pub(super) fn is_backup(&self) -> bool {
        matches!(self.rank, BEST_BACKUP | 4 | 5)
    }

    /// Whether any of these was not tried.
    pub(super) fn has_other_than(&self, is_tried: impl Fn(&Backend<C>) -> bool) -> bool {
        self.seats.iter().any(|seat| !is_tried(&seat.backend))
    }
}

impl<C> Table<C> {
    pub(super) fn new(members: Arc<[Member<C>]>, policy: GroupPolicy) -> Self {
        let ranks: Vec<Option<Rank>> = members.iter().map(live_rank).collect();
        let mut used: Vec<Rank> = ranks.iter().copied().flatten().collect();
        used.sort_unstable();
        used.dedup();
        let mut homes = vec![None; members.len()];
        let mut tier = |(index, rank): (usize, &Rank)| {
            let places = (0..members.len()).filter(|place| ranks[*place] == Some(*rank));
            let seat = |(seat, place): (usize, usize)| {
                homes[place] = Some((index, seat));
                Seat::of(&members[place])
            };
            let seats = places.enumerate().map(seat).collect();
            Tier::new(*rank, seats, &policy, index == 0)
        };
        let tiers = used.iter().enumerate().map(&mut tier).collect();
        for (place, member) in members.iter().enumerate() {
            member.backend.place.store(place, Ordering::Relaxed);
        }
        Self {
            backends: members.iter().map(|one| Arc::clone(&one.backend)).collect(),
            keepers: match policy.algorithm {
                Algorithm::Sticky => keepers(&members, used.first().copied()),
                _ => Vec::new(),
            },
            members,
            policy,
            tiers,
            homes,
        }
    }

    /// Brings what follows from loads up to date.
    pub(super) fn refresh_loads(&self) {
        for tier in &self.tiers {
            if let Some(tournament) = &tier.tournament {
                tournament.refresh(|seat| tier.seats[seat].load(self.policy.max_in_flight));
            }
        }
    }

    /// The same after one has taken or finished a request.
    pub(super) fn refresh_load(&self, backend: &Backend<C>) {
        if let Some((tier, seat)) = self.home(backend)
            && let Some(tournament) = &self.tiers[tier].tournament
        {
            let load = || self.tiers[tier].seats[seat].load(self.policy.max_in_flight);
            tournament.update(seat, load);
        }
    }

    /// The backend that a cookie names, if it goes on with its clients.
    pub(super) fn keeper(&self, tag: u64) -> Option<&Arc<Backend<C>>> {
        let found = self.keepers.binary_search_by_key(&tag, |(tag, _)| *tag);
        let (_, place) = self.keepers[found.ok()?];
        Some(&self.backends[place])
    }

    /// Whether a request that waits may have this backend, as far as it is not full. A backup never
    /// steps in for others that are only full.
    pub(super) fn admits(&self, backend: &Arc<Backend<C>>, awaited: &Awaited<C>) -> bool {
        let tried = match &awaited.waits_for {
            WaitsFor::Only(only) => return Arc::ptr_eq(only, backend) && backend.keeps_clients(),
            WaitsFor::AnyBut(tried) => tried,
        };
        let is_tried = |one: &Backend<C>| is_among(tried, one);
        let Some((home, _)) = self.home(backend) else {
            return false;
        };
        let has_better = |tier: &Tier<C>| !tier.is_backup() && tier.has_other_than(is_tried);
        let is_let_in = !self.tiers[home].is_backup() || !self.tiers[..home].iter().any(has_better);
        is_let_in && !is_tried(backend)
    }

    /// Its tier and seat, if it gets requests.
    fn home(&self, backend: &Backend<C>) -> Option<(usize, usize)> {
        let is_it = |one: &Member<C>| std::ptr::eq(&*one.backend, backend);
        let noted = backend.place.load(Ordering::Relaxed);
        // The place is that of the newest table, which may be another one.
        let place = match self.members.get(noted).is_some_and(is_it) {
            true => noted,
            false => self.members.iter().position(is_it)?,
        };
        self.homes[place]
    }
}

fn live_rank<C>(member: &Member<C>) -> Option<Rank> {
    let standing = member.backend.live_standing()?;
    rank(standing, member.is_backup).filter(|_| member.weight > 0)
}

/// The members that go on with clients that they have. A last resort does only where there is nothing
/// better: what comes to it is likely to be lost.
fn keepers<C>(members: &[Member<C>], best: Option<Rank>) -> Vec<(u64, usize)> {
    let keeps = |member: &Member<C>| {
        let standing = member.backend.standing();
        let is_best = best.is_none() || rank(standing, member.is_backup) == best;
        member.backend.keeps_clients() && (standing != Standing::LastResort || is_best)
    };
    let all = members.iter().enumerate();
    let keepers = all.filter(|(_, member)| keeps(member));
    let mut keepers: Vec<_> = keepers
        .map(|(place, member)| (member.backend.tag, place))
        .collect();
    keepers.sort_unstable();
    keepers.dedup_by_key(|(tag, _)| *tag);
    keepers
}
