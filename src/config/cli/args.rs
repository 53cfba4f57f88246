//! The options as they are written, and the [`Config`] that they mean.

use super::sockets::SocketArgs;
use super::{addresses, quantities, values};
use crate::backends::Name;
use crate::config::{Config, HealthConfig, OnDown, Statuses, Timeouts};
use crate::engine::thread_policy::Scheduling;
use crate::http::forward::VIA_NAME;
use crate::http::forwarded::ForwardedFields;
use crate::http::scan::{HeadLimits, MAX_FIELDS};
use crate::log::LogMode;
use clap::Parser;
use clap::builder::{PossibleValuesParser, TypedValueParser as _, ValueParser};
use ipnet::IpNet;
use std::time::Duration;

const MORE: &str = "\
Example: lb 8080 localhost:5001 localhost:5002
More options, and what they mean: lb --help";

const EXAMPLES: &str = "\
Examples:
  lb 8080 localhost:5001 localhost:5002       two backends on this machine
  lb 8080 localhost:5001-5004                 four of them
  lb 127.0.0.1:8080 :5001 http://app:80       only for this machine, one backend elsewhere
  lb 8080 :5001 :5002 --log access -q         a line per request, nothing else
  lb 80 app1:80 app2:80 --health-path /health --health-interval 2s";

// Headings of the options.
const LISTENING: &str = "Connections and threads";
const LIMITS: &str = "Limits of messages";
const TIMEOUTS: &str = "Timeouts";
const FAILURES: &str = "Failures and retries";
const HEALTH: &str = "Health checks (a GET each)";
const NAMES: &str = "Names";
const FORWARDING: &str = "What backends learn of clients";
const STOPPING: &str = "Stopping";
const LOGGING: &str = "Logging";

#[derive(Debug, Parser)]
#[command(
    name = "lb",
    version,
    about = "An HTTP/1.1 load balancer: round robin over the backends that are healthy",
    after_help = MORE,
    max_term_width = 100,
    after_long_help = EXAMPLES
)]
pub(super) struct Args {
    /// Port to listen on, or ADDRESS:PORT
    ///
    /// PORT listens on every interface, IPv4 and IPv6; [V6ADDRESS]:PORT on one; NAME:PORT on all
    /// addresses of the name that this machine has.
    #[arg(value_name = "LISTEN", value_parser = addresses::listen)]
    pub(super) listen: addresses::Listen,

    /// Backends: HOST:PORT, :PORT or HOST:FIRST-LAST
    ///
    /// Also [V6ADDRESS]:PORT and http://HOST:PORT. :PORT is this machine, without a look-up of a name.
    #[arg(value_name = "BACKEND", required = true, value_parser = addresses::backends)]
    pub(super) backends: Vec<addresses::Range>,

