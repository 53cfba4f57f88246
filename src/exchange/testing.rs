//! An exchange outside a session, with real connections on both sides, for the tests of this folder.

use super::attempt::Attempt;
use super::client::Client;
use super::shared::{Local, Shared, Turn};
use super::{Exchange, ExchangePhase};
use crate::backends::health::{Evidence, Health, Observation};
use crate::backends::heard::Heard;
use crate::backends::{Backend, GroupPolicy, Lease, Member, Name};
use crate::config::{Group, Routed, Settings};
use crate::engine::scheduler::Scheduler;
use crate::engine::turn::IoCache;
use crate::health::observations;
use crate::http::error::{Cause, Error, Phase};
use crate::http::request;
use crate::net::conn::{Blocking, Conn};
use crate::net::dial::Dial;
use crate::net::options::Options;
use crate::net::testing::pair;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// For how long the backends have said nothing when a test begins.
pub(super) const SILENCE: Duration = Duration::from_secs(5);

/// Requests without a body, with an empty one, and with one of four bytes.
pub(super) const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
pub(super) const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
pub(super) const PUT: &str = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n";

/// A final answer of which the last eight bytes are missing.
pub(super) const BEGUN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx";

/// How many bad checks in a row take a backend away.
const FALL: u32 = 9;

/// Backends that are up, and a worker that nobody else needs.
pub(super) struct Fixture {
    pub(super) shared: Shared,
    pub(super) backends: Vec<Arc<Backend<Conn>>>,
    scheduler: Scheduler,
    cache: IoCache,
    local: Local,
}

/// An exchange that is under way, and the other ends of its connections.
pub(super) struct UnderWay {
    pub(super) exchange: Exchange,
    pub(super) client: Client,
    pub(super) client_end: Conn,
    pub(super) server: Conn,
}

impl Fixture {
    /// So many backends, of which nothing has come for [`SILENCE`].
    pub(super) fn new(count: u16, config: Settings) -> Self {
        Self::over((0..count).map(backend).map(Arc::new).collect(), config)
    }

    /// One backend and a backup.
    pub(super) fn with_backup(config: Settings) -> Self {
        let fixture = Self::over([0, 1].map(backend).map(Arc::new).into(), config);
        fixture.group().backends.replace(
            fixture
                .backends
                .iter()
                .enumerate()
                .map(|(place, backend)| Member {
                    is_backup: place == 1,
                    ..Member::new(Arc::clone(backend))
                })
                .collect(),
            GroupPolicy::default(),
        );
        fixture
    }

    fn over(backends: Vec<Arc<Backend<Conn>>>, config: Settings) -> Self {
        let shared = Shared::over(backends.clone(), config);
        let scheduler = Scheduler::new(1, || ());
        scheduler.add_worker();
        let fixture = Self {
            shared,
            backends,
            scheduler,
            cache: IoCache::default(),
            local: Local::default(),
        };
        (0..fixture.backends.len()).for_each(|place| fixture.observe(place, Observation::Good));
        fixture
    }

    /// The only group.
    pub(super) fn group(&self) -> Arc<Group> {
        Arc::clone(&self.shared.snapshot().groups[0])
    }

    /// The right to send a request to one of the backends.
    pub(super) fn lease(&self, place: usize) -> Lease<Conn> {
        let lease = self.group().backends.lease(&self.backends[place]);
        lease.expect("no limit is set")
    }

    /// The turn of a session that was not parked.
    pub(super) fn turn(&mut self) -> Turn<'_> {
        Turn::new(
            &self.shared,
            &mut self.local,
            &mut self.cache,
            &self.scheduler,
            false,
        )
    }

    /// The turn of a session that was.
    pub(super) fn resumed(&mut self) -> Turn<'_> {
        let mut turn = self.turn();
        turn.resume(Instant::now());
        turn
    }

    /// The health thread, or a request, has seen this.
    pub(super) fn observe(&self, place: usize, observation: Observation) {
        observations::observe_response(
            &self.shared.health,
            &self.group(),
            &self.backends[place],
            observation,
        );
    }

    /// The backend did not answer a check.
    pub(super) fn suspect(&self, place: usize) {
        self.observe(place, Observation::Bad(Evidence::Silent));
    }

    /// The backend is down, or as close to it as it may come.
    pub(super) fn take_down(&self, place: usize, evidence: Evidence) {
        (0..FALL).for_each(|_| self.observe(place, Observation::Bad(evidence)));
    }

    /// Requests have failed at the backend until it was ejected.
    pub(super) fn eject(&self, place: usize) {
        let (health, backend) = (&self.shared.health, &self.backends[place]);
        let error = Error::backend(Phase::ResponseHead, Cause::Closed);
        while !backend.state().health.is_ejected() {
            observations::count_failed_request(health, &self.group(), backend, &error);
        }
    }

    /// Keeps an idle connection to the backend, and returns its other end.
    pub(super) fn keep_idle(&self, place: usize) -> Conn {
        let (conn, other_end) = pair();
        let idle = &self.backends[place].idle;
        idle.put(conn, idle.generation(), Instant::now());
        other_end
    }

    /// An exchange that has no backend yet.
    pub(super) fn waiting(&mut self, head: &str) -> UnderWay {
        let mut table = request::field_table();
        let head = request::parse(head.as_bytes(), &mut table).expect("valid");
        let ((own, client_end), (_, server)) = (pair(), pair());
        let address = own.local_addr().expect("connected");
        let client = Client::new(own, address, 1);
        let snapshot = Arc::clone(&self.shared.snapshot());
        let Routed::To(route, destination) = snapshot.route(&head) else {
            panic!("one group takes all");
        };
        let mut turn = self.turn();
        let now = turn.now();
        UnderWay {
            exchange: Exchange::begin(
                &head,
                (&route, destination),
                &client,
                &mut turn,
                (Duration::ZERO, now),
            ),
            client,
            client_end,
            server,
        }
    }

    /// An exchange that is being connected to the first backend.
    pub(super) fn connecting(&mut self, head: &str) -> UnderWay {
        let mut under_way = self.waiting(head);
        let dial = Dial::new(Vec::new(), Options::default(), Instant::now());
        let attempt = Attempt::new(self.lease(0), false);
        under_way.exchange.phase = ExchangePhase::Connecting(attempt, Box::new(dial));
        under_way
    }

    /// An exchange that is connected to the first backend.
    pub(super) fn transferring(&mut self, head: &str) -> UnderWay {
        let (conn, server) = pair();
        let attempt = Attempt::new(self.lease(0), false);
        let mut under_way = self.waiting(head);
        under_way.exchange.phase = ExchangePhase::Transferring(attempt, conn);
        UnderWay {
            server,
            ..under_way
        }
    }
}

fn backend(port: u16) -> Backend<Conn> {
    let host = "a".into();
    let mut backend = Backend::new(Name { host, port }, Health::new(1, FALL));
    backend.heard = Heard::new(Instant::now() - SILENCE);
    backend
}

impl UnderWay {
    /// Moves what there is, until `is_so`.
    pub(super) fn pump_until(&mut self, fixture: &mut Fixture, is_so: impl Fn(&Exchange) -> bool) {
        while !is_so(&self.exchange) {
            let pumped = self.exchange.pump(&mut self.client, &mut fixture.resumed());
            assert!(matches!(pumped, Ok(Some(_))), "{pumped:?}");
        }
    }

    /// The server sends this, which is less than a connection holds.
    pub(super) fn server_sends(&self, text: &str) {
        let sent = self.server.write(text.as_bytes(), Blocking::Briefly);
        sent.expect("open");
    }
}
