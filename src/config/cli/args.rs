//! The options as they are written, and the [`Config`] that they mean.

use super::sockets::SocketWords;
use super::{addresses, quantities, values};
use crate::backends::Name;
use crate::config::{Config, HealthConfig, OnDown, Statuses, Timeouts};
use crate::engine::thread_policy::Scheduling;
use crate::http::forward::VIA_NAME;
use crate::http::forwarded::ForwardedFields;
use crate::http::scan::{HeadLimits, MAX_FIELDS};
use crate::log::LogMode;
use clap::builder::ValueParser;
use clap::{Parser, ValueEnum};
use ipnet::IpNet;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  lb 8080 localhost:5001 localhost:5002       two servers on this machine
  lb 8080 localhost:5001-5004                 four of them
  lb 127.0.0.1:8080 :5001 http://app:80       only for this machine, one server elsewhere
  lb 8080 :5001 :5002 --log access -q         a line for each request, nothing else
  lb 80 app1:80 app2:80 --health-path /health --health-interval 2s";

#[derive(Debug, Parser)]
#[command(
    name = "lb",
    version,
    about = "An HTTP/1.1 load balancer: round robin over the servers that are healthy",
    after_help = EXAMPLES,
    max_term_width = 100
)]
pub(super) struct Args {
    /// Where to listen: PORT (every interface), ADDRESS:PORT, [V6ADDRESS]:PORT or NAME:PORT (all
    /// addresses of the name)
    #[arg(value_name = "LISTEN", value_parser = addresses::listen)]
    pub(super) listen: addresses::Listen,

    /// Servers: HOST:PORT, [V6ADDRESS]:PORT, :PORT, http://HOST:PORT or HOST:FIRST-LAST
    #[arg(value_name = "BACKEND", required = true, value_parser = addresses::backends)]
    pub(super) backends: Vec<addresses::Range>,

