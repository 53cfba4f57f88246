//! What a session holds while it is parked or queued, and its end when no memory is left for that.
//!
//! Before a session leaves its worker, it gives back the storage of its buffers. Bytes that it must
//! keep move to blocks of their size, which count towards `--max-memory`. If there is no room for
//! them, the session is ended: with a 503, if nothing of an answer was sent.

use super::{ClientSession, Stage, Step, after, own_reply};
use crate::engine::Outcome;
use crate::engine::memory::Claim;
use crate::exchange::shared::Turn;
use crate::http::Refusal;

/// The answer to a request head for which there is no memory.
const NO_MEMORY: Refusal = Refusal::with_status(503, "the balancer has no memory left for this");

impl ClientSession {
    /// Gives back the storage of its buffers, and moves the bytes in them to blocks; returns whether
    /// there was memory for that.
    pub(super) fn shrink(&mut self, turn: &mut Turn<'_>) -> bool {
        let exchange = match &self.stage {
            Stage::Exchange(exchange) => exchange.shrunk_bytes(),
            _ => 0,
        };
        let purpose = match self.stage {
            Stage::ReadHead(_) => Claim::New,
            Stage::Exchange(_) | Stage::Tunnel(_) | Stage::Linger(_) => Claim::UnderWay,
        };
        let bytes = self.client.shrunk_bytes() + exchange;
        self.permit.claim_memory(bytes, purpose) && self.shrink_buffers(turn).is_ok()
    }

    fn shrink_buffers(&mut self, turn: &mut Turn<'_>) -> std::io::Result<()> {
        self.client.shrink(turn)?;
        match &mut self.stage {
            Stage::Exchange(exchange) => exchange.shrink(turn),
            _ => Ok(()),
        }
    }

    /// There is no memory for what it would have to hold: returns the stage that follows instead of a
    /// wait, if there is one.
    pub(super) fn run_out(&mut self, turn: &mut Turn<'_>) -> Option<Stage> {
        if let Some(count) = turn.shared.connections.memory().refuse(turn.now()) {
            log::warn!(
                "No memory left for what clients send slowly or read slowly: {count} of them \
                 refused or cut (--max-memory)."
            );
        }
        let client = &mut self.client;
        let step = match &mut self.stage {
            Stage::ReadHead(_) => own_reply::refuse(NO_MEMORY, client, turn),
            Stage::Exchange(exchange) => after(exchange.run_out(client, turn), client),
            Stage::Tunnel(tunnel) => tunnel.cut(client),
            Stage::Linger(_) => Step::Close,
        };
        match step {
            Step::Next(Stage::Linger(linger)) => {
                // Nothing that came is read any more.
                client.inbound.clear();
                Some(Stage::Linger(linger))
            }
            _ => None,
        }
    }

    /// Gives back the storage of a session that is over.
    pub(super) fn close(&mut self, turn: &mut Turn<'_>) -> Outcome {
        let client = &mut self.client;
        turn.discard_buffer(&mut client.inbound);
        turn.discard_buffer(&mut client.outbound);
        Outcome::Close
    }
}
