//! One look-up on a thread of its own, which nothing can interrupt.

use crate::net::resolve::{known, resolve};
use crate::net::waker::Waker;
use crate::net::{Interest, wait_any};
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Asks the system for the addresses of a host.
pub(super) type LookUp = Arc<dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync>;

/// The addresses of the host with this number.
type Answer = (usize, io::Result<Vec<SocketAddr>>);

/// Where look-ups leave their answers.
pub(super) struct Answers {
    look_up: LookUp,
    sender: Sender<Answer>,
    receiver: Receiver<Answer>,
    arrived: Arc<Waker>,
}

impl Answers {
    pub(super) fn new(look_up: LookUp) -> io::Result<Self> {
        let (sender, receiver) = unbounded();
        Ok(Self {
            look_up,
            sender,
            receiver,
            arrived: Arc::new(Waker::new()?),
        })
    }

    /// Begins to look up `host`; the answer comes with this number.
    pub(super) fn ask(&self, number: usize, host: &str) {
        let (look_up, host) = (Arc::clone(&self.look_up), host.to_string());
        let (sender, arrived) = (self.sender.clone(), Arc::clone(&self.arrived));
        let asked = std::thread::Builder::new()
            .name("look-up".into())
            .spawn(move || {
                // Nobody may be there any more to take it.
                let _ = sender.send((number, look_up(&host)));
                arrived.wake();
            });
        if let Err(error) = asked {
            // The channel has no bound, and its other end is ours.
            let _ = self.sender.send((number, Err(error)));
            self.arrived.wake();
        }
    }

    /// Is raised when an answer has come.
    pub(super) fn arrived(&self) -> &Waker {
        &self.arrived
    }

    /// The next answer that has come.
    pub(super) fn next(&self) -> Option<Answer> {
        self.arrived.reset();
        self.receiver.try_recv().ok()
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Answers").finish_non_exhaustive()
    }
}

/// The addresses of one host, if they are there in time and before the waker is raised.
pub fn within(timeout: Duration, host: &str, waker: &Waker) -> io::Result<Vec<SocketAddr>> {
    if let Some(addresses) = known(host) {
        return Ok(addresses);
    }
    let answers = Answers::new(Arc::new(resolve))?;
    answers.ask(0, host);
    wait_any(
        [(waker, Interest::Read), (answers.arrived(), Interest::Read)],
        Some(timeout),
    )?;
    let late = || {
        Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the name server does not answer",
        ))
    };
    answers.next().map_or_else(late, |(_, answer)| answer)
}