    /// Worker threads
    #[arg(long, value_name = "N", default_value_t = Config::default().workers,
          value_parser = quantities::count(1..=1024), help_heading = LISTENING)]
    pub(super) workers: usize,

    /// Workers that run side by side [default: half the processors]
    ///
    /// As long as none of them blocks. Each takes up to two processors, with the work of the kernel.
    #[arg(long, value_name = "N", value_parser = quantities::count(1..=1024), help_heading = LISTENING, hide_short_help = true)]
    pub(super) cores: Option<usize>,

    /// Most client connections [default: from the descriptor limit]
    ///
    /// Further clients wait, not accepted yet.
    #[arg(long, value_name = "N", value_parser = quantities::count(1..=1_000_000), help_heading = LISTENING)]
    pub(super) max_connections: Option<usize>,

    /// Most memory for clients [default: from what the machine has]
    ///
    /// For all clients together. Beyond it, slow ones get 503 or are cut, and new ones wait.
    #[arg(long, value_name = "SIZE", value_parser = quantities::size(1..=u64::MAX), help_heading = LISTENING)]
    pub(super) max_memory: Option<u64>,

    /// Most bytes of a request or response head (431)
    #[arg(long, value_name = "SIZE", default_value = "32KiB", value_parser = quantities::size(512..=1 << 20), help_heading = LIMITS)]
    pub(super) max_head: u64,

    /// Most bytes of a request line (414) [default: 8KiB]
    ///
    /// Or --max-head, if that is smaller.
    #[arg(long, value_name = "SIZE", value_parser = quantities::size(64..=1 << 20), help_heading = LIMITS, hide_short_help = true)]
    pub(super) max_request_line: Option<u64>,

    /// Most fields in a head (431)
    #[arg(long, value_name = "N", default_value_t = Config::default().head.fields,
          value_parser = quantities::count(1..=MAX_FIELDS), help_heading = LIMITS, hide_short_help = true)]
    pub(super) max_fields: usize,

    /// Most bytes of a request body (413) [default: no limit]
    ///
    /// 0 allows no body.
    #[arg(long, value_name = "SIZE", value_parser = quantities::size(0..=u64::MAX), help_heading = LIMITS)]
    pub(super) max_body: Option<u64>,

    /// A whole request head (408)
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = timeout(), help_heading = TIMEOUTS)]
    pub(super) head_timeout: Duration,

    /// A connection to a backend
    ///
    /// For all its addresses together.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = timeout(), help_heading = TIMEOUTS, hide_short_help = true)]
    pub(super) connect_timeout: Duration,

    /// A whole response head (504)
    ///
    /// From the time when the request is sent. Each 102 of the backend gives it as much time again.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = timeout(), help_heading = TIMEOUTS)]
    pub(super) response_timeout: Duration,

    /// A body without progress (408, 504 or a cut)
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = timeout(), help_heading = TIMEOUTS, hide_short_help = true)]
    pub(super) body_timeout: Duration,

    /// A client connection between two requests
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = timeout(), help_heading = TIMEOUTS)]
    pub(super) keep_alive_timeout: Duration,

    /// A backend connection between two requests
    #[arg(long, value_name = "TIME", default_value = "4s", value_parser = timeout(), help_heading = TIMEOUTS, hide_short_help = true)]
    pub(super) backend_idle_timeout: Duration,

    /// A tunnel (WebSocket) without a byte
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = timeout(), help_heading = TIMEOUTS, hide_short_help = true)]
    pub(super) tunnel_timeout: Duration,

    /// Time for what is in flight when it stops
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = timeout(), help_heading = STOPPING)]
    pub(super) drain_timeout: Duration,

    #[command(flatten)]
    pub(super) sockets: SocketArgs,

    /// A backend for when no other is up
    ///
    /// May be given several times.
    #[arg(long, value_name = "HOST:PORT", value_parser = addresses::backups, help_heading = FAILURES)]
    pub(super) backup: Vec<addresses::Range>,

    /// Wait for a backend when none is up
    ///
    /// After this time the request gets 503.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = quantities::duration_or_none, help_heading = FAILURES, hide_short_help = true)]
    pub(super) hold: Duration,

    /// Backends to try an idempotent request at
    ///
    /// If the connection to a backend breaks.
    #[arg(long, value_name = "N", default_value = "3", value_parser = quantities::count(1..=100), help_heading = FAILURES)]
    pub(super) tries: usize,

    /// Move requests from a silent backend
    ///
    /// A request that may be repeated moves to another backend when its own answers no check and has
    /// sent nothing at all for this time.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = timeout(), help_heading = FAILURES, hide_short_help = true)]
    pub(super) rescue_after: Duration,

    /// Requests and tunnels of a backend that goes down
    ///
    /// They end by themselves, or they are closed.
    #[arg(long, value_name = "keep|close", hide_possible_values = true, value_parser = words(&OnDown::WORDS), default_value = "keep", help_heading = FAILURES, hide_short_help = true)]
    pub(super) on_down: OnDown,

    /// End a request when its client closes
    ///
    /// Its client closes its side while the request waits for a backend or for the response head.
    #[arg(long, help_heading = FAILURES, hide_short_help = true)]
    pub(super) abort_on_close: bool,

    /// Serve on when asked to stop
    ///
    /// While --ready-path, which it needs, answers 503.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = quantities::duration_or_none, help_heading = STOPPING, hide_short_help = true)]
    pub(super) lame_duck: Duration,

    /// A path that the balancer answers itself
    ///
    /// With 200 while clients should come, otherwise with 503.
    #[arg(long, value_name = "PATH", value_parser = values::plain_path, help_heading = STOPPING)]
    pub(super) ready_path: Option<String>,

    /// What to ask backends for
    #[arg(long, value_name = "PATH", default_value = "/", value_parser = values::path, help_heading = HEALTH)]
    pub(super) health_path: String,

    /// How often
    ///
    /// At least every second while a backend is failing.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = timeout(), help_heading = HEALTH)]
    pub(super) health_interval: Duration,

    /// How long an answer may take [default: 2s]
    ///
    /// Or nine tenths of a shorter interval.
    #[arg(long, value_name = "TIME", value_parser = timeout(), help_heading = HEALTH, hide_short_help = true)]
    pub(super) health_timeout: Option<Duration>,

    /// Good statuses: 200,204 or 2xx-3xx
    #[arg(long, value_name = "LIST", default_value = "200", value_parser = values::statuses, help_heading = HEALTH)]
    pub(super) health_status: Statuses,

    /// Text that the body has to contain
    ///
    /// In its first 16 KiB.
    #[arg(long, value_name = "TEXT", value_parser = values::text, help_heading = HEALTH, hide_short_help = true)]
    pub(super) health_match: Option<String>,

    /// Host to ask for [default: the backend's]
    #[arg(long, value_name = "HOST", value_parser = values::host, help_heading = HEALTH, hide_short_help = true)]
    pub(super) health_host: Option<String>,

    /// Port to ask at [default: the backend's]
    #[arg(long, value_name = "PORT", value_parser = values::health_port, help_heading = HEALTH, hide_short_help = true)]
    pub(super) health_port: Option<u16>,

    /// Good checks in a row to go up
    #[arg(long, value_name = "N", default_value = "2", value_parser = quantities::count(1..=100), help_heading = HEALTH, hide_short_help = true)]
    pub(super) rise: usize,

    /// Bad checks in a row to go down
    #[arg(long, value_name = "N", default_value = "2", value_parser = quantities::count(1..=100), help_heading = HEALTH, hide_short_help = true)]
    pub(super) fall: usize,

    /// Failed requests in a row to go out; 0: never
    ///
    /// Whatever the checks say. A single request tries the backend later.
    #[arg(long, value_name = "N", default_value = "5", value_parser = quantities::count(0..=1_000_000), help_heading = FAILURES, hide_short_help = true)]
    pub(super) eject_after: usize,

    /// Time to the whole share after an outage
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = quantities::duration_or_none, help_heading = FAILURES, hide_short_help = true)]
    pub(super) slow_start: Duration,

    /// How often to look up names again
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = timeout(), help_heading = NAMES, hide_short_help = true)]
    pub(super) resolve_interval: Duration,

    /// X-Forwarded-For, -Proto and -Host
    #[arg(long, value_name = "append|replace|off", hide_possible_values = true, value_parser = words(&ForwardedFields::WORDS), default_value = "replace", help_heading = FORWARDING)]
    pub(super) forwarded: ForwardedFields,

    /// Proxies whose X-Forwarded-* is kept
    ///
    /// CIDR, several with commas. What they send is kept and added to.
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = values::network, help_heading = FORWARDING)]
    pub(super) trusted_proxies: Vec<IpNet>,

    /// Add a Forwarded field (RFC 7239)
    #[arg(long, help_heading = FORWARDING, hide_short_help = true)]
    pub(super) add_forwarded: bool,

    /// Name in Via; off: no such field
    #[arg(long, value_name = "NAME", default_value = VIA_NAME, value_parser = values::via, help_heading = FORWARDING, hide_short_help = true)]
    pub(super) via: values::Via,

    /// How the system schedules workers (Linux)
    ///
    /// batch is cheaper; normal is quicker where other programs keep the processors busy; auto is batch
    /// until that is seen.
    #[arg(long, value_name = "auto|batch|normal", hide_possible_values = true, value_parser = words(&Scheduling::WORDS), default_value = "auto", help_heading = LISTENING, hide_short_help = true)]
    pub(super) scheduling: Scheduling,

    /// What to print of each request
    ///
    /// Its story (stderr), an access line (stdout), or nothing.
    #[arg(long, value_name = "story|access|off", hide_possible_values = true, value_parser = words(&LogMode::WORDS), default_value = "story", help_heading = LOGGING)]
    pub(super) log: LogMode,

    /// Print more: what goes wrong, and why
    #[arg(short, long, conflicts_with = "quiet", help_heading = LOGGING)]
    pub(super) verbose: bool,

    /// Print only warnings
    #[arg(short, long, help_heading = LOGGING)]
    pub(super) quiet: bool,
}

/// One of the words of a type, with what it means.
fn words<T: Copy + Send + Sync + 'static>(words: &'static [(&'static str, T)]) -> ValueParser {
    let names = words.iter().map(|(word, _)| *word);
    let meant = |word: String| {
        let found = words.iter().find(|(one, _)| *one == word);
        found.map(|(_, meaning)| *meaning).ok_or("no such word")
    };
    ValueParser::from(PossibleValuesParser::new(names).try_map(meant))
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
            on_down: self.on_down,
            abort_on_close: self.abort_on_close,
            lame_duck: self.lame_duck,
            ready_path: self.ready_path,
            forwarded: self.forwarded,
            trusted_proxies: self.trusted_proxies,
            adds_forwarded: self.add_forwarded,
            via: self.via.0,
            resolve_interval: self.resolve_interval,
            scheduling: self.scheduling,
            log: self.log,
        }
    }
}
