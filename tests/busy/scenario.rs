//! What clients ask for: at, and just above, what the servers can do.

use crate::is_full;
use crate::kind::Kind;

/// A request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    pub(crate) is_post: bool,
    /// How long the server is busy with it, in milliseconds.
    pub(crate) ms: u64,
}

/// Clients that begin at the same time.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// The requests of each client, which sends one after the other.
    pub(crate) clients: Vec<Vec<Job>>,
    /// Whether no request waits for so long that there is a reason to try another server.
    pub(crate) is_calm: bool,
    /// Whether a server is busy for so long without a pause that two checks in a row may get no
    /// answer in time: `--fall` times `--health-timeout`, and the time between two checks.
    pub(crate) may_be_down: bool,
}

/// What is long enough for two bad checks.
const DOWN_AFTER_MS: u64 = 4000;

impl Scenario {
    /// The scenarios for so many servers, as groups. Each group is run on servers of its own, so
    /// that a long one does not prolong the others.
    pub(crate) fn groups(kind: Kind, count: usize) -> Vec<Vec<Self>> {
        let capacity = kind.capacity() * count;
        let mut scenarios = vec![
            Self::long(true, capacity),
            Self::long(false, capacity),
            Self::single(),
            Self::at(kind, count),
            Self::above(kind, count),
        ];
        if count == 1 && !is_full() {
            // They take twice as long as on three servers, and there is no other to try.
            scenarios.remove(1);
        }
        let mut groups = match kind.stays_with_a_connection() {
            true => scenarios.into_iter().map(|one| vec![one]).collect(),
            false => vec![scenarios],
        };
        if kind.has_short_queue() && (is_full() || !kind.stays_with_a_connection()) {
            groups.push(vec![Self::short_queue(count)]);
        }
        groups
    }

    /// Two requests at once, each longer than the timeout of a check.
    fn long(is_post: bool, capacity: usize) -> Self {
        let name = if is_post {
            "2 POSTs of 3 s"
        } else {
            "2 GETs of 3 s"
        };
        let job = Job { is_post, ms: 3000 };
        Self {
            name,
            clients: vec![vec![job]; 2],
            is_calm: false,
            may_be_down: capacity == 1,
        }
    }

    /// A request that is only slower than a check usually is; in the full form several times.
    fn single() -> Self {
        let job = Job {
            is_post: true,
            ms: 800,
        };
        let times = if is_full() { 5 } else { 1 };
        Self {
            name: "POST of 0.8 s",
            clients: vec![vec![job; times]],
            is_calm: true,
            may_be_down: false,
        }
    }

    fn at(kind: Kind, count: usize) -> Self {
        let clients = kind.capacity() * count;
        Self::steady("at capacity", clients, kind, count)
    }

    fn above(kind: Kind, count: usize) -> Self {
        let clients = (kind.capacity() * count * 3).div_ceil(2);
        Self::steady("capacity + 50 %", clients, kind, count)
    }

    /// Clients that always have a request under way, a POST and a GET by turns.
    fn steady(name: &'static str, clients: usize, kind: Kind, count: usize) -> Self {
        let capacity = kind.capacity() * count;
        // A server that stays with an idle connection lets requests and checks wait for its end.
        let waits_for_idle = kind.stays_with_a_connection();
        let (jobs, ms) = if is_full() { (8, 300) } else { (4, 250) };
        let of_client = |client: usize| {
            let job = |number: usize| Job {
                is_post: (client + number).is_multiple_of(2),
                ms,
            };
            (0..jobs).map(job).collect()
        };
        let busy_ms = (clients * jobs).div_ceil(capacity) as u64 * ms;
        Self {
            name,
            clients: (0..clients).map(of_client).collect(),
            is_calm: clients == capacity && !waits_for_idle,
            may_be_down: busy_ms > DOWN_AFTER_MS || waits_for_idle,
        }
    }

    /// More clients than fit the server and its queue: six connections wait, one is served.
    fn short_queue(count: usize) -> Self {
        let (clients, times) = if is_full() { (12, 2) } else { (10, 1) };
        let job = Job {
            is_post: true,
            ms: 800,
        };
        Self {
            name: "short queue",
            clients: vec![vec![job; times]; clients * count],
            is_calm: false,
            may_be_down: true,
        }
    }

    /// Requests of all clients.
    pub(crate) fn size(&self) -> usize {
        self.clients.iter().map(Vec::len).sum()
    }
}
