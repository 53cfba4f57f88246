//! Every setting, written once: its name on the command line, its help, its default and the reason
//! for it. [`Settings`] hold the values; a [`Config`] says besides where to listen, and which groups
//! of backends there are.
//!
//! | file | settings |
//! |---|---|
//! | this one | threads, retries, forwarding, stopping, logging |
//! | [`choice`] | how a backend is chosen, and how many requests there may be |
//! | [`limits`] | how long messages may be, and how much one client may send |
//! | [`timeouts`] | how long each thing may take |
//! | [`sockets`] | what the system does for a connection |
//! | [`health`] | how backends are checked |
//! | [`admin`] | the admin listener |
//! | `quantities`, `values` | how times, sizes, numbers and texts are written |
//! | `addresses` | where to listen, and backends, as they are written |
//! | [`groups`] | a whole configuration: groups of backends |
//! | [`routing`] | which group of backends a request goes to |
//! | [`cli`] | the command line as a whole: contradictions, usage errors |
//! | [`file`](mod@file) | the configuration file |
//! | `changed` | which settings differ between two configurations |
//! | `contradictions` | settings that make no sense together |
//! | [`snapshot`] | the settings and groups at one time, with their backends |
//!
//! The first paragraph of each field's comment is its line in `lb -h`, the rest is added in
//! `lb --help`.

pub(crate) mod addresses;
pub mod admin;
mod changed;
pub mod choice;
pub mod cli;
mod contradictions;
pub mod file;
pub mod groups;
pub mod health;
pub mod limits;
pub(crate) mod quantities;
pub mod routing;
pub mod snapshot;
pub mod sockets;
pub mod timeouts;
mod values;

pub use addresses::Listen;
pub use admin::{AdminAddress, AdminSettings};
pub use changed::changed_headings;
pub use choice::{Choice, HashBy};
pub use groups::{BackendConfig, Config, GroupConfig};
pub use health::{HealthConfig, Statuses};
pub use limits::Limits;
pub use snapshot::{Destination, Group, Routed, RoutingError, Snapshot};
pub use sockets::Sockets;
pub use timeouts::Timeouts;

use crate::engine::thread_policy::Scheduling;
use crate::http::client_address::client_of;
use crate::http::forward::VIA_NAME;
use crate::http::forwarded::ForwardedFields;
use crate::http::request::RequestHead;
use crate::http::target::Sender;
use crate::log::LogMode;
use clap::{Args, Command};
use httparse::Header;
use ipnet::IpNet;
use quantities::{count, duration, duration_or_none, size};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;
use values::one_of;

/// The headings of the settings in `lb --help`.
mod heading {
    pub(super) const LISTENING: &str = "Connections and threads";
    pub(super) const LIMITS: &str = "Limits";
    pub(super) const CHOICE: &str = "Choosing a backend";
    pub(super) const TIMEOUTS: &str = "Timeouts";
    pub(super) const SOCKETS: &str = "Sockets";
    pub(super) const FAILURES: &str = "Failures and retries";
    pub(super) const HEALTH: &str = "Health checks (a GET each)";
    pub(super) const NAMES: &str = "Names";
    pub(super) const FORWARDING: &str = "What backends learn of clients";
    pub(super) const STOPPING: &str = "Stopping";
    pub(super) const LOGGING: &str = "Logging";
    pub(super) const ADMIN: &str = "Seeing and steering";
}

/// A value, or a word that stands for none: `off`, `auto`. For `clap`, an `Option` is a setting
/// that may be left out.
pub type OrNone<T> = Option<T>;

