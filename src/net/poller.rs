//! The kernel's list of connections to report on: epoll on Linux, kqueue and its like elsewhere.
//!
//! Both sides offer the same: [`Poller`] and [`Events`]. What both promise of a connection that
//! is armed: it is reported if it is ready then, and after that whenever something new makes it
//! ready. Whether it is reported while nothing changes is up to them (the portable side does).
//! Must not know what a report is good for; that is [`super::readiness`].

#[cfg(all(target_os = "linux", not(lb_portable)))]
mod epoll;
#[cfg(any(not(target_os = "linux"), lb_portable))]
mod portable;

#[cfg(all(target_os = "linux", not(lb_portable)))]
pub(super) use epoll::{Events, Poller};
#[cfg(any(not(target_os = "linux"), lb_portable))]
pub(super) use portable::{Events, Poller};

use super::Interest;

/// Events taken out of the kernel in one call.
const EVENTS_PER_WAIT: usize = 1024;

/// What the kernel says of one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Report {
    /// Under which it was registered.
    pub(crate) token: usize,
    pub(crate) is_readable: bool,
    pub(crate) is_writable: bool,
    /// Nothing more will happen: it is reset, or both sides have ended.
    pub(crate) is_over: bool,
    /// A read that takes less than it could need not have taken all: the other side has ended,
    /// or sent an urgent byte, at which reads stop. Where each change is reported once, nothing
    /// more may be reported of it.
    pub(crate) hides_more: bool,
}

impl Report {
    /// Whether it is what was waited for. The end always is; an urgent byte that nothing follows
    /// has to be passed over by a read.
    pub(crate) fn answers(&self, interest: Interest) -> bool {
        let reads = interest.reads() && self.is_readable;
        let ends = interest.sees_end() && self.hides_more;
        self.is_over || reads || ends || (interest.writes() && self.is_writable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::pair;
    use std::io::Write as _;
    use std::time::{Duration, Instant};

    fn wait(poller: &Poller, timeout: Duration) -> Vec<Report> {
        let mut events = Events::new();
        poller.wait(&mut events, Some(timeout)).expect("waits");
        events.reports().collect()
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn what_is_armed_is_reported_for_whatever_comes_until_it_is_disarmed() {
        let (poller, (stream, mut other)) = (Poller::new().expect("descriptors"), pair());
        poller.add(&stream, 7, Interest::Read).expect("registers");
        assert!(wait(&poller, Duration::ZERO).is_empty());
        for _ in 0..2 {
            other.write_all(b"x").expect("sends");
            let reports = wait(&poller, LONG);
            assert!(reports.len() == 1 && reports[0].token == 7);
            assert!(reports[0].answers(Interest::Read) && !reports[0].answers(Interest::Write));
        }
        poller.disarm(&stream, 7).expect("known");
        assert!(wait(&poller, Duration::ZERO).is_empty());
        // It has been so for long, but arming looks afresh.
        for _ in 0..2 {
            poller.arm(&stream, 7, Interest::ReadWrite).expect("known");
            assert!(wait(&poller, LONG)[0].answers(Interest::Write));
        }
        poller.delete(&stream).expect("known");
        assert!(wait(&poller, Duration::ZERO).is_empty());
    }

    #[test]
    fn a_call_ends_one_wait_and_is_no_report() {
        let poller = Poller::new().expect("descriptors");
        for _ in 0..3 {
            poller.notify().expect("open");
            poller.notify().expect("open");
            assert!(wait(&poller, LONG).is_empty());
            let start = Instant::now();
            assert!(wait(&poller, Duration::from_millis(5)).is_empty());
            assert!(
                start.elapsed() >= Duration::from_millis(5),
                "it was used up"
            );
        }
    }

    #[test]
    fn one_that_broke_after_it_was_disarmed_does_not_report_for_ever() {
        let (poller, (stream, other)) = (Poller::new().expect("descriptors"), pair());
        poller.add(&stream, 7, Interest::Read).expect("registers");
        poller.disarm(&stream, 7).expect("known");
        stream.shutdown(std::net::Shutdown::Write).expect("open");
        drop(other);
        // Once at most, whenever the end of the other side comes.
        let reports: usize = (0..9)
            .map(|_| wait(&poller, Duration::from_millis(5)).len())
            .sum();
        assert!(reports <= 1, "{reports} reports");
    }
}
