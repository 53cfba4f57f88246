//! The only place that names the types of `lb` which may get more fields: limits, hops,
//! deliveries, the configuration. A change there changes this file and no other.

use crate::stage::PATIENCE;
use lb::backends::Name;
use lb::config::{Config, Listen, Settings};
use lb::engine::Engine;
use lb::http::delivery::Delivery;
use lb::http::field_rules::NO_RULES;
use lb::http::forwarded::{ForwardedFields, Hop};
use lb::http::method::Method;
use lb::http::scan::{HeadLimits, HeadScan};
use lb::http::{Refusal, Version};
use lb::log::LogMode;
use lb::log::writer::LogWriter;
use lb::server::Server;
use lb::session::ClientSession;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// The host of a request that names none.
pub const FALLBACK_HOST: &str = "fallback:80";

/// The default limits, and some that a short input can break.
pub const LIMITS: [HeadLimits; 2] = [
    HeadLimits {
        bytes: 32 * 1024,
        start_line: 8 * 1024,
        fields: 100,
    },
    HeadLimits {
        bytes: 128,
        start_line: 40,
        fields: 4,
    },
];

/// The same request head, looked for with more and more of `bytes`: up to each of `ends`.
pub fn find_head(
    bytes: &[u8],
    ends: &[usize],
    limits: &HeadLimits,
) -> Result<Option<usize>, Refusal> {
    find_end(HeadScan::default(), bytes, ends, limits)
}

/// The same for a response.
pub fn find_response_head(
    bytes: &[u8],
    ends: &[usize],
    limits: &HeadLimits,
) -> Result<Option<usize>, Refusal> {
    find_end(HeadScan::of_response(), bytes, ends, limits)
}

fn find_end(
    mut scan: HeadScan,
    bytes: &[u8],
    ends: &[usize],
    limits: &HeadLimits,
) -> Result<Option<usize>, Refusal> {
    for &end in ends {
        if let Some(length) = scan.find_end(&bytes[..end], limits)? {
            return Ok(Some(length));
        }
    }
    Ok(None)
}

/// A hop for each way to treat forwarded fields.
pub fn hops() -> [Hop<'static>; 3] {
    [
        ForwardedFields::Append,
        ForwardedFields::Replace,
        ForwardedFields::Off,
    ]
    .map(|forwarded| Hop {
        client: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)),
        forwarded,
        adds_forwarded: true,
        fallback_host: FALLBACK_HOST,
        via: Some("lb"),
        rules: &NO_RULES,
        stripped: None,
    })
}

/// How a response goes to the client.
pub fn delivery(version: Version, method: Method, keep_alive: bool) -> Delivery<'static> {
    Delivery {
        version,
        keep_alive,
        method,
        date: "Sun, 06 Nov 1994 08:49:37 GMT",
    }
}

/// A balancer in this process.
#[derive(Debug)]
pub struct Balancer {
    /// Where it listens.
    pub address: SocketAddr,
    engine: Arc<Engine<ClientSession>>,
}

impl Balancer {
    /// Starts one over these backends, for as long as the process lives.
    pub fn over(backends: &[SocketAddr]) -> Self {
        let server = Server::start(config(backends), LogWriter::silent()).expect("it starts");
        let address = server.local_addr().expect("it listens");
        let engine = server.engine();
        std::thread::spawn(move || server.run());
        Self { address, engine }
    }

    /// Waits until no client is inside any more; returns whether that came.
    pub fn is_empty_within(&self, timeout: Duration) -> bool {
        self.engine.shared.connections.wait_until_empty(timeout)
    }

    /// Closes the backend connections that rest.
    pub fn close_resting(&self) {
        self.engine.shared.close_idle_backend_connections();
    }
}

/// Short timeouts, few threads, no output, and no probes but the first.
fn config(backends: &[SocketAddr]) -> Config {
    let mut settings = Settings {
        workers: 2,
        log: LogMode::Off,
        ..Settings::default()
    };
    settings.health.interval = Duration::from_secs(3600);
    // Backends are to fail in every way, and to be asked again all the same.
    settings.health.eject_after = 0;
    let short = Duration::from_millis(500);
    let timeouts = &mut settings.timeouts;
    (timeouts.response, timeouts.body, timeouts.tunnel) = (short, short, short);
    // Our clients never wait for these, and on a starved machine one may take its time between
    // connecting and its first byte.
    (timeouts.head, timeouts.keep_alive) = (PATIENCE / 2, PATIENCE / 2);
    let listen = Listen {
        address: Some("127.0.0.1".into()),
        port: 0,
    };
    let backends = backends.iter().map(name_of).collect();
    Config::of_one_group(listen, backends, Vec::new(), settings)
}

fn name_of(address: &SocketAddr) -> Name {
    Name {
        host: address.ip().to_string(),
        port: address.port(),
    }
}
