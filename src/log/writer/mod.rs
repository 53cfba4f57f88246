//! What is printed, and the thread that prints it.
//!
//! Lines gather in a batch of bounded size, so a stuck terminal or a full disk never holds up a worker.
//! Lines that find no room are counted and reported. Story lines come by way of the `log` crate and go
//! to stderr; lines about requests go to stdout or to a file.
//!
//! To wake a thread costs as much as half a request, so only a line after a silence wakes the printer.
//! When it has printed, it pauses briefly, and the lines that came meanwhile are the next batch.
//!
//! Must not know what a line says.

mod batch;
mod file;
mod sink;

use batch::Batch;
use file::{Destination, LogFile};
use sink::{Sink, Stream};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use batch::MAX_LINE_BYTES;

/// Bytes of lines that wait to be printed: a fraction of a second's worth on a busy machine.
/// As many may be with the printer at the same time.
const QUEUED_BYTES: usize = 2 * 1024 * 1024;

/// With so many the printer cuts its pause short.
const URGENT_BYTES: usize = QUEUED_BYTES / 4;

/// How long the printer lets lines gather. Too short to notice, and its wake-ups take a thousandth of a
/// processor.
const PAUSE: Duration = Duration::from_millis(4);

/// How long the last lines get at the end, should the terminal be stuck.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// How often lost lines are reported.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// The way to the printer. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LogWriter {
    shared: Arc<Shared>,
}

/// Where a line is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outlet {
    Stderr,
    Requests,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    /// Rung for the printer.
    bell: Condvar,
}

/// What waits for the printer. Held for as long as it takes to copy a line, no longer.
#[derive(Debug)]
struct Queue {
    batch: Batch,
    /// The most bytes of the batch.
    room: usize,
    /// Lines that found no room, ever.
    lost: u64,
    /// The printer sleeps until there is something.
    is_awaited: bool,
    is_ending: bool,
    /// The file is to be opened anew.
    is_reopening: bool,
}

/// The thread that prints.
#[derive(Debug)]
pub struct Printer {
    thread: JoinHandle<()>,
    log: LogWriter,
}

impl LogWriter {
    /// Starts the thread `log`. Lines about requests go to stdout.
    pub fn start() -> io::Result<(Self, Printer)> {
        let stdout = Stream(rustix::stdio::stdout());
        Self::start_with(Stream(rustix::stdio::stderr()), stdout)
    }

    /// The same, but lines about requests are added to the file at `path`. Fails if it cannot be
    /// opened.
    pub fn start_with_file(path: &Path) -> io::Result<(Self, Printer)> {
        Self::start_with(Stream(rustix::stdio::stderr()), LogFile::open(path)?)
    }

    fn start_with(
        stderr: impl Write + Send + 'static,
        requests: impl Destination,
    ) -> io::Result<(Self, Printer)> {
        let log = Self::with_room(QUEUED_BYTES);
        let shared = Arc::clone(&log.shared);
        let thread = std::thread::Builder::new()
            .name("log".into())
            .spawn(move || print(&shared, stderr, requests))?;
        Ok((log.clone(), Printer { thread, log }))
    }

    /// Has the file opened anew: another one may have its name. Lines that come from now on go there.
    pub fn reopen(&self) {
        self.shared.reopen();
    }

    /// A log without a printer, for tests.
    #[must_use]
    pub fn silent() -> Self {
        Self::with_room(0)
    }

