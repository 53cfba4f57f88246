//! A balancer in this process.

use super::{Client, eventually};
use ::lb::backends::{Backend, Backends, Name};
use ::lb::config::{AdminAddress, Config, Group, Listen, Settings};
use ::lb::engine::Engine;
use ::lb::log::LogMode;
use ::lb::log::writer::LogWriter;
use ::lb::net::conn::Conn;
use ::lb::server::{Ended, Server, Status, StatusHandle, Steering, Stop};
use ::lb::session::ClientSession;
use std::net::{SocketAddr, TcpListener};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What a balancer of one group is started with.
pub struct Setup {
    pub address: Option<String>,
    pub port: u16,
    pub backends: Vec<Name>,
    pub backups: Vec<Name>,
    pub settings: Settings,
}

impl Deref for Setup {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.settings
    }
}

impl DerefMut for Setup {
    fn deref_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }
}

/// A balancer in this process.
pub struct Lb {
    pub address: SocketAddr,
    pub engine: Arc<Engine<ClientSession>>,
    status: StatusHandle,
    pub steering: Steering,
    stop: Stop,
    was_asked: AtomicBool,
    thread: Option<JoinHandle<Ended>>,
}

impl Lb {
    /// What it is doing now.
    pub fn status(&self) -> Status {
        self.status.status()
    }

    /// What gives its status, its requests and its metrics.
    pub fn handle(&self) -> StatusHandle {
        self.status.clone()
    }

    /// A balancer over these backends of which everything is gathered that can be seen.
    pub fn observed(backends: &[SocketAddr], change: impl FnOnce(&mut Setup)) -> Self {
        Self::start(observed(config_of(backends, change)))
    }

    /// A balancer over these backends with default settings, but for a short drain.
    pub fn over(backends: &[SocketAddr]) -> Self {
        Self::with(backends, |_| {})
    }

    /// The same, with other settings.
    pub fn with(backends: &[SocketAddr], change: impl FnOnce(&mut Setup)) -> Self {
        Self::start(config_of(backends, change))
    }

    /// A balancer with this configuration.
    pub fn start(config: Config) -> Self {
        let server = Server::start(config, LogWriter::silent()).expect("starts");
        let (address, stop) = (server.local_addr().unwrap(), server.stop());
        let (engine, steering) = (server.engine(), server.steering());
        let status = server.status_handle();
        let thread = Some(thread::spawn(move || server.run()));
        Self {
            address,
            engine,
            status,
            steering,
            stop,
            was_asked: AtomicBool::new(false),
            thread,
        }
    }

    /// Its only group.
    pub fn group(&self) -> Arc<Group> {
        Arc::clone(&self.engine.shared.snapshot().groups[0])
    }

    /// The backends of its only group.
    pub fn backends(&self) -> Arc<Backends<Conn>> {
        Arc::clone(&self.group().backends)
    }

    /// One of these backends.
    pub fn backend(&self, place: usize) -> Arc<Backend<Conn>> {
        Arc::clone(&self.backends().all()[place])
    }

    pub fn client(&self) -> Client {
        Client::to(self.address)
    }

    /// Asks it to stop, without waiting for it.
    pub fn ask_to_stop(&self) {
        // A second time would mean: at once.
        if !self.was_asked.swap(true, Ordering::SeqCst) {
            self.stop.request();
        }
    }

    /// Stops it and says how it ended.
    pub fn stop(mut self) -> Ended {
        self.ask_to_stop();
        self.thread.take().unwrap().join().expect("no panic")
    }
}

impl Drop for Lb {
    fn drop(&mut self) {
        self.ask_to_stop();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(
                thread::panicking() || ended.is_ok(),
                "the balancer panicked"
            );
        }
    }
}

/// The same configuration with an admin listener, which is not opened here: everything is gathered.
pub fn observed(mut config: Config) -> Config {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    config.settings.admin.admin = Some(AdminAddress::Tcp(address));
    config
}

/// The configuration of a balancer over these backends, on a port of its own.
pub fn config_of(backends: &[SocketAddr], change: impl FnOnce(&mut Setup)) -> Config {
    let mut setup = Setup {
        address: Some("127.0.0.1".into()),
        port: 0,
        backends: backends.iter().map(name_of).collect(),
        backups: Vec::new(),
        settings: Settings::default(),
    };
    setup.log = LogMode::Off;
    // Most tests have a few requests, of which many fail.
    setup.retry_budget = None;
    setup.timeouts.drain = Duration::from_millis(300);
    change(&mut setup);
    let listen = Listen {
        address: setup.address,
        port: setup.port,
    };
    Config::of_one_group(listen, setup.backends, setup.backups, setup.settings)
}

pub fn name_of(address: &SocketAddr) -> Name {
    Name {
        host: address.ip().to_string(),
        port: address.port(),
    }
}

/// An address where nobody listens, and nobody will: the port is taken, but not listened on.
pub fn nobody() -> SocketAddr {
    use rustix::net::{AddressFamily, SocketType, bind, socket};
    let taken = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&taken, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    // As a `TcpListener` only to be asked for its address.
    let taken = TcpListener::from(taken);
    let address = taken.local_addr().unwrap();
    std::mem::forget(taken);
    address
}
