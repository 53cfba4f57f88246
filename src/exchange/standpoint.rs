//! Where an exchange stands when it is parked, for those who look: in which stage, what it waits for and
//! until when. It follows from the exchange alone, so nothing is noted for it before.

use super::{Exchange, ExchangePhase};
use crate::backends::Name;
use crate::exchange::wait_for::WaitFor;
use crate::metrics::live::slot::Standpoint;
use crate::metrics::live::{LiveSession, LiveStage, WaitReason};
use crate::net::Interest;
use std::time::Instant;

impl Exchange {
    /// Where it stands, when it waits for this.
    #[must_use]
    pub fn standpoint(&self, wait_for: &WaitFor, live: &LiveSession) -> Standpoint {
        let (stage, awaited, until) = match &self.phase {
            ExchangePhase::Waiting => self.waits_for_backend(wait_for),
            ExchangePhase::Connecting(_, dial) => {
                (LiveStage::Connecting, WaitReason::Connection, dial.due())
            }
            ExchangePhase::Transferring(..) => {
                let (stage, awaited) = self.transfers(wait_for);
                (stage, awaited, self.timeout_at(stage, wait_for))
            }
        };
        let (received, sent) = self.bytes();
        Standpoint {
            stage,
            awaited,
            until: Some(live.micros(until)),
            received,
            sent,
        }
    }

    /// Bytes that have come from the backend, and gone there.
    #[must_use]
    pub fn bytes(&self) -> (u64, u64) {
        (self.answer.received, self.upload.total_sent())
    }

    /// The backend of the present attempt, and how many attempts there were with it.
    #[must_use]
    pub fn attempted(&self) -> Option<(&Name, u16)> {
        let name = self.attempt().map(|attempt| &attempt.backend.name)?;
        Some((name, self.listeners.measure().attempts()))
    }

    fn waits_for_backend(&self, wait_for: &WaitFor) -> (LiveStage, WaitReason, Instant) {
        let stage = LiveStage::Queued;
        if let Some(until) = self.queued_until() {
            return (stage, WaitReason::BackendRoom, until);
        }
        match self.held_until().filter(|_| !self.is_short(wait_for)) {
            Some(until) => (stage, WaitReason::BackendUp, until),
            None => (stage, WaitReason::DescriptorOrPort, wait_for.deadline),
        }
    }

    /// What the transfer waits for. What the client does not take comes first: nothing more is read for
    /// it.
    fn transfers(&self, wait_for: &WaitFor) -> (LiveStage, WaitReason) {
        let reads_client = wait_for.client.is_some_and(Interest::reads);
        let writes_client = wait_for.client.is_some_and(Interest::writes);
        let writes_backend = wait_for.backend.is_some_and(Interest::writes);
        if writes_client {
            return (LiveStage::SendingResponse, WaitReason::RoomAtClient);
        }
        if !self.answer.is_awaited() {
            return (LiveStage::SendingResponse, WaitReason::ResponseBody);
        }
        match (writes_backend, reads_client) {
            (true, _) => (LiveStage::SendingRequest, WaitReason::RoomAtBackend),
            (false, true) => (LiveStage::SendingRequest, WaitReason::RequestBody),
            (false, false) if self.answer.is_begun => {
                (LiveStage::WaitingForResponse, WaitReason::ResponseHead)
            }
            (false, false) => (LiveStage::WaitingForResponse, WaitReason::FirstByte),
        }
    }

    /// When the timeout passes that holds while nothing moves. The session may look before.
    fn timeout_at(&self, stage: LiveStage, wait_for: &WaitFor) -> Instant {
        let timeouts = &self.group.settings.timeouts;
        let timeout = match stage {
            LiveStage::WaitingForResponse => timeouts.response,
            _ => timeouts.body,
        };
        let since = self.timer.since();
        since.map_or(wait_for.deadline, |since| since + timeout)
    }
}
