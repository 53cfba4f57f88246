//! Where lines are printed to: each begins on a line of its own, also behind one of which only a
//! part could be written. Must not know what a line says.

use super::file::Destination;
use rustix::fd::BorrowedFd;
use std::io::{self, Write};

/// One of the standard streams, or what stands for it in a test.
#[derive(Debug)]
pub(super) struct Sink<W> {
    to: W,
    /// The last line was written in part.
    is_mid_line: bool,
}

impl<W: Write> Sink<W> {
    pub(super) fn new(to: W) -> Self {
        Self {
            to,
            is_mid_line: false,
        }
    }

    /// Opens it anew.
    pub(super) fn reopen(&mut self) -> Result<(), String>
    where
        W: Destination,
    {
        self.to.reopen()?;
        // The line that was cut is in the old file.
        self.is_mid_line = false;
        Ok(())
    }

    /// Writes as much of these lines as can be written; returns how many bytes that was.
    pub(super) fn print(&mut self, lines: &[u8]) -> usize {
        if self.is_mid_line {
            self.is_mid_line = self.write(b"\n") == 0;
        }
        if self.is_mid_line {
            return 0;
        }
        let written = self.write(lines);
        self.is_mid_line = written > 0 && lines[written - 1] != b'\n';
        written
    }

    fn write(&mut self, bytes: &[u8]) -> usize {
        let mut written = 0;
        while written < bytes.len() {
            match self.to.write(&bytes[written..]) {
                Ok(count) if count > 0 => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => break,
            }
        }
        written
    }
}

/// A standard stream without a buffer of its own. That of `std::io::stdout` keeps what could not
/// be written and writes it later, where it no longer belongs.
#[derive(Debug)]
pub(super) struct Stream(pub(super) BorrowedFd<'static>);

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(self.0, bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Destination for Stream {}
