//! The admin listener: what the operator sees of the balancer, and steers it by. It has threads of its
//! own, one for each connection and few of them, so that no request waits for it.
//!
//! | file | duty |
//! |---|---|
//! | this one | the listeners and their threads |
//! | `message` | a request, read within its time; an answer |
//! | `guard` | who may ask |
//! | `token` | what the operator proves itself with |
//! | `endpoints` | what is asked for |
//! | `steering` | changes of backends |
//! | `page` | the live page |
//! | `events` | a stream of what is there |
//! | [`commands`], `client`, `table` | `lb status` and its kin: the other end |
//!
//! Must not know how requests of clients are served.

mod client;
pub mod commands;
mod endpoints;
mod events;
mod guard;
mod message;
mod page;
mod steering;
mod table;
mod token;

use crate::config::admin::MOST_CONNECTIONS;
use crate::config::{AdminAddress, AdminSettings, Listen};
use crate::net::plain::{PlainListener, PlainStream};
use crate::net::resolve;
use crate::net::waker::Waker;
use crate::server::{StartError, StatusHandle, Steering};
use endpoints::Endpoints;
use events::Streams;
use guard::Guard;
use message::{AdminAnswer, AdminRequest};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use token::Token;

/// How long a whole request may take, its body too: they are small and mostly local.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an answer may take: one of a megabyte over a slow line.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the other end may take to close after its answer.
const FINISH_TIMEOUT: Duration = Duration::from_millis(500);

/// How long to wait after an `accept` that failed, for descriptors to become free.
const ACCEPT_BACK_OFF: Duration = Duration::from_millis(100);

/// Why the admin listener could not start.
#[derive(Debug)]
pub enum AdminError {
    /// It cannot listen there.
    Listen(StartError),
    /// The token cannot be used; the text says why, and what to do.
    Token(PathBuf, String),
}

impl fmt::Display for AdminError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(error) => write!(f, "{error}"),
            Self::Token(path, text) => {
                write!(f, "cannot use the token in {}: {text}", path.display())
            }
        }
    }
}

impl std::error::Error for AdminError {}

/// The listeners, bound and not served yet.
#[derive(Debug)]
pub struct AdminPorts {
    admin: Option<(PlainListener, Guard)>,
    probes: Option<PlainListener>,
}

/// What is shown, and steered.
#[derive(Clone, Debug)]
pub struct Subject {
    /// What the balancer is doing.
    pub status: StatusHandle,
    /// What changes it.
    pub steering: Steering,
}

/// The listeners that are served.
#[derive(Debug, Default)]
pub struct Admin {
    /// `None` without a listener: it takes two descriptors.
    ending: Option<Arc<Waker>>,
    threads: Vec<JoinHandle<()>>,
    /// Where the admin listener is, with the real port.
    address: Option<String>,
    /// Where the probes are.
    probes: Option<String>,
}

impl AdminPorts {
    /// Takes the ports that the settings name, and reads the token.
    pub fn bind(settings: &AdminSettings) -> Result<Self, AdminError> {
        let admin = match &settings.admin {
            Some(address) => {
                let token = settings.admin_token_file.as_deref().map(Token::read);
                let guard = Guard::new(token.transpose()?, &settings.admin_host);
                Some((bind_admin(address)?, guard))
            }
            None => None,
        };
        let probes = settings.probes.as_ref().map(bind_probes).transpose()?;
        Ok(Self { admin, probes })
    }

    /// Answers there from now on, in threads of its own. Fails when the system has none.
    pub fn serve(self, subject: &Subject) -> io::Result<Admin> {
        let mut admin = Admin::default();
        if let Some((listener, guard)) = self.admin {
            admin.address = Some(listener.local_name()?);
            log::info!("Admin listener: {}", admin.address().unwrap_or_default());
            admin.spawn("admin", listener, Endpoints::all(subject, guard))?;
        }
        if let Some(listener) = self.probes {
            admin.probes = Some(listener.local_name()?);
            log::info!("Probes: {}", admin.probes().unwrap_or_default());
            admin.spawn("probes", listener, Endpoints::probes(subject))?;
        }
        Ok(admin)
    }
}

