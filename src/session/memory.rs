//! What a session holds while it waits, and its end when there is no memory left for that.
//!
//! Before it leaves the worker, for the lot or the channel, it gives all storage back; bytes that
//! it must keep move to blocks of its own, which count towards `--max-memory`. When they find no
//! room it is ended: with 503 if nothing of an answer was sent.

use super::{Outcome, Session, Stage, Step, after, read_head};
use crate::gate::memory::Purpose;
use crate::http::Refusal;
use crate::turn::Turn;

/// What a client is told whose request head finds no room.
const NO_MEMORY: Refusal = Refusal::with_status(503, "the balancer has no memory left for this");

impl Session {
    /// Gives back all storage, and moves what must be kept to blocks; returns whether there was
    /// memory for that.
    pub(super) fn settle(&mut self, turn: &mut Turn<'_>) -> bool {
        let exchange = match &self.stage {
            Stage::Exchange(exchange) => exchange.settled_bytes(),
            _ => 0,
        };
        let purpose = match self.stage {
            Stage::ReadHead(_) => Purpose::Head,
            Stage::Exchange(_) | Stage::Tunnel(_) | Stage::Linger(_) => Purpose::Exchange,
        };
        let bytes = self.client.settled_bytes() + exchange;
        self.place.hold(bytes, purpose) && self.settle_buffers(turn).is_ok()
    }

    fn settle_buffers(&mut self, turn: &mut Turn<'_>) -> std::io::Result<()> {
        self.client.settle(turn)?;
        match &mut self.stage {
            Stage::Exchange(exchange) => exchange.settle(turn),
            _ => Ok(()),
        }
    }

    /// There is no memory for what it would have to hold: what it does instead of waiting, if it
    /// can do anything.
    pub(super) fn run_out(&mut self, turn: &mut Turn<'_>) -> Option<Stage> {
        if let Some(count) = turn.context.gate.memory().refuse(turn.now()) {
            log::warn!(
                "No memory left for what clients send slowly or read slowly: {count} of them \
                 refused or cut (--max-memory)."
            );
        }
        let client = &mut self.client;
        let step = match &mut self.stage {
            Stage::ReadHead(_) => read_head::refuse(NO_MEMORY, client, turn),
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

    /// Gives back all storage of a session that is over.
    pub(super) fn close(&mut self, turn: &mut Turn<'_>) -> Outcome {
        let client = &mut self.client;
        client.inbound.clear();
        client.outbound.clear();
        client.inbound.release(turn.shelf);
        client.outbound.release(turn.shelf);
        Outcome::Close
    }
}