/// Every setting that has a flag. What a group of backends sets for itself is the same type, with
/// the values that hold for this group.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct Settings {
    /// Worker threads
    // Enough to wait for the connections that are active at a common load, which is the cheapest way
    // to wait, and few enough that they seldom displace one another. On two cores 16 was faster than
    // 4, 64 and 128.
    #[arg(long, value_name = "N", default_value = "16", value_parser = count(1..=1024_usize),
          help_heading = heading::LISTENING)]
    pub workers: usize,

    /// Workers that run side by side [default: half the processors]
    ///
    /// As long as none of them blocks. Each takes up to two processors, with the work of the kernel.
    #[arg(long, value_name = "N", value_parser = count(1..=1024_usize),
          help_heading = heading::LISTENING, hide_short_help = true)]
    pub cores: Option<usize>,

    /// Most client connections [default: from the descriptor limit]
    ///
    /// Further clients wait, not accepted yet.
    #[arg(long, value_name = "N", value_parser = count(1..=1_000_000_usize),
          help_heading = heading::LISTENING)]
    pub max_connections: Option<usize>,

    /// Most memory for clients [default: from what the machine has]
    ///
    /// For all clients together. Beyond it, slow ones get 503 or are cut, and new ones wait.
    #[arg(long, value_name = "SIZE", value_parser = size(1..=u64::MAX),
          help_heading = heading::LISTENING, hide_short_help = true)]
    pub max_memory: Option<u64>,

    /// How a backend is chosen.
    #[command(flatten)]
    pub choice: Choice,

    /// How long messages may be.
    #[command(flatten)]
    pub limits: Limits,

    /// How long each thing may take.
    #[command(flatten)]
    pub timeouts: Timeouts,

    /// What the system does for connections.
    #[command(flatten)]
    pub sockets: Sockets,

    /// Wait for a backend when none is up
    ///
    /// After this time the request gets 503.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration_or_none,
          help_heading = heading::FAILURES, hide_short_help = true)]
    pub hold: Duration,

    /// Backends to try an idempotent request at
    ///
    /// If the connection to a backend breaks.
    // As many as HAProxy's `retries` by default.
    #[arg(long, value_name = "N", default_value = "3", value_parser = count(1..=100_u32),
          help_heading = heading::FAILURES)]
    pub tries: u32,

    /// Most retries, in percent of requests; or off
    ///
    /// Of the last ten seconds; three are always allowed. What was not sent does not count.
    // Envoy's retry_budget: a fifth, and three.
    #[arg(long, value_name = "PERCENT|off", default_value = "20", value_parser = values::percent,
          help_heading = heading::FAILURES, hide_short_help = true)]
    pub retry_budget: OrNone<u32>,

    /// Move requests from a silent backend
    ///
    /// A request that may be repeated moves to another backend when its own answers no check and has
    /// sent nothing at all for this time.
    // Longer than nearly all answers take, and shorter than people wait.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration,
          help_heading = heading::FAILURES, hide_short_help = true)]
    pub rescue_after: Duration,

    /// Requests and tunnels of a backend that goes down
    ///
    /// They end by themselves, or they are closed.
    #[arg(long, value_name = "keep|close", default_value = "keep",
          hide_possible_values = true, value_parser = one_of(&OnDown::WORDS),
          help_heading = heading::FAILURES, hide_short_help = true)]
    pub on_down: OnDown,

    /// End a request when its client closes
    ///
    /// Its client closes its side while the request waits for a backend or for the response head.
    // RFC 9112 §9.5: it may have finished sending, and be reading.
    #[arg(long, help_heading = heading::FAILURES, hide_short_help = true)]
    pub abort_on_close: bool,

    /// Serve on when asked to stop
    ///
    /// While --ready-path, which it needs, answers 503.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration_or_none,
          help_heading = heading::STOPPING, hide_short_help = true)]
    pub lame_duck: Duration,

    /// A path that the balancer answers itself
    ///
    /// With 200 while clients should come, otherwise with 503.
    #[arg(long, value_name = "PATH", value_parser = values::plain_path,
          help_heading = heading::STOPPING)]
    pub ready_path: Option<String>,

    /// How backends are checked.
    #[command(flatten)]
    pub health: HealthConfig,

    /// How often to look up names again
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration,
          help_heading = heading::NAMES, hide_short_help = true)]
    pub resolve_interval: Duration,

    /// X-Forwarded-For, -Proto and -Host
    #[arg(long, value_name = "append|replace|off", default_value = "replace",
          hide_possible_values = true, value_parser = one_of(&ForwardedFields::WORDS),
          help_heading = heading::FORWARDING, hide_short_help = true)]
    pub forwarded: ForwardedFields,

    /// Proxies whose X-Forwarded-* is kept
    ///
    /// CIDR, several with commas. What they send is kept and added to.
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = values::network,
          help_heading = heading::FORWARDING, hide_short_help = true)]
    pub trusted_proxies: Vec<IpNet>,

    /// Add a Forwarded field (RFC 7239)
    #[arg(long, help_heading = heading::FORWARDING, hide_short_help = true)]
    pub add_forwarded: bool,

    /// Name in Via; off: no such field
    #[arg(long, value_name = "NAME", default_value = VIA_NAME, value_parser = values::via,
          help_heading = heading::FORWARDING, hide_short_help = true)]
    pub via: OrNone<String>,

    /// How the system schedules workers (Linux)
    ///
    /// batch is cheaper; normal is quicker where other programs keep the processors busy; auto is batch
    /// until that is seen.
    // Batch takes, on two cores, an eighth less processor time for new connections and for answers
    // of 1 MiB; beside a busy program it is many times slower than normal.
    #[arg(long, value_name = "auto|batch|normal", default_value = "auto",
          hide_possible_values = true, value_parser = one_of(&Scheduling::WORDS),
          help_heading = heading::LISTENING, hide_short_help = true)]
    pub scheduling: Scheduling,

    /// What to print of each request
    ///
    /// Its story (stderr); a line (stdout) in the combined format, in JSON or as HAProxy has it; or
    /// nothing.
    #[arg(long, value_name = "story|access|json|haproxy|off", default_value = "story",
          hide_possible_values = true, value_parser = one_of(&LogMode::WORDS),
          help_heading = heading::LOGGING)]
    pub log: LogMode,

    /// Write the lines of --log to a file
    ///
    /// They are added to its end. It is opened anew when USR1 comes, for the sake of log rotation.
    #[arg(long, value_name = "FILE", help_heading = heading::LOGGING, hide_short_help = true)]
    pub log_file: Option<PathBuf>,

    /// X-Request-Id, for backends, clients and logs
    ///
    /// One from a trusted proxy is kept, any other request gets a new one.
    // On, as users of reverse proxies expect it; it costs a few tenths of a percent of a request.
    #[arg(long, value_name = "on|off", default_value = "on",
          hide_possible_values = true, value_parser = one_of(&Switch::WORDS),
          help_heading = heading::LOGGING, hide_short_help = true)]
    pub request_id: Switch,

    /// Take part in traces (W3C traceparent)
    ///
    /// A trace that comes is continued, any other request begins one; auto: where the log shows it.
    // A step that no log and no collector knows of is a hole in the trace, and a trace begun here has
    // every backend record it. So only who can look such steps up gets them unasked.
    #[arg(long, value_name = "auto|on|off", default_value = "auto",
          hide_possible_values = true, value_parser = one_of(&Switch::WORDS_OR_AUTO),
          help_heading = heading::LOGGING, hide_short_help = true)]
    pub traceparent: OrNone<Switch>,

    /// What the operator sees and steers it by.
    #[command(flatten)]
    pub admin: AdminSettings,
}

