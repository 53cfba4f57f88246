//! The command line of `lb`: words to a [`Config`], with an answer for every wrong one.

mod values;

use crate::backends::Name;
use crate::config::{Config, HealthConfig, LogMode, Timeouts};
use crate::http::forwarded::ForwardedFields;
use crate::http::scan::{HeadLimits, MAX_FIELDS};
use clap::builder::ValueParser;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, ValueEnum};
use ipnet::IpNet;
use std::collections::HashSet;
use std::ffi::OsString;
use std::net::IpAddr;
use std::time::Duration;

/// What is said when there are no arguments at all.
pub const EXAMPLE: &str = "\
lb needs a port to listen on and the servers to send requests to. To try it:
  cargo run --bin backend -- 5001 &  cargo run --bin backend -- 5002 &
  cargo run --bin lb -- 8080 localhost:5001 localhost:5002   (more: lb --help)";

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
struct Words {
    /// Where to listen: PORT (every interface), ADDRESS:PORT or [V6ADDRESS]:PORT
    #[arg(value_name = "LISTEN", value_parser = values::listen)]
    listen: values::Listen,

    /// Servers: HOST:PORT, [V6ADDRESS]:PORT, :PORT, http://HOST:PORT or HOST:FIRST-LAST
    #[arg(value_name = "BACKEND", required = true, value_parser = values::backends)]
    backends: Vec<values::Range>,

    /// Threads that serve
    #[arg(long, value_name = "N", default_value_t = Config::default().workers,
          value_parser = values::count(1..=1024))]
    workers: usize,

    /// Most clients at a time; the others wait unaccepted [default: from the descriptor limit]
    #[arg(long, value_name = "N", value_parser = values::count(1..=1_000_000))]
    max_connections: Option<usize>,

    /// Most bytes of a request or response head (431)
    #[arg(long, value_name = "SIZE", default_value = "32KiB", value_parser = values::size(512..=1 << 20))]
    max_head: u64,

    /// Most bytes of a request line (414)
    #[arg(long, value_name = "SIZE", default_value = "8KiB", value_parser = values::size(64..=1 << 20))]
    max_request_line: u64,

    /// Most fields in a head (431)
    #[arg(long, value_name = "N", default_value_t = Config::default().head.fields,
          value_parser = values::count(1..=MAX_FIELDS))]
    max_fields: usize,

    /// Most bytes of a request body (413) [default: no bound]
    #[arg(long, value_name = "SIZE", value_parser = values::size(0..=u64::MAX))]
    max_body: Option<u64>,

    /// For a whole request head (408)
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = timeout())]
    head_timeout: Duration,

    /// For connecting to a server, all its addresses together
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = timeout())]
    connect_timeout: Duration,

    /// For a whole response head, once the request is sent (504)
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = timeout())]
    response_timeout: Duration,

    /// For a body without any progress (408, 504 or a cut)
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = timeout())]
    body_timeout: Duration,

    /// For a client connection between two requests
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = timeout())]
    keep_alive_timeout: Duration,

    /// For a server connection between two requests
    #[arg(long, value_name = "TIME", default_value = "4s", value_parser = timeout())]
    backend_idle_timeout: Duration,

    /// For a tunnel (WebSocket) without a byte
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = timeout())]
    tunnel_timeout: Duration,

    /// For what is in flight when the balancer is told to stop
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = timeout())]
    drain_timeout: Duration,

    /// What to ask servers for
    #[arg(long, value_name = "PATH", default_value = "/", value_parser = values::path)]
    health_path: String,

    /// How often to ask; at least every second while one is failing
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = timeout())]
    health_interval: Duration,

    /// How long an answer may take
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = timeout())]
    health_timeout: Duration,

    /// Good answers in a row before a server is used again
    #[arg(long, value_name = "N", default_value = "2", value_parser = values::count(1..=100))]
    rise: usize,

    /// Bad answers in a row before a server is no longer used
    #[arg(long, value_name = "N", default_value = "2", value_parser = values::count(1..=100))]
    fall: usize,

    /// How often to look up the servers' names again
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = timeout())]
    resolve_interval: Duration,

    /// What to do with X-Forwarded-For, -Proto and -Host
    #[arg(long, value_enum, default_value_t = ForwardedWord::Replace)]
    forwarded: ForwardedWord,

    /// Proxies (CIDR, several with commas) whose X-Forwarded-* are kept and added to
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = values::network)]
    trusted_proxies: Vec<IpNet>,

    /// Tell of the client in a Forwarded field (RFC 7239) as well
    #[arg(long)]
    add_forwarded: bool,

    /// What to print of each request: its story (stderr), an access line (stdout), nothing
    #[arg(long, value_enum, default_value_t = LogWord::Story)]
    log: LogWord,

    /// Print more: what goes wrong, and why
    #[arg(short, long, conflicts_with = "quiet")]
    verbose: bool,

    /// Print only warnings
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ForwardedWord {
    /// Add the client to what came in
    Append,
    /// Drop what came in, say what we saw
    Replace,
    /// Leave them alone
    Off,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogWord {
    Story,
    Access,
    Off,
}

fn timeout() -> ValueParser {
    ValueParser::from(values::duration)
}

/// A configuration and how much to say about running it.
#[derive(Debug)]
pub struct Invocation {
    /// The configuration.
    pub config: Config,
    /// The level of the `log` crate.
    pub level: log::LevelFilter,
}

/// Reads the command line, program name first. The error prints itself and knows its exit
/// code: 2 for a usage error, 0 for `--help` and `--version`.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Invocation, clap::Error> {
    let words = Words::try_parse_from(words)?;
    words.check()?;
    let backends = expand(&words)?;
    let level = match (words.verbose, words.quiet) {
        (true, _) => log::LevelFilter::Debug,
        (_, true) => log::LevelFilter::Warn,
        _ => log::LevelFilter::Info,
    };
    Ok(Invocation {
        config: words.into_config(backends),
        level,
    })
}