    /// Threads that serve
    #[arg(long, value_name = "N", default_value_t = Config::default().workers,
          value_parser = quantities::count(1..=1024))]
    pub(super) workers: usize,

    /// How many of them work side by side as long as none has to wait: each takes up to two
    /// processors, with what the system does for it [default: half of the processors]
    #[arg(long, value_name = "N", value_parser = quantities::count(1..=1024))]
    pub(super) cores: Option<usize>,

    /// Most clients at a time; the others wait unaccepted [default: from the descriptor limit]
    #[arg(long, value_name = "N", value_parser = quantities::count(1..=1_000_000))]
    pub(super) max_connections: Option<usize>,

    /// Most memory for all clients together; beyond it slow ones get 503 or are cut, and new ones
    /// wait [default: from what the machine or the container has]
    #[arg(long, value_name = "SIZE", value_parser = quantities::size(1..=u64::MAX))]
    pub(super) max_memory: Option<u64>,

    /// Most bytes of a request or response head (431)
    #[arg(long, value_name = "SIZE", default_value = "32KiB", value_parser = quantities::size(512..=1 << 20))]
    pub(super) max_head: u64,

    /// Most bytes of a request line (414) [default: 8KiB, or a smaller --max-head]
    #[arg(long, value_name = "SIZE", value_parser = quantities::size(64..=1 << 20))]
    pub(super) max_request_line: Option<u64>,

    /// Most fields in a head (431)
    #[arg(long, value_name = "N", default_value_t = Config::default().head.fields,
          value_parser = quantities::count(1..=MAX_FIELDS))]
    pub(super) max_fields: usize,

    /// Most bytes of a request body (413); 0 allows none [default: no bound]
    #[arg(long, value_name = "SIZE", value_parser = quantities::size(0..=u64::MAX))]
    pub(super) max_body: Option<u64>,

    /// For a whole request head (408)
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = timeout())]
    pub(super) head_timeout: Duration,

    /// For connecting to a server, all its addresses together
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = timeout())]
    pub(super) connect_timeout: Duration,

    /// For a whole response head, once the request is sent (504)
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = timeout())]
    pub(super) response_timeout: Duration,

    /// For a body without any progress (408, 504 or a cut)
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = timeout())]
    pub(super) body_timeout: Duration,

    /// For a client connection between two requests
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = timeout())]
    pub(super) keep_alive_timeout: Duration,

    /// For a server connection between two requests
    #[arg(long, value_name = "TIME", default_value = "4s", value_parser = timeout())]
    pub(super) backend_idle_timeout: Duration,

    /// For a tunnel (WebSocket) without a byte
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = timeout())]
    pub(super) tunnel_timeout: Duration,

    /// For what is in flight when the balancer is told to stop
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = timeout())]
    pub(super) drain_timeout: Duration,

    #[command(flatten)]
    pub(super) sockets: SocketWords,

    /// A server that is used only when none of the others is up; may be given several times
    #[arg(long, value_name = "HOST:PORT", value_parser = addresses::backups)]
    pub(super) backup: Vec<addresses::Range>,

    /// How long a request waits for a server when none is up, before it gets 503
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = quantities::duration_or_none)]
    pub(super) hold: Duration,

    /// If the connection breaks, try an idempotent request at up to N servers
    #[arg(long, value_name = "N", default_value = "3", value_parser = quantities::count(1..=100))]
    pub(super) tries: usize,

    /// Move a request that may be repeated to another server when its own answers no check either
    /// and has sent nothing at all for so long
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = timeout())]
    pub(super) rescue_after: Duration,

    /// What becomes of requests and tunnels under way with a server that goes down
    #[arg(long, value_enum, default_value_t = OnDownWord::Keep)]
    pub(super) on_down: OnDownWord,

    /// End a request whose client closes its side while it waits for a server or its answer
    #[arg(long)]
    pub(super) abort_on_close: bool,

    /// How long to serve on when told to stop, while --ready-path says no
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = quantities::duration_or_none)]
    pub(super) lame_duck: Duration,

    /// A path that is answered here: 200 while clients should come, 503 when they should not
    #[arg(long, value_name = "PATH", value_parser = values::plain_path)]
    pub(super) ready_path: Option<String>,

    /// What to ask servers for
    #[arg(long, value_name = "PATH", default_value = "/", value_parser = values::path)]
    pub(super) health_path: String,

    /// How often to ask; at least every second while one is failing
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = timeout())]
    pub(super) health_interval: Duration,

    /// How long an answer may take [default: 2s, or nine tenths of a shorter interval]
    #[arg(long, value_name = "TIME", value_parser = timeout())]
    pub(super) health_timeout: Option<Duration>,

    /// Which statuses are good: 200,204 or 2xx or 2xx-3xx
    #[arg(long, value_name = "LIST", default_value = "200", value_parser = values::statuses)]
    pub(super) health_status: Statuses,

    /// What has to stand in the first 16 KiB of the answer's body
    #[arg(long, value_name = "TEXT", value_parser = values::text)]
    pub(super) health_match: Option<String>,

    /// The Host to ask for, if it is not the server's name
    #[arg(long, value_name = "HOST", value_parser = values::host)]
    pub(super) health_host: Option<String>,

    /// The port to ask at, if it is not the one that requests go to
    #[arg(long, value_name = "PORT", value_parser = values::health_port)]
    pub(super) health_port: Option<u16>,

    /// Good answers in a row before a server is used again
    #[arg(long, value_name = "N", default_value = "2", value_parser = quantities::count(1..=100))]
    pub(super) rise: usize,

    /// Bad or missing answers in a row before a server gets no new requests
    #[arg(long, value_name = "N", default_value = "2", value_parser = quantities::count(1..=100))]
    pub(super) fall: usize,

    /// After N failed requests in a row a server gets no more, whatever its checks say; a single
    /// request tries it later. 0: never
    #[arg(long, value_name = "N", default_value = "5", value_parser = quantities::count(0..=1_000_000))]
    pub(super) eject_after: usize,

    /// How long a server that comes back takes to get its whole share
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = quantities::duration_or_none)]
    pub(super) slow_start: Duration,

    /// How often to look up the servers' names again
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = timeout())]
    pub(super) resolve_interval: Duration,

    /// What to do with X-Forwarded-For, -Proto and -Host
    #[arg(long, value_enum, default_value_t = ForwardedWord::Replace)]
    pub(super) forwarded: ForwardedWord,

    /// Proxies (CIDR, several with commas) whose X-Forwarded-* are kept and added to
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = values::network)]
    pub(super) trusted_proxies: Vec<IpNet>,

    /// Tell of the client in a Forwarded field (RFC 7239) as well
    #[arg(long)]
    pub(super) add_forwarded: bool,

    /// The name of this balancer in Via, or off for no such field
    #[arg(long, value_name = "NAME", default_value = VIA_NAME, value_parser = values::via)]
    pub(super) via: values::Via,

    /// How the system schedules the threads that serve (Linux): batch is cheaper, normal quicker
    /// where other programs keep the processors busy; auto is batch until that is seen
    #[arg(long, value_enum, default_value_t = SchedulingWord::Auto)]
    pub(super) scheduling: SchedulingWord,

    /// What to print of each request: its story (stderr), an access line (stdout), nothing
    #[arg(long, value_enum, default_value_t = LogWord::Story)]
    pub(super) log: LogWord,

    /// Print more: what goes wrong, and why
    #[arg(short, long, conflicts_with = "quiet")]
    pub(super) verbose: bool,

    /// Print only warnings
    #[arg(short, long)]
    pub(super) quiet: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum ForwardedWord {
    /// Add the client to what came in
    Append,
    /// Drop what came in, say what we saw
    Replace,
    /// Leave them alone
    Off,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum SchedulingWord {
    /// In batches until another program keeps the processors busy, then normally
    Auto,
    /// Woken, they wait for their turn: cheapest
    Batch,
    /// Woken, they displace others, as any thread does
    Normal,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum OnDownWord {
    /// They end by themselves
    Keep,
    /// They are ended
    Close,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum LogWord {
    Story,
    Access,
    Off,
}

fn timeout() -> ValueParser {
    ValueParser::from(quantities::duration)
}

impl Args {
    /// A check is over before the next one begins.
    fn probe_timeout(&self) -> Duration {
        let default = Config::default().health.timeout;
        let most = self.health_interval / 10 * 9;
        self.health_timeout.unwrap_or(default.min(most))
    }

    /// The line is a part of the head.
    fn request_line(&self) -> u64 {
        let default = Config::default().head.start_line as u64;
        self.max_request_line.unwrap_or(default.min(self.max_head))
    }

    pub(super) fn into_config(self, backends: Vec<Name>, backups: Vec<Name>) -> Config {
        let bytes = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
        let times = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Config {
            address: self.listen.address.clone(),
            port: self.listen.port,
            backends,
            backups,
            workers: self.workers,
            cores: self.cores,
            max_connections: self.max_connections,
            max_memory: self.max_memory,
            head: HeadLimits {
                bytes: bytes(self.max_head),
                start_line: bytes(self.request_line()),
                fields: self.max_fields,
            },
            max_body: self.max_body,
            timeouts: Timeouts {
                head: self.head_timeout,
                connect: self.connect_timeout,
                response: self.response_timeout,
                body: self.body_timeout,
                keep_alive: self.keep_alive_timeout,
                backend_idle: self.backend_idle_timeout,
                tunnel: self.tunnel_timeout,
                drain: self.drain_timeout,
            },
            sockets: self.sockets.sockets(),
            health: HealthConfig {
                timeout: self.probe_timeout(),
                path: self.health_path,
                host: self.health_host,
                port: self.health_port,
                interval: self.health_interval,
                rise: times(self.rise),
                fall: times(self.fall),
                statuses: self.health_status,
                matches: self.health_match,
                eject_after: times(self.eject_after),
                slow_start: self.slow_start,
            },
            hold: self.hold,
            tries: times(self.tries),
            rescue_after: self.rescue_after,
            on_down: match self.on_down {
                OnDownWord::Keep => OnDown::Keep,
                OnDownWord::Close => OnDown::Close,
            },
            abort_on_close: self.abort_on_close,
            lame_duck: self.lame_duck,
            ready_path: self.ready_path,
            forwarded: match self.forwarded {
                ForwardedWord::Append => ForwardedFields::Append,
                ForwardedWord::Replace => ForwardedFields::Replace,
                ForwardedWord::Off => ForwardedFields::Off,
            },
            trusted_proxies: self.trusted_proxies,
            adds_forwarded: self.add_forwarded,
            via: self.via.0,
            resolve_interval: self.resolve_interval,
            scheduling: match self.scheduling {
                SchedulingWord::Auto => Scheduling::Auto,
                SchedulingWord::Batch => Scheduling::Batch,
                SchedulingWord::Normal => Scheduling::Normal,
            },
            log: match self.log {
                LogWord::Story => LogMode::Story,
                LogWord::Access => LogMode::Access,
                LogWord::Off => LogMode::Off,
            },
        }
    }
}
