//! The simulation: events in the order of their virtual times. A request asks, is given a backend or
//! waits in the queue, and ends. Must not know how a scenario is written, nor what is printed.

use super::measures::{BackendMeasures, Measures};
use super::scenario::{Arrivals, Scenario};
use crate::backends::health::{Health, Observation};
use crate::backends::key::{Key, hash};
use crate::backends::{
    Algorithm, Backend, Backends, Finding, Lease, Member, Name, Picked, QueueFull, Waiting,
    WaitsFor, Wanted,
};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A client asks.
    Ask,
    /// The request with this number is answered.
    End(usize),
    /// It has waited for long enough.
    GiveUp(usize),
}

/// A request that a backend works on.
struct Running {
    lease: Lease<()>,
    asked: Duration,
}

/// A request in the queue.
struct InQueue {
    waiting: Waiting<()>,
    asked: Duration,
    key: usize,
}

/// The numbers of requests that have got something in the queue.
type Woken = Arc<Mutex<Vec<usize>>>;

/// A simulation that runs.
pub(super) struct Simulation<'s> {
    scenario: &'s Scenario,
    group: Arc<Backends<()>>,
    now: Duration,
    /// By time, and in the order in which they came about.
    events: BinaryHeap<Reverse<(Duration, usize, Event)>>,
    event_count: usize,
    asked: usize,
    running: HashMap<usize, Running>,
    queued: HashMap<usize, InQueue>,
    woken: Woken,
    /// The cookie that the client with this key has.
    cookies: Vec<Key>,
    measures: Measures,
}

impl<'s> Simulation<'s> {
    /// A simulation at its beginning. All that is random comes from this thread's generator, which gets
    /// the seed of the scenario.
    pub(super) fn new(scenario: &'s Scenario) -> Self {
        fastrand::seed(scenario.seed);
        Self {
            scenario,
            group: group_of(scenario),
            now: Duration::ZERO,
            events: BinaryHeap::new(),
            event_count: 0,
            asked: 0,
            running: HashMap::new(),
            queued: HashMap::new(),
            woken: Woken::default(),
            cookies: vec![Key::Absent; scenario.keys],
            measures: Measures {
                backends: vec![BackendMeasures::default(); scenario.weights.len()],
                ..Measures::default()
            },
        }
    }

    /// Goes through all events.
    pub(super) fn run(mut self) -> Measures {
        match self.scenario.arrivals {
            Arrivals::Clients(count) => {
                (0..count).for_each(|_| self.after(Duration::ZERO, Event::Ask))
            }
            Arrivals::Rate { .. } => self.schedule_burst(),
        }
        while let Some(Reverse((at, _, event))) = self.events.pop() {
            self.now = at;
            match event {
                Event::Ask => self.ask(),
                Event::End(number) => self.end(number),
                Event::GiveUp(number) => self.give_up(number),
            }
            self.serve_woken();
        }
        self.measures.sort();
        self.measures
    }

    fn after(&mut self, time: Duration, event: Event) {
        self.event_count += 1;
        let at = self.now.saturating_add(time);
        self.events.push(Reverse((at, self.event_count, event)));
    }

    /// The next requests, where these come at their own times.
    fn schedule_burst(&mut self) {
        if let Arrivals::Rate { per_second, burst } = self.scenario.arrivals {
            let mean = Duration::from_secs_f64(burst as f64 / f64::from(per_second));
            let time = self.scenario.vary(mean);
            (0..burst).for_each(|_| self.after(time, Event::Ask));
        }
    }

    fn ask(&mut self) {
        let number = self.asked;
        if number == self.scenario.requests {
            return;
        }
        self.asked += 1;
        if let Arrivals::Rate { burst, .. } = self.scenario.arrivals
            && number.is_multiple_of(burst)
        {
            self.schedule_burst();
        }
        let key = fastrand::usize(..self.scenario.keys);
        match self.group.pick(self.key(key), Wanted::Next) {
            Picked::Lease(lease) => self.start(number, key, self.now, lease),
            Picked::Full => self.enter_queue(number, key),
            Picked::NoneLive => {
                self.measures.without_backend += 1;
                self.refuse();
            }
        }
    }

