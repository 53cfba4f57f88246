//! Everything that can be set, as plain values, with the defaults and the reasons for them.
//! How it is written on a command line is `cli`'s business.

pub mod cli;
pub mod snapshot;

pub use snapshot::Snapshot;

use crate::backends::Name;
use crate::engine::thread_policy::Scheduling;
use crate::http::forward::VIA_NAME;
use crate::http::forwarded::ForwardedFields;
use crate::http::scan::HeadLimits;
use crate::http::target::Sender;
use crate::log::LogMode;
use crate::net::options::Options;
use ipnet::IpNet;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

/// A whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address or name to listen on, without brackets, and of a name all addresses; `None` means
    /// every interface, IPv4 and IPv6.
    pub address: Option<String>,
    /// TCP port to listen on; 0 lets the system choose.
    pub port: u16,
    /// The servers that requests are sent to, in the order of their turns.
    pub backends: Vec<Name>,
    /// The servers that are used only when none of those is up.
    pub backups: Vec<Name>,
    /// Threads that serve.
    pub workers: usize,
    /// How many of them work side by side as long as none has to wait; `None` is half as many
    /// as there are processors.
    pub cores: Option<usize>,
    /// Most clients at a time; `None` derives it from the descriptor limit.
    pub max_connections: Option<usize>,
    /// Most bytes of memory for all clients together; `None` derives it from what the machine
    /// has.
    pub max_memory: Option<u64>,
    /// Bounds on request and response heads.
    pub head: HeadLimits,
    /// Most bytes of a request body; `None` means no bound.
    pub max_body: Option<u64>,
    /// How long what may take.
    pub timeouts: Timeouts,
    /// Socket options.
    pub sockets: Sockets,
    /// How backends are probed.
    pub health: HealthConfig,
    /// What becomes of `X-Forwarded-*`.
    pub forwarded: ForwardedFields,
    /// Peers that are proxies of ours: what they say of their clients is kept and added to.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether a `Forwarded` field (RFC 7239) says the same once more.
    pub adds_forwarded: bool,
    /// Our name in `Via`; `None` adds no such field.
    pub via: Option<String>,
    /// How long a request of which nothing was sent waits for a backend, when none is up.
    pub hold: Duration,
    /// At how many backends an idempotent request is tried whose connection breaks.
    pub tries: u32,
    /// After how long without a byte from a backend that does not answer checks either a request
    /// that waits there for its first byte moves to another one, if it may be repeated.
    pub rescue_after: Duration,
    /// What becomes of sessions with a backend that goes down.
    pub on_down: OnDown,
    /// Whether a client that closes its side while it waits for an answer wants none.
    pub abort_on_close: bool,
    /// How long it goes on as before when asked to stop, while [`Self::ready_path`] says no.
    pub lame_duck: Duration,
    /// Target that is answered here: 200 while clients should come, else 503.
    pub ready_path: Option<String>,
    /// How often the backends' names are resolved again.
    pub resolve_interval: Duration,
    /// How the threads that serve are scheduled.
    pub scheduling: Scheduling,
    /// What is printed.
    pub log: LogMode,
}

impl Config {
    /// What becomes of the fields about the client, when the peer is `peer`.
    #[must_use]
    pub fn forwarded_from(&self, peer: IpAddr) -> ForwardedFields {
        let is_trusted = || self.trusted_proxies.iter().any(|net| net.contains(&peer));
        match self.forwarded {
            ForwardedFields::Replace if is_trusted() => ForwardedFields::Append,
            otherwise => otherwise,
        }
    }

    /// Whether `peer` may speak of connections that are not its own: where its word on its
    /// clients counts.
    #[must_use]
    pub fn sender(&self, peer: IpAddr) -> Sender {
        match self.forwarded_from(peer) {
            ForwardedFields::Append => Sender::TrustedProxy,
            ForwardedFields::Replace | ForwardedFields::Off => Sender::Anyone,
        }
    }
}

/// Timeouts, each counted from the start of what it bounds.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// A whole request head, from its first byte or from the accepting of the connection.
    pub head: Duration,
    /// A connection to a backend, over all its addresses.
    pub connect: Duration,
    /// A whole response head, from the moment the request is sent.
    pub response: Duration,
    /// A body in either direction without a byte of progress.
    pub body: Duration,
    /// A client connection between two requests.
    pub keep_alive: Duration,
    /// A backend connection between two requests.
    pub backend_idle: Duration,
    /// A tunnel (after 101) without a byte in either direction.
    pub tunnel: Duration,
    /// What is in flight when a stop is asked for.
    pub drain: Duration,
}

