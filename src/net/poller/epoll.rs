//! epoll, called directly: one system call for a wait, whatever its timeout.

use super::{EVENTS_PER_WAIT, Interest, Report};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::fd::OwnedFd;
use std::fmt;
use std::io;
use std::net::TcpStream;
use std::time::Duration;

/// The token of the descriptor that ends a wait; slots are never so many.
const CALL: u64 = u64::MAX;

/// A list in the kernel.
#[derive(Debug)]
pub(crate) struct Poller {
    list: OwnedFd,
    /// An eventfd; each write is reported once, so that it need not be read.
    call: OwnedFd,
}

/// Room for what one wait reports.
pub(crate) struct Events(Vec<Event>);

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.reports()).finish()
    }
}

impl Events {
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(EVENTS_PER_WAIT))
    }

    pub(crate) fn reports(&self) -> impl Iterator<Item = Report> + '_ {
        self.0.iter().filter_map(|event| report(*event))
    }
}

fn report(event: Event) -> Option<Report> {
    let (flags, data) = (event.flags, event.data.u64());
    Some(Report {
        // The same on every machine on which descriptors are that many.
        token: usize::try_from(data).ok().filter(|_| data != CALL)?,
        is_readable: flags.contains(EventFlags::IN),
        is_writable: flags.contains(EventFlags::OUT),
        is_over: flags.intersects(EventFlags::HUP | EventFlags::ERR),
        hides_more: flags.intersects(EventFlags::RDHUP | EventFlags::PRI),
    })
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        let list = epoll::create(CreateFlags::CLOEXEC)?;
        let call = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let flags = EventFlags::IN | EventFlags::ET;
        epoll::add(&list, &call, EventData::new_u64(CALL), flags)?;
        Ok(Self { list, call })
    }

    pub(crate) fn add(
        &self,
        stream: &TcpStream,
        token: usize,
        interest: Interest,
    ) -> io::Result<()> {
        Ok(epoll::add(
            &self.list,
            stream,
            data(token),
            flags(interest),
        )?)
    }

    /// Reports this if it is so now, and whenever it becomes so by something new.
    pub(crate) fn arm(
        &self,
        stream: &TcpStream,
        token: usize,
        interest: Interest,
    ) -> io::Result<()> {
        let flags = flags(interest);
        Ok(epoll::modify(&self.list, stream, data(token), flags)?)
    }

    /// Reports nothing any more; that it is broken, which cannot be turned off, once.
    pub(crate) fn disarm(&self, stream: &TcpStream, token: usize) -> io::Result<()> {
        let flags = EventFlags::ONESHOT;
        Ok(epoll::modify(&self.list, stream, data(token), flags)?)
    }

    pub(crate) fn delete(&self, stream: &TcpStream) -> io::Result<()> {
        Ok(epoll::delete(&self.list, stream)?)
    }

    pub(crate) fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        events.0.clear();
        // Beyond what the type holds, for ever is near enough.
        let timeout = timeout.and_then(|timeout| Timespec::try_from(whole_ms(timeout)).ok());
        match epoll::wait(&self.list, spare_capacity(&mut events.0), timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Ends the current or the next wait.
    pub(crate) fn notify(&self) -> io::Result<()> {
        rustix::io::write(&self.call, &1_u64.to_ne_bytes())?;
        Ok(())
    }
}

fn data(token: usize) -> EventData {
    EventData::new_u64(token as u64)
}

fn flags(interest: Interest) -> EventFlags {
    let mut flags = EventFlags::ET;
    flags.set(EventFlags::IN | EventFlags::PRI, interest.reads());
    flags.set(EventFlags::RDHUP, interest.sees_end());
    flags.set(EventFlags::OUT, interest.writes());
    flags
}

/// Rounded up to what epoll can count: woken before a deadline, one would only wait again.
fn whole_ms(timeout: Duration) -> Duration {
    const ALMOST_ONE: Duration = Duration::from_nanos(999_999);
    let up = timeout.saturating_add(ALMOST_ONE);
    up - Duration::from_nanos(u64::from(up.subsec_nanos() % 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_rounded_up_to_whole_milliseconds() {
        let whole = |micros| whole_ms(Duration::from_micros(micros)).as_micros();
        assert_eq!([0, 1, 999, 1000].map(whole), [0, 1000, 1000, 1000]);
        assert_eq!(
            [1001, 999_001, 1_000_000].map(whole),
            [2000, 1_000_000, 1_000_000]
        );
    }
}
