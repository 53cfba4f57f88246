//! The same through a library that knows every system. It is built on Linux too, with
//! `RUSTFLAGS="--cfg lb_portable"`, so that it can be tested there.
//!
//! Holds the one `unsafe` block of the crate.

use super::{EVENTS_PER_WAIT, Interest, Report};
use polling::{Event, PollMode};
use std::io;
use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::time::Duration;

/// A list in the kernel.
#[derive(Debug)]
pub(crate) struct Poller(polling::Poller);

/// Room for what one wait reports.
#[derive(Debug)]
pub(crate) struct Events(polling::Events);

impl Events {
    pub(crate) fn new() -> Self {
        let places = NonZeroUsize::new(EVENTS_PER_WAIT).unwrap_or(NonZeroUsize::MIN);
        Self(polling::Events::with_capacity(places))
    }

    pub(crate) fn reports(&self) -> impl Iterator<Item = Report> + '_ {
        self.0.iter().map(|event| Report {
            token: event.key,
            is_readable: event.readable,
            is_writable: event.writable,
            is_over: event.is_interrupt() || event.is_err().unwrap_or(false),
            // It is reported for as long as it is so.
            hides_more: false,
        })
    }
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        polling::Poller::new().map(Self)
    }

    #[allow(unsafe_code)]
    pub(crate) fn add(
        &self,
        stream: &TcpStream,
        token: usize,
        interest: Interest,
    ) -> io::Result<()> {
        // SAFETY: a source must be deleted from the poller before it is closed. The slot that
        // `super::super::readiness` has for it holds the stream, and gives it up only in
        // `Registration::drop`, after deleting it. The poller lives at least as long, because
        // the registration refers to it.
        unsafe {
            self.0
                .add_with_mode(stream, event(token, interest), PollMode::Level)
        }
    }

    /// Reports this for as long as it is so.
    pub(crate) fn arm(
        &self,
        stream: &TcpStream,
        token: usize,
        interest: Interest,
    ) -> io::Result<()> {
        let event = event(token, interest);
        self.0.modify_with_mode(stream, event, PollMode::Level)
    }

    /// Reports nothing any more; that it is broken, which cannot be turned off, once.
    pub(crate) fn disarm(&self, stream: &TcpStream, token: usize) -> io::Result<()> {
        let event = Event::none(token);
        self.0.modify_with_mode(stream, event, PollMode::Oneshot)
    }

    pub(crate) fn delete(&self, stream: &TcpStream) -> io::Result<()> {
        self.0.delete(stream)
    }

    pub(crate) fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        events.0.clear();
        match self.0.wait(&mut events.0, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    /// Ends the current or the next wait.
    pub(crate) fn notify(&self) -> io::Result<()> {
        self.0.notify()
    }
}

fn event(token: usize, interest: Interest) -> Event {
    Event::new(token, interest.reads(), interest.writes())
}
