//! The slot of one session, and what is read from it. See [`super`] for who writes and who reads.

use super::stage::{LiveStage, WaitReason};
use super::text::SharedText;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::time::{Duration, Instant};

use Ordering::{Acquire, Relaxed, Release};

/// How often a slot is read again that was just being written. A request that changes so often does not
/// hang.
const TRIES: usize = 8;

/// No deadline.
const NEVER: u64 = u64::MAX;

/// The slot of one session. The words of `state`, from the lowest bits: 8 of the stage, 8 of what it
/// waits for, 8 of whether it is parked, 16 of the number of the attempt, 16 of the backend's port.
#[derive(Debug, Default)]
pub struct LiveSlot {
    /// Odd while the request is written.
    version: AtomicU64,
    /// The number of the session; 0 while the slot is free.
    id: AtomicU64,
    /// Two words of the address, as IPv6, and the port.
    client: [AtomicU64; 3],
    /// When the request began, in microseconds and one more; 0 while there is none.
    began: AtomicU64,
    state: AtomicU64,
    /// When the wait is over, in microseconds.
    until: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
    /// An operator has asked for the end of the request.
    is_closing: AtomicBool,
    method: SharedText<2>,
    target: SharedText<16>,
    group: SharedText<6>,
    host: SharedText<8>,
}

/// A live request at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveReading {
    /// The number of the session.
    pub id: u64,
    /// The client.
    pub client: SocketAddr,
    /// The method, or how it begins.
    pub method: String,
    /// The target, or how it begins.
    pub target: String,
    /// The group, or how its name begins.
    pub group: String,
    /// Host and port of the backend; `None` before the first attempt.
    pub backend: Option<(String, u16)>,
    /// How many attempts there were, this one included.
    pub attempt: u16,
    /// Where it stands.
    pub stage: LiveStage,
    /// What it waits for.
    pub awaited: WaitReason,
    /// When the request began.
    pub began: Instant,
    /// Until when it waits.
    pub until: Option<Instant>,
    /// Bytes that have come from the backend.
    pub received: u64,
    /// Bytes that have gone there.
    pub sent: u64,
}

/// Where a session stands when it is parked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standpoint {
    /// Where.
    pub stage: LiveStage,
    /// What it waits for.
    pub awaited: WaitReason,
    /// Until when, as a slot keeps it; `None` if that is not known.
    pub until: Option<u64>,
    /// Bytes that have come from the backend.
    pub received: u64,
    /// Bytes that have gone there.
    pub sent: u64,
}

const STAGE: u32 = 0;
const AWAITED: u32 = 8;
const PARKED: u32 = 16;
const ATTEMPT: u32 = 24;
const PORT: u32 = 40;
/// The bits of stage, what is awaited, and whether it is parked.
const STANDPOINT: u64 = (1 << ATTEMPT) - 1;

