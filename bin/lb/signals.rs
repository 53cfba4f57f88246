//! What signals do to `lb`: some stop it, and none of the others ends it or the requests under
//! way. Must not know how a balancer stops.
//!
//! | signals | what they do |
//! |---|---|
//! | `INT`, `TERM`, `QUIT` | the caller's stop |
//! | `HUP` | the caller's reload; without a file a line that says why nothing happens |
//! | `USR1` | opens the caller's log file anew; without one a line that says why nothing happens |
//! | `TSTP`, `STOP`, `CONT`, `KILL`, and what the system sends for a fault of ours | what they do to any program |
//! | all others: `USR2`, `ALRM`, `IO`, `XCPU`, `TTOU`, …, real-time signals | nothing |
//!
//! The others would end the process, or stop it. They are *blocked*: in the thread that calls,
//! before it has started another, so that all threads inherit it. A blocked signal interrupts
//! no system call, needs no handler, and lets a process in the background write to a terminal
//! that would stop it for that (`stty tostop`), as if it were ignored.

use nix::sys::signal::{SigSet, Signal};
use signal_hook::consts::{SIGHUP, SIGQUIT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;
use std::io;
use std::sync::OnceLock;
use std::thread;

/// Signals that keep their meaning: those with a handler, those that pause a program and let it
/// go on, and those by which the system tells a program of its own fault.
const NOT_BLOCKED: [Signal; 15] = [
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGQUIT,
    Signal::SIGHUP,
    Signal::SIGUSR1,
    Signal::SIGTSTP,
    Signal::SIGCONT,
    Signal::SIGCHLD,
    Signal::SIGABRT,
    Signal::SIGBUS,
    Signal::SIGFPE,
    Signal::SIGILL,
    Signal::SIGSEGV,
    Signal::SIGSYS,
    Signal::SIGTRAP,
];

/// Signals that a thread waits for from the beginning, and no other thread is to be interrupted
/// by.
const LOGGED: [Signal; 2] = [Signal::SIGHUP, Signal::SIGUSR1];

/// Makes the process one that only a stop ends. To be called before any thread is started, and
/// so before there is a client.
pub(crate) fn withstand() -> io::Result<()> {
    let mut blocked = SigSet::all();
    NOT_BLOCKED
        .iter()
        .for_each(|signal| blocked.remove(*signal));
    blocked.thread_block()?;
    let mut signals = Signals::new([SIGHUP, SIGUSR1])?;
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || signals.forever().for_each(follow))?;
    // That thread has inherited the mask as it was.
    SigSet::from_iter(LOGGED).thread_block()?;
    Ok(())
}

/// What `HUP` does where there is something to reload.
static ON_HUP: OnceLock<Box<dyn Fn() + Send + Sync>> = OnceLock::new();

/// What `USR1` does where there is a log file.
static ON_USR1: OnceLock<Box<dyn Fn() + Send + Sync>> = OnceLock::new();

/// Calls `reopen` for each `USR1`. To be called once.
pub(crate) fn on_usr1(reopen: impl Fn() + Send + Sync + 'static) {
    // A second call would change nothing.
    let _ = ON_USR1.set(Box::new(reopen));
}

/// Calls `reload` for each `HUP`. To be called once, before [`withstand`].
pub(crate) fn on_hup(reload: impl Fn() + Send + Sync + 'static) {
    // A second call would change nothing.
    let _ = ON_HUP.set(Box::new(reload));
}

/// Also done when the process was started with `HUP` ignored (`nohup`): in any case it lives on.
fn follow(signal: i32) {
    match (signal, ON_HUP.get(), ON_USR1.get()) {
        (SIGHUP, Some(reload), _) => reload(),
        (SIGUSR1, _, Some(reopen)) => reopen(),
        (SIGHUP, None, _) => log::warn!(
            "HUP: there is no file to read, the command line is all the configuration there is; \
             to change it, start lb anew, or with --config."
        ),
        _ => log::debug!("USR1: there is no log file to reopen, lb writes to stdout and stderr."),
    }
}

/// Calls `stop` for each `INT`, `TERM` and `QUIT`, from two threads.
pub(crate) fn on_stop(stop: impl Fn() + Clone + Send + 'static) -> io::Result<()> {
    ctrlc::set_handler(stop.clone()).map_err(|error| match error {
        ctrlc::Error::System(error) => error,
        other => io::Error::other(other),
    })?;
    let mut signals = Signals::new([SIGTERM, SIGQUIT])?;
    thread::Builder::new()
        .name("stop".into())
        .spawn(move || signals.forever().for_each(|_| stop()))?;
    Ok(())
}
