//! A descriptor that wakes a thread out of `poll`, and stays raised until it is lowered.

use super::Interest;
use super::wait_any;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::io;
use std::time::Duration;

/// A pipe of which the reading end is readable once [`Waker::wake`] was called.
#[derive(Debug)]
pub struct Waker {
    reader: OwnedFd,
    writer: OwnedFd,
}

impl Waker {
    /// A new waker, not raised. Fails when no descriptor is left.
    pub fn new() -> io::Result<Self> {
        let (reader, writer) = rustix::pipe::pipe()?;
        for end in [&reader, &writer] {
            rustix::io::fcntl_setfd(end, rustix::io::FdFlags::CLOEXEC)?;
            rustix::io::ioctl_fionbio(end, true)?;
        }
        Ok(Self { reader, writer })
    }

    /// Wakes every thread that waits for it, now and later, until it is reset.
    pub fn wake(&self) {
        // When the pipe is full, it is raised already.
        let _ = rustix::io::write(&self.writer, b"!");
    }

    /// Lowers it, so that it can be raised again; returns whether it was raised.
    pub fn reset(&self) -> bool {
        let mut was_raised = false;
        // Whatever stops this leaves it raised, which costs one more look.
        while let Ok(count) = rustix::io::read(&self.reader, &mut [0; 64]) {
            was_raised = true;
            if count < 64 {
                break;
            }
        }
        was_raised
    }

    /// Waits for it; returns whether it is raised.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> bool {
        wait_any([(self, Interest::Read)], Some(timeout)).unwrap_or(false)
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_raised_until_it_is_reset_however_often_it_was_woken() {
        let waker = Waker::new().expect("descriptors");
        assert!(!waker.wait(Duration::ZERO) && !waker.reset());
        for count in [1, 63, 64, 65, 128, 1000] {
            (0..count).for_each(|_| waker.wake());
            assert!(
                waker.wait(Duration::ZERO) && waker.wait(Duration::ZERO),
                "{count}"
            );
            assert!(waker.reset() && !waker.reset(), "{count}");
            assert!(!waker.wait(Duration::ZERO), "{count}");
        }
    }
}
