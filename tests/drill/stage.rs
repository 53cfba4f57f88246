//! The stage: the balancer and its backends as processes, and what can be done to a backend.

use crate::support::{Client, LbProgram, PATIENCE, Program, eventually};
use crate::watch::{Stalls, Watch, name};
use crossbeam_channel::unbounded;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What the balancer is told, and what follows from it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    pub(crate) rise: u32,
}

/// `--fall` and `--eject-after`, which are the defaults.
pub(crate) const FALL: u32 = 2;
pub(crate) const EJECT_AFTER: u32 = 5;

/// The longest pause between two trials of a backend that was ejected.
pub(crate) const TRIAL_PAUSE: Duration = Duration::from_secs(4);

impl Settings {
    fn words(self) -> Vec<String> {
        let words = [
            ("--log", "off".to_string()),
            ("--health-path", "/health".to_string()),
            ("--health-interval", millis(self.interval)),
            ("--health-timeout", millis(self.timeout)),
            ("--rise", self.rise.to_string()),
            ("--fall", FALL.to_string()),
            ("--eject-after", EJECT_AFTER.to_string()),
        ];
        let pairs = words.into_iter();
        pairs
            .flat_map(|(option, value)| [option.to_string(), value])
            .collect()
    }
}

fn millis(time: Duration) -> String {
    format!("{}ms", time.as_millis())
}

/// Where each request came, by its number: the ports, in no order.
#[derive(Clone, Default)]
pub(crate) struct Deliveries {
    ports: Arc<Mutex<HashMap<u64, Vec<u16>>>>,
}

impl Deliveries {
    /// The backends that have read the head of a request.
    pub(crate) fn of(&self, id: u64) -> Vec<u16> {
        let ports = self.ports.lock().expect("no panic");
        ports.get(&id).cloned().unwrap_or_default()
    }

    /// Notes what a backend prints, until it ends.
    fn read(&self, port: u16, printed: BufReader<ChildStdout>) {
        for line in printed.lines().map_while(Result::ok) {
            let id = line.split_once("/?echo=").map(|(_, rest)| rest);
            let id = id.and_then(|rest| rest.split('&').next()?.parse().ok());
            if let Some(id) = id {
                let mut ports = self.ports.lock().expect("no panic");
                ports.entry(id).or_default().push(port);
            }
        }
    }
}

/// One backend, which may be ended and started again.
pub(crate) struct Backend {
    pub(crate) port: u16,
    program: Option<Program>,
    readers: Vec<JoinHandle<()>>,
    deliveries: Deliveries,
    /// A connection from before a fault, since there may be none during it.
    control: Option<Client>,
    /// What fills its queue.
    idle: Vec<TcpStream>,
}

impl Backend {
    pub(crate) fn start(deliveries: &Deliveries) -> Self {
        let mut backend = Self {
            port: 0,
            program: None,
            readers: Vec::new(),
            deliveries: deliveries.clone(),
            control: None,
            idle: Vec::new(),
        };
        backend.run();
        backend
    }

