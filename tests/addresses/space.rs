//! A network namespace of its own: loopback only, set up by a few shell commands.

use rustix::fd::AsFd as _;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::thread;

/// It lasts as long as this.
pub(crate) struct Space {
    keeper: Child,
    network: File,
}

impl Space {
    /// A new one in which `setup` has been run, or the reason why that is not possible here.
    pub(crate) fn new(setup: &str) -> Option<Self> {
        let script = format!("ip link set lo up && {setup} && echo ready && read end");
        let keeper = Command::new("unshare")
            .args(["-n", "sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut keeper) = keeper else {
            return skip("no unshare");
        };
        let mut said = String::new();
        let out = keeper.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut said).unwrap();
        if said.trim() != "ready" {
            let output = keeper.wait_with_output().unwrap();
            return skip(&String::from_utf8_lossy(&output.stderr));
        }
        let network = File::open(format!("/proc/{}/ns/net", keeper.id())).unwrap();
        Some(Self { keeper, network })
    }

    /// Does it there; threads and programs that are started meanwhile are there as well.
    pub(crate) fn within<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let kind = Some(LinkNameSpaceType::Network);
                move_into_link_name_space(self.network.as_fd(), kind).expect("may enter");
                act()
            });
            let ended = thread.join();
            ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

fn skip(reason: &str) -> Option<Space> {
    // Not by `println`, which shows nothing of a test that passes.
    let _ = writeln!(io::stderr(), "skipped: {reason}");
    None
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}