    /// What the request brings along.
    fn key(&self, key: usize) -> Key {
        match self.scenario.policy.algorithm {
            Algorithm::Hash => Key::Hash(hash(&key.to_le_bytes())),
            Algorithm::Sticky => self.cookies[key],
            _ => Key::Absent,
        }
    }

    fn start(&mut self, number: usize, key: usize, asked: Duration, lease: Lease<()>) {
        let index = index_of(&lease);
        self.cookies[key] = Key::Tag(lease.tag);
        let mean = self.scenario.service_time * self.scenario.slowness(index);
        let time = self.scenario.vary(mean);
        let backend = &mut self.measures.backends[index];
        backend.requests += 1;
        backend.most_in_flight = backend.most_in_flight.max(lease.in_flight());
        backend.times.add(time);
        self.measures.waits.add(self.now - asked);
        self.running.insert(number, Running { lease, asked });
        self.after(time, Event::End(number));
    }

    fn enter_queue(&mut self, number: usize, key: usize) {
        let wanted = WaitsFor::AnyBut(Vec::new());
        let waiting = match self.group.wait(self.key(key), wanted) {
            Ok(waiting) => waiting,
            Err(QueueFull) => {
                self.measures.refused += 1;
                return self.refuse();
            }
        };
        let woken = Arc::clone(&self.woken);
        waiting.on_grant(move || lock(&woken).push(number));
        let asked = self.now;
        self.queued.insert(
            number,
            InQueue {
                waiting,
                asked,
                key,
            },
        );
        self.after(self.scenario.queue_timeout, Event::GiveUp(number));
    }

    /// Requests that have got a backend in the queue begin there.
    fn serve_woken(&mut self) {
        let woken = std::mem::take(&mut *lock(&self.woken));
        for number in woken {
            let Some(queued) = self.queued.remove(&number) else {
                continue;
            };
            match queued.waiting.take() {
                Some(Picked::Lease(lease)) => self.start(number, queued.key, queued.asked, lease),
                _ => {
                    self.measures.without_backend += 1;
                    self.refuse();
                }
            }
        }
    }

    fn give_up(&mut self, number: usize) {
        if self.queued.remove(&number).is_some() {
            self.measures.timed_out += 1;
            self.refuse();
        }
    }

    fn end(&mut self, number: usize) {
        if let Some(running) = self.running.remove(&number) {
            self.measures.answers.add(self.now - running.asked);
            drop(running.lease);
            self.ask_again(Duration::ZERO);
        }
    }

    /// A client without a backend comes again after as long as an answer takes.
    fn refuse(&mut self) {
        self.ask_again(self.scenario.service_time);
    }

    fn ask_again(&mut self, after: Duration) {
        if let Arrivals::Clients(_) = self.scenario.arrivals {
            self.after(after, Event::Ask);
        }
    }
}

/// The numbers, also after a panic elsewhere: they are whole at any time.
fn lock(woken: &Woken) -> MutexGuard<'_, Vec<usize>> {
    woken.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The port of a backend is its number, from 1.
fn index_of(backend: &Backend<()>) -> usize {
    usize::from(backend.name.port) - 1
}

fn group_of(scenario: &Scenario) -> Arc<Backends<()>> {
    let weights = scenario.weights.iter().zip(1..);
    let members = weights.map(|(weight, number)| {
        let name = Name {
            host: "backend".into(),
            port: number,
        };
        Member::new(Arc::new(Backend::new(name, Health::new(1, 1)))).with_weight(*weight)
    });
    let group = Backends::new(members.collect(), scenario.policy);
    for (index, backend) in group.all().iter().enumerate() {
        if !scenario.is_down(index) {
            let nothing = Finding::default();
            group.observe(backend, Observation::Good, &nothing, Instant::now());
        }
    }
    group
}
