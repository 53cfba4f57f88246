//! An exchange outside a session, with real connections on both sides, for the tests of this folder.

use super::attempt::Attempt;
use super::client::Client;
use super::shared::{Local, Shared, Turn};
use super::{Exchange, ExchangePhase};
use crate::backends::health::{Evidence, Health, Observation};
use crate::backends::heard::Heard;
use crate::backends::{Backend, Lease, Name};
use crate::config::Config;
use crate::engine::scheduler::Scheduler;
use crate::engine::turn::IoCache;
use crate::health::observations;
use crate::http::request;
use crate::net::conn::{Blocking, Conn};
use crate::net::dial::Dial;
use crate::net::options::Options;
use crate::net::testing::pair;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// For how long the backends have said nothing when a test begins.
pub(super) const SILENCE: Duration = Duration::from_secs(5);

/// Backends that are up, and a worker that nobody else needs.
pub(super) struct Bench {
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

impl Bench {
    /// So many backends, of which nothing has come for [`SILENCE`].
    pub(super) fn new(count: u16, config: Config) -> Self {
        Self::over((0..count).map(backend).map(Arc::new).collect(), config)
    }

    /// One backend and a backup.
    pub(super) fn with_backup(config: Config) -> Self {
        let backends = vec![backend(0), backend(1).as_backup()];
        Self::over(backends.into_iter().map(Arc::new).collect(), config)
    }

    fn over(backends: Vec<Arc<Backend<Conn>>>, config: Config) -> Self {
        let shared = Shared::with(config, backends.clone());
        let scheduler = Scheduler::new(1, || ());
        scheduler.add_worker();
        let bench = Self {
            shared,
            backends,
            scheduler,
            cache: IoCache::default(),
            local: Local::default(),
        };
        (0..bench.backends.len()).for_each(|place| bench.observe(place, Observation::Good));
        bench
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
        observations::observe_response(&self.shared.health, &self.backends[place], observation);
    }

    /// The backend did not answer a check.
    pub(super) fn suspect(&self, place: usize) {
        self.observe(place, Observation::Bad(Evidence::Silent));
    }

    /// An exchange that has no backend yet.
    pub(super) fn waiting(&mut self, head: &str) -> UnderWay {
        let mut table = request::field_table();
        let head = request::parse(head.as_bytes(), &mut table).expect("valid");
        let ((own, client_end), (_, server)) = (pair(), pair());
        let address = own.local_addr().expect("connected");
        let client = Client::new(own, address);
        let mut turn = self.turn();
        let now = turn.now();
        UnderWay {
            exchange: Exchange::begin(&head, &client, &mut turn, now),
            client,
            client_end,
            server,
        }
    }

    /// An exchange that is being connected to the first backend.
    pub(super) fn connecting(&mut self, head: &str) -> UnderWay {
        let mut under_way = self.waiting(head);
        let dial = Dial::new(Vec::new(), Options::default(), Instant::now());
        let attempt = Attempt::new(Lease::of(&self.backends[0]), false);
        under_way.exchange.phase = ExchangePhase::Connecting(attempt, Box::new(dial));
        under_way
    }

    /// An exchange that is connected to the first backend.
    pub(super) fn transferring(&mut self, head: &str) -> UnderWay {
        let (conn, server) = pair();
        let attempt = Attempt::new(Lease::of(&self.backends[0]), false);
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
    let mut backend = Backend::new(Name { host, port }, Health::new(1, 9));
    backend.heard = Heard::new(Instant::now() - SILENCE);
    backend
}

impl UnderWay {
    /// Moves what there is, until `is_so`.
    pub(super) fn pump_until(&mut self, bench: &mut Bench, is_so: impl Fn(&Exchange) -> bool) {
        while !is_so(&self.exchange) {
            let pumped = self.exchange.pump(&mut self.client, &mut bench.resumed());
            assert!(matches!(pumped, Ok(Some(_))), "{pumped:?}");
        }
    }

    /// The server sends this, which is less than a connection holds.
    pub(super) fn server_sends(&self, text: &str) {
        let sent = self.server.write(text.as_bytes(), Blocking::Briefly);
        sent.expect("open");
    }
}
