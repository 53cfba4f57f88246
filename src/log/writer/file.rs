//! A file that lines are added to, which can be opened anew under the same name: a program that rotates
//! logs renames the file, and then asks for that. Must not know what asks for it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Where lines about requests go.
pub(super) trait Destination: Write + Send + 'static {
    /// Opens it anew, if it is a file. Fails with what is to be said of it; then it is what it was.
    fn reopen(&mut self) -> Result<(), String> {
        Ok(())
    }
}

/// The file of a log.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
}

impl LogFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.into(),
            file: open(path)?,
        })
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

impl Destination for LogFile {
    fn reopen(&mut self) -> Result<(), String> {
        let opened = open(&self.path).map(|file| self.file = file);
        opened.map_err(|error| {
            let path = self.path.display();
            format!("Cannot open the log file {path} anew: {error}; lines go to the old one.")
        })
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
