//! What is printed, and the thread that prints it.
//!
//! Lines go through a bounded queue, so that a stuck terminal or a full disk never holds a
//! worker; what did not fit is counted and said. Story lines come by way of the `log` crate
//! and go to stderr, access lines go to stdout.

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Lines that wait to be printed: a fraction of a second's worth on a busy machine. With the
/// longest lines 32 MiB, usually a hundredth of that.
const QUEUED_LINES: usize = 8 * 1024;

/// The longest line that is kept, in bytes; the rest of a longer one is cut off.
pub const MAX_LINE_BYTES: usize = 4 * 1024;

/// How long the last lines get at the end, should the terminal be stuck.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Lost lines are counted up for so long before they are told of.
const TELL_INTERVAL: Duration = Duration::from_secs(1);

/// The way to the printer. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Journal {
    sender: Sender<Line>,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Line {
    Story(Vec<u8>),
    Access(Vec<u8>),
    End,
}

/// The thread that prints.
#[derive(Debug)]
pub struct Printer {
    thread: JoinHandle<()>,
    journal: Journal,
}

impl Journal {
    /// Starts the thread `log`.
    pub fn start() -> io::Result<(Self, Printer)> {
        let (sender, receiver) = bounded(QUEUED_LINES);
        let journal = Self {
            sender,
            dropped: Arc::default(),
        };
        let dropped = Arc::clone(&journal.dropped);
        let thread = std::thread::Builder::new()
            .name("log".into())
            .spawn(move || print(&receiver, &dropped))?;
        Ok((journal.clone(), Printer { thread, journal }))
    }

    /// A journal that nobody reads, for tests.
    #[must_use]
    pub fn silent() -> Self {
        Self {
            sender: bounded(0).0,
            dropped: Arc::default(),
        }
    }

    /// An access line, without its line end.
    pub fn access(&self, line: String) {
        self.queue(line.into_bytes(), Line::Access);
    }

    fn queue(&self, mut line: Vec<u8>, kind: impl FnOnce(Vec<u8>) -> Line) {
        line.truncate(MAX_LINE_BYTES);
        if !line.ends_with(b"\n") {
            line.push(b'\n');
        }
        // What was cut off takes no memory while the line waits.
        line.shrink_to_fit();
        if self.sender.try_send(kind(line)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What `env_logger` writes to: each call is a whole record.
impl Write for Journal {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        self.queue(record.to_vec(), Line::Story);
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Printer {
    /// Prints what is queued and ends the thread, unless what it prints to is stuck.
    pub fn finish(self) {
        let deadline = Instant::now() + FLUSH_TIMEOUT;
        let _ = self.journal.sender.send_deadline(Line::End, deadline);
        while !self.thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        if self.thread.is_finished() {
            // A panic in it has been printed by the panic itself.
            let _ = self.thread.join();
        }
    }
}

fn print(lines: &Receiver<Line>, dropped: &AtomicU64) {
    let (mut behind, mut told) = (
        None,
        Told {
            count: 0,
            next: Instant::now(),
        },
    );
    loop {
        let line = match behind.take() {
            Some(line) => Ok(line),
            None => lines.recv_timeout(TELL_INTERVAL),
        };
        // A line that cannot be written (a full disk, a closed pipe) is lost like one that
        // found no room: counted.
        let written = match line {
            Ok(Line::Story(line)) => io::stderr().write_all(&line),
            Ok(Line::Access(mut batch)) => {
                behind = fill_batch(&mut batch, lines);
                io::stdout()
                    .write_all(&batch)
                    .and_then(|()| io::stdout().flush())
            }
            Ok(Line::End) | Err(RecvTimeoutError::Disconnected) => {
                told.next = Instant::now();
                told.tell(dropped.load(Ordering::Relaxed));
                return;
            }
            Err(RecvTimeoutError::Timeout) => Ok(()),
        };
        if written.is_err() {
            dropped.fetch_add(1, Ordering::Relaxed);
        }
        told.tell(dropped.load(Ordering::Relaxed));
    }
}

/// What has been said of lost lines.
struct Told {
    count: u64,
    next: Instant,
}

impl Told {
    /// Says how many were lost since the last time, unless that was a moment ago.
    fn tell(&mut self, lost: u64) {
        let now = Instant::now();
        if lost > self.count && now >= self.next {
            let _ = writeln!(io::stderr(), "Log lines lost: {}", lost - self.count);
            (self.count, self.next) = (lost, now + TELL_INTERVAL);
        }
    }
}

/// Adds the access lines that are queued, so that many are written with one system call;
/// returns the first line of another kind behind them.
fn fill_batch(batch: &mut Vec<u8>, lines: &Receiver<Line>) -> Option<Line> {
    const BATCH_BYTES: usize = 32 * 1024;
    while batch.len() < BATCH_BYTES {
        match lines.try_recv().ok()? {
            Line::Access(line) => batch.extend_from_slice(&line),
            other => return Some(other),
        }
    }
    None
}