impl Admin {
    /// Where the admin listener is, with the real port where 0 was asked for.
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }

    /// Where the probes are answered.
    #[must_use]
    pub fn probes(&self) -> Option<&str> {
        self.probes.as_deref()
    }

    fn spawn(
        &mut self,
        name: &str,
        listener: PlainListener,
        endpoints: Endpoints,
    ) -> io::Result<()> {
        let ending = match &self.ending {
            Some(ending) => Arc::clone(ending),
            None => Arc::new(Waker::new()?),
        };
        self.ending = Some(Arc::clone(&ending));
        let thread = thread::Builder::new().name(name.into());
        let serving = Arc::new(Serving {
            endpoints,
            ending: Arc::clone(&ending),
            streams: Streams::default(),
            open: AtomicUsize::new(0),
        });
        self.threads
            .push(thread.spawn(move || accept(&listener, &serving, &ending))?);
        Ok(())
    }

    /// Closes the listeners and ends the streams. An answer that is being sent is not waited for.
    pub fn end(self) {
        self.ending.iter().for_each(|ending| ending.wake());
        for thread in self.threads {
            // A panic in it has been printed by the panic itself.
            let _ = thread.join();
        }
    }
}

fn bind_admin(address: &AdminAddress) -> Result<PlainListener, AdminError> {
    let bound = match address {
        AdminAddress::Tcp(address) => PlainListener::tcp(*address),
        AdminAddress::Unix(path) => PlainListener::unix(path),
    };
    bound.map_err(|error| AdminError::Listen(StartError::Listen(address.to_string(), error)))
}

fn bind_probes(listen: &Listen) -> Result<PlainListener, AdminError> {
    let bound = match &listen.address {
        None => PlainListener::everywhere(listen.port),
        Some(host) => resolve::resolve(host).and_then(|addresses| {
            let first = resolve::at_port(&addresses, listen.port).into_iter().next();
            let missing = io::Error::from(io::ErrorKind::AddrNotAvailable);
            first.ok_or(missing).and_then(PlainListener::tcp)
        }),
    };
    bound.map_err(|error| AdminError::Listen(StartError::Listen(listen.to_string(), error)))
}

/// What the connections of a listener share.
#[derive(Debug)]
struct Serving {
    endpoints: Endpoints,
    ending: Arc<Waker>,
    streams: Streams,
    open: AtomicUsize,
}

/// One of the connections; the next one may come when it is dropped.
struct Slot(Arc<Serving>);

impl Slot {
    fn take(serving: &Arc<Serving>) -> Option<Self> {
        let slot = Self(Arc::clone(serving));
        // Counted before it is compared, and given back by the drop.
        let before = serving.open.fetch_add(1, Ordering::SeqCst);
        (before < MOST_CONNECTIONS).then_some(slot)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Accepts connections until `ending` is raised.
fn accept(listener: &PlainListener, serving: &Arc<Serving>, ending: &Waker) {
    loop {
        match listener.accept(ending) {
            Ok(Some((stream, peer))) => begin(serving, stream, peer),
            Ok(None) => return,
            Err(_) => _ = ending.wait(ACCEPT_BACK_OFF),
        }
    }
}

/// Gives a connection its thread. With too many of them, or without a thread, it is closed.
fn begin(serving: &Arc<Serving>, stream: PlainStream, peer: String) {
    let Some(slot) = Slot::take(serving) else {
        return;
    };
    let thread = thread::Builder::new().name("admin-client".into());
    let _ = thread.spawn(move || serve(&slot.0, stream, &peer));
}

/// One request and its answer. What cannot be sent needs no answer.
fn serve(serving: &Serving, stream: PlainStream, peer: &str) {
    let mut stream = stream.within(REQUEST_TIMEOUT);
    let request = match AdminRequest::read(&mut stream) {
        Ok(Some(request)) => request,
        Ok(None) => return,
        Err(answer) => return send(stream, &answer, false),
    };
    let is_head = request.method == "HEAD";
    let allowed = serving.endpoints.admit(&request);
    match allowed {
        Ok(()) if request.is_for_events() && serving.endpoints.has_events() => {
            let status = &serving.endpoints.subject().status;
            if let Err(answer) = serving.streams.serve(&mut stream, status, &serving.ending) {
                send(stream, &answer, is_head);
            }
        }
        Ok(()) => send(
            stream,
            &serving.endpoints.answer(&request, peer, &serving.ending),
            is_head,
        ),
        Err(answer) => send(stream, &answer, is_head),
    }
}

fn send(mut stream: PlainStream, answer: &AdminAnswer, is_head: bool) {
    stream.set_timeout(ANSWER_TIMEOUT);
    if answer.write(&mut stream, is_head).is_ok() {
        stream.finish(FINISH_TIMEOUT);
    }
}