/// Whether something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// It is.
    On,
    /// It is not.
    Off,
}

impl Switch {
    /// The values as they are written.
    pub const WORDS: [(&'static str, Self); 2] = [("on", Self::On), ("off", Self::Off)];

    /// The same where the balancer may decide by itself.
    pub const WORDS_OR_AUTO: [(&'static str, OrNone<Self>); 3] = [
        ("auto", None),
        ("on", Some(Self::On)),
        ("off", Some(Self::Off)),
    ];
}

impl Default for Settings {
    fn default() -> Self {
        defaults()
    }
}

/// The settings of a group when none is given: their defaults are written at their fields only.
fn defaults<T: Args>() -> T {
    let command = T::augment_args(Command::new("lb").no_binary_name(true));
    let given = command.try_get_matches_from([""; 0]);
    let settings = given.and_then(|given| T::from_arg_matches(&given));
    settings.expect("every setting may be left out, and every default is one of its values")
}

impl Settings {
    /// What becomes of the fields about the client, when the peer is `peer`.
    #[must_use]
    pub fn forwarded_from(&self, peer: IpAddr) -> ForwardedFields {
        match self.forwarded {
            ForwardedFields::Replace if self.is_trusted(peer) => ForwardedFields::Append,
            otherwise => otherwise,
        }
    }

    /// The address of the client of a request that `peer` has sent.
    #[must_use]
    pub fn client_of(&self, peer: IpAddr, fields: &[Header<'_>]) -> IpAddr {
        match self.trusted_proxies.is_empty() {
            true => peer,
            false => client_of(peer, fields, |address| self.is_trusted(address)),
        }
    }

    /// Whether requests get an id.
    #[must_use]
    pub fn names_requests(&self) -> bool {
        self.request_id == Switch::On
    }

    /// Whether requests are steps of traces.
    #[must_use]
    pub fn traces_requests(&self) -> bool {
        match self.traceparent {
            Some(switch) => switch == Switch::On,
            None => self.log.shows_traces(),
        }
    }

    /// Whether a peer is one of `--trusted-proxies`.
    #[must_use]
    pub fn is_trusted(&self, address: IpAddr) -> bool {
        let mut nets = self.trusted_proxies.iter();
        nets.any(|net| net.contains(&address))
    }

    /// The path of `--ready-path`, if that is what a request asks for.
    #[must_use]
    pub fn ready_path_asked(&self, head: &RequestHead<'_, '_>) -> Option<&str> {
        let path = self.ready_path.as_deref()?;
        (head.target.rest.split('?').next() == Some(path)).then_some(path)
    }

    /// Whether `peer` may speak of connections that are not its own: it may where its word on its
    /// clients counts.
    #[must_use]
    pub fn sender(&self, peer: IpAddr) -> Sender {
        match self.forwarded_from(peer) {
            ForwardedFields::Append => Sender::TrustedProxy,
            ForwardedFields::Replace | ForwardedFields::Off => Sender::Anyone,
        }
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