impl LiveSlot {
    /// The number of its session; 0 while it has none.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id.load(Relaxed)
    }

    pub(super) fn begin_session(&self, id: u64, client: SocketAddr) {
        let address = match client.ip() {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        let bits = address.to_bits();
        self.change(|| {
            self.client[0].store((bits >> 64) as u64, Relaxed);
            self.client[1].store(bits as u64, Relaxed);
            self.client[2].store(client.port().into(), Relaxed);
            self.forget_request();
            self.is_closing.store(false, Relaxed);
            self.id.store(id, Relaxed);
        });
    }

    pub(super) fn end_session(&self) {
        self.change(|| {
            self.forget_request();
            self.id.store(0, Relaxed);
        });
    }

    /// A request has begun, at this time as a slot keeps it.
    pub fn begin_request(&self, method: &[u8], target: &[u8], group: &str, began: u64) {
        self.change(|| {
            self.forget_request();
            self.method.write(method);
            self.target.write(target);
            self.group.write(group.as_bytes());
            self.host.write(&[]);
            self.stand(LiveStage::Queued, WaitReason::Nothing, false);
            self.began.store(began + 1, Relaxed);
        });
    }

    /// It is at this backend, in the attempt with this number.
    pub fn note_attempt(&self, host: &str, port: u16, attempt: u16) {
        let attempt = u64::from(attempt) << ATTEMPT | u64::from(port) << PORT;
        let before = self.state.load(Relaxed);
        if before & !STANDPOINT == attempt {
            return;
        }
        let state = before & STANDPOINT | attempt;
        self.change(|| {
            self.host.write(host.as_bytes());
            self.state.store(state, Relaxed);
        });
    }

    /// The request has ended.
    pub fn end_request(&self) {
        self.change(|| self.forget_request());
    }

    /// The session is parked, and stands here.
    pub fn park(&self, standpoint: Standpoint) {
        self.until.store(standpoint.until.unwrap_or(NEVER), Relaxed);
        self.note_bytes(standpoint.received, standpoint.sent);
        self.stand(standpoint.stage, standpoint.awaited, true);
    }

    /// So much has come from the backend, and gone there.
    pub fn note_bytes(&self, received: u64, sent: u64) {
        self.received.store(received, Relaxed);
        self.sent.store(sent, Relaxed);
    }

    /// The session has a turn. Returns whether an operator has asked for its end.
    #[must_use]
    pub fn resume(&self) -> bool {
        let state = self.state.load(Relaxed);
        let moving = state & !(0xff << AWAITED | 0xff << PARKED);
        self.state.store(moving, Relaxed);
        self.is_closing.load(Relaxed)
    }

    fn stand(&self, stage: LiveStage, awaited: WaitReason, is_parked: bool) {
        let standpoint =
            (stage as u64) << STAGE | (awaited as u64) << AWAITED | u64::from(is_parked) << PARKED;
        let rest = self.state.load(Relaxed) & !STANDPOINT;
        self.state.store(rest | standpoint, Relaxed);
    }

    fn forget_request(&self) {
        self.began.store(0, Relaxed);
        self.state.store(0, Relaxed);
        self.note_bytes(0, 0);
    }

    /// Writes what has to be read as a whole. Only one thread does at a time.
    fn change(&self, write: impl FnOnce()) {
        let version = self.version.load(Relaxed);
        self.version.store(version.wrapping_add(1), Relaxed);
        fence(Release);
        write();
        self.version.store(version.wrapping_add(2), Release);
    }

    pub(super) fn has_request(&self) -> bool {
        self.began.load(Relaxed) > 0
    }

    /// Asks for the end of the request; returns whether there is one.
    pub(super) fn ask_to_close(&self) -> bool {
        let has_request = self.has_request();
        if has_request {
            self.is_closing.store(true, Relaxed);
        }
        has_request
    }

    /// The stage in which the session is parked, if it is.
    pub(super) fn parked_in(&self) -> Option<LiveStage> {
        let state = self.state.load(Relaxed);
        let is_parked = self.id() > 0 && state >> PARKED & 0xff > 0;
        is_parked.then(|| stage_in(state))
    }

    /// The request that it serves, if any.
    pub(super) fn read(&self, epoch: Instant) -> Option<LiveReading> {
        (0..TRIES).find_map(|_| {
            let version = self.version.load(Acquire);
            let read = self.read_once(epoch);
            fence(Acquire);
            let is_whole = version.is_multiple_of(2) && self.version.load(Relaxed) == version;
            is_whole.then_some(read)
        })?
    }

    fn read_once(&self, epoch: Instant) -> Option<LiveReading> {
        let (id, state) = (self.id(), self.state.load(Relaxed));
        let began = self.began.load(Relaxed).checked_sub(1)?;
        let until = self.until.load(Relaxed);
        let awaited = WaitReason::ALL.get((state >> AWAITED & 0xff) as usize);
        let awaited = awaited.copied().unwrap_or_default();
        let waits = awaited != WaitReason::Nothing && until != NEVER;
        let at = |micros: u64| epoch + Duration::from_micros(micros);
        let attempt = (state >> ATTEMPT) as u16;
        (id > 0).then(|| LiveReading {
            id,
            client: self.client(),
            method: self.method.read(),
            target: self.target.read(),
            group: self.group.read(),
            backend: (attempt > 0).then(|| (self.host.read(), (state >> PORT) as u16)),
            attempt,
            stage: stage_in(state),
            awaited,
            began: at(began),
            until: waits.then(|| at(until)),
            received: self.received.load(Relaxed),
            sent: self.sent.load(Relaxed),
        })
    }

    fn client(&self) -> SocketAddr {
        let [high, low, port] = [0, 1, 2].map(|word| self.client[word].load(Relaxed));
        let bits = u128::from(high) << 64 | u128::from(low);
        let address = Ipv6Addr::from_bits(bits).to_canonical();
        SocketAddr::new(address, port as u16)
    }
}

fn stage_in(state: u64) -> LiveStage {
    let stage = LiveStage::ALL.get((state >> STAGE & 0xff) as usize);
    stage.copied().unwrap_or_default()
}