/// The options of connections. Probes have none: they are closed by their own timeouts.
#[derive(Clone, Copy, Debug)]
pub struct Sockets {
    /// Of those that clients make.
    pub clients: Options,
    /// Of those to backends, for requests.
    pub backends: Options,
}

/// How backends are probed.
#[derive(Clone, Debug)]
pub struct HealthConfig {
    /// Target of the probing `GET`.
    pub path: String,
    /// Its `Host`; `None` is the backend's name.
    pub host: Option<String>,
    /// Port that is probed; `None` is the one that requests are sent to.
    pub port: Option<u16>,
    /// From the start of one probe to the start of the next.
    pub interval: Duration,
    /// One probe, from connecting until its answer is judged.
    pub timeout: Duration,
    /// Good probes in a row that end an outage.
    pub rise: u32,
    /// Bad probes in a row that begin one.
    pub fall: u32,
    /// Which statuses are good.
    pub statuses: Statuses,
    /// What has to stand in the body.
    pub matches: Option<String>,
    /// Requests that fail one after the other before a backend is ejected although its probes
    /// are fine; 0 is never.
    pub eject_after: u32,
    /// How long a backend that returns takes to get its whole share.
    pub slow_start: Duration,
}

/// A set of statuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statuses(pub Vec<RangeInclusive<u16>>);

impl Statuses {
    /// Whether `status` is among them.
    #[must_use]
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }
}

/// What becomes of requests, answers and tunnels under way with a backend that goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDown {
    /// They end by themselves: by their own connection, timeout or client.
    Keep,
    /// They are ended, as with HAProxy's `on-marked-down shutdown-sessions`.
    Close,
}

impl OnDown {
    /// The values as they are written.
    pub const WORDS: [(&'static str, Self); 2] = [("keep", Self::Keep), ("close", Self::Close)];
}

impl Default for Config {
    fn default() -> Self {
        Self {
            address: None,
            port: 8080,
            backends: Vec::new(),
            backups: Vec::new(),
            // Enough to wait for the connections that are active at a common load, which is the
            // cheapest way to wait, and few enough that they seldom displace one another. On
            // two cores 16 was faster than 4, 64 and 128.
            workers: 16,
            cores: None,
            max_connections: None,
            max_memory: None,
            head: HeadLimits {
                bytes: 32 * 1024,     // nginx: 4 buffers of 8 KiB
                start_line: 8 * 1024, // RFC 9112 §3 recommends at least 8000
                fields: 100,          // Apache's LimitRequestFields
            },
            max_body: None,
            timeouts: Timeouts::default(),
            sockets: Sockets::default(),
            health: HealthConfig::default(),
            forwarded: ForwardedFields::Replace,
            trusted_proxies: Vec::new(),
            adds_forwarded: false,
            via: Some(VIA_NAME.into()),
            hold: Duration::ZERO,
            tries: 3, // as many as HAProxy's `retries` by default
            // Longer than nearly all answers take, and shorter than people wait.
            rescue_after: Duration::from_secs(10),
            on_down: OnDown::Keep,
            abort_on_close: false, // RFC 9112 §9.5: it may have finished sending, and be reading
            lame_duck: Duration::ZERO,
            ready_path: None,
            resolve_interval: Duration::from_secs(10),
            // Batch takes, on two cores, an eighth less processor time for new connections and
            // for answers of 1 MiB; beside a busy program it is many times slower than normal.
            scheduling: Scheduling::Auto,
            log: LogMode::Story,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            head: seconds(10),
            // HAProxy's documentation recommends it: four of the kernel's attempts, a second
            // apart at first. Where another backend is free, a request moves on much sooner.
            connect: seconds(5),
            response: seconds(30),
            body: seconds(30),
            keep_alive: seconds(60),
            // Below the 5 s after which Node and Apache close an idle connection, so that we
            // are the first to close and no request meets a closing one.
            backend_idle: seconds(4),
            tunnel: seconds(3600), // HAProxy's documentation suggests an hour
            drain: seconds(30),
        }
    }
}

impl Default for Sockets {
    fn default() -> Self {
        let both = Options {
            // The kernel's own two hours are longer than most NATs and firewalls remember a
            // silent connection.
            keep_alive: Some(Duration::from_secs(60)),
            unsent: Some(256 * 1024),
            unread: None,
        };
        Self {
            clients: both,
            backends: both,
        }
    }
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self {
            path: "/".into(),
            host: None,
            port: None,
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            // Two in a row, so that one lost probe neither ends nor begins an outage.
            rise: 2,
            fall: 2,
            statuses: Statuses(vec![200..=200]),
            matches: None,
            eject_after: 5, // Envoy's consecutive_gateway_failure
            slow_start: Duration::ZERO,
        }
    }
}