    fn with_room(room: usize) -> Self {
        let queue = Queue {
            batch: Batch::default(),
            room,
            lost: 0,
            is_awaited: false,
            is_ending: false,
            is_reopening: false,
        };
        let shared = Shared {
            queue: Mutex::new(queue),
            bell: Condvar::new(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// How many lines found no room, ever.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.shared.queue().lost
    }

    /// A line about a request, with or without its line end.
    pub fn access(&self, line: &[u8]) {
        self.shared.add(Outlet::Requests, line);
    }
}

/// What `env_logger` writes to: each call is a whole record.
impl Write for LogWriter {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        self.shared.add(Outlet::Stderr, record);
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing that is done with it can be left half done.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, outlet: Outlet, line: &[u8]) {
        let is_needed = self.queue().add(outlet, line);
        // Notified without the lock, which the woken thread needs at once.
        if is_needed {
            self.bell.notify_one();
        }
    }

    /// Exchanges `printed`, which is empty, for the lines that have gathered, once there are some or
    /// lost ones are to be reported.
    fn take(&self, printed: &mut Batch) -> Taken {
        let mut queue = self.queue();
        queue.is_awaited = true;
        let woken = self
            .bell
            .wait_timeout_while(queue, REPORT_INTERVAL, |queue| !queue.has_news());
        (queue, _) = woken.unwrap_or_else(PoisonError::into_inner);
        queue.is_awaited = false;
        std::mem::swap(&mut queue.batch, printed);
        Taken {
            lost: queue.lost,
            is_end: queue.is_ending,
            is_reopening: std::mem::take(&mut queue.is_reopening),
        }
    }

    /// Lets lines gather for a moment.
    fn pause(&self) {
        let paused = self
            .bell
            .wait_timeout_while(self.queue(), PAUSE, |queue| !queue.is_urgent());
        drop(paused);
    }

    fn reopen(&self) {
        self.queue().is_reopening = true;
        self.bell.notify_one();
    }

    fn end(&self) {
        self.queue().is_ending = true;
        self.bell.notify_one();
    }
}

/// What the printer is to do besides printing.
struct Taken {
    /// Lines that were lost so far.
    lost: u64,
    /// There will be no more.
    is_end: bool,
    /// The file is to be opened anew first.
    is_reopening: bool,
}

impl Queue {
    /// Takes a line in, if there is room; returns whether the printer has to be woken.
    fn add(&mut self, outlet: Outlet, line: &[u8]) -> bool {
        let was_urgent = self.is_urgent();
        if !self.batch.add(outlet, line, self.room) {
            self.lost += 1;
            return false;
        }
        std::mem::take(&mut self.is_awaited) || (self.is_urgent() && !was_urgent)
    }

    fn has_news(&self) -> bool {
        self.is_ending || self.is_reopening || !self.batch.is_empty()
    }

    fn is_urgent(&self) -> bool {
        self.is_ending || self.batch.len() >= URGENT_BYTES
    }
}

impl Printer {
    /// Prints what is queued and ends the thread, unless what it prints to is stuck.
    pub fn finish(self) {
        let deadline = Instant::now() + FLUSH_TIMEOUT;
        self.log.shared.end();
        while !self.thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        if self.thread.is_finished() {
            // A panic in it has been printed by the panic itself.
            let _ = self.thread.join();
        }
    }
}

fn print(shared: &Shared, stderr: impl Write, requests: impl Destination) {
    let (mut stderr, mut requests) = (Sink::new(stderr), Sink::new(requests));
    let (mut batch, mut unwritten) = (Batch::default(), 0);
    let mut losses = Losses {
        count: 0,
        next: Instant::now(),
    };
    loop {
        let taken = shared.take(&mut batch);
        if taken.is_reopening
            && let Err(failure) = requests.reopen()
        {
            stderr.print(format!("{failure}\n").as_bytes());
        }
        // A line that cannot be written (a full disk, a closed pipe) is lost like one that
        // found no room: counted.
        unwritten += batch.print(&mut stderr, &mut requests);
        batch.clear();
        if taken.is_end {
            losses.next = Instant::now();
        }
        losses.report(taken.lost + unwritten, &mut stderr);
        if taken.is_end {
            return;
        }
        shared.pause();
    }
}

/// What was reported of lost lines.
struct Losses {
    count: u64,
    next: Instant,
}

impl Losses {
    /// Reports how many were lost since the last report, unless that was a short while ago.
    fn report(&mut self, lost: u64, stderr: &mut Sink<impl Write>) {
        let now = Instant::now();
        if lost > self.count && now >= self.next {
            let line = format!("Log lines lost: {}\n", lost - self.count);
            if stderr.print(line.as_bytes()) < line.len() {
                return;
            }
            (self.count, self.next) = (lost, now + REPORT_INTERVAL);
        }
    }
}

#[cfg(test)]
mod tests;
