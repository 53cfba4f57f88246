//! A network between the balancer and the backends that can be made bad: `network.py` and how
//! it is used. The balancer and its clients are in the near namespace, the backends in the far
//! one, where each listens on 127.0.0.1 as ever. From the near one they all are at `FAR`.

use crate::stage::{Backend, Deliveries, Stage};
use crate::support::{PATIENCE, lines_of};
use crossbeam_channel::Receiver;
use rustix::fd::AsFd as _;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::io::{self, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;

/// The address of all backends, as the balancer sees it.
pub(crate) const FAR: &str = "10.77.0.2";

/// What the wire does to packets.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weather {
    /// So many of a hundred are lost.
    pub(crate) loss: u8,
    /// Milliseconds in each direction.
    pub(crate) delay: u16,
    /// None to or from this port arrives.
    pub(crate) cut: Option<u16>,
}

/// Two namespaces and the wire between them. They end with the relay.
pub(crate) struct Network {
    _relay: Relay,
    said: Receiver<String>,
    control: ChildStdin,
    near: File,
    far: File,
}

struct Relay(Child);

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Network {
    /// Builds it, or says why that is not possible here.
    pub(crate) fn build() -> Option<Self> {
        let network = Self::try_build();
        if let Err(reason) = &network {
            // Not by `println`, which shows nothing of a test that passes.
            let _ = writeln!(io::stderr(), "skipped: {reason}");
        }
        network.ok()
    }

    fn try_build() -> Result<Self, String> {
        let mut relay = Command::new("python3")
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/trouble/network.py"
            ))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map(Relay)
            .map_err(|error| format!("no python3: {error}"))?;
        let said = lines_of(relay.0.stdout.take().expect("a pipe"));
        let line = said.recv_timeout(PATIENCE).expect("it says how it is");
        if let Some(reason) = line.strip_prefix("skip: ") {
            return Err(reason.into());
        }
        let mut numbers = line.split(' ').skip(1);
        let mut space = || {
            let number = numbers.next().expect("two descriptors");
            File::open(format!("/proc/{}/fd/{number}", relay.0.id())).expect("a namespace")
        };
        let (near, far) = (space(), space());
        let control = relay.0.stdin.take().expect("a pipe");
        Ok(Self {
            _relay: relay,
            said,
            control,
            near,
            far,
        })
    }

    /// Changes what the wire does; returns how many packets it lost before.
    pub(crate) fn set(&self, weather: Weather) -> usize {
        let Weather { loss, delay, cut } = weather;
        let line = format!("{loss} {delay} {}\n", cut.unwrap_or(0));
        (&self.control)
            .write_all(line.as_bytes())
            .expect("the relay runs");
        let counted = self.said.recv_timeout(PATIENCE).expect("it is done");
        let lost = counted.split(' ').next();
        lost.and_then(|lost| lost.parse().ok()).expect("a number")
    }

    /// Plays a scene with three backends on the far side; threads and programs that it starts
    /// are on the near side.
    pub(crate) fn stage<T: Send>(
        &self,
        settings: &[String],
        scene: impl FnOnce(Stage) -> T + Send,
    ) -> T {
        let deliveries = Deliveries::default();
        let backends: Vec<Backend> =
            self.on_far_side(|| (0..3).map(|_| Backend::start(&deliveries)).collect());
        let name = |port| format!("{FAR}:{port}");
        self.on_near_side(|| scene(Stage::over(backends, deliveries, name, settings)))
    }

    /// Does it where the balancer and its clients are.
    pub(crate) fn on_near_side<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        within(&self.near, act)
    }

    /// Does it where the backends are.
    pub(crate) fn on_far_side<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        within(&self.far, act)
    }
}

/// Does it on a thread in this namespace, from which threads and programs inherit that.
fn within<T: Send>(space: &File, act: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(space.as_fd(), kind).expect("may enter");
            act()
        });
        let ended = thread.join();
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