    /// Starts it, on the port that it had before. That may be in use for a moment by somebody
    /// who has got it from the system as the port of a connection.
    pub(crate) fn run(&mut self) {
        let began = Instant::now();
        while !self.try_run() {
            assert!(began.elapsed() < PATIENCE, "port {} is taken", self.port);
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn try_run(&mut self) -> bool {
        let mut child = Command::new(env!("CARGO_BIN_EXE_backend"))
            .args([self.port.to_string(), "--brief".into()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("runs");
        let mut printed = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        let is_read = printed.read_line(&mut line).is_ok_and(|count| count > 0);
        let address = line.trim().rsplit(' ').next().and_then(|a| a.parse().ok());
        let (true, Some(address)) = (is_read, address) else {
            let _ = child.wait();
            return false;
        };
        let address: SocketAddr = address;
        self.port = address.port();
        let (deliveries, port) = (self.deliveries.clone(), self.port);
        let reader = thread::spawn(move || deliveries.read(port, printed));
        self.readers.push(reader);
        self.program = Some(Program {
            child,
            address,
            lines: unbounded().1,
        });
        true
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut program) = self.program.take() {
            program.kill();
        }
    }

    fn signal(&self, signal: Signal) {
        let program = self.program.as_ref().expect("it runs");
        kill_process(Pid::from_child(&program.child), signal).expect("a signal");
    }

    /// Asks it for something on a connection that was made before.
    fn post(&mut self, target: &str) {
        let control = self.control.as_mut().expect("a connection");
        control.send(format!("POST {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(control.response().status, 200, "{target}");
    }

    /// Connects until nobody more can.
    fn fill_queue(&mut self) {
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let brief = Duration::from_millis(100);
        while let Ok(stream) = TcpStream::connect_timeout(&address, brief) {
            self.idle.push(stream);
        }
    }
}

/// What is done to a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// `kill -9`, and a new start.
    Kill,
    /// It is stopped: the kernel accepts for it, and it never answers.
    Freeze,
    /// `/health` says 500, all else is as ever.
    Ill,
    /// It breaks every connection once it has read a request; `/health` is fine.
    Reset,
    /// It accepts no connection any more, and its queue is full; what was accepted before is
    /// served.
    Deaf,
}

impl Fault {
    pub(crate) const ALL: [Self; 5] =
        [Self::Kill, Self::Freeze, Self::Ill, Self::Reset, Self::Deaf];

    /// Whether the backend goes down for it. One that serves the connections that it has only
    /// gets no request that needs a new one.
    pub(crate) fn is_told(self) -> bool {
        self != Self::Deaf
    }

    /// Returns the time just before, and just after it took effect.
    pub(crate) fn strike(self, backend: &mut Backend) -> (Instant, Instant) {
        if self != Self::Kill {
            backend.control = Some(Client::to(([127, 0, 0, 1], backend.port).into()));
        }
        let before = Instant::now();
        match self {
            Self::Kill => backend.kill(),
            Self::Freeze => backend.signal(Signal::STOP),
            Self::Ill => backend.post("/health?status=500&only"),
            Self::Reset => backend.post("/trouble?reset=read"),
            Self::Deaf => {
                backend.post("/trouble?deaf");
                backend.fill_queue();
            }
        }
        (before, Instant::now())
    }

    /// Ends it; returns the time when it was over.
    pub(crate) fn repair(self, backend: &mut Backend) -> Instant {
        match self {
            Self::Kill => backend.run(),
            Self::Freeze => backend.signal(Signal::CONT),
            Self::Ill => backend.post("/health?status=200"),
            Self::Reset | Self::Deaf => backend.post("/trouble"),
        }
        backend.idle.clear();
        backend.control = None;
        Instant::now()
    }
}

/// Everything that runs.
pub(crate) struct Stage {
    pub(crate) lb: LbProgram,
    pub(crate) backends: Vec<Backend>,
    pub(crate) watch: Watch,
    pub(crate) stalls: Stalls,
    pub(crate) deliveries: Deliveries,
}

impl Stage {
    /// A balancer over three backends, all of which get requests.
    pub(crate) fn set(settings: Settings, more: &[&str]) -> Self {
        let deliveries = Deliveries::default();
        let backends: Vec<Backend> = (0..3).map(|_| Backend::start(&deliveries)).collect();
        let mut words = settings.words();
        words.extend(more.iter().map(|&word| word.into()));
        Self::over(backends, deliveries, name, &words)
    }

    /// The same over these backends, which have a name by their port, with other settings.
    pub(crate) fn over(
        backends: Vec<Backend>,
        deliveries: Deliveries,
        name: impl Fn(u16) -> String,
        settings: &[String],
    ) -> Self {
        let mut words: Vec<String> = backends.iter().map(|one| name(one.port)).collect();
        words.extend_from_slice(settings);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let lb = LbProgram::start(0, &words);
        let watch = Watch::over(lb.errors.clone());
        let (mut client, mut serving) = (lb.client(), HashSet::new());
        eventually("all get requests", || {
            serving.insert(client.get("/").text());
            serving.len() == backends.len()
        });
        Self {
            lb,
            backends,
            watch,
            stalls: Stalls::begin(),
            deliveries,
        }
    }

    pub(crate) fn ports(&self) -> Vec<u16> {
        self.backends.iter().map(|backend| backend.port).collect()
    }

    /// Ends the backends, so that all they have printed is read.
    pub(crate) fn read_to_the_end(&mut self) {
        for backend in &mut self.backends {
            backend.kill();
            for reader in backend.readers.drain(..) {
                reader.join().expect("no panic");
            }
        }
    }
}
