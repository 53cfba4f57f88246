//! What others see of a session: where it stands when it is parked, and which request it serves. And how
//! an operator ends that request. Where nothing is to see it, a turn costs a branch.

use super::{ClientSession, Stage, Step, after};
use crate::exchange::client::Client;
use crate::exchange::shared::Turn;
use crate::exchange::wait_for::WaitFor;
use crate::metrics::live::slot::Standpoint;
use crate::metrics::live::{LiveStage, WaitReason};

impl ClientSession {
    /// The session has a turn: notes that, and ends the request if an operator has asked for it. Returns
    /// whether the session is over.
    pub(super) fn begin_seen_turn(&mut self, turn: &mut Turn<'_>) -> bool {
        let Some(observed) = &turn.shared.observed else {
            return false;
        };
        if self.client.live.is_none() {
            let id = self.client.number.into();
            let entered = observed.live.enter(id, self.client.address);
            self.client.live = entered.map(Box::new);
        }
        let Some(live) = &self.client.live else {
            return false;
        };
        if let Some(lane) = turn.lane {
            lane.serve(live.slot().id());
        }
        live.slot().resume() && self.end_request(turn)
    }

    /// Ends the request that it serves; returns whether the session is over.
    fn end_request(&mut self, turn: &mut Turn<'_>) -> bool {
        let client = &mut self.client;
        let step = match &mut self.stage {
            Stage::Exchange(exchange) => after(exchange.end_as_asked(client, turn), client),
            Stage::Tunnel(tunnel) => tunnel.cut(client),
            // It has ended meanwhile.
            Stage::ReadHead(_) | Stage::Linger(_) => return false,
        };
        log::warn!(
            "An operator has ended the request of {}.",
            self.client.address
        );
        match step {
            Step::Next(stage) => self.go_on_with(stage, turn),
            _ => return true,
        }
        false
    }

    /// The session is about to be parked, to wait for this.
    pub(super) fn note_wait(&self, waits_for: &WaitFor) {
        let Some(live) = &self.client.live else {
            return;
        };
        let at = |stage| Standpoint {
            stage,
            ..Standpoint::default()
        };
        let standpoint = match &self.stage {
            Stage::ReadHead(_) if self.client.inbound.is_empty() => at(LiveStage::Idle),
            Stage::ReadHead(_) => at(LiveStage::ReadingHead),
            Stage::Linger(_) => at(LiveStage::Closing),
            Stage::Tunnel(tunnel) => {
                let (received, sent) = tunnel.bytes();
                Standpoint {
                    stage: LiveStage::Tunnel,
                    awaited: WaitReason::TunnelBytes,
                    until: Some(live.micros(waits_for.deadline)),
                    received,
                    sent,
                }
            }
            Stage::Exchange(exchange) => {
                if let Some((name, attempts)) = exchange.attempted() {
                    live.slot().note_attempt(name.host(), name.port, attempts);
                }
                exchange.standpoint(waits_for, live)
            }
        };
        live.slot().park(standpoint);
    }

    /// Its request is over, unless it goes on as a tunnel.
    pub(super) fn note_end_of_request(&self) {
        if !matches!(self.stage, Stage::Tunnel(_)) {
            note_end(&self.client);
        }
    }

    /// Whether this is the session that is seen under this number.
    #[must_use]
    pub fn is_seen_as(&self, id: u64) -> bool {
        let live = self.client.live.as_ref();
        live.is_some_and(|live| live.slot().id() == id)
    }
}

fn note_end(client: &Client) {
    if let Some(live) = &client.live {
        live.slot().end_request();
    }
}