/// The backends one by one; refuses one named twice and one that is the balancer itself.
fn expand(words: &Words) -> Result<Vec<Name>, clap::Error> {
    let (mut names, mut seen) = (Vec::new(), HashSet::new());
    for name in words.backends.iter().flat_map(values::Range::names) {
        if !seen.insert(name.clone()) {
            return Err(usage(format!(
                "backend {name} is named twice; name each server once, for example: \
                 lb 8080 localhost:5001 localhost:5002"
            )));
        }
        if words.listen.reaches(&name) {
            return Err(usage(format!(
                "backend {name} is the balancer itself, it would send requests to itself for \
                 ever; give the servers other ports, for example: lb 8080 localhost:5001"
            )));
        }
        names.push(name);
    }
    Ok(names)
}

fn usage(text: String) -> clap::Error {
    Words::command().error(ErrorKind::ValueValidation, text)
}

impl Words {
    /// Refuses options that contradict each other.
    fn check(&self) -> Result<(), clap::Error> {
        let is_off = matches!(self.forwarded, ForwardedWord::Off);
        let idle = [
            ("--trusted-proxies", !self.trusted_proxies.is_empty()),
            ("--add-forwarded", self.add_forwarded),
        ];
        match idle.iter().find(|(_, is_set)| is_off && *is_set) {
            Some((option, _)) => Err(usage(format!(
                "{option} says what to tell of clients, and --forwarded off to tell nothing; leave \
                 one of them out, for example: lb 8080 localhost:5001 {option}{}",
                if *option == "--trusted-proxies" {
                    " 10.0.0.0/8"
                } else {
                    ""
                }
            ))),
            None => Ok(()),
        }
    }

    fn into_config(self, backends: Vec<Name>) -> Config {
        let bytes = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
        let times = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Config {
            address: self.listen.address,
            port: self.listen.port,
            backends,
            workers: self.workers,
            max_connections: self.max_connections,
            head: HeadLimits {
                bytes: bytes(self.max_head),
                start_line: bytes(self.max_request_line),
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
            health: HealthConfig {
                path: self.health_path,
                interval: self.health_interval,
                timeout: self.health_timeout,
                rise: times(self.rise),
                fall: times(self.fall),
            },
            forwarded: match self.forwarded {
                ForwardedWord::Append => ForwardedFields::Append,
                ForwardedWord::Replace => ForwardedFields::Replace,
                ForwardedWord::Off => ForwardedFields::Off,
            },
            trusted_proxies: self.trusted_proxies,
            adds_forwarded: self.add_forwarded,
            resolve_interval: self.resolve_interval,
            log: match self.log {
                LogWord::Story => LogMode::Story,
                LogWord::Access => LogMode::Access,
                LogWord::Off => LogMode::Off,
            },
        }
    }
}

impl values::Listen {
    /// Whether a connection to `name` would come back here.
    fn reaches(&self, name: &Name) -> bool {
        let is_loopback = |address: IpAddr| address.is_loopback() || address.is_unspecified();
        let host: Option<IpAddr> = name.host.parse().ok();
        let is_local = name.host.eq_ignore_ascii_case("localhost") || host.is_some_and(is_loopback);
        let listens_locally = self.address.is_none_or(is_loopback);
        let is_same = host.is_some() && host == self.address;
        self.port != 0 && self.port == name.port && (is_same || is_local && listens_locally)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Invocation, clap::Error> {
        parse(line.split(' ').map(OsString::from))
    }

    fn backends(line: &str) -> Vec<String> {
        let invocation = parse_line(line).expect("valid");
        invocation
            .config
            .backends
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn the_command_line_is_consistent_and_its_defaults_are_those_of_the_library() {
        Words::command().debug_assert();
        let config = parse_line("lb 8080 :1").expect("valid").config;
        let default = Config {
            backends: config.backends.clone(),
            ..Config::default()
        };
        assert_eq!(format!("{config:?}"), format!("{default:?}"));
    }

    #[test]
    fn backends_can_be_written_in_many_ways() {
        assert_eq!(
            backends("lb 8080 localhost:5001-5003 [::1]:80 :81 http://a:82/ b.c:83"),
            [
                "localhost:5001",
                "localhost:5002",
                "localhost:5003",
                "[::1]:80",
                "localhost:81",
                "a:82",
                "b.c:83"
            ]
        );
    }

    #[test]
    fn wrong_words_are_answered_with_the_argument_the_reason_and_an_example() {
        for (line, parts) in [
            (
                "lb 8080 a:1 --head-timeout 10",
                &["--head-timeout", "unit", "10s"][..],
            ),
            (
                "lb 8080 a:1 --head-timeout 0s",
                &["--head-timeout", "more than zero"],
            ),
            ("lb 8080 a", &["BACKEND", "port", "localhost:5001"]),
            ("lb 8080 https://a:1", &["BACKEND", "https", "http://"]),
            ("lb 8080 a:5003-5001", &["BACKEND", "5001-5003"]),
            ("lb 8080 a:0", &["BACKEND", "port"]),
            ("lb 8080 a:70000", &["BACKEND", "65535"]),
            ("lb x a:1", &["LISTEN", "8080"]),
            ("lb 8080 a:1 a:1", &["a:1", "twice"]),
            ("lb 8080 localhost:8080", &["itself"]),
            ("lb 8080", &["BACKEND"]),
            ("lb 8080 a:1 --workers 0", &["--workers", "1"]),
            ("lb 8080 a:1 --max-head 1X", &["--max-head", "32KiB"]),
            ("lb 8080 a:1 --health-path x", &["--health-path", "/"]),
            (
                "lb 8080 a:1 --trusted-proxies 10.0.0.0/33",
                &["--trusted-proxies", "10.0.0.0/8"],
            ),
            (
                "lb 8080 a:1 --trusted-proxies b",
                &["--trusted-proxies", "10.0.0.0/8"],
            ),
            (
                "lb 8080 a:1 --forwarded off --trusted-proxies ::1",
                &["--forwarded", "--trusted-proxies"],
            ),
            (
                "lb 8080 a:1 --forwarded off --add-forwarded",
                &["--forwarded", "--add-forwarded"],
            ),
        ] {
            let error = parse_line(line).expect_err(line);
            let text = error.to_string();
            assert_eq!(error.exit_code(), 2, "{line}");
            for part in parts {
                assert!(text.contains(part), "{line}: no {part} in: {text}");
            }
        }
    }
}
